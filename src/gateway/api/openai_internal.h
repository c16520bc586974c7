/* Between the files of the OpenAI parser: the state of one parse. Only openai_parse.c and openai_messages.c use it. */
#ifndef RUNG_GATEWAY_API_OPENAI_INTERNAL_H
#define RUNG_GATEWAY_API_OPENAI_INTERNAL_H

#include <stdarg.h>
#include <strings.h>

#include "data/json.h"
#include "gateway/api/openai.h"

struct openai_parse {
    const json_t *body;
    struct request *r;
    struct arena *arena;
    struct err *err;
};

/* A string copied into the arena; ERR_INVALID naming the field for another type. */
bool openai_text(struct openai_parse *p, const char *field, const json_t *value, struct str *ret);
/* Notes the first thing that only an upstream can do. */
void openai_needs_upstream(struct openai_parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool openai_parse_messages(struct openai_parse *p, const char *field, const json_t *value);

#endif
