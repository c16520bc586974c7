/* The one bridge from a model file's metadata to a tokenizer; the floor text may not read model files. */
#ifndef RUNG_RUNTIME_VOCAB_H
#define RUNG_RUNTIME_VOCAB_H

#include "model/gguf.h"
#include "text/tokenizer.h"

/* The tokenizer of g, vocabulary-only files too. g must outlive it. */
bool vocab_open(const struct gguf *g, struct tokenizer **ret, struct err *err);

#endif
