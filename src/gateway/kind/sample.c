/* Chooses the texts of a request that the rules look at, and measures their form. What form means is decided in kind.c
 * and traits.c. */
#include "gateway/kind/sample.h"

#define HEAD_BYTES 2000
#define CODE_MIN_BYTES 30
#define OPEN_MIN_BYTES 12

void sample_take(const struct request *r, struct sample *ret)
{
    struct str system = {"", 0};
    ret->user = system;
    ret->user_turns = 0;
    for (int i = 0; i < r->n_messages; i++) {
        const struct chat_message *m = &r->messages[i];
        if (str_is(m->role, "user")) {
            ret->user = m->content;
            ret->user_turns++;
        } else if ((str_is(m->role, "system") || str_is(m->role, "developer")) && !system.n) {
            system = m->content;
        }
    }
    ret->user = str_trim(ret->user);
    ret->head = utf8_clip(ret->user, HEAD_BYTES);
    instruction_split(system, true, &ret->system);
    instruction_split(ret->user, false, &ret->said);
}

static bool contains(struct str text, const char *needle)
{
    return str_find(text, str_of(needle)) != SIZE_MAX;
}

bool sample_looks_like_code(const struct sample *s)
{
    struct str head = s->head;
    size_t marks = 0;
    for (size_t i = 0; i < head.n; i++)
        marks += head.p[i] && strchr("{};=<>[]()\\", head.p[i]);
    static const char *const signs[] = {
        "```", "#include", "def ", "();", "):\n", "function ", "SELECT ", "import ", NULL,
    };
    int seen = 0;
    for (int i = 0; signs[i]; i++)
        seen += contains(head, signs[i]);
    return head.n >= CODE_MIN_BYTES && marks >= 3 && (marks * 12 > head.n || (seen && marks * 32 > head.n));
}

bool sample_names_an_error(const struct sample *s)
{
    struct str head = s->head;
    static const char *const ends[] = {"Error", "Exception", NULL};
    for (int i = 0; ends[i]; i++) {
        size_t at = str_find(head, str_of(ends[i]));
        if (at != SIZE_MAX && at && head.p[at - 1] >= 'a' && head.p[at - 1] <= 'z')
            return true;
    }
    return false;
}

/* Words after which no sentence ends. */
static const char *const dangling[] = {
    "the",   "a",      "an",    "and",   "or",   "but",  "of",    "to",   "in",     "on",   "at",    "for",
    "with",  "by",     "from",  "that",  "which", "who", "is",    "are",  "was",    "were", "has",   "have",
    "had",   "will",   "would", "could", "can",  "not",  "if",    "because", "when", "while", "as",  "than",
    "my",    "your",   "his",   "her",   "their", "our", "its",   "i",    "we",     "he",   "she",   "they",
    "unfortunately", "however", "therefore", "should",   "der",   "die",  "das",    "und",  "oder",  "ein",
    "eine",  "ist",    "ich",   "wenn",  "weil", "dass", "auch",  "muss", "el",     "la",   "los",   "las",
    "y",     "que",    "un",    "una",   "es",   "de",   "le",    "les",  "et",     "je",   "une",   "il",
    "che",   "e",      "non",   "o",     "em",   "het",  "een",   "ik",   NULL,
};

static bool dangles(struct str text)
{
    for (int i = 0; dangling[i]; i++) {
        size_t n = strlen(dangling[i]);
        if (text.n > n && text.p[text.n - n - 1] == ' ' &&
            str_eq_nocase((struct str){text.p + text.n - n, n}, str_of(dangling[i])))
            return true;
    }
    return false;
}

int sample_ends_open(const struct sample *s)
{
    struct str text = s->user;
    if (text.n < OPEN_MIN_BYTES)
        return 0;
    unsigned char last = (unsigned char)text.p[text.n - 1];
    if (last == ',' || last == '(' || last == '{' || str_ends(text, STR("\xEF\xBC\x8C")) || dangles(text))
        return 2;
    return (last >= 'a' && last <= 'z') || str_ends(text, STR("...")) || str_ends(text, STR("\xE2\x80\xA6"));
}
