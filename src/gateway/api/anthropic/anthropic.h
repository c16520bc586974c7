/* Anthropic's dialect: POST /v1/messages and the counting of its tokens. (Source: Anthropic API reference, messages,
 * count tokens, errors, streaming.) */
#ifndef RUNG_GATEWAY_API_ANTHROPIC_H
#define RUNG_GATEWAY_API_ANTHROPIC_H

#include "gateway/api/dialect.h"
#include "gateway/gateway.h"

extern const struct dialect anthropic_messages;

/* {"type": "error", "error": {"type", "message"}, "request_id"}: param and code have no place in it. */
void anthropic_write_error(int status, const char *message, const char *param, const char *code, struct buf *out);
/* As struct dialect's parse; a body that is only counted needs no max_tokens. */
bool anthropic_parse_messages(struct str body, struct arena *arena, struct request *ret, struct err *err);
bool anthropic_parse_count(struct str body, struct arena *arena, struct request *ret, struct err *err);

/* POST /v1/messages/count_tokens. */
void page_count_tokens(struct gateway *g, struct http_exchange *x, const struct caller *caller);

#endif
