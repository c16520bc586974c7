/* Keeps what has come of a file, and the notes of it, on disk. Which blocks to fetch, and whether they are the right
 * ones, is fetch.c's. */
#include "registry/remote/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "registry/remote/private.h"

#define NOTES_HEAD_BYTES 256
#define SPACE_RESERVE_BYTES ((int64_t)64 << 20)    /* a disk is not filled to its last byte */
#define NOTE_ABSENT '.'
#define NOTE_PRESENT '#'

/* Whether fd is what stands at path: it may have been renamed or removed between opening and locking. */
static bool is_still(int fd, const char *path)
{
    struct stat open_file, named;
    return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 && open_file.st_dev == named.st_dev &&
           open_file.st_ino == named.st_ino;
}

bool partial_open(const char *dir, const char *stem, struct partial *ret, struct err *err)
{
    struct partial p = {.fd = -1, .notes_fd = -1, .size = -1};
    int n = snprintf(p.path, sizeof p.path, "%s/%s-partial", dir, stem);
    if (n < 0 || (size_t)n >= sizeof p.path)
        return err_set(err, ERR_LIMIT, "the path of the store is longer than %d bytes", PARTIAL_MAX_PATH);
    snprintf(p.notes_path, sizeof p.notes_path, "%s.notes", p.path);
    do {
        if (p.fd >= 0)
            close(p.fd);
        p.fd = open(p.path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (p.fd < 0)
            return err_errno(err, ERR_IO, "cannot write %.300s", p.path);
        if (flock(p.fd, LOCK_EX | LOCK_NB) != 0) {
            bool busy = errno == EWOULDBLOCK;
            if (!busy)
                err_errno(err, ERR_IO, "cannot lock %.300s", p.path);
            close(p.fd);
            return busy ? err_set(err, ERR_BUSY, "another process is fetching %.300s", p.path) : false;
        }
    } while (!is_still(p.fd, p.path));
    *ret = p;
    return true;
}

/* What the notes of this file begin with: notes of another size, version or shape say nothing about it. */
static void notes_head(const struct partial *p, const char *version, char out[NOTES_HEAD_BYTES])
{
    memset(out, '\n', NOTES_HEAD_BYTES);
    int n = snprintf(out, NOTES_HEAD_BYTES, "rung partial 1 size=%lld block=%lld version=%.160s", (long long)p->size,
                     (long long)REMOTE_BLOCK_BYTES, version);
    out[n] = '\n';
}

static int64_t block_end(const struct partial *p, int64_t block)
{
    int64_t end = (block + 1) * REMOTE_BLOCK_BYTES;
    return end < p->size ? end : p->size;
}

/* Sets the blocks that the notes name; false where the notes do not belong to this file. */
static bool read_notes(struct partial *p, const char head[NOTES_HEAD_BYTES])
{
    char found[NOTES_HEAD_BYTES];
    struct stat st;
    bool ok = pread(p->notes_fd, found, sizeof found, 0) == NOTES_HEAD_BYTES &&
              memcmp(found, head, sizeof found) == 0 && fstat(p->fd, &st) == 0 &&
              pread(p->notes_fd, p->blocks, (size_t)p->n_blocks, NOTES_HEAD_BYTES) == p->n_blocks;
    for (int64_t i = 0; i < p->n_blocks; i++) {
        bool noted = ok && p->blocks[i] == NOTE_PRESENT && block_end(p, i) <= st.st_size;
        p->blocks[i] = noted ? BLOCK_NOTED : BLOCK_MISSING;
    }
    return ok;
}

static bool write_at(int fd, struct str bytes, int64_t at, const char *path, struct err *err)
{
    while (bytes.n > 0) {
        ssize_t n = pwrite(fd, bytes.p, bytes.n, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return errno == ENOSPC ? err_set(err, ERR_LIMIT, "the disk of %.300s is full; free some space, what has "
                                                             "come is kept", path)
                                   : err_errno(err, ERR_IO, "cannot write %.300s", path);
        bytes = (struct str){bytes.p + n, bytes.n - (size_t)n};
        at += n;
    }
    return true;
}

static bool write_notes(struct partial *p, const char head[NOTES_HEAD_BYTES], struct err *err)
{
    if (ftruncate(p->notes_fd, 0) != 0)
        return err_errno(err, ERR_IO, "cannot write %.300s", p->notes_path);
    char *absent = malloc((size_t)p->n_blocks + 1);
    if (!absent)
        return err_nomem(err, "the notes of a download");
    memset(absent, NOTE_ABSENT, (size_t)p->n_blocks);
    bool ok = write_at(p->notes_fd, (struct str){head, NOTES_HEAD_BYTES}, 0, p->notes_path, err) &&
              write_at(p->notes_fd, (struct str){absent, (size_t)p->n_blocks}, NOTES_HEAD_BYTES, p->notes_path, err);
    free(absent);
    return ok;
}

bool partial_begin(struct partial *p, int64_t size, const char *version, struct err *err)
{
    char head[NOTES_HEAD_BYTES];
    p->size = size;
    if (size < 0)
        return ftruncate(p->fd, 0) == 0 || err_errno(err, ERR_IO, "cannot write %.300s", p->path);
    p->n_blocks = (size + REMOTE_BLOCK_BYTES - 1) / REMOTE_BLOCK_BYTES;
    p->blocks = calloc((size_t)p->n_blocks + 1, 1);
    if (!p->blocks)
        return err_nomem(err, "the notes of a download");
    p->notes_fd = open(p->notes_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (p->notes_fd < 0)
        return err_errno(err, ERR_IO, "cannot write %.300s", p->notes_path);
    notes_head(p, version, head);
    if (read_notes(p, head))
        return true;
    return (ftruncate(p->fd, 0) == 0 || err_errno(err, ERR_IO, "cannot write %.300s", p->path)) &&
           write_notes(p, head, err);
}

bool partial_restart(struct partial *p, struct err *err)
{
    char head[NOTES_HEAD_BYTES];
    memset(p->blocks, BLOCK_MISSING, (size_t)p->n_blocks);
    if (pread(p->notes_fd, head, sizeof head, 0) != NOTES_HEAD_BYTES)
        return err_errno(err, ERR_IO, "cannot read %.300s", p->notes_path);
    return write_notes(p, head, err) &&
           (ftruncate(p->fd, 0) == 0 || err_errno(err, ERR_IO, "cannot write %.300s", p->path));
}

bool partial_write(struct partial *p, int64_t at, struct str bytes, struct err *err)
{
    return write_at(p->fd, bytes, at, p->path, err);
}

bool partial_note(struct partial *p, int64_t first, int64_t end, struct err *err)
{
    char present[4096];
    memset(present, NOTE_PRESENT, sizeof present);
    if (fdatasync(p->fd) != 0)
        return err_errno(err, ERR_IO, "cannot write %.300s", p->path);
    while (first < end) {
        size_t n = end - first < (int64_t)sizeof present ? (size_t)(end - first) : sizeof present;
        if (!write_at(p->notes_fd, (struct str){present, n}, NOTES_HEAD_BYTES + first, p->notes_path, err))
            return false;
        first += (int64_t)n;
    }
    return true;
}

int64_t partial_noted_bytes(const struct partial *p)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < p->n_blocks; i++)
        if (p->blocks[i] == BLOCK_NOTED)
            sum += block_end(p, i) - i * REMOTE_BLOCK_BYTES;
    return sum;
}

bool partial_check_space(const struct partial *p, int64_t need, struct err *err)
{
    struct statvfs fs;
    if (fstatvfs(p->fd, &fs) != 0)
        return true; /* no disk says so: then the writes will */
    int64_t blocks = (int64_t)fs.f_bavail, block_bytes = (int64_t)fs.f_frsize;
    int64_t free_bytes = blocks > INT64_MAX / block_bytes ? INT64_MAX : blocks * block_bytes;
    if (need <= 0 || (free_bytes > SPACE_RESERVE_BYTES && need <= free_bytes - SPACE_RESERVE_BYTES))
        return true;
    return err_set(err, ERR_LIMIT, "the download needs %lld MiB more and the disk of %.200s has %lld MiB free; free "
                   "some space or keep the models elsewhere (RUNG_MODELS)", (long long)((need + (1 << 20) - 1) >> 20),
                   p->path, (long long)(free_bytes >> 20));
}

/* A rename is durable when its directory is. */
static void sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

bool partial_publish(struct partial *p, const char *dir, const char *final_path, struct err *err)
{
    if (fsync(p->fd) != 0 || rename(p->path, final_path) != 0)
        return err_errno(err, ERR_IO, "cannot write %.300s", final_path);
    sync_dir(dir);
    unlink(p->notes_path);
    return true;
}

void partial_remove(struct partial *p)
{
    unlink(p->notes_path);
    unlink(p->path);
}

void partial_close(struct partial *p)
{
    if (p->notes_fd >= 0)
        close(p->notes_fd);
    if (p->fd >= 0)
        close(p->fd);
    free(p->blocks);
}
