/* The file of the audit log: one lock, one write a line, each line tied to the one before. What a line says is
 * audit.c's. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "data/json.h"
#include "gateway/audit/audit.h"

#define TAIL_BYTES ((off_t)AUDIT_LINE_MAX * 2)

static const char no_hash[] = "0000000000000000000000000000000000000000000000000000000000000000";

struct audit {
    pthread_mutex_t lock;
    char path[4096];
    int fd;
    bool sync;
    bool torn;                            /* the file may end in a part of a line */
    int64_t n;                            /* of the last line */
    char prev[AUDIT_HASH_BYTES];          /* the hash of the last line */
    int64_t flood_s, flood_n, flood_left_out;   /* of the denied: this second, how many in it, not noted since */
};

static bool hash_line(struct str line, char ret[AUDIT_HASH_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_Digest(line.p, line.n, digest, &n, EVP_sha256(), NULL) != 1)
        return false;
    for (unsigned i = 0; i < 32; i++)
        snprintf(ret + i * 2, 3, "%02x", digest[i]);
    return true;
}

/* "n" and "prev" of a line. */
static bool read_line(struct str line, int64_t *ret_n, char ret_prev[AUDIT_HASH_BYTES])
{
    json_t *object = NULL;
    struct str prev = {0};
    bool ok = json_parse_object(line, "a line", &object, NULL) &&
              json_get_i64(object, "n", 1, INT64_MAX, ret_n, NULL) &&
              json_get_str(object, "prev", &prev, NULL) && prev.n == AUDIT_HASH_BYTES - 1;
    if (ok)
        snprintf(ret_prev, AUDIT_HASH_BYTES, STR_FMT, STR_ARG(prev));
    json_decref(object);
    return ok;
}

/* ---- opening ---- */

/* The last whole line of the file's end; empty where there is none. */
static struct str last_line(struct str tail)
{
    while (tail.n && tail.p[tail.n - 1] != '\n')
        tail.n--;
    if (tail.n == 0)
        return STR("");
    size_t end = --tail.n, begin = end;
    while (begin && tail.p[begin - 1] != '\n')
        begin--;
    return (struct str){tail.p + begin, end - begin};
}

static bool find_end(struct audit *a, struct err *err)
{
    struct stat st;
    char *tail = NULL, ignored[AUDIT_HASH_BYTES];
    if (fstat(a->fd, &st) != 0)
        return err_errno(err, ERR_IO, "cannot read %s", a->path);
    off_t from = st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0;
    size_t n = (size_t)(st.st_size - from);
    if (n == 0)
        return true;
    if (!(tail = malloc(n)))
        return err_nomem(err, "the audit log");
    bool ok = pread(a->fd, tail, n, from) == (ssize_t)n || err_errno(err, ERR_IO, "cannot read %s", a->path);
    struct str line = ok ? last_line((struct str){tail, n}) : STR("");
    if (ok && (!read_line(line, &a->n, ignored) || !hash_line(line, a->prev)))
        ok = err_set(err, ERR_INVALID, "%s does not end like an audit log; move it away, or name another file",
                     a->path);
    a->torn = ok && tail[n - 1] != '\n';
    free(tail);
    return ok;
}

static bool open_file(struct audit *a, struct err *err)
{
    int fd = open(a->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, ERR_IO, "cannot write the audit log %s", a->path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return err_set(err, ERR_BUSY, "another process writes the audit log %s; give each its own", a->path);
    }
    if (a->fd >= 0)
        close(a->fd);
    a->fd = fd;
    return true;
}

bool audit_open(const char *path, bool sync, struct audit **ret, struct err *err)
{
    struct audit *a = calloc(1, sizeof *a);
    if (!a)
        return err_nomem(err, "the audit log");
    a->fd = -1;
    a->sync = sync;
    pthread_mutex_init(&a->lock, NULL);
    memcpy(a->prev, no_hash, sizeof no_hash);
    if ((size_t)snprintf(a->path, sizeof a->path, "%s", path) >= sizeof a->path) {
        err_set(err, ERR_LIMIT, "the path of the audit log is too long");
        goto out;
    }
    if (!open_file(a, err) || !find_end(a, err))
        goto out;
    *ret = a;
    return true;
out:
    audit_close(a);
    return false;
}

void audit_close(struct audit *a)
{
    if (!a)
        return;
    if (a->fd >= 0)
        close(a->fd);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

bool audit_reopen(struct audit *a, struct err *err)
{
    struct stat now, there;
    pthread_mutex_lock(&a->lock);
    bool same = fstat(a->fd, &now) == 0 && stat(a->path, &there) == 0 && now.st_dev == there.st_dev &&
                now.st_ino == there.st_ino;
    bool ok = same || open_file(a, err);
    a->torn &= same;
    pthread_mutex_unlock(&a->lock);
    return ok;
}

/* ---- appending ---- */

static bool write_whole(int fd, struct str line)
{
    for (size_t done = 0; done < line.n;) {
        ssize_t n = write(fd, line.p + done, line.n - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* All of it or nothing: what was written of a line that failed is taken back, for its number and its hash go to the
 * next. Where even that fails, the next line ends it. The lock is held. */
static bool write_line(struct audit *a, struct str line, struct err *err)
{
    struct stat before;
    bool known = fstat(a->fd, &before) == 0;
    if (known && write_whole(a->fd, line) && (!a->sync || fdatasync(a->fd) == 0))
        return true;
    err_errno(err, ERR_IO, "cannot write the audit log %s", a->path);
    a->torn |= known && ftruncate(a->fd, before.st_size) != 0;
    return false;
}

static bool append(struct audit *a, const char *event, struct str members, struct buf *line, struct err *err)
{
    char at[25], hash[AUDIT_HASH_BYTES];
    clock_iso8601(clock_wall_ms(), at);
    buf_printf(line, "%s{\"n\":%" PRId64 ",\"at\":\"%s\",\"prev\":\"%s\",\"event\":\"%s\"", a->torn ? "\n" : "",
               a->n + 1, at, a->prev, event);
    buf_str(line, members);
    buf_puts(line, "}\n");
    if (!buf_check(line, "a line of the audit log", err))
        return false;
    struct str whole = {line->p + a->torn, line->n - 1 - a->torn};
    if (!hash_line(whole, hash))
        return err_set(err, ERR_INTERNAL, "a line of the audit log could not be hashed");
    if (!write_line(a, buf_view(line), err))
        return false;
    a->torn = false;
    a->n++;
    memcpy(a->prev, hash, sizeof hash);
    return true;
}

bool audit_append(struct audit *a, const char *event, struct str members, struct err *err)
{
    struct buf line = BUF_INIT(AUDIT_LINE_MAX);
    pthread_mutex_lock(&a->lock);
    bool ok = append(a, event, members, &line, err);
    pthread_mutex_unlock(&a->lock);
    buf_free(&line);
    return ok;
}

bool audit_flood(struct audit *a, int64_t *ret_left_out)
{
    int64_t now_s = clock_ms() / 1000;
    pthread_mutex_lock(&a->lock);
    if (now_s != a->flood_s) {
        a->flood_s = now_s;
        a->flood_n = 0;
    }
    bool flooded = ++a->flood_n > AUDIT_DENIED_PER_S;
    *ret_left_out = a->flood_left_out;
    a->flood_left_out = flooded ? a->flood_left_out + 1 : 0;
    pthread_mutex_unlock(&a->lock);
    return flooded;
}

/* ---- verifying ---- */

struct verify {
    struct audit_check *check;
    int64_t n;                            /* of the line before; 0: none */
    char hash[AUDIT_HASH_BYTES];          /* of the line before */
};

/* A part of a line, left by a full disk or a killed process, is no line: the next one is tied to the last whole one. */
static bool is_fragment(struct str line) { return line.n == 0 || line.p[line.n - 1] != '}'; }

static void check_line(struct verify *v, struct str line)
{
    char prev[AUDIT_HASH_BYTES];
    int64_t n = 0;
    v->check->lines++;
    bool ok = read_line(line, &n, prev);
    if (ok && v->n == 0)
        memcpy(v->check->first_prev, prev, sizeof prev);
    else
        ok = ok && n == v->n + 1 && strcmp(prev, v->hash) == 0;
    if (!ok && !v->check->bad_line)
        v->check->bad_line = v->check->lines;
    v->n = n;
    hash_line(line, v->hash);
}

bool audit_verify(const char *path, struct audit_check *ret, struct err *err)
{
    FILE *f = fopen(path, "re");
    struct verify v = {.check = ret};
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    *ret = (struct audit_check){0};
    if (!f)
        return err_errno(err, ERR_IO, "cannot read %s", path);
    while ((n = getline(&line, &cap, f)) > 0 && n <= AUDIT_LINE_MAX) {
        struct str text = {line, (size_t)n - (line[n - 1] == '\n')};
        if (!is_fragment(text))
            check_line(&v, text);
    }
    bool ok = !ferror(f) || err_errno(err, ERR_IO, "cannot read %s", path);
    if (n > AUDIT_LINE_MAX && !ret->bad_line)
        ret->bad_line = ret->lines + 1;
    memcpy(ret->last_hash, v.hash, sizeof v.hash);
    free(line);
    fclose(f);
    return ok;
}
