/* The reasoning section between two markers: only at the start of an answer, only once. The channels of gpt-oss are
 * channels.c's business. */
#include "runtime/reasoning.h"

#define PARTS_MAX_BYTES (64u << 20)

/* ---- parts ---- */

void text_parts_add(struct text_parts *p, enum answer_part part, struct str text)
{
    if (text.n == 0)
        return;
    if (p->n == 0 || (p->runs[p->n - 1].part != part && p->n < TEXT_PARTS_MAX_RUNS)) {
        p->runs[p->n].part = part;
        p->runs[p->n++].n = 0;
    }
    p->runs[p->n - 1].n += text.n;
    if (p->text.ceiling == 0)
        p->text = BUF_INIT(PARTS_MAX_BYTES);
    buf_str(&p->text, text);
}

bool text_parts_first(const struct text_parts *p, enum answer_part *ret_part, struct str *ret_text)
{
    if (p->n == 0 || !buf_ok(&p->text))
        return false;
    *ret_part = p->runs[0].part;
    *ret_text = (struct str){p->text.p, p->runs[0].n};
    return true;
}

void text_parts_drop(struct text_parts *p)
{
    buf_drop(&p->text, p->runs[0].n);
    p->n--;
    memmove(&p->runs[0], &p->runs[1], (size_t)p->n * sizeof p->runs[0]);
}

/* ---- formats ---- */

struct reasoning_format {
    const char *mark;                   /* in the template */
    const char *open, *close;           /* NULL: channels */
    const char *answer_open, *answer_close;   /* around the answer behind the section, where a family has them */
};

/* First match wins. */
static const struct reasoning_format formats[] = {
    {"<|channel|>", NULL, NULL, NULL, NULL},
    {"<|channel>thought", "<|channel>thought", "<channel|>", NULL, NULL},
    {"[/THINK]", "[THINK]", "[/THINK]", NULL, NULL},
    {"<response></response>", "<think>", "</think>", "<response>", "</response>"},
    {"<think>", "<think>", "</think>", NULL, NULL},
    {"</think>", "<think>", "</think>", NULL, NULL},
    {"<seed:think>", "<seed:think>", "</seed:think>", NULL, NULL},
    {"<mm:think>", "<mm:think>", "</mm:think>", NULL, NULL},
    {"<|START_THINKING|>", "<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>"},
    {"<|inner_prefix|>", "<|inner_prefix|>", "<|inner_suffix|>", NULL, NULL},
    {"[BEGIN FINAL RESPONSE]", "Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]", NULL, "[END FINAL RESPONSE]"},
    {"Here is my thought process:", "Here is my thought process:", "Here is my response:", NULL, NULL},
};

const struct reasoning_format *reasoning_detect(struct str template_source)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (str_find(template_source, str_of(formats[i].mark)) != SIZE_MAX &&
            (formats[i].open || str_find(template_source, STR("<|message|>")) != SIZE_MAX))
            return &formats[i];
    return NULL;
}

bool reasoning_marker(const struct reasoning_format *f, struct str name)
{
    if (!f)
        return false;
    if (!f->open)
        return channels_marker(name);
    const char *const words[] = {f->open, f->close, f->answer_open, f->answer_close};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i] && name.n > 1 && str_find(str_of(words[i]), name) != SIZE_MAX)
            return true;
    return false;
}

bool reasoning_in_channels(const struct reasoning_format *f)
{
    return !f->open;
}

bool reasoning_opened(const struct reasoning_format *f, struct str prompt)
{
    return f && f->open && str_ends(str_trim(prompt), str_of(f->open));
}

/* ---- splitting ---- */

void reasoning_open(struct reasoning *r, const struct reasoning_format *f, bool inside)
{
    *r = (struct reasoning){.format = f, .held = BUF_INIT(PARTS_MAX_BYTES), .trim = inside};
    if (!f)
        r->state = REASONING_OVER;
    else if (!f->open)
        r->state = CHANNEL_START;
    else
        r->state = inside ? REASONING_INSIDE : REASONING_POSSIBLE;
}

void reasoning_close(struct reasoning *r)
{
    buf_free(&r->held);
}

static bool is_white(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void drop_white(struct reasoning *r)
{
    size_t n = 0;
    while (n < r->held.n && is_white(r->held.p[n]))
        n++;
    buf_drop(&r->held, n);
    r->trim = r->trim && r->held.n == 0;
}

/* The first n bytes of what is held to their part. */
static void give(struct reasoning *r, enum answer_part part, size_t n, struct text_parts *out)
{
    text_parts_add(out, part, (struct str){r->held.p, n});
    buf_drop(&r->held, n);
}

/* Bytes at the end of s that begin the word. */
static size_t open_end(struct str s, struct str word)
{
    for (size_t n = s.n < word.n ? s.n : word.n - 1; n > 0; n--)
        if (str_starts(word, (struct str){s.p + s.n - n, n}))
            return n;
    return 0;
}

/* Gives text of a part up to the word that ends it, which is dropped with the white space in front of it. true when the
 * word came. */
static bool give_until(struct reasoning *r, enum answer_part part, struct str word, bool ended, struct text_parts *out)
{
    struct str held = buf_view(&r->held);
    size_t at = str_find(held, word);
    size_t certain = at != SIZE_MAX ? at : ended ? held.n : held.n - open_end(held, word);
    size_t end = certain;
    while ((at != SIZE_MAX || !ended) && end > 0 && is_white(held.p[end - 1]) &&
           certain - end < REASONING_MAX_HELD_BYTES)
        end--;
    give(r, part, end, out);
    if (at != SIZE_MAX)
        buf_drop(&r->held, certain - end + word.n);
    return at != SIZE_MAX;
}

/* What the text behind white space has of a word: the bytes up to its end, 0 when it is not there, SIZE_MAX when it may
 * still come. */
static size_t leading_word(const struct reasoning *r, const char *word, bool ended)
{
    size_t white = 0, n = strlen(word);
    while (white < r->held.n && is_white(r->held.p[white]))
        white++;
    struct str rest = {buf_view(&r->held).p + white, r->held.n - white};
    if (str_starts(rest, str_of(word)))
        return white + n;
    return !ended && white < REASONING_MAX_HELD_BYTES && str_starts(str_of(word), rest) ? SIZE_MAX : 0;
}

static bool add_possible(struct reasoning *r, bool ended)
{
    size_t n = leading_word(r, r->format->open, ended);
    if (n == SIZE_MAX)
        return false;
    buf_drop(&r->held, n);
    r->trim = n > 0;
    r->state = n > 0 ? REASONING_INSIDE : REASONING_OVER;
    return true;
}

/* Between the section and the answer. */
static bool add_leaving(struct reasoning *r, bool ended)
{
    size_t n = r->format->answer_open ? leading_word(r, r->format->answer_open, ended) : 0;
    if (n == SIZE_MAX)
        return false;
    buf_drop(&r->held, n);
    r->trim = true;
    r->state = REASONING_OVER;
    return true;
}

/* One state's work; true when the next state may go on. */
static bool tags_step(struct reasoning *r, bool ended, struct text_parts *out)
{
    const char *close = r->format ? r->format->answer_close : NULL;
    if (r->trim)
        drop_white(r);
    switch (r->state) {
    case REASONING_POSSIBLE: return add_possible(r, ended);
    case REASONING_LEAVING: return add_leaving(r, ended);
    case REASONING_INSIDE:
        if (!give_until(r, PART_REASONING, str_of(r->format->close), ended, out))
            return false;
        r->state = REASONING_LEAVING;
        r->trim = true;
        return true;
    default:
        if (close)
            return give_until(r, PART_ANSWER, str_of(close), ended, out) && r->held.n > 0;
        give(r, PART_ANSWER, r->held.n, out);
        return false;
    }
}

static void add(struct reasoning *r, struct str text, bool ended, struct text_parts *out)
{
    buf_str(&r->held, text);
    if (r->held.n == 0 || !buf_ok(&r->held))
        return;
    if (r->state >= CHANNEL_START) {
        channels_add(r, ended, out);
        return;
    }
    while (tags_step(r, ended, out))
        ;
}

void reasoning_add(struct reasoning *r, struct str text, struct text_parts *out)
{
    add(r, text, false, out);
}

void reasoning_end(struct reasoning *r, struct text_parts *out)
{
    add(r, STR(""), true, out);
}

bool reasoning_inside(const struct reasoning *r)
{
    return r->state == REASONING_INSIDE || (r->state == CHANNEL_BODY && r->part == PART_REASONING);
}

bool reasoning_undecided(const struct reasoning *r)
{
    return (r->state == REASONING_POSSIBLE && str_trim(buf_view(&r->held)).n > 0) || r->state == CHANNEL_START ||
           r->state == CHANNEL_HEADER || r->state == CHANNEL_BETWEEN;
}

/* ---- for rules ---- */

enum answer_phase reasoning_phase(const struct reasoning *r)
{
    switch (r->state) {
    case REASONING_POSSIBLE: return PHASE_POSSIBLE;
    case REASONING_INSIDE: return PHASE_REASONING;
    case REASONING_LEAVING: return PHASE_LEAD;
    case REASONING_OVER: return r->trim ? PHASE_LEAD : PHASE_ANSWER;
    default: return channels_phase(r);
    }
}

void reasoning_settle(struct reasoning *r)
{
    if (r->state < CHANNEL_START)
        r->state = REASONING_OVER;
    r->trim = false;
}

struct str reasoning_opener(const struct reasoning_format *f, bool whole)
{
    return f->open ? str_of(f->open) : channels_opener(whole);
}

struct str reasoning_lead(const struct reasoning_format *f)
{
    return f->open ? STR("") : channels_lead();
}

bool reasoning_may_end_in(const struct reasoning_format *f, struct str piece)
{
    size_t n = f->close ? strlen(f->close) : 0;
    return n > 0 && memchr(piece.p, f->close[n - 1], piece.n) != NULL;
}
