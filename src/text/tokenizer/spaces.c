/* Vocabularies in which a space is a character of tokens (SentencePiece, Gemma 4): names, text as they see it, merges
 * meant by scores, and where a text can be cut. Nothing cuts these texts into words; but where no token holds two bytes
 * side by side, no merge can join them, so the stretches between such places are tokenised one by one. */
#include <stdlib.h>

#include "text/tokenizer/internal.h"

#define SPACE_NAME "\xE2\x96\x81" /* U+2581 stands for a space in names; in text it is one too */

size_t spaces_decode_name(struct str name, char *out)
{
    size_t n = 0;
    for (size_t at = 0; at < name.n;) {
        bool space = name.n - at >= 3 && memcmp(name.p + at, SPACE_NAME, 3) == 0;
        out[n++] = space ? ' ' : name.p[at];
        at += space ? 3 : 1;
    }
    return n;
}

void spaces_normalise(const struct tokenizer *t, struct str text, struct buf *out)
{
    if (t->space_prefix)
        buf_char(out, ' ');
    for (size_t at = 0; at < text.n;) {
        const char *next = memchr(text.p + at, SPACE_NAME[0], text.n - at);
        size_t end = next ? (size_t)(next - text.p) : text.n;
        buf_add(out, text.p + at, end - at);
        at = end;
        if (at == text.n)
            break;
        bool space = text.n - at >= 3 && memcmp(text.p + at, SPACE_NAME, 3) == 0;
        buf_char(out, space ? ' ' : text.p[at]);
        at += space ? 3 : 1;
    }
}

/* ---- where a text can be cut ---- */

static bool joins(const struct tokenizer *t, char a, char b)
{
    if (t->kind == VOCAB_SPACE_BPE && (a == '\n') != (b == '\n'))
        return false; /* lines and runs of newlines stay apart whatever the merges say */
    return t->joined[(unsigned char)a][(unsigned char)b >> 6] >> ((unsigned char)b & 63) & 1;
}

void spaces_open_joined(struct tokenizer *t)
{
    for (int32_t id = 0; id < t->n_tokens; id++) {
        struct str piece = t->pieces[id];
        if (!tokenizer_is_plain(t, id))
            continue;
        for (size_t i = 1; i < piece.n; i++) {
            unsigned char b = (unsigned char)piece.p[i];
            if (begins_char(piece.p[i]))
                t->joined[(unsigned char)piece.p[i - 1]][b >> 6] |= (uint64_t)1 << (b & 63);
        }
    }
}

size_t spaces_stretch_end(const struct tokenizer *t, struct str text, size_t at)
{
    do
        at++;
    while (at < text.n && (!begins_char(text.p[at]) || joins(t, text.p[at - 1], text.p[at])));
    return at;
}

/* ---- merges from scores: two tokens that together spell a third merge when its score says. Every character of a
 * trained vocabulary's tokens is a token too, so all merges are between tokens. ---- */

struct spelling {
    int32_t left, right, id;
};

struct spellings {
    struct spelling *p;
    int32_t n, cap;
};

static bool spellings_add(struct spellings *s, struct spelling spelling, struct err *err)
{
    if (s->n == TOKENIZER_MAX_MERGES)
        return err_set(err, ERR_LIMIT, "the tokenizer's tokens can be put together in over %d ways; no more are read",
                       TOKENIZER_MAX_MERGES);
    if (s->n == s->cap) {
        int32_t cap = s->cap ? s->cap * 2 : 65536;
        struct spelling *p = realloc(s->p, (size_t)cap * sizeof *p);
        if (!p)
            return err_nomem(err, "the tokenizer's merges");
        s->p = p;
        s->cap = cap;
    }
    s->p[s->n++] = spelling;
    return true;
}

/* All ways to spell one token by two. */
static bool spell(const struct tokenizer *t, int32_t id, struct spellings *s, struct err *err)
{
    struct str piece = t->pieces[id];
    int32_t found, left, right;
    if (piece.n > TOKENIZER_MAX_PIECE_BYTES || !tokenizer_find_plain(t, piece, &found) || found != id)
        return true;
    for (size_t i = 1; i < piece.n; i++) {
        if (begins_char(piece.p[i]) && tokenizer_find_plain(t, (struct str){piece.p, i}, &left) &&
            tokenizer_find_plain(t, (struct str){piece.p + i, piece.n - i}, &right) &&
            !spellings_add(s, (struct spelling){left, right, id}, err))
            return false;
    }
    return true;
}

static int compare_scores(const void *a, const void *b, void *ctx)
{
    const float *scores = ctx;
    float x = scores[*(const int32_t *)a], y = scores[*(const int32_t *)b];
    return x > y ? -1 : x < y;
}

/* The place of each token when they stand by falling score; equal scores share a place. NULL when out of memory. */
static int32_t *score_places(const struct tokenizer *t, const float *scores)
{
    size_t n = (size_t)t->n_tokens;
    int32_t *ids = malloc(n * sizeof *ids), *places = malloc(n * sizeof *places);
    if (ids && places) {
        for (int32_t id = 0; id < t->n_tokens; id++)
            ids[id] = id;
        qsort_r(ids, n, sizeof *ids, compare_scores, (void *)scores);
        int32_t place = 0;
        for (size_t i = 0; i < n; i++) {
            place += i > 0 && scores[ids[i]] < scores[ids[i - 1]];
            places[ids[i]] = place;
        }
    } else {
        free(places);
        places = NULL;
    }
    free(ids);
    return places;
}

bool spaces_open_scores(struct tokenizer *t, const float *scores, struct err *err)
{
    struct spellings s = {0};
    bool ok = true;
    for (int32_t id = 0; ok && id < t->n_tokens; id++) {
        ok = scores[id] == scores[id] ||
             err_set(err, ERR_CORRUPT, "the score of token %d of the tokenizer is not a number", id);
        if (ok && tokenizer_is_plain(t, id) && t->types[id] != TOKEN_BYTE)
            ok = spell(t, id, &s, err);
    }
    int32_t *places = ok ? score_places(t, scores) : NULL;
    ok = ok && (places || err_nomem(err, "the tokenizer's merges")) && merges_reserve(&t->merges, s.n, err);
    for (int32_t i = 0; ok && i < s.n; i++) {
        merges_put(&t->merges, s.p[i].left, s.p[i].right, i);
        t->merges.merged[i] = s.p[i].id;
        t->merges.order[i] = places[s.p[i].id];
    }
    free(places);
    free(s.p);
    return ok;
}
