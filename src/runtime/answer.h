/* What becomes of an answer's tokens: bytes to characters, reasoning apart, tool calls apart, stop texts held back.
 * Tokens go in one by one, what became certain comes out as text in parts and as deltas of calls. Only the engine
 * thread uses an open one. */
#ifndef RUNG_RUNTIME_ANSWER_H
#define RUNG_RUNTIME_ANSWER_H

#include "runtime/call_queue.h"
#include "runtime/reasoning.h"
#include "runtime/stop.h"
#include "text/tokenizer.h"

struct answer_spec {
    const struct tokenizer *tokenizer;
    bool at_start;                              /* the prompt ends with a control token: a text of its own begins */
    const struct reasoning_format *reasoning;   /* NULL: everything is answer */
    bool inside;                                /* the prompt opened the reasoning section */
    const struct toolcall_syntax *calls;        /* with tools: how calls are written */
    const json_t *tools;                        /* NULL: no call is looked for */
    uint64_t id_seed;
    const struct str *stop;
    int n_stop;
};

struct answer_state {
    /* private */
    const struct tokenizer *tokenizer;
    const struct toolcall_syntax *syntax;
    struct detokenizer detokenizer;
    struct reasoning reasoning;
    struct toolcall_parser *parser;             /* NULL: no call is looked for */
    struct stop_filter stop;
    struct buf decoded, fresh;                  /* text of the token at hand; of it, what is past the stop texts */
    struct text_parts parts;                    /* of the token at hand, before calls and stops */
    int64_t undecided;                          /* tokens that may turn out to be reasoning */
    bool stopped;
    /* what came out, for the owner to take */
    struct text_parts ready;
    struct call_queue calls;
    int64_t reasoning_tokens;                   /* so far, markers included */
};

bool answer_open(struct answer_state *a, const struct answer_spec *spec, struct err *err);
void answer_close(struct answer_state *a);
/* The next token, which is no end token; *ret_reasoning: it belongs to the reasoning, *ret_stopped: a stop text is
 * complete, and the answer ends before it. */
bool answer_take(struct answer_state *a, int32_t id, bool *ret_reasoning, bool *ret_stopped, struct err *err);
/* The answer ended; what was held comes out. */
bool answer_end(struct answer_state *a, struct err *err);
bool answer_inside(const struct answer_state *a);     /* in the reasoning section */
enum answer_phase answer_phase(const struct answer_state *a);
/* All that comes from here on is answer, to the letter. */
void answer_settle(struct answer_state *a);
/* Whole calls came, and with `cut`, when the length ended the answer, no half one. */
bool answer_called(const struct answer_state *a, bool cut);

#endif
