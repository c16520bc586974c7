/* Carrying a plan out: metadata copied, tensors made piece by piece over the pool and streamed to the writer. What
 * each tensor becomes was decided before; how a row is made is row.c's business. */
#include <inttypes.h>
#include <libgen.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/pool.h"
#include "kernels/kernels.h"
#include "model/gguf_write.h"
#include "model/quantize.h"

#define QUANTIZATION_VERSION 2
#define PIECE_BYTES (16u << 20)       /* of results, between two writes */
#define ROWS_AT_ONCE 4                /* a thread takes */

/* Memory that grows and is used again. */
struct room {
    void *p;
    size_t cap;
};

struct job {
    const struct quantize_plan *plan;
    const struct kernels *kernels;
    struct pool *pool;
    struct gguf_writer *writer;
    /* the tensor at work */
    const struct quantize_item *item;
    int64_t first_row;                /* of the piece */
    struct room piece;                /* results, [rows of a piece] */
    struct room rows;                 /* floats, [threads, ne[0]] */
    _Atomic int64_t bad;              /* the lowest element that cannot be written, INT64_MAX: none */
    int64_t bytes_done;
    quantize_step_fn *step;
    void *ctx;
};

/* ---- before anything is written ---- */
static bool check_target(const struct quantize_plan *plan, const char *path, struct err *err)
{
    struct stat from, to;
    if (stat(path, &to) != 0)
        return true;
    if (stat(gguf_path(plan->from), &from) == 0 && from.st_dev == to.st_dev && from.st_ino == to.st_ino)
        return err_set(err, ERR_INVALID, "%s is the source itself; write to another file", path);
    return S_ISREG(to.st_mode) || err_set(err, ERR_INVALID, "%s is no file; name a file to write", path);
}

static bool check_room(const struct quantize_plan *plan, const char *path, struct err *err)
{
    struct statvfs fs;
    char *copy = strdup(path);
    if (!copy)
        return err_nomem(err, "a path");
    bool known = statvfs(dirname(copy), &fs) == 0;
    free(copy);
    if (!known)
        return true;      /* opening the file will say what is wrong */
    double room = (double)fs.f_bavail * (double)fs.f_frsize, need = (double)plan->bytes_after;
    return room >= need || err_set(err, ERR_IO, "the disk of %s has %.2f GB left, %.2f GB are needed", path, room / 1e9,
                                   need / 1e9);
}

/* ---- metadata ---- */
/* What the new file says itself, or what stops being true. */
static bool is_replaced(struct str key)
{
    static const char *const replaced[] = {"general.quantization_version", "general.file_type", "general.alignment"};
    for (size_t i = 0; i < sizeof replaced / sizeof replaced[0]; i++) {
        if (str_is(key, replaced[i]))
            return true;
    }
    return str_starts(key, STR("split.")) || str_starts(key, STR("quantize.imatrix."));
}

static void declare(const struct quantize_plan *plan, struct gguf_writer *w)
{
    for (int64_t i = 0; i < gguf_key_count(plan->from); i++) {
        enum gguf_type type;
        if (!is_replaced(gguf_key_at(plan->from, i, &type)))
            gguf_write_copy(w, plan->from, i);
    }
    gguf_write_u32(w, "general.quantization_version", QUANTIZATION_VERSION);
    gguf_write_u32(w, "general.file_type", quantize_mix_info(plan->mix)->file_type);
    if (plan->imatrix) {
        gguf_write_str(w, "quantize.imatrix.file", str_of(imatrix_path(plan->imatrix)));
        gguf_write_str(w, "quantize.imatrix.dataset", imatrix_dataset(plan->imatrix));
        gguf_write_u32(w, "quantize.imatrix.entries_count", (uint32_t)imatrix_count(plan->imatrix));
        gguf_write_u32(w, "quantize.imatrix.chunks_count", (uint32_t)imatrix_chunks(plan->imatrix));
    }
    for (int64_t i = 0; i < plan->n_items; i++) {
        const struct tensor *t = plan->items[i].from;
        gguf_write_tensor(w, t->name, plan->items[i].type, t->n_dims, t->ne);
    }
}

/* ---- tensors ---- */
static const float *importance_of(const struct quantize_item *item, int64_t row)
{
    const struct imatrix_entry *e = item->importance;
    const struct tensor *t = item->from;
    if (!e)
        return NULL;
    return e->values + (e->n > t->ne[0] ? row / t->ne[1] % t->ne[2] * t->ne[0] : 0);
}

static void note_bad(struct job *j, int64_t element)
{
    int64_t lowest = atomic_load(&j->bad);
    while (element < lowest && !atomic_compare_exchange_weak(&j->bad, &lowest, element))
        ;
}

static void make_rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    struct job *j = ctx;
    const struct tensor *t = j->item->from;
    int64_t k = t->ne[0];
    size_t row_bytes = tensor_row_bytes(j->item->type, k);
    float *x = (float *)j->rows.p + (size_t)thread * (size_t)k;
    for (int64_t r = begin; r < end; r++) {
        int64_t row = j->first_row + r;
        j->kernels->matmul.unpack[t->type](tensor_row(t, row), x, k);
        int64_t bad = quantize_check_row(j->item->type, x, k);
        if (bad >= 0) {
            note_bad(j, row * k + bad);
            return;
        }
        quantize_row(j->item->type, x, importance_of(j->item, row), (char *)j->piece.p + (size_t)r * row_bytes, k);
    }
}

static bool fail_bad(const struct job *j, struct err *err)
{
    const struct tensor *t = j->item->from;
    int64_t at = atomic_load(&j->bad), row = at / t->ne[0];
    float *x = j->rows.p;
    j->kernels->matmul.unpack[t->type](tensor_row(t, row), x, t->ne[0]);
    return err_set(err, ERR_INVALID, "tensor '%s': its value %" PRId64 " (row %" PRId64 ") is %g, which %s cannot hold",
                   t->name, at, row, (double)x[at % t->ne[0]], tensor_type_name(j->item->type));
}

static bool reserve(struct room *r, size_t n, struct err *err)
{
    if (n <= r->cap)
        return true;
    free(r->p);
    r->cap = 0;
    r->p = malloc(n);
    if (!r->p)
        return err_nomem(err, "a piece of a tensor");
    r->cap = n;
    return true;
}

static bool say_done(struct job *j, int64_t items, struct err *err)
{
    return j->step(j->ctx, items, j->bytes_done) || err_set(err, ERR_CANCELLED, "stopped before it was whole");
}

static bool make_tensor(struct job *j, struct err *err)
{
    const struct tensor *t = j->item->from;
    size_t row_bytes = tensor_row_bytes(j->item->type, t->ne[0]), from_bytes = tensor_row_bytes(t->type, t->ne[0]);
    int64_t rows = tensor_rows(t), at_once = row_bytes < PIECE_BYTES ? (int64_t)(PIECE_BYTES / row_bytes) : 1;
    if (!reserve(&j->rows, (size_t)pool_threads(j->pool) * (size_t)t->ne[0] * sizeof(float), err) ||
        !reserve(&j->piece, (size_t)(at_once < rows ? at_once : rows) * row_bytes, err))
        return false;
    for (int64_t row = 0; row < rows; row += at_once) {
        int64_t n = rows - row < at_once ? rows - row : at_once;
        j->first_row = row;
        pool_run(j->pool, n, ROWS_AT_ONCE, make_rows, j);
        if (atomic_load(&j->bad) != INT64_MAX)
            return fail_bad(j, err);
        if (!gguf_write_data(j->writer, j->piece.p, (size_t)n * row_bytes, err))
            return false;
        j->bytes_done += n * (int64_t)from_bytes;
        if (!say_done(j, j->item - j->plan->items, err))
            return false;
    }
    return true;
}

static bool copy_tensor(struct job *j, struct err *err)
{
    const struct tensor *t = j->item->from;
    for (size_t at = 0; at < t->bytes;) {
        size_t n = t->bytes - at < PIECE_BYTES ? t->bytes - at : PIECE_BYTES;
        if (!gguf_write_data(j->writer, (const char *)t->data + at, n, err))
            return false;
        at += n;
        j->bytes_done += (int64_t)n;
        if (!say_done(j, j->item - j->plan->items, err))
            return false;
    }
    return true;
}

static bool write_tensors(struct job *j, struct err *err)
{
    for (int64_t i = 0; i < j->plan->n_items; i++) {
        j->item = &j->plan->items[i];
        if (!(j->item->type == j->item->from->type ? copy_tensor(j, err) : make_tensor(j, err)))
            return false;
        if (!say_done(j, i + 1, err))
            return false;
    }
    return !gguf_broken(j->plan->from) ||
           err_set(err, ERR_IO, "%s became shorter while it was read; fetch it again", gguf_path(j->plan->from));
}

bool quantize_write(const struct quantize_plan *plan, const char *path, int threads, quantize_step_fn *step, void *ctx,
                    struct err *err)
{
    struct job j = {.plan = plan, .kernels = kernels_get(), .bad = INT64_MAX, .step = step, .ctx = ctx};
    bool ok = false;
    if (!check_target(plan, path, err) || !check_room(plan, path, err) || !pool_open(threads, &j.pool, err))
        return false;
    if (!gguf_writer_open(path, &j.writer, err))
        goto out;
    declare(plan, j.writer);
    ok = write_tensors(&j, err) && gguf_writer_finish(j.writer, err);
out:
    gguf_writer_close(j.writer);
    pool_close(j.pool);
    free(j.rows.p);
    free(j.piece.p);
    return ok;
}
