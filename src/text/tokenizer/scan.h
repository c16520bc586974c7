/* The scanners of the pre-tokenizers: each finds where the piece that starts at `at` ends, as one published expression
 * does. They look forward only, at most one character past a decision, or to the end of a run they then return. */
#ifndef RUNG_TEXT_TOKENIZER_SCAN_H
#define RUNG_TEXT_TOKENIZER_SCAN_H

#include "text/tokenizer/chars.h"

/* One expression of a pipeline. `scan` gives the end of the match, or of the gap before the next match, at `at`. */
struct pretokenize_stage {
    size_t (*scan)(const struct pretokenize_stage *stage, struct str s, size_t at);
    /* of words */
    unsigned letters;               /* classes that make a word */
    size_t digits;                  /* how many stand together */
    bool contractions;              /* a word may end with 's and the like */
    /* of runs */
    bool (*has)(enum char_class class, uint32_t cp);
    size_t least, most;             /* characters of a run */
    bool led;                       /* \s? before it */
};

size_t scan_gpt2(const struct pretokenize_stage *stage, struct str s, size_t at);
/* qwen2, qwen35, llama-bpe: letters, digits. */
size_t scan_cased(const struct pretokenize_stage *stage, struct str s, size_t at);
/* gpt-4o, tekken: digits, contractions. */
size_t scan_humps(const struct pretokenize_stage *stage, struct str s, size_t at);
/* The last expression of deepseek-v3. */
size_t scan_deepseek(const struct pretokenize_stage *stage, struct str s, size_t at);
/* \s?[has]{least,most}: has, least, most, led. */
size_t scan_runs(const struct pretokenize_stage *stage, struct str s, size_t at);
/* \s+$ */
size_t scan_last_white(const struct pretokenize_stage *stage, struct str s, size_t at);

#endif
