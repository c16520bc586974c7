/* Strings to tokens and back: byte-level BPE (GGUF tokenizer.ggml.model "gpt2") with hand-written pre-tokenizers.
 *
 * Invariants: encoding and decoding round-trip every byte string; control tokens come only from text the caller
 * declares trusted (template text), never from user text (see text/guard.h). Immutable after tokenizer_open, so any
 * thread may use it. Source: the GPT-2 byte-level BPE; merges by rank. */
#ifndef RUNG_TEXT_TOKENIZER_H
#define RUNG_TEXT_TOKENIZER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define TOKENIZER_MAX_VOCAB (1 << 20)
#define TOKENIZER_MAX_TEXT_BYTES (256u << 20)

enum token_type { TOKEN_NORMAL = 1, TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER_DEFINED, TOKEN_UNUSED, TOKEN_BYTE };

/* What a model file says of its tokenizer. Views must outlive the tokenizer (the mapped file). */
struct tokenizer_spec {
    struct str model;             /* "gpt2" */
    struct str pre;               /* "gpt-2", "qwen2", "llama-bpe"; "" or "default" means gpt-2 */
    const struct str *tokens;     /* [n_tokens] */
    const int32_t *types;         /* [n_tokens] enum token_type; NULL: all normal. Copied. */
    int32_t n_tokens;
    const struct str *merges;     /* [n_merges] "left right" */
    int32_t n_merges;
    int32_t bos, eos, eot;        /* -1 when absent */
    bool add_bos;
};

struct tokenizer;
bool tokenizer_open(const struct tokenizer_spec *spec, struct tokenizer **ret, struct err *err);
void tokenizer_close(struct tokenizer *t);

/* A growing list of token ids. */
struct token_ids {
    int32_t *p;
    int64_t n;
    int64_t cap;
};
void token_ids_free(struct token_ids *ids);
bool token_ids_add(struct token_ids *ids, int32_t id, struct err *err);

enum { TOKENIZE_PLAIN = 0, TOKENIZE_SPECIAL = 1 /* control tokens in the text count as such: template text only */ };
/* Appends to *ids. No BOS or EOS is added. User-defined tokens are recognised always. Work is linear up to a
 * logarithm, also for a megabyte without spaces. */
bool tokenizer_encode(const struct tokenizer *t, struct str text, int flags, struct token_ids *ids, struct err *err);

int32_t tokenizer_count(const struct tokenizer *t);
enum token_type tokenizer_type(const struct tokenizer *t, int32_t id);
struct str tokenizer_piece(const struct tokenizer *t, int32_t id);      /* its bytes; for control tokens their name */
int32_t tokenizer_find(const struct tokenizer *t, struct str text);    /* the id whose bytes these are, or -1 */
bool tokenizer_is_end(const struct tokenizer *t, int32_t id);          /* eos, eot and their kin (<|im_end|>, ...) */
int32_t tokenizer_bos(const struct tokenizer *t);
int32_t tokenizer_eos(const struct tokenizer *t);
bool tokenizer_adds_bos(const struct tokenizer *t);

/* Streaming back to text: whole UTF-8 characters only. Bytes that can no longer become a character turn into U+FFFD. */
struct detokenizer {
    /* private */
    char tail[4];
    int n_tail;
};
/* Appends what is now whole to *out. Control tokens give nothing. */
void detokenizer_add(struct detokenizer *d, const struct tokenizer *t, int32_t id, struct buf *out);
void detokenizer_end(struct detokenizer *d, struct buf *out);

#endif
