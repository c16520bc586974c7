/* The Responses dialect of OpenAI, stateless: nothing is stored, so nothing earlier can be referred to; the whole
 * conversation comes with each request. Items become the messages of a chat-completions body, which its parser reads.
 * (Source: OpenAI API reference, responses and their streaming events.) */
#ifndef RUNG_GATEWAY_API_RESPONSES_H
#define RUNG_GATEWAY_API_RESPONSES_H

#include "gateway/api/dialect.h"

#define RESPONSES_MAX_ITEMS 4096

extern const struct dialect openai_responses;   /* POST /v1/responses */

/* As struct dialect has it. */
bool responses_parse(struct str body, struct arena *arena, struct request *ret, struct err *err);

#endif
