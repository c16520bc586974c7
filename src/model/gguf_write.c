/* Writing GGUF: declarations collect in memory, the first data call puts them out with every offset known, then the
 * bytes of the tensors stream through. Whether the numbers make a model is the caller's business. */
#include "model/gguf_write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/gguf_private.h"

#define WRITE_ALIGNMENT 32
#define WRITE_VERSION 3

struct declared {
    char *name;
    enum tensor_type type;
    int n_dims;
    int64_t ne[TENSOR_MAX_DIMS];
    uint64_t bytes;
};

struct gguf_writer {
    FILE *f;
    char *path, *part;            /* the file wanted, and the one written until it is whole */
    struct buf keys;
    uint64_t n_keys;
    struct declared *tensors;
    int64_t n_tensors, cap_tensors;
    struct err fault;             /* the first failed declaration; reported by the next call that can */
    bool header_out;
    int64_t current;              /* the tensor whose bytes come next, and how many of it came */
    uint64_t came;
};

/* Whether fd is this writer's alone. A writer that was faster may have put its file into place between the opening
 * here and the lock: then the name stands for that file no longer. */
static bool part_is_ours(const char *part, int fd)
{
    struct stat held, named;
    return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &held) == 0 && lstat(part, &named) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* The unfinished file, empty: what a stopped writer left is written over. A link there is not followed. */
static bool part_open(struct gguf_writer *w, struct err *err)
{
    int fd = open(w->part, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_errno(err, ERR_IO, "cannot write %s", w->part);
    if (!part_is_ours(w->part, fd)) {
        close(fd);
        return err_set(err, ERR_BUSY, "%s is being written already; wait for that to end", w->path);
    }
    if (ftruncate(fd, 0) == 0 && (w->f = fdopen(fd, "wb")))
        return true;
    err_errno(err, ERR_IO, "cannot write %s", w->part);
    close(fd);
    return false;
}

bool gguf_writer_open(const char *path, struct gguf_writer **ret, struct err *err)
{
    struct gguf_writer *w = calloc(1, sizeof *w);
    if (!w)
        return err_nomem(err, "a GGUF writer");
    w->keys = BUF_INIT(GGUF_MAX_METADATA_BYTES);
    w->path = strdup(path);
    if (!w->path || asprintf(&w->part, "%s.part", path) < 0) {
        w->part = NULL;
        gguf_writer_close(w);
        return err_nomem(err, "a GGUF writer");
    }
    if (!part_open(w, err)) {
        gguf_writer_close(w);
        return false;
    }
    *ret = w;
    return true;
}

void gguf_writer_close(struct gguf_writer *w)
{
    if (!w)
        return;
    if (w->f) {
        unlink(w->part); /* before the lock goes with the file: the name may be another writer's then */
        fclose(w->f);
    }
    for (int64_t i = 0; i < w->n_tensors; i++)
        free(w->tensors[i].name);
    free(w->tensors);
    buf_free(&w->keys);
    free(w->part);
    free(w->path);
    free(w);
}

/* ---- metadata ---- */
static void put_u32(struct buf *b, uint32_t v)
{
    buf_add(b, &v, sizeof v);
}

static void put_u64(struct buf *b, uint64_t v)
{
    buf_add(b, &v, sizeof v);
}

static void put_str(struct buf *b, struct str s)
{
    put_u64(b, s.n);
    buf_str(b, s);
}

static void begin_key(struct gguf_writer *w, const char *key, enum gguf_type type)
{
    put_str(&w->keys, str_of(key));
    put_u32(&w->keys, type);
    w->n_keys++;
}

static void begin_array(struct gguf_writer *w, const char *key, enum gguf_type type, int64_t n)
{
    begin_key(w, key, GGUF_ARRAY);
    put_u32(&w->keys, type);
    put_u64(&w->keys, (uint64_t)n);
}

void gguf_write_u32(struct gguf_writer *w, const char *key, uint32_t v)
{
    begin_key(w, key, GGUF_U32);
    put_u32(&w->keys, v);
}

void gguf_write_f32(struct gguf_writer *w, const char *key, float v)
{
    begin_key(w, key, GGUF_F32);
    buf_add(&w->keys, &v, sizeof v);
}

void gguf_write_bool(struct gguf_writer *w, const char *key, bool v)
{
    begin_key(w, key, GGUF_BOOL);
    buf_char(&w->keys, v ? 1 : 0);
}

void gguf_write_str(struct gguf_writer *w, const char *key, struct str v)
{
    begin_key(w, key, GGUF_STRING);
    put_str(&w->keys, v);
}

void gguf_write_strs(struct gguf_writer *w, const char *key, const struct str *v, int64_t n)
{
    begin_array(w, key, GGUF_STRING, n);
    for (int64_t i = 0; i < n; i++)
        put_str(&w->keys, v[i]);
}

void gguf_write_i32s(struct gguf_writer *w, const char *key, const int32_t *v, int64_t n)
{
    begin_array(w, key, GGUF_I32, n);
    buf_add(&w->keys, v, (size_t)n * sizeof *v);
}

void gguf_write_f32s(struct gguf_writer *w, const char *key, const float *v, int64_t n)
{
    begin_array(w, key, GGUF_F32, n);
    buf_add(&w->keys, v, (size_t)n * sizeof *v);
}

static void put_array(struct buf *b, const struct gguf_array *a)
{
    put_u32(b, a->type);
    put_u64(b, (uint64_t)a->n);
    if (a->type != GGUF_STRING)
        buf_add(b, a->p, (size_t)a->n * gguf_type_bytes(a->type));
    for (int64_t i = 0; a->type == GGUF_STRING && i < a->n; i++)
        put_str(b, a->strings[i]);
}

void gguf_write_copy(struct gguf_writer *w, const struct gguf *g, int64_t i)
{
    const struct gguf_key *key = &g->keys[i];
    struct buf *b = &w->keys;
    float f = (float)key->v.f;
    put_str(b, key->name);
    put_u32(b, key->type);
    w->n_keys++;
    switch (key->type) {
    case GGUF_STRING: put_str(b, key->v.s); break;
    case GGUF_ARRAY: put_array(b, &key->v.array); break;
    case GGUF_F32: buf_add(b, &f, sizeof f); break;
    /* Little-endian: the low bytes of a wide integer are the narrow one. */
    default: buf_add(b, &key->v, gguf_type_bytes(key->type)); break;
    }
}

/* ---- tensors ---- */
static bool declare(struct gguf_writer *w, const char *name, enum tensor_type type, int n_dims, const int64_t *ne,
                    struct declared *ret, struct err *err)
{
    const struct tensor_type_info *info = tensor_type_info(type);
    struct declared t = {.type = type, .n_dims = n_dims};
    if (w->header_out)
        return err_set(err, ERR_INTERNAL, "tensor '%s' is declared after the first data", name);
    if (!info || n_dims < 1 || n_dims > TENSOR_MAX_DIMS || ne[0] % info->block != 0)
        return err_set(err, ERR_INVALID, "tensor '%s' has a type or shape that GGUF cannot hold", name);
    int64_t blocks = 1;
    for (int d = 0; d < n_dims; d++) {
        t.ne[d] = ne[d];
        if (ne[d] < 1 || __builtin_mul_overflow(blocks, d ? ne[d] : ne[d] / info->block, &blocks))
            return err_set(err, ERR_INVALID, "tensor '%s' has a dimension that is 0 or too large", name);
    }
    if (__builtin_mul_overflow((uint64_t)blocks, (uint64_t)info->block_bytes, &t.bytes))
        return err_set(err, ERR_INVALID, "tensor '%s' is too large", name);
    t.name = strdup(name);
    if (!t.name)
        return err_nomem(err, "a tensor name");
    *ret = t;
    return true;
}

void gguf_write_tensor(struct gguf_writer *w, const char *name, enum tensor_type type, int n_dims, const int64_t *ne)
{
    if (w->fault.code != ERR_NONE)
        return;
    if (w->n_tensors == w->cap_tensors) {
        int64_t cap = w->cap_tensors ? w->cap_tensors * 2 : 64;
        struct declared *grown = reallocarray(w->tensors, (size_t)cap, sizeof *grown);
        if (!grown) {
            err_nomem(&w->fault, "the tensor table");
            return;
        }
        w->tensors = grown;
        w->cap_tensors = cap;
    }
    if (declare(w, name, type, n_dims, ne, &w->tensors[w->n_tensors], &w->fault))
        w->n_tensors++;
}

static uint64_t aligned(uint64_t n)
{
    return (n + WRITE_ALIGNMENT - 1) / WRITE_ALIGNMENT * WRITE_ALIGNMENT;
}

static bool put(struct gguf_writer *w, const void *p, size_t n, struct err *err)
{
    return fwrite(p, 1, n, w->f) == n || err_errno(err, ERR_IO, "cannot write %s", w->part);
}

static bool put_padding(struct gguf_writer *w, uint64_t written, struct err *err)
{
    static const char zeros[WRITE_ALIGNMENT];
    return put(w, zeros, (size_t)(aligned(written) - written), err);
}

static bool write_header(struct gguf_writer *w, struct err *err)
{
    struct buf head = BUF_INIT(64), table = BUF_INIT(GGUF_MAX_METADATA_BYTES);
    bool ok = false;
    buf_add(&head, "GGUF", 4);
    put_u32(&head, WRITE_VERSION);
    put_u64(&head, (uint64_t)w->n_tensors);
    put_u64(&head, w->n_keys);
    uint64_t offset = 0;
    for (int64_t i = 0; i < w->n_tensors; i++) {
        const struct declared *t = &w->tensors[i];
        put_str(&table, str_of(t->name));
        put_u32(&table, (uint32_t)t->n_dims);
        for (int d = 0; d < t->n_dims; d++)
            put_u64(&table, (uint64_t)t->ne[d]);
        put_u32(&table, t->type);
        put_u64(&table, offset);
        offset += aligned(t->bytes);
    }
    ok = buf_check(&head, "the header", err) && buf_check(&w->keys, "the metadata", err) &&
         buf_check(&table, "the tensor table", err) && put(w, head.p, head.n, err) &&
         (w->keys.n == 0 || put(w, w->keys.p, w->keys.n, err)) && (table.n == 0 || put(w, table.p, table.n, err)) &&
         put_padding(w, head.n + w->keys.n + table.n, err);
    buf_free(&head);
    buf_free(&table);
    w->header_out = ok;
    return ok;
}

static bool check_fault(const struct gguf_writer *w, struct err *err)
{
    if (w->fault.code == ERR_NONE)
        return true;
    if (err)
        *err = w->fault;
    return false;
}

bool gguf_write_data(struct gguf_writer *w, const void *p, size_t n, struct err *err)
{
    if (!check_fault(w, err) || (!w->header_out && !write_header(w, err)))
        return false;
    for (const char *at = p; n > 0;) {
        if (w->current == w->n_tensors)
            return err_set(err, ERR_INVALID, "%zu bytes more than the declared tensors have", n);
        const struct declared *t = &w->tensors[w->current];
        size_t piece = t->bytes - w->came < n ? (size_t)(t->bytes - w->came) : n;
        if (!put(w, at, piece, err))
            return false;
        at += piece;
        n -= piece;
        w->came += piece;
        if (w->came < t->bytes)
            continue;
        if (!put_padding(w, t->bytes, err))
            return false;
        w->current++;
        w->came = 0;
    }
    return true;
}

bool gguf_writer_finish(struct gguf_writer *w, struct err *err)
{
    if (!gguf_write_data(w, "", 0, err))
        return false;
    if (w->current < w->n_tensors)
        return err_set(err, ERR_INVALID, "tensor '%s' got %" PRIu64 " of its %" PRIu64 " bytes",
                       w->tensors[w->current].name, w->came, w->tensors[w->current].bytes);
    if (fflush(w->f) != 0 || fsync(fileno(w->f)) != 0 || rename(w->part, w->path) != 0)
        return err_errno(err, ERR_IO, "cannot finish %s", w->path);
    fclose(w->f); /* after fsync it has nothing left to lose */
    w->f = NULL;
    return true;
}
