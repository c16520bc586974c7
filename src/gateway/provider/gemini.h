/* Gemini's API as an upstream. (Source: Gemini API reference, models.generateContent; thought signatures.) */
#ifndef RUNG_GATEWAY_PROVIDER_GEMINI_H
#define RUNG_GATEWAY_PROVIDER_GEMINI_H

#include "gateway/provider/provider.h"

/* As struct provider has them. */
bool gemini_body(const struct provider_call *call, struct buf *out, struct err *err);
bool gemini_read_reply(struct upstream_reader *r, struct str body);
bool gemini_read_event(void *reader, struct str type, struct str data);

#endif
