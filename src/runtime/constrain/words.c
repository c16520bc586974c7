/* Which tokens are text, which are markers, which end an answer: what the tokenizer knows of each in the form that
 * masks want. What a rule admits of them is grammar/'s business. */
#include "runtime/constrain/words.h"

#include <stdlib.h>

#define WHITE_MAX_BYTES 4   /* of a token that may stand between reasoning and answer */
#define MARKERS_MAX_BYTES (64u << 10)

/* What vocabulary_open asks; the spelled markers live as long as the call. */
struct source {
    const struct tokenizer *tokenizer;
    struct buf spelled;              /* mark, name, mark of each marker */
    size_t *spelled_at;              /* [tokens] where, from 1; 0: it is no marker */
};

static struct str text_of(const struct tokenizer *t, int32_t id)
{
    switch (tokenizer_type(t, id)) {
    case TOKEN_NORMAL:
    case TOKEN_USER_DEFINED:
    case TOKEN_BYTE: return tokenizer_is_end(t, id) ? STR("") : tokenizer_piece(t, id);
    default: return STR("");
    }
}

static bool is_marker(const struct tokenizer *t, int32_t id, const struct word_markers *m)
{
    if (tokenizer_type(t, id) != TOKEN_CONTROL || tokenizer_is_end(t, id))
        return false;
    struct str name = tokenizer_piece(t, id);
    return (m->calls && toolcall_marker(m->calls, name)) ||
           (m->reasoning && reasoning_in_channels(m->reasoning) && reasoning_marker(m->reasoning, name));
}

static bool list_markers(struct words *w, struct source *s, const struct word_markers *markers, struct err *err)
{
    for (int32_t id = 0; id < tokenizer_count(w->tokenizer); id++) {
        if (!is_marker(w->tokenizer, id, markers))
            continue;
        struct str name = tokenizer_piece(w->tokenizer, id);
        struct str *names = realloc(w->markers, (size_t)(w->n_markers + 1) * sizeof *names);
        if (!names)
            return err_nomem(err, "the vocabulary of a rule");
        w->markers = names;
        w->markers[w->n_markers++] = name;
        s->spelled_at[id] = s->spelled.n + 1;
        buf_char(&s->spelled, VOCABULARY_MARK);
        buf_str(&s->spelled, name);
        buf_char(&s->spelled, VOCABULARY_MARK);
    }
    return buf_check(&s->spelled, "the names of markers", err);
}

static struct str piece_of(void *source, int32_t id)
{
    const struct source *s = source;
    if (id >= tokenizer_count(s->tokenizer))
        return STR("");
    if (s->spelled_at[id])
        return (struct str){s->spelled.p + s->spelled_at[id] - 1, tokenizer_piece(s->tokenizer, id).n + 2};
    return text_of(s->tokenizer, id);
}

static bool is_end(void *source, int32_t id)
{
    return tokenizer_is_end(((const struct source *)source)->tokenizer, id);
}

static bool open_vocabulary(struct words *w, int64_t n_vocab, const struct word_markers *markers, struct err *err)
{
    struct source source = {.tokenizer = w->tokenizer, .spelled = BUF_INIT(MARKERS_MAX_BYTES)};
    struct vocabulary_spec spec = {.n_tokens = (int32_t)n_vocab, .piece = piece_of, .is_end = is_end, .ctx = &source};
    source.spelled_at = calloc((size_t)tokenizer_count(w->tokenizer), sizeof *source.spelled_at);
    bool ok = (source.spelled_at || err_nomem(err, "the vocabulary of a rule")) &&
              list_markers(w, &source, markers, err) && vocabulary_open(&spec, &w->vocabulary, err);
    buf_free(&source.spelled);
    free(source.spelled_at);
    return ok;
}

/* ---- sets ---- */

static bool is_white(struct str text)
{
    return text.n > 0 && text.n <= WHITE_MAX_BYTES && str_trim(text).n == 0;
}

static void fill_sets(struct words *w, int64_t n_vocab)
{
    int32_t known = tokenizer_count(w->tokenizer);
    for (int32_t id = 0; id < n_vocab; id++) {
        if (!tokenizer_is_end(w->tokenizer, id))
            words_add(w->no_ends, id);
        if (id < known && is_white(text_of(w->tokenizer, id)))
            words_add(w->white, id);
    }
}

/* ---- order ---- */

static int compare(struct str a, struct str b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

/* A token's first bytes as a number: most pairs are told apart without looking at their texts. */
struct sort_key {
    uint64_t first;
    struct str text;
    int32_t id;
};

static uint64_t first_bytes(struct str text)
{
    uint64_t first = 0;
    for (size_t i = 0; i < sizeof first; i++)
        first = first << 8 | (i < text.n ? (unsigned char)text.p[i] : 0);
    return first;
}

static int compare_keys(const void *a, const void *b)
{
    const struct sort_key *x = a, *y = b;
    return x->first != y->first ? (x->first > y->first) - (x->first < y->first) : compare(x->text, y->text);
}

static bool sort_tokens(struct words *w, struct err *err)
{
    int32_t n = tokenizer_count(w->tokenizer);
    struct sort_key *keys = calloc((size_t)n, sizeof *keys);
    if (!keys)
        return err_nomem(err, "the vocabulary of a rule");
    for (int32_t id = 0; id < n; id++) {
        struct str text = text_of(w->tokenizer, id);
        if (text.n > 0)
            keys[w->n_sorted++] = (struct sort_key){first_bytes(text), text, id};
    }
    qsort(keys, (size_t)w->n_sorted, sizeof *keys, compare_keys);
    for (int32_t i = 0; i < w->n_sorted; i++)
        w->sorted[i] = keys[i].id;
    free(keys);
    return true;
}

/* The first token after `text`; past: after all that begin with it. */
static int32_t find_sorted(const struct words *w, struct str text, bool past)
{
    int32_t low = 0, high = w->n_sorted;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        struct str piece = tokenizer_piece(w->tokenizer, w->sorted[middle]);
        if (compare(piece, text) <= 0 || (past && str_starts(piece, text)))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int32_t words_longer(const struct words *w, struct str text, const int32_t **ret)
{
    int32_t first = find_sorted(w, text, false);
    *ret = w->sorted + first;
    return find_sorted(w, text, true) - first;
}

/* ---- life ---- */

bool words_open(const struct tokenizer *t, int64_t n_vocab, const struct word_markers *markers, struct words **ret,
                struct err *err)
{
    struct words *w = calloc(1, sizeof *w);
    if (!w)
        return err_nomem(err, "the vocabulary of a rule");
    w->tokenizer = t;
    w->n_words = VOCABULARY_WORDS(n_vocab);
    w->no_ends = calloc(w->n_words, sizeof *w->no_ends);
    w->white = calloc(w->n_words, sizeof *w->white);
    w->sorted = calloc((size_t)tokenizer_count(t), sizeof *w->sorted);
    if (!w->no_ends || !w->white || !w->sorted) {
        words_close(w);
        return err_nomem(err, "the vocabulary of a rule");
    }
    if (!open_vocabulary(w, n_vocab, markers, err) || !sort_tokens(w, err)) {
        words_close(w);
        return false;
    }
    fill_sets(w, n_vocab);
    *ret = w;
    return true;
}

void words_close(struct words *w)
{
    if (!w)
        return;
    vocabulary_close(w->vocabulary);
    free(w->no_ends);
    free(w->white);
    free(w->markers);
    free(w->sorted);
    free(w);
}
