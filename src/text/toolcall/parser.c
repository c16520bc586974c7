/* The parser of tool calls between its calls: it looks for leads in text, skips what stands between calls, and hands a
 * call to the body of its family. Input that is not spoken for is kept, so that what turns out to be no call comes out
 * as the text it was. What a call looks like inside is the business of the bodies; which words a family uses stands in
 * syntax.c. */
#include "text/toolcall/parser.h"

#include <stdlib.h>

#define PARSER_MAX_BYTES (8u << 20)       /* of input at once, and of what comes out of it */
#define PARSER_MAX_WHITE_BYTES 4096       /* held back in front of a lead that may come */

/* ---- birth and death ---- */

bool toolcall_open(const struct toolcall_syntax *s, const json_t *tools, uint64_t seed, struct toolcall_parser **ret,
                   struct err *err)
{
    struct toolcall_parser *p = calloc(1, sizeof *p);
    json_t *copy = json_deep_copy(tools);
    if (!p || !copy) {
        free(p);
        json_decref(copy);
        return err_nomem(err, "the parser of tool calls");
    }
    p->syntax = s;
    p->tools = copy;
    p->seed = seed;
    p->in = p->text = p->bytes = BUF_INIT(PARSER_MAX_BYTES);
    p->first = p->fresh = true;
    *ret = p;
    return true;
}

void toolcall_close(struct toolcall_parser *p)
{
    if (!p)
        return;
    json_decref(p->tools);
    buf_free(&p->in);
    buf_free(&p->text);
    buf_free(&p->bytes);
    free(p);
}

/* ---- words ---- */

enum match word_match(const struct toolcall_parser *p, const char *word)
{
    size_t left = p->in.n - p->at, n = strlen(word);
    if (left == 0)
        return MATCH_PART;
    if (memcmp(p->in.p + p->at, word, left < n ? left : n) != 0)
        return MATCH_NONE;
    return left < n ? MATCH_PART : MATCH_WHOLE;
}

struct str word_since(const struct toolcall_parser *p, size_t at)
{
    return (struct str){p->in.p + p->from + at, p->at - p->from - at};
}

/* The longest of the words that stands here, into *ret_n its bytes; first of all, whether a longer one still may. */
static enum match match_any(const struct toolcall_parser *p, const char *const words[SYNTAX_MAX_WORDS], bool ended,
                            size_t *ret_n)
{
    enum match best = MATCH_NONE;
    for (int i = 0; i < SYNTAX_MAX_WORDS && words[i]; i++) {
        enum match m = word_match(p, words[i]);
        size_t n = strlen(words[i]);
        if (m == MATCH_PART && !ended)
            return m;
        if (m == MATCH_WHOLE && (best == MATCH_NONE || n > *ret_n)) {
            best = m;
            *ret_n = n;
        }
    }
    return best;
}

/* ---- what comes out ---- */

/* Everything up to `end` is text. */
static void give_text(struct toolcall_parser *p, size_t end)
{
    struct str text = {p->in.p + p->from, end - p->from};
    if (str_trim(text).n > 0)
        p->first = false;
    buf_str(&p->text, text);
    p->from = end;
}

const json_t *call_tool(const struct toolcall_parser *p, struct str name)
{
    size_t i;
    json_t *tool;
    json_array_foreach(p->tools, i, tool) {
        json_t *function = json_object_get(tool, "function");
        const char *known = json_string_value(json_object_get(function, "name"));
        if (known && str_is(name, known))
            return function;
    }
    return NULL;
}

bool call_open(struct toolcall_parser *p, struct str name, struct str id)
{
    char made[TOOLCALL_ID_BYTES];
    if (p->n_calls == TOOLCALL_MAX_CALLS || name.n > TOOLCALL_MAX_NAME_BYTES || !call_tool(p, name))
        return false;
    if (id.n == 0) {
        toolcall_make_id(p->syntax, p->seed, p->n_calls, made);
        id = str_of(made);
    }
    p->deltas[p->n_deltas].index = p->n_calls++;
    p->sizes[p->n_deltas].id = id.n;
    p->sizes[p->n_deltas].name = name.n;
    p->sizes[p->n_deltas++].arguments = 0;
    buf_str(&p->bytes, id);
    buf_str(&p->bytes, name);
    p->open = true;
    return true;
}

/* The bytes with what no JSON string may hold as it stands written as an escape. */
static void add_escaped(struct toolcall_parser *p, struct str bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char c = (unsigned char)bytes.p[i];
        if (p->in_string && c < 0x20)
            buf_printf(&p->bytes, "\\u%04x", c);
        else
            buf_char(&p->bytes, (char)c);
        if (p->escaped)
            p->escaped = false;
        else if (p->in_string && c == '\\')
            p->escaped = true;
        else if (c == '"')
            p->in_string = !p->in_string;
    }
}

bool call_arguments(struct toolcall_parser *p, struct str bytes)
{
    if (bytes.n > TOOLCALL_MAX_ARGUMENT_BYTES - p->n_arguments)
        return false;
    p->n_arguments += bytes.n;
    int index = p->n_calls - 1;
    if (p->n_deltas == 0 || p->deltas[p->n_deltas - 1].index != index) {
        p->deltas[p->n_deltas].index = index;
        p->sizes[p->n_deltas].id = p->sizes[p->n_deltas].name = p->sizes[p->n_deltas].arguments = 0;
        p->n_deltas++;
    }
    size_t before = p->bytes.n;
    add_escaped(p, bytes);
    p->sizes[p->n_deltas - 1].arguments += p->bytes.n - before;
    return true;
}

/* ---- the three states; each is true when it made a step, false when it must wait for input ---- */

static bool enter_gap(struct toolcall_parser *p, size_t lead_bytes)
{
    p->at += lead_bytes;
    p->lead_n = p->at - p->from;
    p->lead = p->fresh = true;
    p->state = IN_GAP;
    return true;
}

/* Trailing white space waits with the beginning of a lead: in front of a call it is none of the answer. */
static bool in_text(struct toolcall_parser *p, bool ended)
{
    size_t n = 0;
    enum match m = MATCH_NONE;
    for (p->at = p->from; p->at < p->in.n; p->at++) {
        m = match_any(p, p->syntax->leads, ended, &n);
        if (m != MATCH_NONE)
            break;
        if (p->syntax->bare && p->first && !white(p->in.p[p->at])) {
            if (p->in.p[p->at] == '{') {
                m = MATCH_WHOLE;
                n = 0;
                break;
            }
            p->first = false;
        }
    }
    size_t certain = p->at;
    if (!ended || m == MATCH_WHOLE) {
        while (certain > p->from && white(p->in.p[certain - 1]) && p->at - certain < PARSER_MAX_WHITE_BYTES)
            certain--;
    }
    give_text(p, certain);
    if (p->at < p->in.n && m == MATCH_WHOLE)
        return enter_gap(p, n);
    return false;
}

/* No call follows: after a lead that is text, else the parser looks again from where calls ended. */
static void leave_gap(struct toolcall_parser *p)
{
    if (p->fresh) {
        p->first = false;
        give_text(p, p->from + p->lead_n);
    }
    p->at = p->from;
    p->state = IN_TEXT;
}

static enum match match_start(const struct toolcall_parser *p, bool ended, enum body_kind *ret)
{
    for (int i = 0; p->lead && i < SYNTAX_MAX_STARTS && p->syntax->starts[i].word; i++) {
        const char *word = p->syntax->starts[i].word;
        enum match m = *word ? word_match(p, word) : name_char(p->in.p[p->at]) ? MATCH_WHOLE : MATCH_NONE;
        if (m == MATCH_PART && !ended)
            return m;
        if (m == MATCH_WHOLE) {
            *ret = p->syntax->starts[i].body;
            return m;
        }
    }
    return MATCH_NONE;
}

static bool begin_body(struct toolcall_parser *p, enum body_kind body)
{
    p->state = IN_BODY;
    p->body = body;
    p->open = p->complete = p->in_string = p->escaped = false;
    p->n_arguments = 0;
    memset(&p->u, 0, sizeof p->u);
    return true;
}

/* What stands at p->at in the gap; leads go before closers, closers before separators, those before a start. */
enum gap_item { GAP_WAIT, GAP_LEAD, GAP_CLOSER, GAP_SEPARATOR, GAP_START, GAP_OTHER };

static enum gap_item next_item(const struct toolcall_parser *p, bool ended, size_t *ret_n, enum body_kind *ret_body)
{
    size_t n_closer = 0, n_separator = 0;
    enum match lead = match_any(p, p->syntax->leads, ended, ret_n);
    enum match closer = p->fresh ? MATCH_NONE : match_any(p, p->syntax->closers, ended, &n_closer);
    enum match separator = match_any(p, p->syntax->separators, ended, &n_separator);
    enum match start = match_start(p, ended, ret_body);
    if (lead == MATCH_PART || closer == MATCH_PART || separator == MATCH_PART || start == MATCH_PART)
        return GAP_WAIT;
    if (lead == MATCH_WHOLE)
        return GAP_LEAD;
    *ret_n = closer == MATCH_WHOLE ? n_closer : n_separator;
    if (closer == MATCH_WHOLE)
        return GAP_CLOSER;
    if (separator == MATCH_WHOLE)
        return GAP_SEPARATOR;
    return start == MATCH_WHOLE ? GAP_START : GAP_OTHER;
}

static bool in_gap(struct toolcall_parser *p, bool ended)
{
    enum body_kind body = BODY_NONE;
    size_t n = 0;
    while (p->at < p->in.n && white(p->in.p[p->at]))
        p->at++;
    bool over = p->at - p->from > TOOLCALL_MAX_HELD_BYTES;
    if (p->at == p->in.n && !ended && !over)
        return false;
    enum gap_item item = p->at == p->in.n || over ? GAP_OTHER : next_item(p, ended, &n, &body);
    switch (item) {
    case GAP_WAIT: return false;
    case GAP_LEAD:
    case GAP_SEPARATOR:
    case GAP_CLOSER:
        p->at += n;
        p->lead = item == GAP_LEAD || (p->lead && item == GAP_SEPARATOR);
        if (item == GAP_CLOSER)
            call_commit(p);
        return true;
    case GAP_START: return begin_body(p, body);
    case GAP_OTHER: break;
    }
    if (!p->fresh && str_trim(word_since(p, 0)).n == 0 && p->at == p->in.n)
        call_commit(p); /* white space behind the last call */
    leave_gap(p);
    return true;
}

static enum step body_step(struct toolcall_parser *p)
{
    switch (p->body) {
    case BODY_OBJECT: return object_step(p);
    case BODY_NAMED: return named_step(p);
    case BODY_CHANNEL: return channel_step(p);
    case BODY_XML: return xml_step(p);
    case BODY_GEMMA: return gemma_step(p);
    case BODY_NONE: break;
    }
    return STEP_BAD;
}

/* The call is over, whole or with its arguments whole: what follows is the gap. */
static void end_body(struct toolcall_parser *p)
{
    p->n_whole++;
    p->fresh = p->first = p->open = false;
    p->lead = p->body == BODY_OBJECT; /* these may stand in a list */
    p->state = IN_GAP;
}

static bool in_body(struct toolcall_parser *p, bool ended)
{
    enum step step = body_step(p);
    size_t most = p->open ? TOOLCALL_MAX_ARGUMENT_BYTES : TOOLCALL_MAX_HELD_BYTES;
    if (step == STEP_MORE && !ended && p->at - p->from <= most)
        return false;
    if (step == STEP_DONE) {
        call_commit(p);
        end_body(p);
    } else if (p->open && p->complete) {
        p->at = p->from;
        end_body(p);
    } else {
        p->half = p->half || p->open;
        p->fresh = p->fresh && !p->open;
        leave_gap(p);
    }
    return true;
}

/* ---- feeding ---- */

static void output_begin(struct toolcall_parser *p)
{
    buf_clear(&p->text);
    buf_clear(&p->bytes);
    p->n_deltas = 0;
}

static bool output_end(struct toolcall_parser *p, struct toolcall_output *ret, struct err *err)
{
    if (!buf_check(&p->in, "an answer", err) || !buf_check(&p->text, "an answer", err) ||
        !buf_check(&p->bytes, "an answer's tool calls", err))
        return false;
    const char *next = buf_view(&p->bytes).p;
    for (int i = 0; i < p->n_deltas; i++) {
        p->deltas[i].id = (struct str){next, p->sizes[i].id};
        next += p->sizes[i].id;
        p->deltas[i].name = (struct str){next, p->sizes[i].name};
        next += p->sizes[i].name;
        p->deltas[i].arguments = (struct str){next, p->sizes[i].arguments};
        next += p->sizes[i].arguments;
    }
    *ret = (struct toolcall_output){buf_view(&p->text), p->deltas, p->n_deltas};
    return true;
}

static void read_on(struct toolcall_parser *p, bool ended)
{
    bool moved = true;
    while (moved && (p->from < p->in.n || p->state != IN_TEXT)) {
        switch (p->state) {
        case IN_TEXT: moved = in_text(p, ended); break;
        case IN_GAP: moved = in_gap(p, ended); break;
        case IN_BODY: moved = in_body(p, ended); break;
        }
    }
    buf_drop(&p->in, p->from);
    p->at -= p->from;
    p->from = 0;
}

bool toolcall_feed(struct toolcall_parser *p, struct str text, struct toolcall_output *ret, struct err *err)
{
    output_begin(p);
    buf_str(&p->in, text);
    if (text.n > 0 && buf_ok(&p->in))
        read_on(p, false);
    return output_end(p, ret, err);
}

bool toolcall_end(struct toolcall_parser *p, struct toolcall_output *ret, struct err *err)
{
    output_begin(p);
    if (buf_ok(&p->in))
        read_on(p, true);
    return output_end(p, ret, err);
}

int toolcall_whole(const struct toolcall_parser *p)
{
    return p->n_whole;
}

bool toolcall_half(const struct toolcall_parser *p)
{
    return p->half || (p->state == IN_BODY && p->open);
}
