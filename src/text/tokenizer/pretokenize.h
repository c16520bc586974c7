/* Cutting text into the words that BPE never merges across. Each family is a pipeline of published regular
 * expressions, run by hand-written scanners; a later expression cuts the pieces the earlier ones left. Matches and the
 * gaps between them are pieces.
 *
 *   gpt-2      's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *   qwen2      (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*
 *              |\s*[\r\n]+|\s+(?!\S)|\s+
 *   qwen35     as qwen2, with marks in words: [\p{L}\p{M}]+ and [^\s\p{L}\p{M}\p{N}]+
 *   llama-bpe  as qwen2, with \p{N}{1,3}
 *   gpt-4o     words of [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+, or with the + before the *, led by
 *              [^\r\n\p{L}\p{N}]? and ended by a contraction; \p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*; the rest as qwen2
 *   tekken     as gpt-4o, without contractions and with \p{N}
 *   starcoder  \p{N}, then gpt-2 (smollm, refact, command-r)
 *   falcon     [\p{P}$+<=>^~|`]+, then gpt-2, then [0-9]{3}
 *   default    [\p{P}$+<=>^~|]+, then gpt-2, then \p{N}+, then [0-9]{3}: files that name no pre-tokenizer
 *   deepseek-llm, deepseek-coder, deepseek-v3: their lists of expressions, in pretokenize.c
 *
 * \s is White_Space. A byte that is not UTF-8 counts as one character that is neither letter, number nor space. */
#ifndef RUNG_TEXT_TOKENIZER_PRETOKENIZE_H
#define RUNG_TEXT_TOKENIZER_PRETOKENIZE_H

#include "base/err.h"
#include "base/str.h"

#define PRETOKENIZE_MAX_STAGES 6

/* What a model file's tokenizer.ggml.pre stands for. */
struct pretokenizer {
    const char *name;             /* the family's */
    const struct pretokenize_stage *stages;
    int n_stages;
    bool whole_words;             /* a word that is a token is that token, whatever the merges say */
    bool adds_bos;                /* where the file leaves add_bos_token out */
};

/* The family of a name; ERR_UNSUPPORTED with the list of known ones. Static storage. */
bool pretokenizer_named(struct str name, const struct pretokenizer **ret, struct err *err);

/* A walk over the words of a text. */
struct pretokenize {
    const struct pretokenizer *pre;
    struct str text;
    size_t at;
    /* private */
    size_t ends[PRETOKENIZE_MAX_STAGES]; /* of the piece of each stage that `at` stands in */
};

static inline struct pretokenize pretokenize_start(const struct pretokenizer *pre, struct str text)
{
    return (struct pretokenize){.pre = pre, .text = text};
}

/* The next word; an empty one at the end of the text. */
struct str pretokenize_next(struct pretokenize *p);

#endif
