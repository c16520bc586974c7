/* Opens a vocabulary: copies the tokens' bytes, parts them into plain ones and others, sorts them and builds a trie of
 * each part. What a rule admits of them is the business of walk.c. */
#include "grammar/mask/vocabulary.h"

#include <limits.h>
#include <stdlib.h>

/* ---- which tokens are plain ---- */

/* How many bytes the character that begins with this byte has, and what its second byte may be. 0: none begins so. */
static int lead_bytes(uint8_t lead, uint8_t *ret_low, uint8_t *ret_high)
{
    *ret_low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *ret_high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Bytes of the plain character at `at`, fewer than it has where the text ends inside; 0: no plain character. */
static size_t plain_character(struct str s, size_t at)
{
    uint8_t low, high, lead = (uint8_t)s.p[at];
    if (lead < 0x20 || lead == '"' || lead == '\\' || lead == 0x7F)
        return 0;
    size_t n = (size_t)lead_bytes(lead, &low, &high);
    for (size_t i = 1; i < n && at + i < s.n; i++) {
        uint8_t byte = (uint8_t)s.p[at + i];
        if (byte < (i == 1 ? low : 0x80) || byte > (i == 1 ? high : 0xBF))
            return 0;
    }
    return n > s.n - at ? s.n - at : n;
}

/* Characters of the tokens in each plain mask, at most. Few tokens have more than 16. */
static const int PLAIN_CHARACTERS[PLAIN_SIZES] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10,  11,  12,
                                                  13, 14, 15, 16, 20, 24, 32, 48, 64, 128, 256, INT_MAX};

int plain_within(int characters)
{
    int size = PLAIN_SIZES - 1;
    while (size >= 0 && PLAIN_CHARACTERS[size] > characters)
        size--;
    return size;
}

int plain_size(struct str piece)
{
    int characters = 0, size = 0;
    for (size_t at = 0, n; at < piece.n; at += n) {
        n = plain_character(piece, at);
        if (n == 0)
            return PLAIN_NONE;
        characters++;
    }
    while (PLAIN_CHARACTERS[size] < characters)
        size++;
    return characters == 0 ? PLAIN_NONE : size;
}

const char *const byte_kinds[BYTE_KINDS] = {
    "0123456789", "abcdef", "ghijklmnopqrstuvwxyz", "ABCDEF", "GHIJKLMNOPQRSTUVWXYZ", " ", "_", "-", ".", "/", ":", ",",
    ";", "@", "#", "%", "&", "+", "=", "?", "!", "*", "~", "$", "'", "()", "[]", "{}", "<>", "^`|",
};

static void list_kinds(uint32_t ret_bit[256])
{
    for (int byte = 0; byte < 256; byte++)
        ret_bit[byte] = 1u << KIND_OTHER;
    for (int kind = 0; kind < BYTE_KINDS; kind++)
        for (const char *p = byte_kinds[kind]; *p; p++)
            ret_bit[(uint8_t)*p] = 1u << kind;
}

/* ---- the tokens' bytes ---- */

static bool allocate(struct vocabulary *v, int32_t n_tokens)
{
    v->n_tokens = n_tokens;
    v->n_words = VOCABULARY_WORDS(n_tokens);
    v->start = calloc((size_t)n_tokens + 1, sizeof *v->start);
    v->same = malloc((size_t)n_tokens * sizeof *v->same);
    v->ends = calloc(v->n_words, sizeof *v->ends);
    bool ok = v->start && v->same && v->ends;
    for (int i = 0; i < PLAIN_SIZES; i++) {
        v->plain[i] = calloc(v->n_words, sizeof *v->plain[i]);
        ok = ok && v->plain[i];
    }
    return ok;
}

static bool copy_pieces(struct vocabulary *v, const struct vocabulary_spec *spec, struct err *err)
{
    size_t n = 0;
    for (int32_t id = 0; id < v->n_tokens; id++) {
        struct str piece = spec->piece(spec->ctx, id);
        v->same[id] = -1;
        if (spec->is_end(spec->ctx, id))
            mask_add(v->ends, id);
        else if (piece.n <= VOCABULARY_MAX_PIECE)
            n += piece.n;
    }
    v->bytes = malloc(n + 1);
    if (!v->bytes)
        return err_nomem(err, "the vocabulary's bytes");
    n = 0;
    for (int32_t id = 0; id < v->n_tokens; id++) {
        struct str piece = spec->piece(spec->ctx, id);
        v->start[id] = (uint32_t)n;
        if (piece.n == 0 || piece.n > VOCABULARY_MAX_PIECE || mask_has(v->ends, id))
            continue;
        memcpy(v->bytes + n, piece.p, piece.n);
        n += piece.n;
    }
    v->start[v->n_tokens] = (uint32_t)n;
    return true;
}

/* ---- sorting ---- */

#define DIGIT_BITS 16
#define HEAD_DIGITS (64 / DIGIT_BITS)   /* even, so that the last pass writes where the first one read */

/* A token by its first eight bytes, the first highest. */
struct sorted {
    uint64_t head;
    int32_t id;
    int32_t plain;   /* plain_size */
};

static uint64_t head_of(struct str piece)
{
    uint64_t head = 0;
    for (size_t i = 0; i < 8; i++)
        head = head << 8 | (i < piece.n ? (uint8_t)piece.p[i] : 0);
    return head;
}

/* By digits of the head, the lowest first, each pass keeping the order of the one before. `other` has room for all. */
static void sort_by_head(struct sorted *all, struct sorted *other, size_t n, uint32_t *counts)
{
    for (int digit = 0; digit < HEAD_DIGITS; digit++) {
        int shift = digit * DIGIT_BITS;
        uint32_t sum = 0;
        memset(counts, 0, sizeof *counts << DIGIT_BITS);
        for (size_t i = 0; i < n; i++)
            counts[(uint16_t)(all[i].head >> shift)]++;
        for (uint32_t d = 0; d < 1u << DIGIT_BITS; d++) {
            uint32_t count = counts[d];
            counts[d] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++)
            other[counts[(uint16_t)(all[i].head >> shift)]++] = all[i];
        struct sorted *swap = all;
        all = other;
        other = swap;
    }
}

static int compare_pieces(const void *left, const void *right, void *vocabulary)
{
    const struct sorted *a = left, *b = right;
    struct str p = vocabulary_piece(vocabulary, a->id), q = vocabulary_piece(vocabulary, b->id);
    int order = memcmp(p.p, q.p, p.n < q.n ? p.n : q.n);
    if (order != 0 || p.n != q.n)
        return order != 0 ? order : p.n < q.n ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

/* The tokens that have bytes, sorted by them, in the first half of what is returned; *ret_n is their count. */
static struct sorted *sort_tokens(struct vocabulary *v, size_t *ret_n, struct err *err)
{
    struct sorted *all = malloc((size_t)v->n_tokens * 2 * sizeof *all);
    uint32_t *counts = malloc(sizeof *counts << DIGIT_BITS);
    size_t n = 0;
    if (!all || !counts) {
        free(all);
        free(counts);
        err_nomem(err, "sorting a vocabulary");
        return NULL;
    }
    for (int32_t id = 0; id < v->n_tokens; id++) {
        struct str piece = vocabulary_piece(v, id);
        if (piece.n > 0)
            all[n++] = (struct sorted){head_of(piece), id, plain_size(piece)};
    }
    sort_by_head(all, all + v->n_tokens, n, counts);
    free(counts);
    for (size_t first = 0, last = 0; first < n; first = last) {   /* those whose heads do not tell them apart */
        while (last < n && all[last].head == all[first].head)
            last++;
        if (last > first + 1)
            qsort_r(all + first, last - first, sizeof *all, compare_pieces, v);
    }
    *ret_n = n;
    return all;
}

/* ---- tries ---- */

struct builder {
    struct trie *trie;
    uint32_t cap;
    uint32_t open[VOCABULARY_MAX_PIECE + 1];   /* [depth] the node on the way to the last token */
    struct str last;
    int32_t last_id;
};

/* Ends the subtrees of the nodes deeper than `depth`. */
static void close_nodes(struct builder *b, size_t depth)
{
    for (size_t d = depth + 1; d <= b->last.n; d++)
        b->trie->nodes[b->open[d]].size = b->trie->n - b->open[d];
}

static bool reserve_nodes(struct builder *b, size_t n, struct err *err)
{
    if (b->trie->n + n >= VOCABULARY_MAX_NODES)
        return err_set(err, ERR_LIMIT, "the vocabulary's tokens are longer than masks can take (%u bytes in all)",
                       VOCABULARY_MAX_NODES);
    if (b->trie->n + n <= b->cap)
        return true;
    uint32_t cap = b->cap ? b->cap * 2 : 65536;
    struct trie_node *nodes = realloc(b->trie->nodes, cap * sizeof *nodes);
    if (!nodes)
        return err_nomem(err, "a vocabulary's trie");
    b->trie->nodes = nodes;
    b->cap = cap;
    return true;
}

static bool add_token(struct builder *b, struct vocabulary *v, struct str piece, int32_t id, struct err *err)
{
    size_t common = 0;
    while (common < piece.n && common < b->last.n && piece.p[common] == b->last.p[common])
        common++;
    if (common == piece.n) {   /* sorted, so the last token has the same bytes */
        b->trie->nodes[b->open[piece.n]].shared = 1;
        v->same[b->last_id] = id;
        b->last_id = id;
        return true;
    }
    close_nodes(b, common);
    if (!reserve_nodes(b, piece.n - common, err))
        return false;
    for (size_t d = common + 1; d <= piece.n; d++) {
        b->open[d] = b->trie->n;
        b->trie->nodes[b->trie->n++] = (struct trie_node){
            .token = VOCABULARY_NO_TOKEN, .byte = (uint8_t)piece.p[d - 1], .depth = (uint32_t)d};
    }
    b->trie->nodes[b->open[piece.n]].token = (uint32_t)id;
    b->last = piece;
    b->last_id = id;
    return true;
}

/* A trie of the tokens that are plain, or of those that are not. */
static bool build_trie(struct vocabulary *v, const struct sorted *all, size_t n, bool plain, struct trie *trie,
                       struct err *err)
{
    struct builder b = {.trie = trie};
    for (size_t i = 0; i < n; i++)
        if ((all[i].plain != PLAIN_NONE) == plain && !add_token(&b, v, vocabulary_piece(v, all[i].id), all[i].id, err))
            return false;
    close_nodes(&b, 0);
    return true;
}

/* What a walk of the plain trie needs to take or leave a subtree whole. */
static bool measure_subtrees(struct vocabulary *v, size_t n_tokens, struct err *err)
{
    const struct trie *t = &v->plain_trie;
    uint32_t way[VOCABULARY_MAX_PIECE + 1], kind_bit[256], n = 0;
    v->sizes = calloc((size_t)t->n + 1, sizeof *v->sizes);
    v->order = malloc((n_tokens + 1) * sizeof *v->order);
    v->kinds = calloc((size_t)t->n + 1, sizeof *v->kinds);
    v->rank = malloc(((size_t)t->n + 1) * sizeof *v->rank);
    if (!v->sizes || !v->order || !v->kinds || !v->rank)
        return err_nomem(err, "a vocabulary's trie");
    list_kinds(kind_bit);
    for (uint32_t i = 0; i < t->n; i++) {
        struct trie_node node = t->nodes[i];
        way[node.depth] = i;
        v->rank[i] = n;
        for (uint32_t d = node.depth; d > 0 && !(v->kinds[way[d]] & kind_bit[node.byte]); d--)
            v->kinds[way[d]] |= kind_bit[node.byte];
        if (node.token == VOCABULARY_NO_TOKEN)
            continue;
        for (int32_t id = (int32_t)node.token; id >= 0; id = v->same[id])
            v->order[n++] = id;
        uint8_t size = (uint8_t)plain_size(vocabulary_piece(v, (int32_t)node.token));
        for (uint32_t d = node.depth; d > 0 && v->sizes[way[d]] < size; d--)
            v->sizes[way[d]] = size;
    }
    v->rank[t->n] = n;
    return true;
}

static void fill_plain_masks(struct vocabulary *v, const struct sorted *all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (all[i].plain != PLAIN_NONE)
            mask_add(v->plain[all[i].plain], all[i].id);
    for (int size = 1; size < PLAIN_SIZES; size++)
        for (size_t w = 0; w < v->n_words; w++)
            v->plain[size][w] |= v->plain[size - 1][w];
}

bool vocabulary_open(const struct vocabulary_spec *spec, struct vocabulary **ret, struct err *err)
{
    if (spec->n_tokens <= 0 || spec->n_tokens > VOCABULARY_MAX_TOKENS)
        return err_set(err, ERR_LIMIT, "a vocabulary of %d tokens; masks take 1 to %d", (int)spec->n_tokens,
                       VOCABULARY_MAX_TOKENS);
    size_t n;
    struct sorted *all = NULL;
    struct vocabulary *v = calloc(1, sizeof *v);
    bool ok = (v && allocate(v, spec->n_tokens)) || err_nomem(err, "a vocabulary");
    ok = ok && copy_pieces(v, spec, err) && (all = sort_tokens(v, &n, err)) &&
         build_trie(v, all, n, true, &v->plain_trie, err) && build_trie(v, all, n, false, &v->rest_trie, err) &&
         measure_subtrees(v, n, err);
    if (ok) {
        fill_plain_masks(v, all, n);
        *ret = v;
    } else {
        vocabulary_close(v);
    }
    free(all);
    return ok;
}

void vocabulary_close(struct vocabulary *v)
{
    if (!v)
        return;
    for (int i = 0; i < PLAIN_SIZES; i++)
        free(v->plain[i]);
    free(v->plain_trie.nodes);
    free(v->sizes);
    free(v->order);
    free(v->kinds);
    free(v->rank);
    free(v->rest_trie.nodes);
    free(v->ends);
    free(v->same);
    free(v->start);
    free(v->bytes);
    free(v);
}

int32_t vocabulary_count(const struct vocabulary *v)
{
    return v->n_tokens;
}
