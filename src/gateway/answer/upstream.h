/* Between an upstream attempt and the reader of what its provider sends. */
#ifndef RUNG_GATEWAY_ANSWER_UPSTREAM_H
#define RUNG_GATEWAY_ANSWER_UPSTREAM_H

#include "data/json.h"
#include "gateway/answer/answer.h"
#include "gateway/answer/tool_calls.h"

/* Choices go out as a schema with this one property, and come back inside it. */
#define UPSTREAM_CHOICE "choice"

struct upstream_reader {
    struct release *rel;
    struct attempt *attempt;
    struct err *err;
    enum release_verdict verdict;         /* not RELEASE_ON: stop reading */
    bool has_usage, finished, done;       /* finished: a finish reason came; done: [DONE] did */
    int64_t n_deltas;                     /* for an estimate when no usage comes */
    bool wrapped;                         /* the answer is one of choices, inside an object */
    struct tool_calls calls;              /* of a stream; the caller's to free */
    struct {                              /* of an API whose events build on those before: what is open */
        int n_calls;                      /* begun so far */
        bool in_call, has_arguments;
        bool custom;                      /* calls of custom tools, which pass as they are */
        int64_t index[TOOL_CALLS_MAX];    /* what it calls each call, -1: nothing */
        struct token_usage usage;         /* as far as it was told */
    } open;
};

static inline bool upstream_wraps(const struct request *req)
{
    return req->form && req->form->rule.kind == RULE_CHOICES;
}

/* ---- for the readers of providers (provider/reader.c) ---- */
/* A string's view; empty for anything else. */
struct str upstream_text(const json_t *value);
/* A count of tokens; -1: none, or none to believe. */
int64_t upstream_count(const json_t *object, const char *key);
/* A log-probability within its bounds; the least for what is none. */
float upstream_logprob(const json_t *value);
/* Entropy over the entries given and the remainder as one more, as the engine's own records have it. */
float upstream_entropy(const struct token_record *t);
/* What the call used; the parts are clamped by the caller. */
void upstream_usage(struct upstream_reader *r, struct token_usage usage);
/* What it says it serves; strings, or anything else for nothing. */
void upstream_served(struct upstream_reader *r, const json_t *model, const json_t *fingerprint);
/* A piece of the answer. false: the verdict is set, and the stream ends. */
bool upstream_give(struct upstream_reader *r, const struct release_piece *piece);
/* What of calls became certain, gathered for the end and passed on to a stream. */
bool upstream_give_calls(struct upstream_reader *r, const struct tool_call_delta *deltas, int n);
/* What signs the reasoning given so far, or, hidden, stands for reasoning that is not shown; empty: nothing. */
bool upstream_thought(struct upstream_reader *r, struct str signature, bool hidden);
/* The answer is complete: its calls become a list, its choice is taken out of its object (where it is in none, the text
 * stays as it came). */
bool upstream_finish(struct upstream_reader *r);
/* The sentence in an error reply, clipped; the status's own words when there is none. */
void upstream_read_error(int status, struct str body, char *text, size_t size);

#endif
