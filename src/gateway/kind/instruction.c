/* One walk over the head of a text that parts instruction from matter and folds both; another folds the last
 * paragraph. It knows punctuation only: what the words mean is for the cues. */
#include "gateway/kind/instruction.h"

#define FENCE "```"
#define END_OF_SENTENCE '|'

enum zone {
    ZONE_FIRST,
    ZONE_REST,
    ZONE_MATTER,
    ZONES,
};

/* ---- folding ---- */
struct fold {
    char *out;
    size_t n;
};

static void fold_start(struct fold *f, char *out)
{
    *f = (struct fold){out, 1};
    out[0] = ' ';
    out[1] = 0;
}

static void fold_space(struct fold *f)
{
    if (f->out[f->n - 1] != ' ' && f->n < FOLDED_BYTES - 1)
        f->out[f->n++] = ' ';
}

static void fold_end_of_sentence(struct fold *f)
{
    fold_space(f);
    if (f->n > 1 && f->n < FOLDED_BYTES - 3 && f->out[f->n - 2] != END_OF_SENTENCE) {
        f->out[f->n++] = END_OF_SENTENCE;
        f->out[f->n++] = ' ';
    }
}

static bool is_letter_or_digit(uint32_t cp)
{
    if (cp < 0x80)
        return (cp >= '0' && cp <= '9') || ((cp | 0x20) >= 'a' && (cp | 0x20) <= 'z');
    if (cp < 0xC0 || cp == UTF8_BAD || cp == 0x61F || cp == 0x60C)
        return false;
    return !((cp >= 0x2000 && cp <= 0x206F) || (cp >= 0x3000 && cp <= 0x303F) || (cp >= 0xFF00 && cp <= 0xFF20));
}

/* Latin-1, Latin Extended-A and Cyrillic; the cues need no other. */
static uint32_t lower(uint32_t cp)
{
    if ((cp >= 'A' && cp <= 'Z') || (cp >= 0xC0 && cp <= 0xDE && cp != 0xD7) || (cp >= 0x410 && cp <= 0x42F))
        return cp + 0x20;
    if (cp >= 0x400 && cp <= 0x40F)
        return cp + 0x50;
    bool even_is_upper = (cp >= 0x100 && cp <= 0x137) || (cp >= 0x14A && cp <= 0x177);
    bool odd_is_upper = (cp >= 0x139 && cp <= 0x148) || (cp >= 0x179 && cp <= 0x17E);
    if (cp == 0x130)
        return 'i';
    return (even_is_upper && cp % 2 == 0) || (odd_is_upper && cp % 2 == 1) ? cp + 1 : cp;
}

static void fold_letter(struct fold *f, uint32_t cp)
{
    char utf8[4];
    int n = utf8_encode(lower(cp), utf8);
    if (f->n + (size_t)n >= FOLDED_BYTES - 1)
        return;
    memcpy(f->out + f->n, utf8, (size_t)n);
    f->n += (size_t)n;
}

static bool is_apostrophe(uint32_t cp)
{
    return cp == '\'' || cp == 0x2019;
}

static bool ends_sentence(struct str text, size_t next, uint32_t cp)
{
    if (cp == 0x3002 || cp == 0xFF1F || cp == 0xFF01 || cp == 0x61F)
        return true;
    bool mark = cp == '.' || cp == '!' || cp == '?' || cp == ';' || cp == 0x2026;
    return mark && (next >= text.n || strchr(" \n\r\t\")'", text.p[next]));
}

static uint32_t char_at(struct str text, size_t at)
{
    int len;
    return at < text.n ? utf8_decode(text, at, &len) : ' ';
}

/* Fold the character at *at and step over it. */
static void fold_next(struct fold *f, struct str text, size_t *at)
{
    int len;
    uint32_t cp = utf8_decode(text, *at, &len);
    size_t next = *at + (size_t)len;
    bool inner = f->out[f->n - 1] != ' ' && is_letter_or_digit(char_at(text, next));
    if (is_letter_or_digit(cp))
        fold_letter(f, cp);
    else if (is_apostrophe(cp) && inner)
        fold_letter(f, '\'');
    else if (cp == '\n' || ends_sentence(text, next, cp))
        fold_end_of_sentence(f);
    else
        fold_space(f);
    *at = next;
}

static void fold_finish(struct fold *f)
{
    fold_space(f);
    f->out[f->n] = 0;
}

static void fold_all(struct str text, struct fold *f)
{
    for (size_t at = 0; at < text.n;)
        fold_next(f, text, &at);
}

/* ---- where the matter is ---- */
static const struct quotes {
    const char *open, *close;
} quotes[] = {
    {"\"", "\""},
    {"\xC2\xAB", "\xC2\xBB"},         /* guillemets, both ways round */
    {"\xC2\xBB", "\xC2\xAB"},
    {"\xE2\x80\x9E", "\xE2\x80\x9C"}, /* low and high double */
    {"\xE2\x80\x9E", "\xE2\x80\x9D"},
    {"\xE2\x80\x9C", "\xE2\x80\x9D"}, /* high double */
    {"\xE3\x80\x8C", "\xE3\x80\x8D"}, /* corner brackets */
    {FENCE, FENCE},
    {NULL, NULL},
};

static struct str from(struct str text, size_t at)
{
    return (struct str){text.p + at, text.n - at};
}

/* A ' opens a quotation before a word and after anything but one; it closes after the next word that ends so. */
static bool single_quoted(struct str text, size_t at, size_t *ret_end)
{
    if (text.p[at] != '\'' || (at && is_letter_or_digit(char_at(text, at - 1))) ||
        !is_letter_or_digit(char_at(text, at + 1)))
        return false;
    for (size_t i = at + 2; i < text.n; i++) {
        if (text.p[i] == '\'' && text.p[i - 1] != ' ' && !is_letter_or_digit(char_at(text, i + 1))) {
            *ret_end = i + 1;
            return true;
        }
    }
    return false;
}

/* Does a quotation or code block begin at this place, and where does it end? One that nobody closes ends with the
 * text. */
static bool quoted(struct str text, size_t at, size_t *ret_end)
{
    bool opens = false;
    for (int i = 0; quotes[i].open; i++) {
        if (!str_starts(from(text, at), str_of(quotes[i].open)))
            continue;
        size_t inside = at + strlen(quotes[i].open), close = str_find(from(text, inside), str_of(quotes[i].close));
        opens = true;
        *ret_end = text.n;
        if (close != SIZE_MAX) {
            *ret_end = inside + close + strlen(quotes[i].close);
            break;
        }
    }
    return opens || single_quoted(text, at, ret_end);
}

static bool begins_list_item(struct str line)
{
    line = str_trim(line);
    size_t digits = 0;
    while (digits < line.n && line.p[digits] >= '0' && line.p[digits] <= '9')
        digits++;
    if (digits && digits + 1 < line.n)
        return line.p[digits] == '.' || line.p[digits] == ')';
    return line.n > 1 && strchr("-*", line.p[0]) && line.p[1] == ' ';
}

/* Is what follows this character matter? */
static bool matter_follows(struct str text, size_t at, bool lines_instruct)
{
    struct str after = from(text, at);
    if (str_starts(after, STR("\xEF\xBC\x9A")))
        return true;
    if (after.p[0] == ':')
        return after.n > 1 && strchr(" \n\r\t\"'", after.p[1]);
    if (after.p[0] != '\n' || lines_instruct)
        return false;
    return str_starts(after, STR("\n\n")) || str_starts(after, STR("\n\r\n")) || begins_list_item(after);
}

static void split_head(struct str head, bool lines_instruct, struct fold *folds, struct instruction *ret)
{
    enum zone zone = ZONE_FIRST;
    for (size_t at = 0, end; at < head.n;) {
        if (quoted(head, at, &end)) {
            fold_space(&folds[zone]);
            fold_all((struct str){head.p + at, end - at}, &folds[ZONE_MATTER]);
            fold_end_of_sentence(&folds[ZONE_MATTER]);
            at = end;
            continue;
        }
        bool said = folds[ZONE_FIRST].n > 1;
        if (zone != ZONE_MATTER && (said || head.p[at] == ':') && matter_follows(head, at, lines_instruct))
            zone = ZONE_MATTER;
        else if (zone == ZONE_MATTER && lines_instruct && head.p[at] == '\n')
            zone = ZONE_REST;
        uint32_t cp = char_at(head, at);
        if (zone != ZONE_MATTER && (cp == '?' || cp == 0xFF1F || cp == 0x61F))
            ret->asks = true;
        size_t was = folds[zone].n;
        fold_next(&folds[zone], head, &at);
        if (zone == ZONE_FIRST && folds[zone].n > was && folds[zone].out[folds[zone].n - 2] == END_OF_SENTENCE)
            zone = ZONE_REST;
    }
}

static struct str last_paragraph(struct str text)
{
    size_t n = text.n < INSTRUCTION_TAIL_BYTES ? text.n : INSTRUCTION_TAIL_BYTES;
    struct str tail = {text.p + text.n - n, n};
    bool several = text.n > INSTRUCTION_HEAD_BYTES;
    for (size_t blank; (blank = str_find(tail, STR("\n\n"))) != SIZE_MAX; several = true)
        tail = from(tail, blank + 2);
    return several ? tail : (struct str){"", 0};
}

void instruction_split(struct str text, bool lines_instruct, struct instruction *ret)
{
    struct fold folds[ZONES], tail;
    text = str_trim(text);
    ret->asks = false;
    fold_start(&folds[ZONE_FIRST], ret->first);
    fold_start(&folds[ZONE_REST], ret->rest);
    fold_start(&folds[ZONE_MATTER], ret->matter);
    fold_start(&tail, ret->tail);
    split_head(utf8_clip(text, INSTRUCTION_HEAD_BYTES), lines_instruct, folds, ret);
    fold_all(last_paragraph(text), &tail);
    for (int z = 0; z < ZONES; z++)
        fold_finish(&folds[z]);
    fold_finish(&tail);
    ret->has_matter = folds[ZONE_MATTER].n > 2;
}
