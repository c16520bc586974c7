/* Names of fields: a dialect that is translated into a chat-completions body is told of its mistakes, and of what no
 * tier can do, in that body's words; here they become its own again. */
#ifndef RUNG_GATEWAY_API_FIELDS_H
#define RUNG_GATEWAY_API_FIELDS_H

#include "gateway/request.h"

struct field_name {
    const char *chat, *own;       /* "max_tokens", "options.num_predict" */
};

/* The row of this name in a table whose rows begin with theirs (const char *); NULL, and a sentence that refuses the
 * field, where there is none. */
const void *fields_row(const void *rows, size_t n, size_t row_bytes, const char *name, struct err *err);

/* A sentence that begins with the name in single quotes, or with a member of that field ("'stop[1]' ..."). names end
 * with one of NULL. */
void fields_rename_sentence(const struct field_name *names, struct err *err);
/* What a request's needs are named after; the copies live in its arena. */
void fields_rename_needs(const struct field_name *names, struct request *r);

#endif
