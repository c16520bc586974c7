/* Chat templates: an interpreter for the Jinja language as model files use it.
 *
 * A template is hostile input: it reaches nothing outside the context it is given, and its source size, nesting,
 * steps and output are limited; beyond them rendering fails with a clear error. Compiled once, rendered from any
 * thread. */
#ifndef RUNG_TEXT_TEMPLATE_H
#define RUNG_TEXT_TEMPLATE_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

#define TEMPLATE_MAX_SOURCE_BYTES (256u << 10)
#define TEMPLATE_MAX_DEPTH 100            /* of nested blocks, expressions, macro calls */
#define TEMPLATE_MAX_STEPS 4000000        /* of nodes evaluated in one rendering */
#define TEMPLATE_MAX_OUTPUT_BYTES (64u << 20)
#define TEMPLATE_MAX_MEMORY_BYTES (512u << 20)

struct template;

/* Errors carry line and column in the template. */
bool template_compile(struct str source, struct template **ret, struct err *err);
void template_free(struct template *t);
/* context: an object whose members are the template's variables (messages, tools, add_generation_prompt, bos_token,
 * eos_token, enable_thinking, ...). now_wall_ms is what strftime_now sees (UTC). raise_exception in the template:
 * ERR_INVALID with its message. */
bool template_render(const struct template *t, const json_t *context, int64_t now_wall_ms, struct buf *out,
                     struct err *err);

#endif
