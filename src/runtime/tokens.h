/* Texts to a model's tokens and back, for those who ask for just that. Between acquire and release of the model; any
 * thread. */
#ifndef RUNG_RUNTIME_TOKENS_H
#define RUNG_RUNTIME_TOKENS_H

#include "runtime/generate.h"
#include "text/tokenizer.h"

struct tokenize_options {
    bool names;                      /* the names of control tokens in the text count as these tokens */
    bool ends;                       /* with the tokens that the tokenizer puts before and behind a text */
};

/* Appended to *ids, which is the caller's to token_ids_free. */
bool local_model_encode(const struct local_model *m, struct str text, const struct tokenize_options *o,
                        struct token_ids *ids, struct err *err);
/* The same of a whole prompt, as generation_start would feed it. */
bool local_model_encode_prompt(const struct local_model *m, const struct generation_request *req, struct token_ids *ids,
                               struct err *err);
/* The text of tokens, appended; control tokens are shown by their names. ERR_INVALID for an id that is none. */
bool local_model_decode(const struct local_model *m, const int32_t *ids, int64_t n, struct buf *out, struct err *err);

#endif
