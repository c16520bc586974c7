/* Strings to tokens and back: byte-level BPE with hand-written pre-tokenizers (GGUF tokenizer.ggml.model "gpt2"),
 * SentencePiece by scores ("llama"), BPE of characters ("gemma4"), WordPiece ("bert").
 *
 * Invariants: byte-level BPE round-trips every byte string, the others every text they have tokens for, U+2581 turning
 * into a space (WordPiece keeps neither case nor white space); control tokens come only from text the caller declares
 * trusted (template text), never from user text (see text/guard.h). Immutable after tokenizer_open, so any thread may
 * use it. Sources: GPT-2's byte-level BPE; SentencePiece's BPE; BERT's WordPiece. */
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
    struct str model;             /* "gpt2", "llama", "bert", "gemma4" */
    struct str pre;               /* of gpt2: see text/tokenizer/pretokenize.h */
    const struct str *tokens;     /* [n_tokens] */
    const int32_t *types;         /* [n_tokens] enum token_type; NULL: all normal. Copied. */
    const float *scores;          /* [n_tokens] of llama: the higher merges first. Not kept. */
    int32_t n_tokens;
    const struct str *merges;     /* [n_merges] of gpt2 and gemma4: "left right" */
    int32_t n_merges;
    int32_t bos, eos, eot, eom;   /* -1 when absent */
    int32_t unknown;              /* -1 when absent; bert: what a word that no pieces spell becomes */
    bool add_bos, add_eos;
    bool space_prefix;            /* llama: text begins with a space, also after a named token */
    bool lowercase, strip_accents; /* bert */
    bool names_trim;              /* named tokens take the white space after them along (Phi-3) */
};

/* The spec of a model and pre-tokenizer about which the file says no more: ids absent, flags as the family has them. */
struct tokenizer_spec tokenizer_spec_of(struct str model, struct str pre);

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
bool tokenizer_adds_eos(const struct tokenizer *t);
bool tokenizer_adds_space(const struct tokenizer *t);                  /* before each text and after named tokens */

/* Streaming back to text: whole UTF-8 characters only. Bytes that can no longer become a character turn into U+FFFD. */
struct detokenizer {
    bool at_start;      /* the space that encoding put before a text (tokenizer_adds_space) is to come off: set it where
                         * the tokens begin a text, of itself or right after a control token */
    /* private */
    char tail[4];
    int n_tail;
};
/* Appends what is now whole to *out. Control tokens give nothing. */
void detokenizer_add(struct detokenizer *d, const struct tokenizer *t, int32_t id, struct buf *out);
void detokenizer_end(struct detokenizer *d, struct buf *out);

#endif
