/* Between the files of completions/: fields they share. */
#ifndef RUNG_GATEWAY_API_COMPLETIONS_FIELDS_H
#define RUNG_GATEWAY_API_COMPLETIONS_FIELDS_H

#include "data/json.h"
#include "gateway/api/completions/completions.h"

/* A text, or the tokens of one: an array of integers. */
struct text_or_tokens {
    struct str text;
    int32_t *tokens;                      /* [n_tokens]; NULL: text */
    int64_t n_tokens;
};

/* One of them or a list: a text, an array of texts, of integers, or of arrays of integers; at most `most`. */
bool fields_texts(const char *field, const json_t *value, int most, struct arena *arena, struct text_or_tokens **ret,
                  int *ret_n, struct err *err);
bool fields_tokens(const char *field, const json_t *value, struct arena *arena, struct text_or_tokens *ret,
                   struct err *err);
/* The members named in `common` (ends with NULL) as a chat-completions body with one message, read by its parser, so
 * that they mean the same everywhere; one that is neither there nor in `own` is refused. */
bool fields_common(const json_t *body, const char *const *common, const char *const *own, struct str message,
                   struct arena *arena, struct request *ret, struct err *err);

#endif
