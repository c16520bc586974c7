/* A row of filters between tokens and text. Each holds back what it does not know yet and none knows the others: the
 * detokenizer gives characters, reasoning parts them, the parser takes the calls out of the answer, the stop filter
 * sees what a user would. */
#include "runtime/answer.h"

#define ANSWER_MAX_BYTES (64u << 20)

bool answer_open(struct answer_state *a, const struct answer_spec *spec, struct err *err)
{
    *a = (struct answer_state){.tokenizer = spec->tokenizer, .detokenizer.at_start = spec->at_start};
    a->decoded = a->fresh = BUF_INIT(ANSWER_MAX_BYTES);
    reasoning_open(&a->reasoning, spec->reasoning, spec->inside);
    call_queue_open(&a->calls);
    if (spec->tools && spec->calls) {
        a->syntax = spec->calls;
        if (!toolcall_open(spec->calls, spec->tools, spec->id_seed, &a->parser, err))
            return false;
    }
    return stop_filter_open(&a->stop, spec->stop, spec->n_stop, err);
}

void answer_close(struct answer_state *a)
{
    toolcall_close(a->parser);
    a->parser = NULL;
    reasoning_close(&a->reasoning);
    stop_filter_close(&a->stop);
    buf_free(&a->decoded);
    buf_free(&a->fresh);
    buf_free(&a->parts.text);
    buf_free(&a->ready.text);
    call_queue_close(&a->calls);
}

/* Text that a user sees, but for stop texts. */
static void give_answer(struct answer_state *a, struct str text)
{
    if (a->stopped)
        return;
    buf_clear(&a->fresh);
    a->stopped = stop_filter_add(&a->stop, text, &a->fresh);
    text_parts_add(&a->ready, PART_ANSWER, buf_view(&a->fresh));
}

static bool give_output(struct answer_state *a, const struct toolcall_output *out, struct err *err)
{
    give_answer(a, out->text);
    for (int i = 0; i < out->n_deltas && !a->stopped; i++)
        if (!call_queue_add(&a->calls, &out->deltas[i], err))
            return false;
    return true;
}

/* The parts of the token at hand on to where they belong. */
static bool give_parts(struct answer_state *a, struct err *err)
{
    enum answer_part part;
    struct str text;
    for (; text_parts_first(&a->parts, &part, &text); text_parts_drop(&a->parts)) {
        struct toolcall_output out;
        if (part == PART_REASONING)
            text_parts_add(&a->ready, part, text);
        else if (!a->parser)
            give_answer(a, text);
        else if (!toolcall_feed(a->parser, text, &out, err) || !give_output(a, &out, err))
            return false;
    }
    return buf_check(&a->parts.text, "the text of an answer", err) &&
           buf_check(&a->ready.text, "the text of an answer", err) &&
           buf_check(&a->fresh, "the text of an answer", err);
}

/* Control tokens give no text, but for the markers that a filter waits for. */
static void decode(struct answer_state *a, int32_t id)
{
    struct str name = tokenizer_piece(a->tokenizer, id);
    if (tokenizer_type(a->tokenizer, id) != TOKEN_CONTROL) {
        detokenizer_add(&a->detokenizer, a->tokenizer, id, &a->decoded);
    } else if (reasoning_marker(a->reasoning.format, name) || (a->parser && toolcall_marker(a->syntax, name))) {
        detokenizer_end(&a->detokenizer, &a->decoded);
        buf_str(&a->decoded, name);
    }
}

static bool count_reasoning(struct answer_state *a, bool before)
{
    bool inside = before || reasoning_inside(&a->reasoning);
    if (inside)
        a->reasoning_tokens += 1 + a->undecided;
    a->undecided = !inside && reasoning_undecided(&a->reasoning) ? a->undecided + 1 : 0;
    return inside;
}

bool answer_take(struct answer_state *a, int32_t id, bool *ret_reasoning, bool *ret_stopped, struct err *err)
{
    bool before = reasoning_inside(&a->reasoning);
    buf_clear(&a->decoded);
    decode(a, id);
    reasoning_add(&a->reasoning, buf_view(&a->decoded), &a->parts);
    *ret_reasoning = count_reasoning(a, before);
    bool ok = buf_check(&a->decoded, "the text of an answer", err) && give_parts(a, err);
    *ret_stopped = a->stopped;
    return ok;
}

bool answer_end(struct answer_state *a, struct err *err)
{
    struct toolcall_output out;
    buf_clear(&a->decoded);
    detokenizer_end(&a->detokenizer, &a->decoded);
    reasoning_add(&a->reasoning, buf_view(&a->decoded), &a->parts);
    reasoning_end(&a->reasoning, &a->parts);
    if (!give_parts(a, err))
        return false;
    if (a->parser && (!toolcall_end(a->parser, &out, err) || !give_output(a, &out, err)))
        return false;
    if (!a->stopped) {
        buf_clear(&a->fresh);
        stop_filter_end(&a->stop, &a->fresh);
        text_parts_add(&a->ready, PART_ANSWER, buf_view(&a->fresh));
    }
    return buf_check(&a->ready.text, "the text of an answer", err);
}

bool answer_inside(const struct answer_state *a)
{
    return reasoning_inside(&a->reasoning);
}

enum answer_phase answer_phase(const struct answer_state *a)
{
    return reasoning_phase(&a->reasoning);
}

void answer_settle(struct answer_state *a)
{
    reasoning_settle(&a->reasoning);
}

bool answer_called(const struct answer_state *a, bool cut)
{
    return a->parser && toolcall_whole(a->parser) > 0 && !(cut && toolcall_half(a->parser));
}
