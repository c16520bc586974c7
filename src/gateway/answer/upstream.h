/* Between the two files of an upstream attempt: the run, and the reader of what an OpenAI-compatible server sends. */
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
};

static inline bool upstream_wraps(const struct request *req)
{
    return req->form && req->form->rule.kind == RULE_CHOICES;
}

/* A whole chat.completion object. false and *err when it is none. */
bool upstream_read_reply(struct upstream_reader *r, struct str body);
/* One event of a stream (for sse_feed; ctx is the reader). false ends the stream: *err is set, or the verdict is. */
bool upstream_read_event(void *ctx, struct str type, struct str data);
/* The answer is complete: its calls become a list, its choice is taken out of its object (where it is in none, the text
 * stays as it came). */
bool upstream_finish(struct upstream_reader *r);
/* The sentence in an error reply, clipped; the status's own words when there is none. */
void upstream_read_error(int status, struct str body, char *text, size_t size);

#endif
