/* Anthropic's API as an upstream. (Source: Anthropic API reference, messages; streaming messages.) */
#ifndef RUNG_GATEWAY_PROVIDER_ANTHROPIC_H
#define RUNG_GATEWAY_PROVIDER_ANTHROPIC_H

#include "gateway/provider/provider.h"

/* As struct provider has them. */
bool anthropic_body(const struct provider_call *call, struct buf *out, struct err *err);
bool anthropic_read_reply(struct upstream_reader *r, struct str body);
bool anthropic_read_event(void *reader, struct str type, struct str data);

#endif
