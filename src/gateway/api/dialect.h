/* A dialect: how one API asks, and how it wants to be answered. Each has one table of these functions; what happens
 * between question and answer is the same for all (http/converse.c, gateway_answer).
 *
 * Every dialect but OpenAI's chat completions is translated into a chat-completions body first and read by its parser
 * (openai_parse_built), so that a field means one thing for all of them; a field that is not honoured is refused in the
 * dialect's own words before that. */
#ifndef RUNG_GATEWAY_API_DIALECT_H
#define RUNG_GATEWAY_API_DIALECT_H

#include "gateway/request.h"

struct answers;                           /* answer/several.h */

/* One answer on its way: the same for all calls of its writer. */
struct answer_stream {
    const struct request *req;
    const struct reply *reply;            /* grows while it is written */
    void *state;                          /* state_bytes of the dialect's own, zeroed before `first` */
    int index;                            /* which of several answers */
    const struct answers *all;            /* whole once `last` is called; that is with the stream of the first answer */
};

/* What became certain. Views good during the call. */
struct answer_delta {
    struct str text;
    bool reasoning;
    struct str tool_calls;                /* an array in the shape of chat-completions deltas, or empty */
    const struct reply_token *token;      /* NULL: none known */
};

struct dialect {
    const char *stream_type;              /* content type of a stream */
    size_t state_bytes;                   /* of what a stream's writer remembers; 0: nothing */
    /* As openai_parse_chat: body and arena outlive *ret, which request_free gives back; a sentence about a field begins
     * with its name in single quotes. */
    bool (*parse)(struct str body, struct arena *arena, struct request *ret, struct err *err);
    /* The whole answer, not streamed; NULL where there is write_all. */
    void (*write)(const struct request *req, const struct reply *reply, struct buf *out);
    /* The same of several, for dialects whose questions may have them (request.n_answers); NULL: never. */
    void (*write_all)(const struct answers *all, struct buf *out);
    /* A stream: whole events are appended. Exactly one of `last` and `broken` ends it. Of several answers each has its
     * `first`, deltas and `ended`, in any order, before the `last` of all. ended NULL: never several. */
    void (*first)(const struct answer_stream *s, struct buf *out);
    void (*delta)(const struct answer_stream *s, const struct answer_delta *d, struct buf *out);
    void (*ended)(const struct answer_stream *s, struct buf *out);
    void (*last)(const struct answer_stream *s, struct buf *out);
    void (*broken)(const struct answer_stream *s, int status, const char *message, struct buf *out);
    /* After a stream, however it ended: frees what its writer's state holds. NULL: nothing. */
    void (*close)(const struct answer_stream *s);
    /* What the chat parser calls by other names than this dialect, for sentences that begin with them; NULL: nothing */
    const struct field_name *fields;      /* api/fields.h */
    /* An error in place of an answer; param and code NULL where there is none. */
    void (*error)(int status, const char *message, const char *param, const char *code, struct buf *out);
};

extern const struct dialect openai_chat;  /* POST /v1/chat/completions */

#endif
