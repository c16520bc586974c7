/* The OpenAI dialect: JSON to struct request, struct reply to JSON or server-sent events. Fields it does not honour
 * are refused by name; none is dropped in silence. (Source: OpenAI API reference, chat completions.) */
#ifndef RUNG_GATEWAY_API_OPENAI_H
#define RUNG_GATEWAY_API_OPENAI_H

#include "gateway/request.h"

/* Body of POST /v1/chat/completions. body and arena must outlive *ret, which request_free gives back. A sentence about
 * a field begins with its name in single quotes: that is the `param` of the error reply. */
bool openai_parse_chat(struct str body, struct arena *arena, struct request *ret, struct err *err);

/* A whole chat.completion object with its `rung` member. */
void openai_write_chat(const struct request *req, const struct reply *reply, struct buf *out);
/* Chunks of a stream; each call appends whole `data: ...` events. */
void openai_write_chunk_first(const struct request *req, const struct reply *reply, struct buf *out);
void openai_write_chunk_delta(const struct request *req, const struct reply *reply, struct str text, bool reasoning,
                              struct str tool_calls_delta, const struct reply_token *token, struct buf *out);
/* Finish reason, usage if asked, rung, [DONE]. */
void openai_write_chunk_last(const struct request *req, const struct reply *reply, struct buf *out);
/* {"error": {"message", "type", "param", "code"}} */
void openai_write_error(int status, const char *message, const char *param, const char *code, struct buf *out);
/* The `rung` object alone (also printed by `rung route --json`). */
void openai_write_rung(const struct request *req, const struct reply *reply, struct buf *out);

#endif
