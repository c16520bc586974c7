/* Fields of chat-completions bodies under the names that another dialect has for them: a table's work, no more. */
#include "gateway/api/fields.h"

#include <stdio.h>

const void *fields_row(const void *rows, size_t n, size_t row_bytes, const char *name, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *const *row = (const void *)((const char *)rows + i * row_bytes);
        if (strcmp(name, *row) == 0)
            return row;
    }
    err_set(err, ERR_INVALID, "'%.80s' is an unknown field; Rung refuses what it does not honour", name);
    return NULL;
}

/* The row whose field the text begins with, as a whole word. */
static const struct field_name *find(const struct field_name *names, const char *text)
{
    for (const struct field_name *f = names; f->chat; f++) {
        size_t n = strlen(f->chat);
        if (strncmp(text, f->chat, n) == 0 && strchr("'.[ ", text[n]))   /* the end of the text counts too */
            return f;
    }
    return NULL;
}

void fields_rename_sentence(const struct field_name *names, struct err *err)
{
    char text[sizeof err->msg];
    const struct field_name *f = err->msg[0] == '\'' ? find(names, err->msg + 1) : NULL;
    if (!f)
        return;
    memcpy(text, err->msg, sizeof text);
    snprintf(err->msg, sizeof err->msg, "'%s%s", f->own, text + 1 + strlen(f->chat));
}

void fields_rename_needs(const struct field_name *names, struct request *r)
{
    for (int n = 0; n < NEED_COUNT; n++) {
        const struct field_name *f = r->needs & NEED_BIT(n) ? find(names, r->need_fields[n]) : NULL;
        const char *own = f ? arena_printf(r->arena, "%s%s", f->own, r->need_fields[n] + strlen(f->chat)) : NULL;
        r->need_fields[n] = own ? own : r->need_fields[n];
    }
}
