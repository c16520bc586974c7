/* Between the files of the Responses dialect. */
#ifndef RUNG_GATEWAY_API_RESPONSES_INTERNAL_H
#define RUNG_GATEWAY_API_RESPONSES_INTERNAL_H

#include "data/json.h"
#include "gateway/answer/upstream.h"
#include "gateway/api/fields.h"
#include "gateway/api/responses/responses.h"

#define RESPONSES_FIELD_BYTES 120

extern const struct field_name responses_fields[];   /* what chat completions call by other names */

/* ---- the request ---- */
/* Which items a message was made of, so that a sentence about it can name them. */
struct responses_origin {
    int item, first_call;            /* -1: none */
};

struct responses_parse {
    const json_t *body;
    json_t *chat;                    /* the body that is being built */
    json_t *messages;                /* of the items */
    json_t *turn;                    /* the assistant's message that items are still added to; a view */
    struct buf reasoning;            /* that came before it, and belongs to it */
    int reasoning_item;              /* of the last; -1: none is waiting */
    struct responses_origin *origins;   /* [of messages] */
    bool text_input;
    struct arena *arena;
    struct err *err;
};

/* Adds a member or an element and gives the value up; ERR_NOMEM. */
bool responses_put(struct responses_parse *p, json_t *object, const char *key, json_t *value);
bool responses_append(struct responses_parse *p, json_t *array, json_t *value);
/* ERR_INVALID when the object has members beside those named; names ends with NULL. */
bool responses_only(struct responses_parse *p, const char *field, const json_t *object, const char *const *names);
bool responses_read_input(struct responses_parse *p, const char *field, const json_t *value);   /* responses_items.c */
/* The content of a message or of a call's output, as chat completions have it; NULL and *p->err. */
json_t *responses_content(struct responses_parse *p, const char *field, const json_t *value);   /* responses_parts.c */
/* ---- responses_names.c ---- */
void responses_rename_sentence(const struct responses_parse *p);   /* of *p->err */
void responses_rename_needs(const struct responses_parse *p, struct request *r);

/* ---- the reply ---- */
enum responses_kind { RESPONSES_REASONING, RESPONSES_MESSAGE, RESPONSES_CALL };

/* An item of the output: a stretch of the answer. */
struct responses_item {
    enum responses_kind kind;
    size_t at, n;                    /* in the reply's text, or its reasoning */
    int64_t token, n_tokens;         /* of reply->tokens */
    int call;                        /* which */
    bool closed;
};

struct responses_output {
    const struct request *req;
    const struct reply *reply;
    bool summary;                    /* what was thought goes where a summary of it was asked for */
    struct responses_item *items;    /* [n] */
    int n, cap;
    struct tool_calls calls;
};

/* Whether a summary of what is thought was asked for. */
bool responses_wants_summary(const struct request *req);

/* What the reply says so far, as items; free with responses_output_free. */
bool responses_output_of(const struct request *req, const struct reply *reply, struct responses_output *ret);
void responses_output_free(struct responses_output *o);
/* The next item; NULL: no memory. */
struct responses_item *responses_add_item(struct responses_output *o, enum responses_kind kind);
struct str responses_text(const struct responses_output *o, const struct responses_item *item);
const struct reply_token *responses_tokens(const struct responses_output *o, const struct responses_item *item);
/* "msg_...", a name of its own for each item. */
void responses_put_id(struct json_writer *w, const char *key, const struct responses_output *o, int item);
/* empty: as it is before anything of it is said. */
void responses_write_item(struct json_writer *w, const struct responses_output *o, int item, bool empty);
/* The one part of a message or of reasoning, and the log-probabilities of its tokens. */
void responses_write_part(struct json_writer *w, const struct responses_output *o, int item, bool empty);
void responses_put_logprobs(struct json_writer *w, const struct request *req, const struct reply_token *tokens,
                            int64_t n);

enum responses_status { RESPONSES_IN_PROGRESS, RESPONSES_COMPLETED, RESPONSES_INCOMPLETE, RESPONSES_FAILED };
/* How the answer ended: cut short or not. */
enum responses_status responses_status_of(const struct reply *reply);
/* error: of RESPONSES_FAILED. */
void responses_write_response(struct json_writer *w, const struct responses_output *o, enum responses_status status,
                              const char *error);

/* ---- the stream ---- */
void responses_first(const struct answer_stream *s, struct buf *out);
void responses_delta(const struct answer_stream *s, const struct answer_delta *d, struct buf *out);
void responses_last(const struct answer_stream *s, struct buf *out);
void responses_broken(const struct answer_stream *s, int status, const char *message, struct buf *out);
void responses_close(const struct answer_stream *s);

#endif
