/* The channels of gpt-oss. An answer is a row of messages, <|start|>assistant<|channel|>NAME<|message|>TEXT<|end|>; the
 * prompt has written the first <|start|>assistant. The channel analysis is reasoning; a header with a recipient
 * (to=functions.f) begins a call, which goes out whole, header and all, for the parser of tool calls; everything else
 * is the answer. Source: OpenAI's description of the harmony format. */
#include "runtime/reasoning.h"

#define FIRST_START "<|start|>assistant"

static const char *const openers[] = {"<|start|>", "<|channel|>", "<|message|>"};
static const char *const ends[] = {"<|end|>", "<|call|>", "<|return|>", "<|start|>", "<|channel|>"};
#define N_OPENERS (sizeof openers / sizeof *openers)
#define N_ENDS (sizeof ends / sizeof *ends)

bool channels_marker(struct str name)
{
    for (size_t i = 0; i < N_ENDS; i++)
        if (str_is(name, ends[i]))
            return true;
    return str_is(name, "<|message|>") || str_is(name, "<|constrain|>");
}

enum answer_phase channels_phase(const struct reasoning *r)
{
    switch (r->state) {
    case CHANNEL_START: return PHASE_POSSIBLE;
    case CHANNEL_BETWEEN: return PHASE_BETWEEN;
    case CHANNEL_CALL: return PHASE_ANSWER;
    case CHANNEL_BODY: return r->part == PART_ANSWER ? PHASE_ANSWER : PHASE_REASONING;
    default: return PHASE_REASONING;
    }
}

struct str channels_opener(bool whole)
{
    return whole ? STR("<|channel|>analysis<|message|>") : STR("<|channel|>");
}

struct str channels_lead(void)
{
    return STR(FIRST_START "<|channel|>final<|message|>");
}

/* Where a message may begin: a header follows, or text without one. */
static bool add_start(struct reasoning *r, bool ended)
{
    struct str held = buf_view(&r->held), text = str_trim(held);
    text.n = (size_t)(held.p + held.n - text.p);
    bool first = r->state == CHANNEL_START, header = first && str_starts(text, STR("to=")), waits = text.n == 0;
    for (size_t i = 0; i < N_OPENERS; i++) {
        header = header || str_starts(text, str_of(openers[i]));
        waits = waits || str_starts(str_of(openers[i]), text);
    }
    waits = waits || (first && str_starts(STR("to="), text));
    if (!header && waits && !ended)
        return false;
    r->state = header ? CHANNEL_HEADER : CHANNEL_BODY;
    r->part = PART_ANSWER;
    return true;
}

/* What no header ends is the answer's text. */
static bool add_header(struct reasoning *r, bool ended, struct text_parts *out)
{
    struct str held = buf_view(&r->held), message = STR("<|message|>");
    size_t at = str_find(held, message);
    if (at == SIZE_MAX && !ended && held.n < REASONING_MAX_HELD_BYTES)
        return false;
    struct str header = {held.p, at == SIZE_MAX ? held.n : at + message.n};
    bool call = at != SIZE_MAX && str_find(header, STR("to=")) != SIZE_MAX;
    bool thinks = at != SIZE_MAX && !call && str_find(header, STR("<|channel|>analysis")) != SIZE_MAX;
    if (call && !str_starts(header, STR("<|start|>")))
        text_parts_add(out, PART_ANSWER, STR(FIRST_START));
    if (call || at == SIZE_MAX)
        text_parts_add(out, PART_ANSWER, header);
    r->part = thinks ? PART_REASONING : PART_ANSWER;
    r->state = call ? CHANNEL_CALL : CHANNEL_BODY;
    buf_drop(&r->held, header.n);
    return r->held.n > 0;
}

/* The first marker that ends a message: its index, with *ret_at; -1 when there is none, and *ret_at is the end of what
 * is certain. */
static int find_end(struct str s, bool ended, size_t *ret_at)
{
    int found = -1;
    *ret_at = s.n;
    for (size_t i = 0; i < N_ENDS; i++) {
        size_t at = str_find(s, str_of(ends[i]));
        if (at < *ret_at) {
            *ret_at = at;
            found = (int)i;
        }
    }
    for (size_t at = s.n > 16 ? s.n - 16 : 0; found < 0 && !ended && at < *ret_at; at++)
        for (size_t i = 0; i < N_ENDS; i++)
            if (at < *ret_at && str_starts(str_of(ends[i]), (struct str){s.p + at, s.n - at}))
                *ret_at = at;
    return found;
}

static bool add_body(struct reasoning *r, bool ended, struct text_parts *out)
{
    struct str held = buf_view(&r->held);
    size_t at;
    int end = find_end(held, ended, &at);
    bool opens = end >= 0 && (ends[end][2] == 's' || str_is(str_of(ends[end]), "<|channel|>"));
    text_parts_add(out, r->part, (struct str){held.p, at});
    if (end >= 0 && r->state == CHANNEL_CALL)
        text_parts_add(out, PART_ANSWER, STR("<|call|>"));
    buf_drop(&r->held, end < 0 ? at : opens ? at : at + strlen(ends[end]));
    if (end < 0)
        return false;
    r->state = CHANNEL_BETWEEN;
    return r->held.n > 0;
}

void channels_add(struct reasoning *r, bool ended, struct text_parts *out)
{
    bool more = true;
    while (more) {
        switch (r->state) {
        case CHANNEL_HEADER: more = add_header(r, ended, out); break;
        case CHANNEL_BODY:
        case CHANNEL_CALL: more = add_body(r, ended, out); break;
        default: more = add_start(r, ended); break;
        }
    }
}
