/* The cache of words. It lives as long as one encoding, so it needs no lock and no eviction; its size follows the
 * text's, so a short text pays little for it. */
#include "text/tokenizer/cache.h"

#include <stdlib.h>

#define MIN_SLOTS 64
#define MAX_SLOTS 32768
#define BYTES_PER_SLOT 16

bool word_cache_open(struct word_cache *c, size_t text_bytes, struct err *err)
{
    uint64_t n = MIN_SLOTS;
    while (n < MAX_SLOTS && n * BYTES_PER_SLOT < text_bytes)
        n *= 2;
    c->slots = calloc(n, sizeof *c->slots);
    c->mask = n - 1;
    return c->slots ? true : err_nomem(err, "the tokenizer's words");
}

void word_cache_close(struct word_cache *c)
{
    free(c->slots);
    c->slots = NULL;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 32;
}

struct word_slot *word_cache_slot(const struct word_cache *c, struct str word, struct word_key *ret_key)
{
    *ret_key = (struct word_key){.n = word.n};
    memcpy(ret_key->bytes, word.p, word.n);
    uint64_t h = mix(mix(mix(word.n, ret_key->bytes[0]), ret_key->bytes[1]), ret_key->bytes[2]);
    return &c->slots[h & c->mask];
}
