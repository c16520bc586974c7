/* Byte-level BPE: the merge table, and merging one word. A word starts as one token a byte; the adjacent pair of the
 * lowest rank (the leftmost of equals) is merged until no pair has a rank. Pairs wait in a heap, so a word of n
 * bytes takes n log n. Words that are one token anyway are found by tokenizer.c before they come here. */
#include <stdlib.h>

#include "text/tokenizer_internal.h"

#define MERGE_FREE UINT64_MAX
#define RANK_BITS 24
#define NO_RANK INT32_MAX

_Static_assert(TOKENIZER_MAX_VOCAB <= 1 << 20, "two token ids and a rank share 64 bits");
_Static_assert(TOKENIZER_MAX_MERGES < 1 << RANK_BITS, "two token ids and a rank share 64 bits");

struct bpe_symbol {
    int32_t id;          /* -1: merged into its left neighbour */
    int32_t prev, next;  /* -1 at the ends */
    int32_t rank;        /* of the pair with next */
};

/* ---- bytes as printable characters ---- */

/* Printable Latin-1 stands for itself; the other 68 bytes are U+0100 and on, in order (as GPT-2 published it). */
static bool is_own_char(uint32_t c)
{
    return (c >= '!' && c <= '~') || (c >= 0xA1 && c <= 0xAC) || (c >= 0xAE && c <= 0xFF);
}

/* The byte a character stands for, or -1. */
static int char_byte(uint32_t cp)
{
    if (is_own_char(cp))
        return (int)cp;
    if (cp >= 0x100 && cp <= 0x120)
        return (int)(cp - 0x100);               /* 00..20 */
    if (cp >= 0x121 && cp <= 0x142)
        return (int)(cp - 0x121 + 0x7F);        /* 7F..A0 */
    return cp == 0x143 ? 0xAD : -1;
}

size_t bpe_decode_name(struct str name, char *out)
{
    size_t n = 0;
    int len;
    for (size_t at = 0; at < name.n; at += (size_t)len) {
        int byte = char_byte(utf8_decode(name, at, &len));
        if (byte >= 0) {
            out[n++] = (char)byte;
        } else {
            memcpy(out + n, name.p + at, (size_t)len);
            n += (size_t)len;
        }
    }
    return n;
}

/* ---- the merge table ---- */

static uint64_t pair_key(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 20 | (uint32_t)right;
}

static uint64_t pair_hash(uint64_t key)
{
    return key * 0x9E3779B97F4A7C15u >> 24;
}

static int32_t merge_rank(const struct merges *m, int32_t left, int32_t right)
{
    uint64_t key = pair_key(left, right);
    for (uint64_t i = pair_hash(key) & m->mask;; i = (i + 1) & m->mask) {
        uint64_t slot = m->slots[i];
        if (slot == MERGE_FREE)
            return NO_RANK;
        if (slot >> RANK_BITS == key)
            return (int32_t)(slot & ((1u << RANK_BITS) - 1));
    }
}

static void merge_put(struct merges *m, int32_t left, int32_t right, int32_t rank)
{
    uint64_t key = pair_key(left, right), i = pair_hash(key) & m->mask;
    while (m->slots[i] != MERGE_FREE) {
        if (m->slots[i] >> RANK_BITS == key)
            return; /* the first of two equal merges counts */
        i = (i + 1) & m->mask;
    }
    m->slots[i] = key << RANK_BITS | (uint32_t)rank;
}

static bool find_plain(const struct tokenizer *t, struct str piece, int32_t *ret_id)
{
    return strmap_get(&t->by_piece, piece, ret_id) && tokenizer_is_plain(t, *ret_id);
}

/* One line "left right". A merge whose tokens the vocabulary lacks can give no token, so it is passed over. */
static bool merge_read(struct tokenizer *t, struct str line, int32_t rank, char *bytes, struct err *err)
{
    const char *space = line.n > 2 ? memchr(line.p + 1, ' ', line.n - 2) : NULL;
    if (!space)
        return err_set(err, ERR_CORRUPT, "merge %d of the tokenizer is not two tokens with a space between", rank);
    if (line.n > 2 * TOKENIZER_MAX_TOKEN_BYTES)
        return err_set(err, ERR_LIMIT, "merge %d of the tokenizer is longer than %d bytes", rank,
                       2 * TOKENIZER_MAX_TOKEN_BYTES);
    size_t n_name = (size_t)(space - line.p);
    size_t n_left = bpe_decode_name((struct str){line.p, n_name}, bytes);
    size_t n_right = bpe_decode_name((struct str){space + 1, line.n - n_name - 1}, bytes + n_left);
    int32_t left, right, merged;
    if (find_plain(t, (struct str){bytes, n_left}, &left) &&
        find_plain(t, (struct str){bytes + n_left, n_right}, &right) &&
        find_plain(t, (struct str){bytes, n_left + n_right}, &merged)) {
        merge_put(&t->merges, left, right, rank);
        t->merges.merged[rank] = merged;
    }
    return true;
}

bool merges_open(struct tokenizer *t, const struct tokenizer_spec *spec, struct err *err)
{
    struct merges *m = &t->merges;
    if (spec->n_merges < 0 || spec->n_merges > TOKENIZER_MAX_MERGES)
        return err_set(err, ERR_LIMIT, "the tokenizer has %d merges; at most %d are read", spec->n_merges,
                       TOKENIZER_MAX_MERGES);
    uint64_t cap = 64;
    while (cap * 3 / 5 < (uint64_t)spec->n_merges)
        cap *= 2;
    m->slots = malloc(cap * sizeof *m->slots);
    m->merged = calloc((size_t)spec->n_merges + 1, sizeof *m->merged);
    char *bytes = malloc(2 * TOKENIZER_MAX_TOKEN_BYTES);
    bool ok = m->slots && m->merged && bytes;
    if (!ok) {
        err_nomem(err, "the tokenizer's merges");
        goto out;
    }
    memset(m->slots, 0xFF, cap * sizeof *m->slots);
    m->mask = cap - 1;
    m->n = spec->n_merges;
    for (int32_t rank = 0; ok && rank < m->n; rank++)
        ok = merge_read(t, spec->merges[rank], rank, bytes, err);
out:
    free(bytes);
    return ok;
}

/* ---- the heap of waiting pairs: rank << 32 | position, the smallest first ---- */

static bool heap_push(struct bpe_scratch *s, uint64_t entry, struct err *err)
{
    if (s->n_heap == s->cap_heap) {
        int32_t cap = s->cap_heap ? s->cap_heap * 2 : 64;
        uint64_t *heap = realloc(s->heap, (size_t)cap * sizeof *heap);
        if (!heap)
            return err_nomem(err, "tokenising a long word");
        s->heap = heap;
        s->cap_heap = cap;
    }
    int32_t i = s->n_heap++;
    for (; i > 0 && entry < s->heap[(i - 1) / 2]; i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = entry;
    return true;
}

static uint64_t heap_pop(struct bpe_scratch *s)
{
    uint64_t *heap = s->heap, top = heap[0], last = heap[--s->n_heap];
    int32_t i = 0, n = s->n_heap;
    for (int32_t child = 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (last <= heap[child])
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return top;
}

/* ---- one word ---- */

void bpe_scratch_free(struct bpe_scratch *s)
{
    free(s->symbols);
    free(s->heap);
    *s = (struct bpe_scratch){0};
}

static bool symbols_reserve(struct bpe_scratch *s, int32_t n, struct err *err)
{
    if (n <= s->cap_symbols)
        return true;
    int32_t cap = n < 256 ? 256 : n;
    struct bpe_symbol *symbols = realloc(s->symbols, (size_t)cap * sizeof *symbols);
    if (!symbols)
        return err_nomem(err, "tokenising a long word");
    s->symbols = symbols;
    s->cap_symbols = cap;
    return true;
}

/* Rank the pair at symbol i anew and let it wait when it can merge. */
static bool pair_queue(const struct tokenizer *t, struct bpe_scratch *s, int32_t i, struct err *err)
{
    struct bpe_symbol *left = &s->symbols[i];
    left->rank = left->next < 0 ? NO_RANK : merge_rank(&t->merges, left->id, s->symbols[left->next].id);
    return left->rank == NO_RANK || heap_push(s, (uint64_t)left->rank << 32 | (uint32_t)i, err);
}

static bool pair_merge(const struct tokenizer *t, struct bpe_scratch *s, int32_t i, struct err *err)
{
    struct bpe_symbol *left = &s->symbols[i], *right = &s->symbols[left->next];
    left->id = t->merges.merged[left->rank];
    left->next = right->next;
    if (right->next >= 0)
        s->symbols[right->next].prev = i;
    right->id = -1;
    return pair_queue(t, s, i, err) && (left->prev < 0 || pair_queue(t, s, left->prev, err));
}

bool bpe_encode_word(const struct tokenizer *t, struct bpe_scratch *s, struct str word, struct token_ids *ids,
                     struct err *err)
{
    int32_t n = (int32_t)word.n;
    if (!symbols_reserve(s, n, err))
        return false;
    for (int32_t i = 0; i < n; i++)
        s->symbols[i] = (struct bpe_symbol){t->byte_ids[(unsigned char)word.p[i]], i - 1, i + 1 < n ? i + 1 : -1,
                                            NO_RANK};
    s->n_heap = 0;
    for (int32_t i = 0; i < n; i++)
        if (!pair_queue(t, s, i, err))
            return false;
    while (s->n_heap > 0) {
        uint64_t entry = heap_pop(s);
        int32_t i = (int32_t)(uint32_t)entry;
        /* A rank names one pair, so an entry is stale exactly when its place no longer has that rank. */
        if (s->symbols[i].id < 0 || s->symbols[i].rank != (int32_t)(entry >> 32))
            continue;
        if (!pair_merge(t, s, i, err))
            return false;
    }
    for (int32_t i = 0; i >= 0 && i < n; i = s->symbols[i].next)
        if (!token_ids_add(ids, s->symbols[i].id, err))
            return false;
    return true;
}
