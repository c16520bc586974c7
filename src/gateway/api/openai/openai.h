/* The OpenAI dialect: JSON to struct request, struct reply to JSON or server-sent events. Fields it does not honour
 * are refused by name; none is dropped in silence. (Source: OpenAI API reference, chat completions.) */
#ifndef RUNG_GATEWAY_API_OPENAI_H
#define RUNG_GATEWAY_API_OPENAI_H

#include "data/json.h"
#include "gateway/api/dialect.h"

/* Body of POST /v1/chat/completions. body and arena must outlive *ret, which request_free gives back. A sentence about
 * a field begins with its name in single quotes: that is the `param` of the error reply. */
bool openai_parse_chat(struct str body, struct arena *arena, struct request *ret, struct err *err);

/* The same from a body that another dialect has put into this shape; *body is given up in any case. Its bytes, as an
 * upstream of this dialect gets them, live in the arena. */
bool openai_parse_built(json_t *body, struct arena *arena, struct request *ret, struct err *err);

/* {"error": {"message", "type", "param", "code"}} */
void openai_write_error(int status, const char *message, const char *param, const char *code, struct buf *out);
void openai_write_usage(struct json_writer *w, const struct token_usage *u);
/* {"token", "logprob", "bytes", "top_logprobs"} */
void openai_write_token(struct json_writer *w, const struct reply_token *t, int top);
/* The member "rung" (also of what `rung route --json` prints). all: the answers that reply is the first of, whose
 * attempts and costs it then tells; NULL: it tells its own. */
void openai_put_rung(struct json_writer *w, const struct reply *reply, const struct answers *all);

#endif
