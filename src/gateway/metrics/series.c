/* Labelled numbers: an open hash table of series, filled under a lock and read without one. What is counted, and who
 * may read it, is decided elsewhere. */
#include "gateway/metrics/series.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SLOTS (2 * SERIES_MAX)           /* never full: a search ends at an empty one */
#define VALUE_BYTES 128                  /* of a label; longer ones are cut */
#define UNIT_DIGITS 12

struct series {
    char values[SERIES_LABELS][VALUE_BYTES];
    atomic_llong sum;                    /* a counter's value; the sum of a histogram's observations */
    atomic_llong buckets[SERIES_BUCKETS + 1];
};

struct series_table {
    const struct series_family *family;
    int n_labels;
    pthread_mutex_t lock;                /* while one is added */
    int n;
    struct series other;
    _Atomic(struct series *) slots[SLOTS];
};

bool series_open(const struct series_family *family, struct series_table **ret, struct err *err)
{
    struct series_table *t = calloc(1, sizeof *t);
    if (!t)
        return err_nomem(err, "the metrics");
    t->family = family;
    while (t->n_labels < SERIES_LABELS && family->labels[t->n_labels])
        memcpy(t->other.values[t->n_labels++], "other", sizeof "other");
    pthread_mutex_init(&t->lock, NULL);
    *ret = t;
    return true;
}

void series_close(struct series_table *t)
{
    if (!t)
        return;
    for (int i = 0; i < SLOTS; i++)
        free(atomic_load(&t->slots[i]));
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static struct str clipped(const char *value) { return utf8_clip(str_of(value), VALUE_BYTES - 1); }

static bool is_series(const struct series_table *t, const struct series *s, const char *const values[])
{
    for (int i = 0; i < t->n_labels; i++)
        if (!str_is(clipped(values[i]), s->values[i]))
            return false;
    return true;
}

/* The slot of these values, or the empty one where they would go. */
static size_t find_slot(const struct series_table *t, const char *const values[])
{
    uint64_t hash = 0;
    for (int i = 0; i < t->n_labels; i++)
        hash = (hash ^ str_hash(clipped(values[i]))) * 0x9E3779B97F4A7C15u;
    size_t at = (hash >> 32) % SLOTS;
    for (;; at = (at + 1) % SLOTS) {
        const struct series *s = atomic_load_explicit(&t->slots[at], memory_order_acquire);
        if (!s || is_series(t, s, values))
            return at;
    }
}

/* Another thread may have been first. */
static struct series *add_series(struct series_table *t, const char *const values[])
{
    pthread_mutex_lock(&t->lock);
    size_t at = find_slot(t, values);
    struct series *s = atomic_load(&t->slots[at]);
    if (!s && t->n < SERIES_MAX && (s = calloc(1, sizeof *s))) {
        for (int i = 0; i < t->n_labels; i++) {
            struct str value = clipped(values[i]);
            memcpy(s->values[i], value.p, value.n);
        }
        t->n++;
        atomic_store_explicit(&t->slots[at], s, memory_order_release);
    }
    pthread_mutex_unlock(&t->lock);
    return s ? s : &t->other;
}

static int bucket_of(const struct series_family *f, int64_t n)
{
    int i = 0;
    while (i < f->n_bounds && n > f->bounds[i])
        i++;
    return i;
}

void series_add(struct series_table *t, const char *const values[], int64_t n)
{
    struct series *s = atomic_load_explicit(&t->slots[find_slot(t, values)], memory_order_acquire);
    if (!s)
        s = add_series(t, values);
    atomic_fetch_add_explicit(&s->sum, n, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->buckets[bucket_of(t->family, n)], 1, memory_order_relaxed);
}

/* ---- the text ---- */

void series_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void series_label(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '\n')
            buf_puts(out, "\\n");
        else if (*value == '"' || *value == '\\')
            buf_printf(out, "\\%c", *value);
        else
            buf_char(out, *value);
    }
    buf_char(out, '"');
}

void series_number(struct buf *out, int64_t n, int64_t unit)
{
    char digits[UNIT_DIGITS + 1];
    int n_digits = 0;
    buf_printf(out, "%lld", (long long)(n / unit));
    for (int64_t rest = n % unit; rest > 0 && n_digits < UNIT_DIGITS; rest %= unit) {
        unit /= 10;
        digits[n_digits++] = (char)('0' + rest / unit);
    }
    if (n_digits)
        buf_printf(out, ".%.*s", n_digits, digits);
}

static void write_labels(const struct series_table *t, const struct series *s, struct buf *out)
{
    for (int i = 0; i < t->n_labels; i++) {
        buf_puts(out, i ? "," : "");
        series_label(out, t->family->labels[i], s->values[i]);
    }
}

static void write_histogram(const struct series_table *t, const struct series *s, struct buf *out)
{
    const struct series_family *f = t->family;
    long long count = 0;
    for (int i = 0; i <= f->n_bounds; i++) {
        count += atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{", f->name);
        write_labels(t, s, out);
        buf_puts(out, t->n_labels ? ",le=\"" : "le=\"");
        if (i < f->n_bounds)
            series_number(out, f->bounds[i], f->unit);
        else
            buf_puts(out, "+Inf");
        buf_printf(out, "\"} %lld\n", count);
    }
    buf_printf(out, "%s_sum{", f->name);
    write_labels(t, s, out);
    buf_puts(out, "} ");
    series_number(out, atomic_load_explicit(&s->sum, memory_order_relaxed), f->unit);
    buf_printf(out, "\n%s_count{", f->name);
    write_labels(t, s, out);
    buf_printf(out, "} %lld\n", count);
}

static void write_series(const struct series_table *t, const struct series *s, struct buf *out)
{
    if (t->family->bounds) {
        write_histogram(t, s, out);
        return;
    }
    buf_printf(out, "%s{", t->family->name);
    write_labels(t, s, out);
    buf_puts(out, "} ");
    series_number(out, atomic_load_explicit(&s->sum, memory_order_relaxed), t->family->unit);
    buf_char(out, '\n');
}

void series_write(const struct series_table *t, struct buf *out)
{
    bool any_other = atomic_load(&t->other.sum) != 0 || atomic_load(&t->other.buckets[0]) != 0;
    series_head(out, t->family->name, t->family->bounds ? "histogram" : "counter", t->family->help);
    for (int i = 0; i < SLOTS; i++) {
        const struct series *s = atomic_load_explicit(&t->slots[i], memory_order_acquire);
        if (s)
            write_series(t, s, out);
    }
    if (any_other)
        write_series(t, &t->other, out);
}
