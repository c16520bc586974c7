/* The index of a text by its last four bytes and by its last two: chains of places through hash tables that grow with
 * the text. Whether a draft is worth verifying is speculate.c's business. */
#include "runtime/schedule/lookup.h"

#include <stdlib.h>
#include <string.h>

#define LOOKUP_FIRST_BYTES 1024

/* Long matches are rare enough to be all looked at; only where there is none, short ones are. */
static const uint32_t chain_width[LOOKUP_CHAINS] = {4, 2};

void lookup_open(struct lookup *l, const struct tokenizer *tokenizer)
{
    *l = (struct lookup){.tokenizer = tokenizer};
}

void lookup_close(struct lookup *l)
{
    free(l->text);
    free(l->ends);
    for (int c = 0; c < LOOKUP_CHAINS; c++) {
        free(l->chains[c].heads);
        free(l->chains[c].before);
    }
    *l = (struct lookup){0};
}

/* ---- growing ---- */

/* The slot of the `width` bytes before a place. */
static uint32_t slot_of(const struct lookup *l, uint32_t width, uint32_t place)
{
    uint32_t key = 0;
    memcpy(&key, l->text + place - width, width);
    return (uint32_t)(key * 0x9E3779B97F4A7C15u >> 32) & (l->capacity - 1);
}

static void link_places(struct lookup *l, int c, uint32_t from)
{
    struct lookup_chain *chain = &l->chains[c];
    for (uint32_t place = from > chain_width[c] ? from : chain_width[c]; place <= l->n; place++) {
        uint32_t *head = &chain->heads[slot_of(l, chain_width[c], place)];
        chain->before[place - 1] = *head;
        *head = place;
    }
}

/* The old array is good still where no memory was left. */
static bool resize(void *array_at, size_t count, size_t size)
{
    void *old, *p;
    memcpy(&old, array_at, sizeof old);
    p = realloc(old, count * size);
    if (p)
        memcpy(array_at, &p, sizeof p);
    return p != NULL;
}

static bool grow_text(struct lookup *l, uint32_t n, struct err *err)
{
    uint32_t capacity = l->capacity ? l->capacity : LOOKUP_FIRST_BYTES;
    while (capacity < n)
        capacity *= 2;
    if (capacity == l->capacity)
        return true;
    bool ok = resize(&l->text, capacity, 1);
    for (int c = 0; c < LOOKUP_CHAINS; c++)
        ok = ok && resize(&l->chains[c].before, capacity, sizeof(uint32_t)) &&
             resize(&l->chains[c].heads, capacity, sizeof(uint32_t));
    if (!ok)
        return err_nomem(err, "the index of a text");
    l->capacity = capacity;
    for (int c = 0; c < LOOKUP_CHAINS; c++) {
        memset(l->chains[c].heads, 0, capacity * sizeof(uint32_t));
        link_places(l, c, 1);
    }
    return true;
}

static bool grow_tokens(struct lookup *l, int64_t n, struct err *err)
{
    int64_t cap = l->cap_tokens ? l->cap_tokens : 256;
    while (cap < n)
        cap *= 2;
    if (cap == l->cap_tokens)
        return true;
    if (!resize(&l->ends, (size_t)cap, sizeof *l->ends))
        return err_nomem(err, "the index of a text");
    l->cap_tokens = cap;
    return true;
}

bool lookup_add(struct lookup *l, const int32_t *ids, int64_t n, struct err *err)
{
    uint32_t from = l->n + 1;
    if (!grow_tokens(l, n, err))
        return false;
    while (l->n_tokens < n && !l->full) {
        struct str piece = tokenizer_piece(l->tokenizer, ids[l->n_tokens]);
        l->full = piece.n > LOOKUP_MAX_BYTES - l->n;
        if (l->full)
            break;
        uint32_t capacity = l->capacity;
        if (!grow_text(l, l->n + (uint32_t)piece.n, err))
            return false;
        if (l->capacity != capacity)
            from = l->n + 1;
        if (piece.n > 0)
            memcpy(l->text + l->n, piece.p, piece.n);
        l->n += (uint32_t)piece.n;
        l->ends[l->n_tokens++] = l->n;
    }
    for (int c = 0; c < LOOKUP_CHAINS; c++)
        link_places(l, c, from);
    return true;
}

/* ---- finding ---- */

/* Equal bytes before the two places. */
static uint32_t match_at(const struct lookup *l, uint32_t place)
{
    uint32_t most = place < LOOKUP_MAX_MATCH ? place : LOOKUP_MAX_MATCH, n = 0;
    while (n < most && l->text[place - 1 - n] == l->text[l->n - 1 - n])
        n++;
    return n;
}

/* The place of the longest match of at least the chain's width, the first of equals; 0: none. */
static uint32_t longest(const struct lookup *l, int c, uint32_t *ret_match)
{
    uint32_t best = 0, best_match = chain_width[c], place = l->n;
    if (l->n < chain_width[c])
        return 0;
    for (int i = 0; i < LOOKUP_MAX_PLACES && (place = l->chains[c].before[place - 1]) != 0; i++) {
        uint32_t match = match_at(l, place);
        if (match >= best_match) {
            best = place;
            best_match = match;
        }
    }
    *ret_match = best_match;
    return best;
}

/* The token that holds the byte after a place. */
static int64_t token_at(const struct lookup *l, uint32_t place)
{
    int64_t low = 0, high = l->n_tokens - 1;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (l->ends[middle] > place)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The tokens from a place on. Where the place lies inside a token, its rest must be a token too. A text that repeats
 * itself up to its end goes on repeating. */
static int copy_from(const struct lookup *l, const int32_t *ids, uint32_t place, int most, int32_t *draft)
{
    int64_t at = token_at(l, place);
    uint32_t begin = at > 0 ? l->ends[at - 1] : 0;
    int n = 0;
    if (most > 0 && begin < place) {
        draft[n] = tokenizer_find(l->tokenizer, (struct str){l->text + place, l->ends[at] - place});
        if (draft[n++] < 0)
            return 0;
        at++;
    }
    for (; n < most; n++, at++)
        draft[n] = at < l->n_tokens ? ids[at] : draft[at - l->n_tokens];
    return n;
}

int lookup_draft(const struct lookup *l, const int32_t *ids, int most, int32_t *draft, int *ret_match)
{
    if (l->full)
        return 0;
    for (int c = 0; c < LOOKUP_CHAINS; c++) {
        uint32_t match = 0, place = longest(l, c, &match);
        int n = place > 0 ? copy_from(l, ids, place, most, draft) : 0;
        *ret_match = (int)match;
        if (n > 0)
            return n;
    }
    return 0;
}
