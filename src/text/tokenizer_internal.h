/* Inside the tokenizer: the tables of an open vocabulary, and the calls between its rooms. */
#ifndef RUNG_TEXT_TOKENIZER_INTERNAL_H
#define RUNG_TEXT_TOKENIZER_INTERNAL_H

#include "base/strmap.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"

#define TOKENIZER_MAX_TOKEN_BYTES 16384
#define TOKENIZER_MAX_MERGES (1 << 22)
/* Of names that are looked for in text: what one position of a text costs at most. */
#define TOKENIZER_MAX_NAME_BYTES 256

/* Tokens that are recognised in text by their name. */
struct specials {
    int32_t *ids;         /* sorted by name */
    int32_t n;
    bool first[256];      /* bytes a name begins with */
};

/* Merges by pair: an open hash of (left << 20 | right) << 24 | rank; MERGE_FREE where empty. */
struct merges {
    uint64_t *slots;
    uint64_t mask;
    int32_t *merged;      /* [rank] the token a merge gives */
    int32_t n;
};

struct tokenizer {
    enum pretokenizer pre;
    int32_t n_tokens;
    struct str *pieces;           /* [n_tokens] bytes of each, into piece_bytes */
    char *piece_bytes;
    uint8_t *types;               /* [n_tokens] */
    bool *whole;                  /* [n_tokens] a word with these bytes is this one token */
    bool *ends;                   /* [n_tokens] ends an answer */
    struct strmap by_piece;       /* where names collide, plain tokens win over control tokens */
    struct specials always;       /* user-defined tokens */
    struct specials control;      /* control tokens */
    struct specials trusted;      /* both */
    struct merges merges;
    int32_t byte_ids[256];
    int32_t bos, eos;
    bool add_bos;
};

/* A token that plain text may become. */
static inline bool tokenizer_is_plain(const struct tokenizer *t, int32_t id)
{
    return t->types[id] == TOKEN_NORMAL || t->types[id] == TOKEN_BYTE || t->types[id] == TOKEN_USER_DEFINED;
}

/* ---- tokenizer_special.c ---- */
/* types: bits 1 << enum token_type. */
bool specials_open(const struct tokenizer *t, unsigned types, struct specials *ret, struct err *err);
/* The id of the longest name that starts at text.p[at], or -1. */
int32_t specials_match(const struct tokenizer *t, const struct specials *s, struct str text, size_t at);
/* Whether text.p[at..] is a proper beginning of a name. */
bool specials_begins(const struct tokenizer *t, const struct specials *s, struct str text, size_t at);
/* The first name at or after *at; *at moves there, to the end when there is none (-1). */
int32_t specials_next(const struct tokenizer *t, const struct specials *s, struct str text, size_t *at);

/* ---- tokenizer_bpe.c ---- */
/* Working memory of one encoding; grows, freed by bpe_scratch_free. */
struct bpe_scratch {
    struct bpe_symbol *symbols;
    uint64_t *heap;
    int32_t cap_symbols, n_heap, cap_heap;
};
void bpe_scratch_free(struct bpe_scratch *s);
bool merges_open(struct tokenizer *t, const struct tokenizer_spec *spec, struct err *err);
/* Appends the tokens of one word. */
bool bpe_encode_word(const struct tokenizer *t, struct bpe_scratch *s, struct str word, struct token_ids *ids,
                     struct err *err);
/* Bytes of a token as it stands in the file (each byte a printable character) to `out`, which has room for name.n;
 * the count. */
size_t bpe_decode_name(struct str name, char *out);

#endif
