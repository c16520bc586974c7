/* What the builtins share: argument checks, case mapping, element access by attribute path, and text formatting. */
#ifndef RUNG_TEXT_JINJA_LIB_H
#define RUNG_TEXT_JINJA_LIB_H

#include "text/jinja/run.h"

#define LIB_COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define LIB_MAX_WIDTH 10000  /* of padding and digits that a format asks for */

/* The entry of that name in a table, or NULL. */
static inline const struct builtin *lib_find(const struct builtin *table, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_is(name, table[i].name))
            return &table[i];
    return NULL;
}

/* ---- support.c ---- */
/* Arguments that must have a type; absent leaves *ret as it is. */
bool lib_int(struct render *r, struct value v, const char *what, int64_t *ret);
bool lib_str(struct render *r, struct value v, const char *what, struct str *ret);
enum text_case { TEXT_UPPER, TEXT_LOWER, TEXT_CAPITALIZE, TEXT_TITLE };
bool lib_case(struct render *r, struct str s, enum text_case how, struct value *ret);
bool lib_replace(struct render *r, struct str s, struct str old, struct str with, int64_t count, struct value *ret);
/* s without white space at its ends, or without the characters of `chars` where that is a string. */
bool lib_strip(struct render *r, struct str s, struct value chars, bool left, bool right, struct value *ret);
/* v followed along "a.b.0"; an int key takes that element. */
bool lib_path(struct render *r, struct value v, struct value path, struct value *ret);
/* Sort a list's elements in place by keys[i], stably. */
bool lib_sort(struct render *r, struct value *items, struct value *keys, size_t n, bool reverse);
bool lib_fold(struct render *r, struct value v, struct value *ret);  /* a string in lower case, else v itself */

/* ---- format.c ---- */
bool lib_format_percent(struct render *r, const struct call *c, struct value *ret);  /* the format filter */
bool lib_format_braces(struct render *r, const struct call *c, struct value *ret);   /* the method str.format */

/* ---- methods_text.c, filters_list.c ---- */
const struct builtin *lib_text_method(struct str name);
/* The end of the line that goes on at `at`; *ret_mark: bytes of the boundary there, one of Python's, 0 at the end. */
size_t lib_line_end(struct str s, size_t at, size_t *ret_mark);
const struct builtin *lib_list_filter(struct str name);

#endif
