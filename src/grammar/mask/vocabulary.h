/* What a vocabulary looks like inside: its tokens' bytes, two tries in preorder, masks of plain tokens. Nobody outside
 * this room includes this.
 *
 * A token is plain when it is made of whole plain characters (grammar/expr.h: expr_plain_prefix), the last of which may
 * be cut, as byte-level BPE does: where any k plain characters may stand, each plain token of at most k characters is
 * admitted, a cut one counting as whole. The tokens that are not plain have a trie of their own, so that inside a
 * string only they are walked. End tokens and tokens without bytes are in neither. */
#ifndef RUNG_GRAMMAR_MASK_VOCABULARY_H
#define RUNG_GRAMMAR_MASK_VOCABULARY_H

#include "grammar/constraint.h"

#define VOCABULARY_MAX_TOKENS (1 << 20)
#define VOCABULARY_MAX_PIECE 1000         /* bytes; longer ones are never admitted */
#define VOCABULARY_MAX_NODES (1u << 22)   /* of one trie */
#define PLAIN_NONE (-1)                   /* in place of a plain mask's index */
#define VOCABULARY_NO_TOKEN 0x7fffffu
#define PLAIN_SIZES 24                    /* plain masks: vocabulary.c says of how many characters each */

/* A node stands for the byte that leads to it; its subtree follows it. */
struct trie_node {
    uint32_t token : 23;   /* whose bytes end here, or VOCABULARY_NO_TOKEN */
    uint32_t shared : 1;   /* others have the same bytes: vocabulary.same */
    uint32_t byte : 8;
    uint32_t size : 22;    /* nodes of the subtree, itself included */
    uint32_t depth : 10;   /* of the byte, from 1 */
};

struct trie {
    struct trie_node *nodes;
    uint32_t n;
};

struct vocabulary {
    int32_t n_tokens;
    size_t n_words;        /* of a mask */
    char *bytes;           /* token i is bytes[start[i]] up to bytes[start[i + 1]]; end tokens have none */
    uint32_t *start;       /* [n_tokens + 1] */
    int32_t *same;         /* [n_tokens] the next token with the same bytes, or -1 */
    uint64_t *ends;        /* the mask of end tokens */
    uint64_t *plain[PLAIN_SIZES];   /* [k] the plain tokens whose plain_size is at most k; the last: all */
    struct trie plain_trie, rest_trie;
    uint8_t *sizes;        /* [plain_trie.n] the largest index into plain masks at and below a node */
    int32_t *order;        /* [n_plain] the plain tokens as the plain trie has them */
    uint32_t *kinds;       /* [plain_trie.n] the kinds of bytes at and below a node, one bit each */
    uint32_t *rank;        /* [plain_trie.n + 1] the place in `order` of the first token at or below a node */
};

static inline struct str vocabulary_piece(const struct vocabulary *v, int32_t id)
{
    return (struct str){v->bytes + v->start[id], v->start[id + 1] - v->start[id]};
}

static inline bool mask_has(const uint64_t *mask, int32_t id)
{
    return mask[id >> 6] >> (id & 63) & 1;
}

static inline void mask_add(uint64_t *mask, int32_t id)
{
    mask[id >> 6] |= (uint64_t)1 << (id & 63);
}

/* Bytes that rules seldom tell apart, together; every other byte of plain text is of kind KIND_OTHER. */
#define BYTE_KINDS 30
#define KIND_OTHER 31
extern const char *const byte_kinds[BYTE_KINDS];
/* The index of the first plain mask that has a token of these bytes; PLAIN_NONE: it is not plain. */
int plain_size(struct str piece);
/* The index of the largest plain mask whose tokens have at most so many characters; PLAIN_NONE: there is none. */
int plain_within(int characters);

#endif
