/* Finding tokens by name in text: user-defined tokens everywhere, control tokens where the caller trusts the text.
 * The longest name that starts first wins. Names are kept sorted; a match narrows the sorted range byte by byte. */
#include <stdlib.h>

#include "text/guard.h"
#include "text/tokenizer/internal.h"

static int compare_names(const void *a, const void *b, void *ctx)
{
    const struct tokenizer *t = ctx;
    struct str x = t->pieces[*(const int32_t *)a], y = t->pieces[*(const int32_t *)b];
    int c = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
    if (c)
        return c;
    return x.n < y.n ? -1 : x.n > y.n;
}

/* Names that an escape of the guard could spell, that begin inside a character, or that are too long are never
 * recognised. */
static bool is_named(const struct tokenizer *t, int32_t id, unsigned types)
{
    struct str name = t->pieces[id];
    return types & 1u << t->types[id] && name.n > 0 && name.n <= TOKENIZER_MAX_NAME_BYTES && utf8_valid(name) &&
           !guard_has_escape(name);
}

bool specials_open(const struct tokenizer *t, unsigned types, struct specials *ret, struct err *err)
{
    int32_t n = 0;
    for (int32_t id = 0; id < t->n_tokens; id++)
        n += is_named(t, id, types);
    *ret = (struct specials){0};
    if (n == 0)
        return true;
    int32_t *ids = malloc((size_t)n * sizeof *ids);
    if (!ids)
        return err_nomem(err, "the tokenizer's named tokens");
    n = 0;
    for (int32_t id = 0; id < t->n_tokens; id++) {
        if (is_named(t, id, types)) {
            ids[n++] = id;
            ret->first[(unsigned char)t->pieces[id].p[0]] = true;
        }
    }
    qsort_r(ids, (size_t)n, sizeof *ids, compare_names, (void *)t);
    ret->ids = ids;
    ret->n = n;
    return true;
}

/* Byte k of a sorted name, -1 past its end (shorter names stand first). */
static int name_byte(const struct tokenizer *t, const struct specials *s, int32_t i, size_t k)
{
    struct str name = t->pieces[s->ids[i]];
    return k < name.n ? (unsigned char)name.p[k] : -1;
}

/* The first in [low, high) whose byte k is at least `byte`. */
static int32_t lower_bound(const struct tokenizer *t, const struct specials *s, int32_t low, int32_t high, size_t k,
                           int byte)
{
    while (low < high) {
        int32_t mid = low + (high - low) / 2;
        if (name_byte(t, s, mid, k) < byte)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Names that begin with all of text.p[at..] narrow to [*low, *high); the longest name met on the way is the result,
 * or -1. */
static int32_t narrow(const struct tokenizer *t, const struct specials *s, struct str text, size_t at, int32_t *low,
                      int32_t *high)
{
    int32_t best = -1;
    *low = 0;
    *high = s->n;
    for (size_t k = 0; *low < *high; k++) {
        if (k > 0 && name_byte(t, s, *low, k) < 0)
            best = s->ids[*low];
        if (at + k == text.n)
            break;
        int byte = (unsigned char)text.p[at + k];
        *low = lower_bound(t, s, *low, *high, k, byte);
        *high = lower_bound(t, s, *low, *high, k, byte + 1);
    }
    return best;
}

int32_t specials_match(const struct tokenizer *t, const struct specials *s, struct str text, size_t at)
{
    if (at >= text.n || !s->first[(unsigned char)text.p[at]])
        return -1;
    int32_t low, high;
    return narrow(t, s, text, at, &low, &high);
}

bool specials_begins(const struct tokenizer *t, const struct specials *s, struct str text, size_t at)
{
    if (at >= text.n || !s->first[(unsigned char)text.p[at]])
        return false;
    int32_t low, high;
    narrow(t, s, text, at, &low, &high);
    return low < high && t->pieces[s->ids[high - 1]].n > text.n - at;
}

int32_t specials_next(const struct tokenizer *t, const struct specials *s, struct str text, size_t *at)
{
    if (s->n > 0) {
        for (; *at < text.n; ++*at) {
            int32_t id = specials_match(t, s, text, *at);
            if (id >= 0)
                return id;
        }
    }
    *at = text.n;
    return -1;
}

size_t specials_after(const struct tokenizer *t, int32_t id, struct str text, size_t at)
{
    at += t->pieces[id].n;
    while (t->trims[id] && at < text.n && (text.p[at] == ' ' || (text.p[at] >= '\t' && text.p[at] <= '\r')))
        at++;
    return at;
}
