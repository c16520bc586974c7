/* Reading importance matrices. Both forms end as one table of means; which tensor an entry is for, and whether it fits
 * it, the quantiser decides. */
#include "model/imatrix.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/filemap.h"
#include "base/strmap.h"
#include "model/gguf.h"
#include "model/gguf_cursor.h"

#define SUFFIX_SUMS ".in_sum2"
#define SUFFIX_COUNTS ".counts"
#define DAT_ENTRY_MIN_BYTES 16     /* three lengths and a value */

struct imatrix {
    struct arena arena;
    char *path;
    struct imatrix_entry *entries;
    int64_t n;
    struct strmap index;
    struct str dataset;
    int64_t chunks;
};

static bool add_entry(struct imatrix *m, struct str name, struct imatrix_entry e, struct err *err)
{
    int32_t other;
    if (strmap_get(&m->index, name, &other))
        return err_set(err, ERR_CORRUPT, "%s: entry '" STR_FMT "' stands twice", m->path, STR_ARG(name));
    char *copy = arena_strdup(&m->arena, name);
    if (!copy)
        return err_nomem(err, "an importance matrix");
    e.name = copy;
    if (!strmap_put(&m->index, (struct str){copy, name.n}, (int32_t)m->n, err))
        return false;
    m->entries[m->n++] = e;
    return true;
}

static bool reserve_entries(struct imatrix *m, int64_t n, struct err *err)
{
    m->entries = arena_array(&m->arena, (size_t)n + 1, sizeof *m->entries);
    if (!m->entries)
        return err_nomem(err, "an importance matrix");
    return strmap_reserve(&m->index, (uint32_t)n, err);
}

static bool check_value(const struct imatrix *m, struct str name, int64_t i, float v, struct err *err)
{
    return (isfinite(v) && v >= 0) ||
           err_set(err, ERR_CORRUPT, "%s: value %" PRId64 " of entry '" STR_FMT "' is %g, not a number from 0 up",
                   m->path, i, STR_ARG(name), (double)v);
}

/* ---- the old binary file: counts and lengths are int32 ---- */
static bool take_length(struct gguf_cursor *c, const char *what, int64_t max, int64_t *ret, struct err *err)
{
    size_t at = c->at;
    uint32_t v = 0;
    if (!gguf_take_u32(c, what, &v, err))
        return false;
    if ((int64_t)v > max)
        return gguf_fail(c, v > INT32_MAX ? ERR_CORRUPT : ERR_LIMIT, at, err,
                         "its %s %" PRId32 " is not in 0 to %" PRId64, what, (int32_t)v, max);
    *ret = v;
    return true;
}

static bool take_text(struct gguf_cursor *c, const char *what, int64_t max, struct str *ret, struct err *err)
{
    int64_t n = 0;
    size_t at = c->at;
    struct str s = {0};
    if (!take_length(c, what, max, &n, err) || !gguf_take(c, what, (size_t)n, &s.p, err))
        return false;
    s.n = (size_t)n;
    if (!utf8_valid(s) || memchr(s.p, 0, s.n))
        return gguf_fail(c, ERR_CORRUPT, at, err, "its %s is no UTF-8 text", what);
    *ret = s;
    return true;
}

static bool read_dat_entry(struct imatrix *m, struct gguf_cursor *c, struct err *err)
{
    struct str name;
    int64_t calls = 0, n = 0;
    const char *p = NULL;
    size_t at = c->at;
    if (!take_text(c, "name", IMATRIX_MAX_NAME_BYTES, &name, err))
        return false;
    if (name.n == 0)
        return gguf_fail(c, ERR_CORRUPT, at, err, "its name is empty");
    if (!take_length(c, "number of calls", INT32_MAX, &calls, err))
        return false;
    at = c->at;
    if (!take_length(c, "number of values", INT32_MAX, &n, err))
        return false;
    if (n == 0)
        return gguf_fail(c, ERR_CORRUPT, at, err, "it has no values");
    if (!gguf_take(c, "values", (size_t)n * sizeof(float), &p, err))
        return false;
    float *values = arena_array(&m->arena, (size_t)n, sizeof *values);
    if (!values)
        return err_nomem(err, "an importance matrix");
    memcpy(values, p, (size_t)n * sizeof *values);
    for (int64_t i = 0; i < n; i++) {
        values[i] = calls > 0 ? values[i] / (float)calls : values[i];
        if (!check_value(m, name, i, values[i], err))
            return false;
    }
    return add_entry(m, name, (struct imatrix_entry){.n = n, .values = values}, err);
}

static bool parse_dat(struct imatrix *m, struct str bytes, struct err *err)
{
    struct gguf_cursor c = {
        .file = m->path, .p = bytes.p, .n = bytes.n, .kind = "header", .index = -1, .element = -1,
    };
    int64_t n = 0;
    if (!take_length(&c, "number of entries", IMATRIX_MAX_ENTRIES, &n, err))
        return false;
    if (n == 0 || (size_t)n > bytes.n / DAT_ENTRY_MIN_BYTES)
        return gguf_fail(&c, ERR_INVALID, 0, err, "this is no importance matrix; give a .dat or .gguf imatrix file");
    if (!reserve_entries(m, n, err))
        return false;
    c.kind = "entry";
    for (c.index = 0; c.index < n; c.index++)
        if (!read_dat_entry(m, &c, err))
            return false;
    c.kind = "header";
    c.index = -1;
    if (c.at == c.n)
        return true;      /* the oldest files end here */
    struct str dataset = STR("");
    if (!take_length(&c, "number of chunks", INT32_MAX, &m->chunks, err) ||
        (c.at < c.n && !take_text(&c, "dataset name", IMATRIX_MAX_DATASET_BYTES, &dataset, err)))
        return false;
    m->dataset = arena_str(&m->arena, dataset);
    return m->dataset.p || err_nomem(err, "an importance matrix");
}

/* ---- GGUF ---- */
static bool read_sums(struct imatrix *m, const struct gguf *g, const struct tensor *sums, struct str name,
                      struct err *err)
{
    char counts_name[GGUF_MAX_NAME_BYTES + sizeof SUFFIX_COUNTS];
    snprintf(counts_name, sizeof counts_name, STR_FMT SUFFIX_COUNTS, STR_ARG(name));
    const struct tensor *counts = gguf_tensor(g, counts_name);
    int64_t n = sums->ne[0], matrices = tensor_rows(sums);
    if (!counts || counts->type != TENSOR_F32 || sums->type != TENSOR_F32 ||
        counts->ne[0] * tensor_rows(counts) != matrices)
        return err_set(err, ERR_CORRUPT, "%s: entry '" STR_FMT "' lacks sums and counts in F32 that fit each other",
                       m->path, STR_ARG(name));
    float *values = arena_array(&m->arena, (size_t)(n * matrices), sizeof *values);
    if (!values)
        return err_nomem(err, "an importance matrix");
    memcpy(values, sums->data, (size_t)(n * matrices) * sizeof *values);
    for (int64_t i = 0; i < n * matrices; i++) {
        float count;
        memcpy(&count, (const char *)counts->data + (size_t)(i / n) * sizeof count, sizeof count);
        /* An expert that was never asked: nothing is known, so all its inputs matter alike. */
        values[i] = count == 0 ? 1 : values[i] / count;
        if (!check_value(m, name, i, values[i], err))
            return false;
    }
    return add_entry(m, name, (struct imatrix_entry){.n = n * matrices, .values = values}, err);
}

static bool read_gguf(struct imatrix *m, const struct gguf *g, struct err *err)
{
    struct str type = STR("");
    struct gguf_array datasets;
    uint32_t chunks = 0;
    if (!gguf_get_str(g, "general.type", &type, err))
        return false;
    if (!str_is(type, "imatrix"))
        return err_set(err, ERR_INVALID, "%s is no importance matrix: its general.type is '" STR_FMT "'", m->path,
                       STR_ARG(utf8_clip(type, 60)));
    if (!gguf_get_array(g, "imatrix.datasets", GGUF_STRING, &datasets, err) ||
        !gguf_get_u32(g, "imatrix.chunk_count", &chunks, err) || !reserve_entries(m, gguf_tensor_count(g), err))
        return false;
    m->chunks = chunks;
    struct str dataset = datasets.n > 0 ? utf8_clip(datasets.strings[0], IMATRIX_MAX_DATASET_BYTES) : STR("");
    if (!utf8_valid(dataset))
        return err_set(err, ERR_CORRUPT, "%s: its dataset name is no UTF-8 text", m->path);
    m->dataset = arena_str(&m->arena, dataset);
    if (!m->dataset.p)
        return err_nomem(err, "an importance matrix");
    for (int64_t i = 0; i < gguf_tensor_count(g); i++) {
        const struct tensor *t = gguf_tensor_at(g, i);
        struct str name = str_of(t->name);
        if (!str_ends(name, STR(SUFFIX_SUMS)))
            continue;
        name.n -= sizeof SUFFIX_SUMS - 1;
        if (!read_sums(m, g, t, name, err))
            return false;
    }
    return m->n > 0 || err_set(err, ERR_INVALID, "%s has no entries", m->path);
}

static bool parse_gguf(struct imatrix *m, struct str bytes, struct err *err)
{
    struct filemap *map;
    struct gguf *g;
    if (!filemap_memory(m->path, bytes.p, bytes.n, &map, err) || !gguf_open_map(map, &g, err))
        return false;
    bool ok = read_gguf(m, g, err);
    gguf_close(g);
    return ok;
}

/* ---- both ---- */
bool imatrix_parse(struct str bytes, const char *name, struct imatrix **ret, struct err *err)
{
    struct imatrix *m = calloc(1, sizeof *m);
    if (!m)
        return err_nomem(err, "an importance matrix");
    m->arena = ARENA_INIT((size_t)2 * IMATRIX_MAX_BYTES);
    m->dataset = STR("");
    m->path = arena_strdup(&m->arena, str_of(name));
    bool is_gguf = bytes.n >= 4 && memcmp(bytes.p, "GGUF", 4) == 0, ok;
    if (!m->path)
        ok = err_nomem(err, "an importance matrix");
    else
        ok = is_gguf ? parse_gguf(m, bytes, err) : parse_dat(m, bytes, err);
    if (!ok) {
        imatrix_close(m);
        return false;
    }
    *ret = m;
    return true;
}

bool imatrix_open(const char *path, struct imatrix **ret, struct err *err)
{
    char *bytes;
    size_t n;
    if (!file_read(path, IMATRIX_MAX_BYTES, &bytes, &n, err))
        return false;
    bool ok = imatrix_parse((struct str){bytes, n}, path, ret, err);
    free(bytes);
    return ok;
}

void imatrix_close(struct imatrix *m)
{
    if (!m)
        return;
    strmap_free(&m->index);
    arena_free(&m->arena);
    free(m);
}

int64_t imatrix_count(const struct imatrix *m)
{
    return m->n;
}

const struct imatrix_entry *imatrix_at(const struct imatrix *m, int64_t i)
{
    return &m->entries[i];
}

const struct imatrix_entry *imatrix_find(const struct imatrix *m, const char *name)
{
    int32_t i;
    return strmap_get(&m->index, str_of(name), &i) ? &m->entries[i] : NULL;
}

const char *imatrix_path(const struct imatrix *m)
{
    return m->path;
}

struct str imatrix_dataset(const struct imatrix *m)
{
    return m->dataset;
}

int64_t imatrix_chunks(const struct imatrix *m)
{
    return m->chunks;
}
