/* Between the files of OpenAI's provider, and Azure's, which differs in where it is and how it is opened. */
#ifndef RUNG_GATEWAY_PROVIDER_OPENAI_H
#define RUNG_GATEWAY_PROVIDER_OPENAI_H

#include "gateway/provider/provider.h"

#define OPENAI_OFFERS \
    (NEEDS_ALL & ~(NEED_BIT(NEED_GRAMMAR) | NEED_BIT(NEED_TOP_K) | NEED_BIT(NEED_MIN_P) | \
                   NEED_BIT(NEED_REPETITION_PENALTY) | NEED_BIT(NEED_RAW_PROMPT) | NEED_BIT(NEED_PROMPT_TOKENS) | \
                   NEED_BIT(NEED_SUFFIX) | NEED_BIT(NEED_ECHO) | NEED_BIT(NEED_ANTHROPIC)))

/* Behind the base: vectors, text to go on with, or a conversation. */
const char *openai_path(const struct request *req);
bool openai_put_body(const struct provider_call *call, struct buf *out, struct err *err);
/* A whole chat.completion object; one event of a stream. As struct provider has them. */
bool openai_read_reply(struct upstream_reader *r, struct str body);
bool openai_read_event(void *ctx, struct str type, struct str data);

/* A choice of /completions, whole or a part of a stream: its text and log-probabilities. In openai_text.c. */
bool openai_give_text(struct upstream_reader *r, const json_t *choice);

#endif
