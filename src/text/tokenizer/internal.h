/* Inside the tokenizer: the tables of an open vocabulary, and the calls between its rooms. */
#ifndef RUNG_TEXT_TOKENIZER_INTERNAL_H
#define RUNG_TEXT_TOKENIZER_INTERNAL_H

#include "base/strmap.h"
#include "text/tokenizer.h"
#include "text/tokenizer/pretokenize.h"

#define TOKENIZER_MAX_TOKEN_BYTES 16384
#define TOKENIZER_MAX_MERGES ((1 << 24) - 1)
/* Of names that are looked for in text: what one position of a text costs at most. */
#define TOKENIZER_MAX_NAME_BYTES 256
/* Of tokens that grow from others, and of word pieces: bounds the ways to look at one token, or one place of a word. */
#define TOKENIZER_MAX_PIECE_BYTES 256

enum vocab_kind {
    VOCAB_BYTE_BPE,      /* merges by rank of bytes, within pre-tokenised words */
    VOCAB_SPACE_BPE,     /* merges by rank of characters, a space being one (Gemma 4) */
    VOCAB_SENTENCEPIECE, /* merges by score of characters, a space being one */
    VOCAB_WORDPIECE,     /* the longest pieces from the left; a word's first piece begins with a space */
};

/* Tokens that are recognised in text by their name. */
struct specials {
    int32_t *ids;         /* sorted by name */
    int32_t n;
    bool first[256];      /* bytes a name begins with */
};

/* Merges by pair: an open hash of (left << 20 | right) << 24 | merge; MERGE_FREE where empty. */
struct merges {
    uint64_t *slots;
    uint64_t mask;
    int32_t *merged;      /* [merge] the token it gives */
    int32_t *order;       /* [merge] the lower goes first; of equals the leftmost */
};

struct tokenizer {
    enum vocab_kind kind;
    const struct pretokenizer *pre; /* VOCAB_BYTE_BPE */
    int32_t n_tokens;
    struct str *pieces;           /* [n_tokens] bytes of each, into piece_bytes */
    char *piece_bytes;
    uint8_t *types;               /* [n_tokens] */
    bool *ends;                   /* [n_tokens] ends an answer */
    bool *trims;                  /* [n_tokens] takes the white space after its name along */
    struct strmap by_piece;       /* where names collide, plain tokens win over control tokens */
    struct specials always;       /* user-defined tokens */
    struct specials control;      /* control tokens */
    struct specials trusted;      /* both */
    struct merges merges;
    uint64_t joined[256][4];      /* bit [a][b]: some token holds byte a, then byte b beginning a character */
    int32_t byte_ids[256];        /* what stands for a byte that no other token holds */
    int32_t char_ids[128];        /* of ASCII characters, -1 where there is no token */
    size_t max_piece;             /* bytes of the longest plain token, at most TOKENIZER_MAX_PIECE_BYTES */
    int32_t bos, eos, unknown;
    bool add_bos, add_eos, space_prefix, lowercase, strip_accents;
};

/* A token that plain text may become. */
static inline bool tokenizer_is_plain(const struct tokenizer *t, int32_t id)
{
    return t->types[id] == TOKEN_NORMAL || t->types[id] == TOKEN_BYTE || t->types[id] == TOKEN_USER_DEFINED;
}

/* The plain token whose bytes these are. */
static inline bool tokenizer_find_plain(const struct tokenizer *t, struct str piece, int32_t *ret_id)
{
    return strmap_get(&t->by_piece, piece, ret_id) && tokenizer_is_plain(t, *ret_id);
}

/* Where the next byte begins a character, if the text is UTF-8. */
static inline bool begins_char(char byte)
{
    return ((unsigned char)byte & 0xC0) != 0x80;
}

/* ---- special.c ---- */
/* types: bits 1 << enum token_type. */
bool specials_open(const struct tokenizer *t, unsigned types, struct specials *ret, struct err *err);
/* The id of the longest name that starts at text.p[at], or -1. */
int32_t specials_match(const struct tokenizer *t, const struct specials *s, struct str text, size_t at);
/* Whether text.p[at..] is a proper beginning of a name. */
bool specials_begins(const struct tokenizer *t, const struct specials *s, struct str text, size_t at);
/* The first name at or after *at; *at moves there, to the end when there is none (-1). */
int32_t specials_next(const struct tokenizer *t, const struct specials *s, struct str text, size_t *at);
/* Where text goes on behind the name of id at text.p[at]. */
size_t specials_after(const struct tokenizer *t, int32_t id, struct str text, size_t at);

/* ---- bpe.c ---- */
/* Working memory of one encoding; grows, freed by bpe_scratch_free. */
struct bpe_scratch {
    struct bpe_symbol *symbols;
    uint64_t *heap;
    int32_t cap_symbols, n_heap, cap_heap;
};
void bpe_scratch_free(struct bpe_scratch *s);
/* The merges a file lists, by rank. */
bool merges_open(struct tokenizer *t, const struct tokenizer_spec *spec, struct err *err);
bool merges_reserve(struct merges *m, int32_t n, struct err *err);
void merges_put(struct merges *m, int32_t left, int32_t right, int32_t merge);
void merges_free(struct merges *m);
/* Appends the tokens of one word. */
bool bpe_encode_word(const struct tokenizer *t, struct bpe_scratch *s, struct str word, struct token_ids *ids,
                     struct err *err);
/* Bytes of a token as it stands in the file (each byte a printable character) to `out`, which has room for name.n;
 * the count. */
size_t bpe_decode_name(struct str name, char *out);

/* ---- spaces.c: vocabularies in which a space is a character of tokens ---- */
/* Bytes of a token in whose name U+2581 is a space, to `out`, which has room for name.n; the count. */
size_t spaces_decode_name(struct str name, char *out);
/* The merges that the scores of the tokens mean. */
bool spaces_open_scores(struct tokenizer *t, const float *scores, struct err *err);
void spaces_open_joined(struct tokenizer *t);
/* Text as the merges see it, appended. */
void spaces_normalise(const struct tokenizer *t, struct str text, struct buf *out);
/* The end of the stretch from `at` that no token crosses. */
size_t spaces_stretch_end(const struct tokenizer *t, struct str text, size_t at);

/* ---- wordpiece.c ---- */
/* Words with a space before each, appended. */
void wordpiece_normalise(const struct tokenizer *t, struct str text, struct buf *out);
bool wordpiece_encode_word(const struct tokenizer *t, struct str word, struct token_ids *ids, struct err *err);

#endif
