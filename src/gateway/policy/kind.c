/* Kind and traits of a request, by rules: weighted cues (cues.c) over the places where people put instructions - the
 * system prompt's head, the last user message's head and tail - and a few marks of form. The middle of a long text is
 * matter, not instruction. */
#include "gateway/policy/kind.h"

#include "gateway/policy/cues.h"
#include "gateway/policy/language.h"

#define SYSTEM_HEAD_BYTES 800
#define USER_HEAD_BYTES 700
#define USER_TAIL_BYTES 300
#define FOLDED_BYTES 2048
#define KIND_MIN_SCORE 3
#define TRAIT_MIN_SCORE 5
#define LONG_CONTEXT_TOKENS 128000
#define LONG_MESSAGE_BYTES 500
#define INTERACTIVE_TURNS 6
#define LARGE_CODE_BYTES 40000

const char *const kind_names[KIND_COUNT + 1] = {"classify", "extract", "summarize", "route",      "rewrite",
                                                "qa",       "code",    "complete",  "open_ended", "unknown"};
const char *const trait_names[TRAIT_COUNT + 1] = {"reasoning",  "language",    "large_codebase", "world_knowledge",
                                                  "multi_tool", "interactive", "long_context",   NULL};

bool kind_from_name(struct str name, enum task_kind *ret)
{
    for (int k = 0; k < KIND_COUNT; k++) {
        if (str_is(name, kind_names[k])) {
            *ret = (enum task_kind)k;
            return true;
        }
    }
    return false;
}

bool trait_from_name(struct str name, enum trait *ret)
{
    for (int t = 0; t < TRAIT_COUNT; t++) {
        if (str_is(name, trait_names[t])) {
            *ret = (enum trait)t;
            return true;
        }
    }
    return false;
}

/* ---- the texts that rules look at ---- */
struct sample {
    struct str user; /* the last user message, whole */
    int user_turns;
    char system[FOLDED_BYTES]; /* folded, see cues.h */
    char head[FOLDED_BYTES], tail[FOLDED_BYTES];
};

static void take_sample(const struct request *r, struct sample *s)
{
    struct str system = {0};
    *s = (struct sample){0};
    for (int i = 0; i < r->n_messages; i++) {
        const struct chat_message *m = &r->messages[i];
        if (str_is(m->role, "user")) {
            s->user = m->content;
            s->user_turns++;
        } else if (str_is(m->role, "system") && !system.n) {
            system = m->content;
        }
    }
    struct str user = str_trim(s->user), head = utf8_clip(user, USER_HEAD_BYTES), tail = {"", 0};
    if (user.n > head.n) {
        size_t n = user.n - head.n < USER_TAIL_BYTES ? user.n - head.n : USER_TAIL_BYTES;
        tail = (struct str){user.p + user.n - n, n};
    }
    cue_fold(utf8_clip(system, SYSTEM_HEAD_BYTES), s->system, sizeof s->system);
    cue_fold(head, s->head, sizeof s->head);
    cue_fold(tail, s->tail, sizeof s->tail);
}

/* ---- kind ---- */
static bool contains(struct str text, const char *needle)
{
    return str_find(text, str_of(needle)) != SIZE_MAX;
}

/* Share of characters that prose hardly uses, in the first bytes: braces, semicolons, angle brackets, operators. */
static bool looks_like_code(struct str text)
{
    struct str head = {text.p, text.n < 2000 ? text.n : 2000};
    int64_t marks = 0;
    for (size_t i = 0; i < head.n; i++)
        marks += strchr("{};=<>[]_\\", head.p[i]) && head.p[i] ? 1 : 0;
    return contains(head, "```") || contains(head, "#include") || (head.n >= 40 && marks * 16 > (int64_t)head.n);
}

static bool ends_open(struct str text)
{
    text = str_trim(text);
    if (text.n < 12)
        return false;
    unsigned char last = (unsigned char)text.p[text.n - 1];
    return (last >= 'a' && last <= 'z') || last == ',' || last == '(' || last == '{' || str_ends(text, STR("...")) ||
           str_ends(text, STR("\xE2\x80\xA6"));
}

static void score_form(const struct sample *s, int *score)
{
    struct str user = str_trim(s->user);
    struct str tail = {user.p + (user.n > 400 ? user.n - 400 : 0), user.n > 400 ? 400 : user.n};
    bool asks = user.n && (user.p[user.n - 1] == '?' || str_ends(user, STR("\xEF\xBC\x9F")));
    if (looks_like_code(user))
        score[KIND_CODE] += 4;
    if (contains(user, "___") || contains(user, "<fim") || contains(user, "[MASK]"))
        score[KIND_COMPLETE] += 7;
    if (asks)
        score[KIND_QA] += 3;
    if (user.n > LONG_MESSAGE_BYTES && memchr(tail.p, '?', tail.n))
        score[KIND_QA] += 2;
}

static enum task_kind decide_kind(const struct sample *s, const char **ret_why)
{
    int score[KIND_COUNT] = {0}, strongest[KIND_COUNT] = {0};
    const char *cue_of[KIND_COUNT] = {0};
    for (const struct cue *c = kind_cues; c->phrase; c++) {
        if (cue_found(s->head, c->phrase) || cue_found(s->system, c->phrase) || cue_found(s->tail, c->phrase)) {
            score[c->what] += c->weight;
            if (c->weight > strongest[c->what]) {
                strongest[c->what] = c->weight;
                cue_of[c->what] = c->phrase;
            }
        }
    }
    score_form(s, score);
    int best = KIND_COUNT, best_score = KIND_MIN_SCORE - 1;
    for (int k = 0; k < KIND_COUNT; k++) {
        if (score[k] > best_score) {
            best = k;
            best_score = score[k];
        }
    }
    if (best == KIND_COUNT && ends_open(s->user)) {
        *ret_why = "ends in the middle of a sentence";
        return KIND_COMPLETE;
    }
    *ret_why = best == KIND_COUNT ? "no rule speaks" : cue_of[best] ? cue_of[best] : "its form";
    return (enum task_kind)best;
}

/* ---- traits ---- */
static int count_numbers(struct str text)
{
    int n = 0;
    bool inside = false;
    for (size_t i = 0; i < text.n && i < 2000; i++) {
        bool digit = text.p[i] >= '0' && text.p[i] <= '9';
        n += digit && !inside;
        inside = digit;
    }
    return n;
}

static unsigned decide_traits(const struct sample *s, const struct request *r, enum task_kind kind, int64_t tokens)
{
    int score[TRAIT_COUNT] = {0};
    unsigned traits = 0;
    for (const struct cue *c = trait_cues; c->phrase; c++) {
        if (cue_found(s->head, c->phrase) || cue_found(s->tail, c->phrase))
            score[c->what] += c->weight;
    }
    bool narrow = kind == KIND_CLASSIFY || kind == KIND_EXTRACT || kind == KIND_ROUTE || kind == KIND_SUMMARIZE ||
                  kind == KIND_REWRITE;
    if (count_numbers(s->user) >= 3 && score[TRAIT_REASONING] > 0)
        score[TRAIT_REASONING] += 3;
    if (narrow)
        score[TRAIT_REASONING] = 0;
    /* With the text at hand, or a task on it, the world need not be known. */
    if (narrow || kind == KIND_CODE || s->user.n > LONG_MESSAGE_BYTES)
        score[TRAIT_WORLD_KNOWLEDGE] = 0;
    if (kind == KIND_CODE && s->user.n > LARGE_CODE_BYTES)
        score[TRAIT_LARGE_CODEBASE] += TRAIT_MIN_SCORE;
    if (r->n_tools >= 2)
        score[TRAIT_MULTI_TOOL] += TRAIT_MIN_SCORE;
    if (s->user_turns >= INTERACTIVE_TURNS)
        score[TRAIT_INTERACTIVE] += TRAIT_MIN_SCORE;
    if (language_is_other(utf8_clip(s->user, USER_HEAD_BYTES), s->head))
        score[TRAIT_LANGUAGE] += TRAIT_MIN_SCORE;
    if (tokens > LONG_CONTEXT_TOKENS)
        score[TRAIT_LONG_CONTEXT] += TRAIT_MIN_SCORE;
    for (int t = 0; t < TRAIT_COUNT; t++)
        traits |= score[t] >= TRAIT_MIN_SCORE ? TRAIT_BIT(t) : 0;
    return traits;
}

void kind_analyse(const struct request *r, int64_t approx_tokens, struct analysis *ret)
{
    struct sample s;
    take_sample(r, &s);
    if (r->kind_given) {
        ret->kind = r->kind;
        ret->why = "metadata.kind";
    } else {
        ret->kind = decide_kind(&s, &ret->why);
    }
    ret->traits = decide_traits(&s, r, ret->kind, approx_tokens);
}

int64_t kind_estimate_tokens(const struct request *r)
{
    int64_t quarters = 0; /* of a token */
    for (int i = 0; i < r->n_messages; i++) {
        struct str text = r->messages[i].content;
        int64_t wide = 0, bytes = (int64_t)text.n;
        for (size_t b = 0; b < text.n; b++) {
            if ((unsigned char)text.p[b] >= 0xE3 &&
                (unsigned char)text.p[b] <= 0xED) /* leads CJK, kana, Hangul: 3 bytes */
                wide++;
        }
        quarters += (bytes - 3 * wide) + wide * 8 / 3 + 16; /* 16: the template around a message */
    }
    return (quarters + 3) / 4;
}
