/* Byte-pair merging: the merge table, and merging one word. A word starts as one token a byte (or a character, where
 * the vocabulary has them); the adjacent pair whose merge comes first in order (the leftmost of equals) is merged until
 * no pair can. Pairs wait in a heap, so a word of n bytes takes n log n. */
#include <stdlib.h>

#include "text/tokenizer/internal.h"

#define MERGE_FREE UINT64_MAX
#define MERGE_BITS 24
#define NO_MERGE -1

_Static_assert(TOKENIZER_MAX_VOCAB <= 1 << 20, "two token ids and a merge share 64 bits");
_Static_assert(TOKENIZER_MAX_MERGES < 1 << MERGE_BITS, "two token ids and a merge share 64 bits");

struct bpe_symbol {
    int32_t id;          /* -1: merged into its left neighbour */
    int32_t prev, next;  /* -1 at the ends */
    int32_t merge;       /* of the pair with next, or NO_MERGE */
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

static int32_t merge_of(const struct merges *m, int32_t left, int32_t right)
{
    uint64_t key = pair_key(left, right);
    for (uint64_t i = pair_hash(key) & m->mask;; i = (i + 1) & m->mask) {
        uint64_t slot = m->slots[i];
        if (slot == MERGE_FREE)
            return NO_MERGE;
        if (slot >> MERGE_BITS == key)
            return (int32_t)(slot & ((1u << MERGE_BITS) - 1));
    }
}

bool merges_reserve(struct merges *m, int32_t n, struct err *err)
{
    uint64_t cap = 64;
    while (cap * 3 / 5 < (uint64_t)n)
        cap *= 2;
    m->slots = malloc(cap * sizeof *m->slots);
    m->merged = calloc((size_t)n + 1, sizeof *m->merged);
    m->order = calloc((size_t)n + 1, sizeof *m->order);
    if (!m->slots || !m->merged || !m->order)
        return err_nomem(err, "the tokenizer's merges");
    memset(m->slots, 0xFF, cap * sizeof *m->slots);
    m->mask = cap - 1;
    return true;
}

void merges_put(struct merges *m, int32_t left, int32_t right, int32_t merge)
{
    uint64_t key = pair_key(left, right), i = pair_hash(key) & m->mask;
    while (m->slots[i] != MERGE_FREE) {
        if (m->slots[i] >> MERGE_BITS == key)
            return; /* the first of two equal merges counts */
        i = (i + 1) & m->mask;
    }
    m->slots[i] = key << MERGE_BITS | (uint32_t)merge;
}

void merges_free(struct merges *m)
{
    free(m->slots);
    free(m->merged);
    free(m->order);
}

static size_t decode_name(const struct tokenizer *t, struct str name, char *out)
{
    return t->kind == VOCAB_BYTE_BPE ? bpe_decode_name(name, out) : spaces_decode_name(name, out);
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
    size_t n_left = decode_name(t, (struct str){line.p, n_name}, bytes);
    size_t n_right = decode_name(t, (struct str){space + 1, line.n - n_name - 1}, bytes + n_left);
    int32_t left, right, merged;
    if (tokenizer_find_plain(t, (struct str){bytes, n_left}, &left) &&
        tokenizer_find_plain(t, (struct str){bytes + n_left, n_right}, &right) &&
        tokenizer_find_plain(t, (struct str){bytes, n_left + n_right}, &merged)) {
        merges_put(&t->merges, left, right, rank);
        t->merges.merged[rank] = merged;
        t->merges.order[rank] = rank;
    }
    return true;
}

bool merges_open(struct tokenizer *t, const struct tokenizer_spec *spec, struct err *err)
{
    if (spec->n_merges < 0 || spec->n_merges > TOKENIZER_MAX_MERGES)
        return err_set(err, ERR_LIMIT, "the tokenizer has %d merges; at most %d are read", spec->n_merges,
                       TOKENIZER_MAX_MERGES);
    char *bytes = malloc(2 * TOKENIZER_MAX_TOKEN_BYTES);
    if (!bytes)
        return err_nomem(err, "the tokenizer's merges");
    bool ok = merges_reserve(&t->merges, spec->n_merges, err);
    for (int32_t rank = 0; ok && rank < spec->n_merges; rank++)
        ok = merge_read(t, spec->merges[rank], rank, bytes, err);
    free(bytes);
    return ok;
}

/* ---- the heap of waiting pairs: order << 32 | position, the smallest first ---- */

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

/* Look for the merge of the pair at symbol i anew and let it wait where there is one. */
static bool pair_queue(const struct tokenizer *t, struct bpe_scratch *s, int32_t i, struct err *err)
{
    struct bpe_symbol *left = &s->symbols[i];
    left->merge = left->next < 0 ? NO_MERGE : merge_of(&t->merges, left->id, s->symbols[left->next].id);
    return left->merge == NO_MERGE ||
           heap_push(s, (uint64_t)t->merges.order[left->merge] << 32 | (uint32_t)i, err);
}

static bool pair_merge(const struct tokenizer *t, struct bpe_scratch *s, int32_t i, struct err *err)
{
    struct bpe_symbol *left = &s->symbols[i], *right = &s->symbols[left->next];
    left->id = t->merges.merged[left->merge];
    left->next = right->next;
    if (right->next >= 0)
        s->symbols[right->next].prev = i;
    right->id = -1;
    return pair_queue(t, s, i, err) && (left->prev < 0 || pair_queue(t, s, left->prev, err));
}

/* The token of the character at `at`, or -1; *ret_len is its bytes. */
static int32_t char_id(const struct tokenizer *t, struct str word, size_t at, int *ret_len)
{
    int32_t id;
    unsigned char c = (unsigned char)word.p[at];
    *ret_len = 1;
    if (c < 0x80)
        return t->char_ids[c];
    utf8_decode(word, at, ret_len);
    return tokenizer_find_plain(t, (struct str){word.p + at, (size_t)*ret_len}, &id) ? id : -1;
}

/* The ids a word starts as, at most one a byte; how many. */
static int32_t symbols_start(const struct tokenizer *t, struct bpe_symbol *symbols, struct str word)
{
    int32_t n = 0;
    for (size_t at = 0; at < word.n;) {
        int len = 1;
        int32_t id = t->kind == VOCAB_BYTE_BPE ? -1 : char_id(t, word, at, &len);
        if (id >= 0) {
            symbols[n++].id = id;
        } else {
            for (int i = 0; i < len; i++)
                symbols[n++].id = t->byte_ids[(unsigned char)word.p[at + (size_t)i]];
        }
        at += (size_t)len;
    }
    for (int32_t i = 0; i < n; i++) {
        symbols[i].prev = i - 1;
        symbols[i].next = i + 1 < n ? i + 1 : -1;
    }
    return n;
}

bool bpe_encode_word(const struct tokenizer *t, struct bpe_scratch *s, struct str word, struct token_ids *ids,
                     struct err *err)
{
    if (!symbols_reserve(s, (int32_t)word.n, err))
        return false;
    int32_t n = symbols_start(t, s->symbols, word);
    s->n_heap = 0;
    for (int32_t i = 0; i < n; i++)
        if (!pair_queue(t, s, i, err))
            return false;
    while (s->n_heap > 0) {
        uint64_t entry = heap_pop(s);
        int32_t i = (int32_t)(uint32_t)entry;
        const struct bpe_symbol *symbol = &s->symbols[i];
        /* An entry is stale where its place no longer waits for a merge of that order. */
        if (symbol->id < 0 || symbol->merge == NO_MERGE || t->merges.order[symbol->merge] != (int32_t)(entry >> 32))
            continue;
        if (!pair_merge(t, s, i, err))
            return false;
    }
    for (int32_t i = 0; i >= 0 && i < n; i = s->symbols[i].next)
        if (!token_ids_add(ids, s->symbols[i].id, err))
            return false;
    return true;
}
