/* Text to tokens. Named tokens (special.c) part a text into runs; a run is cut into words by the pre-tokenizer
 * (pretokenize.c), at white space (wordpiece.c) or where no token reaches across (spaces.c); a word not met before in
 * this text (cache.c) is merged by bpe.c or pieced together by wordpiece.c. Opening a vocabulary is the business of
 * open.c. */
#include <stdlib.h>

#include "text/tokenizer/cache.h"
#include "text/tokenizer/internal.h"

/* Bounds the memory that merging takes; ordinary text has words of a few bytes. */
#define TOKENIZER_MAX_WORD_BYTES (32u << 20)
/* Text made plain can grow: each character may need a space before it, and may come apart. */
#define TOKENIZER_MAX_PLAIN_BYTES ((size_t)4 * TOKENIZER_MAX_TEXT_BYTES)

/* ---- a growing list of ids ---- */

void token_ids_free(struct token_ids *ids)
{
    free(ids->p);
    *ids = (struct token_ids){0};
}

bool token_ids_add(struct token_ids *ids, int32_t id, struct err *err)
{
    if (ids->n == ids->cap) {
        int64_t cap = ids->cap ? ids->cap * 2 : 64;
        int32_t *p = realloc(ids->p, (size_t)cap * sizeof *p);
        if (!p)
            return err_nomem(err, "a list of tokens");
        ids->p = p;
        ids->cap = cap;
    }
    ids->p[ids->n++] = id;
    return true;
}

/* ---- words ---- */

/* One call of tokenizer_encode. */
struct encoding {
    const struct tokenizer *t;
    struct token_ids *ids;
    struct bpe_scratch bpe;
    struct word_cache cache;
    struct buf plain;       /* a run as the vocabulary sees it */
    struct err *err;
};

/* Some vocabularies take a word that is a token as it is, whatever the merges say: for Gemma 4 that is a run of
 * newlines. */
static bool is_taken_whole(const struct tokenizer *t, struct str word, int32_t *ret_id)
{
    if (t->kind == VOCAB_BYTE_BPE)
        return t->pre->whole_words && tokenizer_find_plain(t, word, ret_id);
    return t->kind == VOCAB_SPACE_BPE && word.p[0] == '\n' && tokenizer_find_plain(t, word, ret_id);
}

static bool encode_new_word(struct encoding *e, struct str word)
{
    int32_t id;
    if (word.n > TOKENIZER_MAX_WORD_BYTES)
        return err_set(e->err, ERR_LIMIT, "the text holds a word of %zu bytes; at most %u can be tokenised", word.n,
                       TOKENIZER_MAX_WORD_BYTES);
    if (e->t->kind == VOCAB_WORDPIECE)
        return wordpiece_encode_word(e->t, word, e->ids, e->err);
    if (is_taken_whole(e->t, word, &id))
        return token_ids_add(e->ids, id, e->err);
    return bpe_encode_word(e->t, &e->bpe, word, e->ids, e->err);
}

static bool encode_word(struct encoding *e, struct str word)
{
    if (word.n > WORD_CACHE_MAX_BYTES)
        return encode_new_word(e, word);
    struct word_key key;
    struct word_slot *slot = word_cache_slot(&e->cache, word, &key);
    if (word_key_equal(&slot->key, &key)) {
        for (int64_t i = 0; i < slot->n; i++)
            if (!token_ids_add(e->ids, e->ids->p[slot->first + i], e->err))
                return false;
        return true;
    }
    int64_t first = e->ids->n;
    if (!encode_new_word(e, word))
        return false;
    *slot = (struct word_slot){key, first, e->ids->n - first};
    return true;
}

/* ---- runs: text that holds no named token ---- */

static bool encode_pretokenized(struct encoding *e, struct str run)
{
    struct pretokenize walk = pretokenize_start(e->t->pre, run);
    for (struct str word; (word = pretokenize_next(&walk)).n > 0;)
        if (!encode_word(e, word))
            return false;
    return true;
}

static bool encode_stretches(struct encoding *e, struct str text)
{
    for (size_t at = 0, end; at < text.n; at = end) {
        end = spaces_stretch_end(e->t, text, at);
        if (!encode_word(e, (struct str){text.p + at, end - at}))
            return false;
    }
    return true;
}

/* Each word begins with a space. */
static bool encode_spaced(struct encoding *e, struct str text)
{
    for (size_t at = 0, end; at < text.n; at = end) {
        const char *next = memchr(text.p + at + 1, ' ', text.n - at - 1);
        end = next ? (size_t)(next - text.p) : text.n;
        if (!encode_word(e, (struct str){text.p + at, end - at}))
            return false;
    }
    return true;
}

static bool encode_run(struct encoding *e, struct str run)
{
    if (run.n == 0)
        return true;
    if (e->t->kind == VOCAB_BYTE_BPE)
        return encode_pretokenized(e, run);
    buf_clear(&e->plain);
    if (e->t->kind == VOCAB_WORDPIECE)
        wordpiece_normalise(e->t, run, &e->plain);
    else
        spaces_normalise(e->t, run, &e->plain);
    if (!buf_check(&e->plain, "the text made plain", e->err))
        return false;
    struct str plain = buf_view(&e->plain);
    return e->t->kind == VOCAB_WORDPIECE ? encode_spaced(e, plain) : encode_stretches(e, plain);
}

bool tokenizer_encode(const struct tokenizer *t, struct str text, int flags, struct token_ids *ids, struct err *err)
{
    if (text.n > TOKENIZER_MAX_TEXT_BYTES)
        return err_set(err, ERR_LIMIT, "the text has %zu bytes; at most %u can be tokenised", text.n,
                       TOKENIZER_MAX_TEXT_BYTES);
    const struct specials *named = flags & TOKENIZE_SPECIAL ? &t->trusted : &t->always;
    struct encoding e = {.t = t, .ids = ids, .plain = BUF_INIT(TOKENIZER_MAX_PLAIN_BYTES), .err = err};
    int64_t n_before = ids->n;
    bool ok = word_cache_open(&e.cache, text.n, err);
    for (size_t from = 0; ok && from < text.n;) {
        size_t at = from;
        int32_t id = specials_next(t, named, text, &at);
        ok = encode_run(&e, (struct str){text.p + from, at - from}) && (id < 0 || token_ids_add(ids, id, err));
        from = id < 0 ? text.n : specials_after(t, id, text, at);
    }
    word_cache_close(&e.cache);
    bpe_scratch_free(&e.bpe);
    buf_free(&e.plain);
    if (!ok)
        ids->n = n_before;
    return ok;
}

/* ---- what is known of a token ---- */

static bool is_token(const struct tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->n_tokens;
}

int32_t tokenizer_count(const struct tokenizer *t)
{
    return t->n_tokens;
}

enum token_type tokenizer_type(const struct tokenizer *t, int32_t id)
{
    return is_token(t, id) ? (enum token_type)t->types[id] : TOKEN_UNKNOWN;
}

struct str tokenizer_piece(const struct tokenizer *t, int32_t id)
{
    return is_token(t, id) ? t->pieces[id] : STR("");
}

int32_t tokenizer_find(const struct tokenizer *t, struct str text)
{
    int32_t id;
    return strmap_get(&t->by_piece, text, &id) ? id : -1;
}

bool tokenizer_is_end(const struct tokenizer *t, int32_t id)
{
    return is_token(t, id) && t->ends[id];
}

int32_t tokenizer_bos(const struct tokenizer *t)
{
    return t->bos;
}

int32_t tokenizer_eos(const struct tokenizer *t)
{
    return t->eos;
}

bool tokenizer_adds_bos(const struct tokenizer *t)
{
    return t->add_bos;
}

bool tokenizer_adds_eos(const struct tokenizer *t)
{
    return t->add_eos;
}

bool tokenizer_adds_space(const struct tokenizer *t)
{
    return t->space_prefix || t->kind == VOCAB_WORDPIECE;
}
