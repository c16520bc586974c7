/* Words already met in one text, with the tokens they became: prose repeats itself. A word's slot is where its hash
 * says, and the last word there stays. */
#ifndef RUNG_TEXT_TOKENIZER_CACHE_H
#define RUNG_TEXT_TOKENIZER_CACHE_H

#include "base/err.h"
#include "base/str.h"

#define WORD_CACHE_MAX_BYTES 24  /* of a word */

struct word_key {
    uint64_t bytes[WORD_CACHE_MAX_BYTES / 8];
    uint64_t n;
};

struct word_cache {
    struct word_slot *slots;
    uint64_t mask;
};

struct word_slot {
    struct word_key key;
    int64_t first;       /* of its tokens, in the list being written */
    int64_t n;
};

/* Made for a text of so many bytes. */
bool word_cache_open(struct word_cache *c, size_t text_bytes, struct err *err);
void word_cache_close(struct word_cache *c);
/* The slot of a word of at most WORD_CACHE_MAX_BYTES; *ret_key is what it holds when it is this word's. */
struct word_slot *word_cache_slot(const struct word_cache *c, struct str word, struct word_key *ret_key);

static inline bool word_key_equal(const struct word_key *a, const struct word_key *b)
{
    return a->bytes[0] == b->bytes[0] && a->bytes[1] == b->bytes[1] && a->bytes[2] == b->bytes[2] && a->n == b->n;
}

#endif
