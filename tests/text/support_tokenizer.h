/* What every test of tokenizers does: opening one, and holding its tokens against those expected. */
#ifndef RUNG_TESTS_TEXT_SUPPORT_TOKENIZER_H
#define RUNG_TESTS_TEXT_SUPPORT_TOKENIZER_H

#include "text/tokenizer.h"

struct tokenizer *open_spec(const struct tokenizer_spec *spec);
void assert_encodes(const struct tokenizer *t, struct str text, int flags, const int32_t *expected, int n);

#define ENCODES(t, text, flags, ...)                                                                       \
    assert_encodes(t, STR(text), flags, (const int32_t[]){__VA_ARGS__}, sizeof((const int32_t[]){__VA_ARGS__}) / 4)

#endif
