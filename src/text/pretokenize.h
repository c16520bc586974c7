/* Cutting text into the words that BPE never merges across. Hand-written scanners for the published regular
 * expressions:
 *
 *   gpt-2      's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *   qwen2      (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*
 *              |\s*[\r\n]+|\s+(?!\S)|\s+
 *   llama-bpe  as qwen2, with \p{N}{1,3}
 *
 * \s is White_Space. A byte that is not UTF-8 counts as one character that is neither letter, number nor space. */
#ifndef RUNG_TEXT_PRETOKENIZE_H
#define RUNG_TEXT_PRETOKENIZE_H

#include "base/err.h"
#include "base/str.h"

enum pretokenizer { PRETOKENIZE_GPT2, PRETOKENIZE_QWEN2, PRETOKENIZE_LLAMA_BPE };

/* The scanner a model file names in tokenizer.ggml.pre; ERR_UNSUPPORTED with the list of known ones. */
bool pretokenizer_named(struct str name, enum pretokenizer *ret, struct err *err);
/* The end of the word that starts at text.p[at]; at < text.n, and the result is greater than at. */
size_t pretokenize_word(enum pretokenizer kind, struct str text, size_t at);

#endif
