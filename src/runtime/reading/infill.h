/* Filling in: a prompt with a suffix, as models for code have learnt it. (Bavarian and others, "Efficient training of
 * language models to fill in the middle", 2022: prefix, suffix, middle.) */
#ifndef RUNG_RUNTIME_READING_INFILL_H
#define RUNG_RUNTIME_READING_INFILL_H

#include "model/gguf.h"
#include "text/tokenizer.h"

struct local_model;

/* The tokens that stand before each part. */
struct infill_tokens {
    int32_t prefix, suffix, middle;   /* -1: there are none */
};

/* Those that the file names, else those known by their texts. */
bool infill_find(const struct gguf *g, struct infill_tokens *ret, struct err *err);
/* The tokens of such a prompt, appended. ERR_UNSUPPORTED where the model has none for it. */
bool infill_build(const struct local_model *m, struct str prompt, struct str suffix, struct token_ids *ids,
                  struct err *err);

#endif
