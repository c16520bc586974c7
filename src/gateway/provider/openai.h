/* Between the two files of OpenAI's provider. */
#ifndef RUNG_GATEWAY_PROVIDER_OPENAI_H
#define RUNG_GATEWAY_PROVIDER_OPENAI_H

#include "gateway/provider/provider.h"

/* A whole chat.completion object; one event of a stream. As struct provider has them. */
bool openai_read_reply(struct upstream_reader *r, struct str body);
bool openai_read_event(void *ctx, struct str type, struct str data);

#endif
