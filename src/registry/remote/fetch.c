/* Downloads one file: several workers fetch ranges of it side by side, while the caller's thread makes what has come
 * durable, hashes it in the file's order, and tells how far it is. The requests are call.c's, the bytes on disk
 * partial.c's. A host that knows no ranges is read in one stream by one worker. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "registry/digest.h"
#include "registry/remote/partial.h"
#include "registry/remote/private.h"

#define STEP_MS 100
#define HASH_BYTES ((size_t)1 << 20)
#define HASH_TURN_BYTES ((int64_t)64 << 20)    /* between two looks at the clock */
#define WAIT_SLICE_NS 100000000

struct fetch {
    struct remote *r;
    struct remote_layer *layer;
    const struct remote_progress *progress;    /* may be NULL */
    struct partial part;
    bool ranges;                 /* the host gives ranges */
    char version[160];           /* of the file, where its digest is not known */

    atomic_bool stop;
    pthread_mutex_t lock;        /* of all below and of the blocks' states */
    pthread_cond_t changed;
    int running;
    int64_t received;            /* bytes in the file, of this try and earlier ones */
    int64_t stream_at;           /* one stream: bytes in the file from its beginning */
    bool failed;
    struct err err;

    struct digest *digest;       /* the caller's thread's own, as are these */
    char *piece;
    int64_t hashed, noted_ms;
};

/* Bytes [at, end) of the file, which one worker fetches. */
struct span {
    int64_t at, end;
    int64_t began;
};

/* ---- a worker's bytes ---- */

static void fail(struct fetch *f, const struct err *err)
{
    pthread_mutex_lock(&f->lock);
    if (!f->failed)
        f->err = *err;
    f->failed = true;
    pthread_mutex_unlock(&f->lock);
    atomic_store(&f->stop, true);
}

/* The next blocks that nobody has: not more than one request's worth, nor than a fair share of what is missing. */
static bool take_span(struct fetch *f, struct span *ret)
{
    int64_t missing = 0, first = -1, n = 0;
    pthread_mutex_lock(&f->lock);
    for (int64_t i = 0; i < f->part.n_blocks; i++)
        missing += f->part.blocks[i] == BLOCK_MISSING;
    int64_t share = (missing + REMOTE_CONNECTIONS - 1) / REMOTE_CONNECTIONS;
    if (share > REMOTE_RANGE_BLOCKS)
        share = REMOTE_RANGE_BLOCKS;
    for (int64_t i = 0; i < f->part.n_blocks && n < share; i++) {
        if (f->part.blocks[i] == BLOCK_MISSING) {
            if (first < 0)
                first = i;
            f->part.blocks[i] = BLOCK_TAKEN;
            n++;
        } else if (first >= 0) {
            break;
        }
    }
    pthread_mutex_unlock(&f->lock);
    if (first < 0)
        return false;
    int64_t end = (first + n) * REMOTE_BLOCK_BYTES;
    *ret = (struct span){first * REMOTE_BLOCK_BYTES, end < f->part.size ? end : f->part.size, 0};
    return true;
}

/* Bytes to `to` are in the file: whole blocks behind it become ready for the hash and the notes. */
static void advance(struct fetch *f, struct span *s, int64_t to)
{
    pthread_mutex_lock(&f->lock);
    f->received += to - s->at;
    if (!f->ranges)
        f->stream_at = to;
    for (int64_t b = s->at / REMOTE_BLOCK_BYTES; b < f->part.n_blocks; b++) {
        int64_t end = (b + 1) * REMOTE_BLOCK_BYTES;
        if ((end < f->part.size ? end : f->part.size) > to)
            break;
        if (f->part.blocks[b] == BLOCK_TAKEN || f->part.blocks[b] == BLOCK_MISSING)
            f->part.blocks[b] = BLOCK_WRITTEN;
    }
    pthread_cond_signal(&f->changed);
    pthread_mutex_unlock(&f->lock);
    s->at = to;
}

/* An answer that begins where it should, in a file that is as long and as old as it was. */
static bool check_reply(struct fetch *f, const struct span *s, const struct remote_reply *reply, struct err *err)
{
    const char *host = reply->origin.host;
    if (!remote_check_status(f->r, reply, err))
        return false;
    if (f->ranges && reply->status != 206)
        return err_set(err, ERR_IO, "%.200s sent the whole file instead of a range", host);
    if (reply->from != (f->ranges ? s->at : 0))
        return err_set(err, ERR_CORRUPT, "%.200s sent another range than it was asked for", host);
    if (reply->total >= 0 && f->part.size >= 0 && reply->total != f->part.size)
        return err_set(err, ERR_CORRUPT, "%.200s has a file of %lld bytes where %lld were announced", host,
                       (long long)reply->total, (long long)f->part.size);
    if (!f->layer->digest[0] && strcmp(reply->version, f->version) != 0)
        return err_set(err, ERR_CORRUPT, "the file at %.200s changed while it was fetched; try again", host);
    return true;
}

/* Writes what comes; a stream's beginning that is in the file already is passed over. */
static bool receive(struct fetch *f, struct span *s, struct http_call *call, struct err *err)
{
    int64_t at = f->ranges ? s->at : 0;
    struct http_event event;
    for (;;) {
        if (!remote_next_event(call, &f->stop, &event, err))
            return false;
        if (event.kind == HTTP_DONE) {
            *err = event.err;
            break;
        }
        struct str piece = event.data;
        int64_t known = s->at - at < (int64_t)piece.n ? s->at - at : (int64_t)piece.n;
        at += (int64_t)piece.n;
        piece = (struct str){piece.p + known, piece.n - (size_t)known};
        if (s->end >= 0 && (int64_t)piece.n > s->end - s->at)
            return err_set(err, ERR_CORRUPT, "more bytes came than were announced");
        if (s->end < 0 && !partial_check_space(&f->part, (int64_t)piece.n, err))
            return false;
        if (piece.n > 0) {
            if (!partial_write(&f->part, s->at, piece, err))
                return false;
            advance(f, s, s->at + (int64_t)piece.n);
        }
    }
    if (event.ok && s->at < s->end)
        return err_set(err, ERR_IO, "the answer ended after %lld of %lld bytes", (long long)s->at, (long long)s->end);
    return event.ok;
}

static bool fetch_once(struct fetch *f, struct span *s, int64_t *ret_retry_after_s, struct err *err)
{
    int64_t most = s->end < 0 ? REMOTE_MAX_FILE_BYTES : f->ranges ? s->end - s->at : s->end;
    const struct remote_ask ask = {.url = f->layer->url, .from = f->ranges ? s->at : 0,
                                   .n = f->ranges ? s->end - s->at : 0, .max_bytes = (size_t)most, .stop = &f->stop};
    struct remote_reply reply;
    *ret_retry_after_s = -1;
    if (!remote_ask(f->r, &ask, &reply, err))
        return false;
    *ret_retry_after_s = reply.retry_after_s;
    bool ok = check_reply(f, s, &reply, err) && receive(f, s, reply.call, err);
    http_call_close(reply.call);
    return ok;
}

/* One span to its end, through failures that pass. Any new byte gives the patience back. */
static bool fetch_span(struct fetch *f, struct span *s)
{
    int64_t retry_after_s;
    for (int failures = 0;;) {
        int64_t before = s->at;
        struct err err = ERR_INIT;
        if (fetch_once(f, s, &retry_after_s, &err))
            return true;
        if (atomic_load(&f->stop))
            return false;
        failures = s->at > before ? 1 : failures + 1;
        if (!remote_wait(f->r, &err, failures, f->r->patience.tries, retry_after_s, &f->stop)) {
            if (!atomic_load(&f->stop))
                fail(f, &err);
            return false;
        }
    }
}

static void *worker_main(void *arg)
{
    struct fetch *f = arg;
    struct span s = {.at = f->stream_at, .end = f->part.size};
    while (f->ranges && take_span(f, &s) && fetch_span(f, &s))
        continue;
    if (!f->ranges)
        fetch_span(f, &s);
    pthread_mutex_lock(&f->lock);
    f->running--;
    pthread_cond_signal(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* ---- the caller's thread: hash, notes, progress ---- */

/* How far the file has come without a gap. */
static int64_t ready_to(struct fetch *f)
{
    pthread_mutex_lock(&f->lock);
    int64_t to = f->part.blocks ? f->hashed : f->stream_at;
    for (int64_t b = f->hashed / REMOTE_BLOCK_BYTES; b < f->part.n_blocks; b++) {
        if (f->part.blocks[b] < BLOCK_WRITTEN)
            break;
        to = (b + 1) * REMOTE_BLOCK_BYTES;
    }
    pthread_mutex_unlock(&f->lock);
    return f->part.size >= 0 && to > f->part.size ? f->part.size : to;
}

/* Hashes a turn's worth; *ret_more: there was more. */
static bool hash_ready(struct fetch *f, bool *ret_more, struct err *err)
{
    int64_t end = ready_to(f), turn = f->hashed + HASH_TURN_BYTES;
    *ret_more = end > turn;
    if (end > turn)
        end = turn;
    while (f->hashed < end) {
        size_t n = end - f->hashed < (int64_t)HASH_BYTES ? (size_t)(end - f->hashed) : HASH_BYTES;
        ssize_t got = pread(f->part.fd, f->piece, n, f->hashed);
        if (got <= 0)
            return err_errno(err, ERR_IO, "cannot read back %.300s", f->part.path);
        digest_add(f->digest, f->piece, (size_t)got);
        f->hashed += got;
    }
    return true;
}

/* The first run of written blocks from `from` that awaits its note. */
static bool find_written(struct fetch *f, int64_t from, int64_t *ret_first, int64_t *ret_end)
{
    int64_t first = from, n = f->part.n_blocks;
    pthread_mutex_lock(&f->lock);
    while (first < n && f->part.blocks[first] != BLOCK_WRITTEN)
        first++;
    int64_t end = first;
    while (end < n && f->part.blocks[end] == BLOCK_WRITTEN)
        end++;
    pthread_mutex_unlock(&f->lock);
    *ret_first = first;
    *ret_end = end;
    return first < end;
}

static bool note_written(struct fetch *f, struct err *err)
{
    int64_t first, end = 0;
    while (find_written(f, end, &first, &end)) {
        if (!partial_note(&f->part, first, end, err))
            return false;
        pthread_mutex_lock(&f->lock);
        memset(f->part.blocks + first, BLOCK_NOTED, (size_t)(end - first));
        pthread_mutex_unlock(&f->lock);
    }
    f->noted_ms = clock_ms();
    return true;
}

static bool tell(const struct remote_progress *progress, int64_t done, int64_t total, struct err *err)
{
    if (!progress || progress->step(progress->ctx, done, total))
        return true;
    return err_set(err, ERR_CANCELLED, "stopped; what has come is kept for the next time");
}

/* Waits for news for one step at most; false when the workers are done. */
static bool wait_step(struct fetch *f, bool wait, int64_t *ret_received)
{
    struct timespec until;
    int64_t until_ns = clock_ns() + STEP_MS * 1000000;
    until = (struct timespec){.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    pthread_mutex_lock(&f->lock);
    while (wait && f->running > 0 && pthread_cond_timedwait(&f->changed, &f->lock, &until) == 0)
        continue;
    bool running = f->running > 0;
    *ret_received = f->received;
    pthread_mutex_unlock(&f->lock);
    return running;
}

static bool watch(struct fetch *f, struct err *err)
{
    bool running = true, more = false;
    int64_t received;
    while (running || more) {
        running = wait_step(f, !more, &received);
        if (!hash_ready(f, &more, err) || !tell(f->progress, received, f->part.size, err))
            return false;
        if (clock_ms() - f->noted_ms >= f->r->patience.note_every_ms && !note_written(f, err))
            return false;
        more = more && !atomic_load(&f->stop);
    }
    if (f->failed && err)
        *err = f->err;
    return !f->failed;
}

static int worker_count(const struct fetch *f)
{
    int64_t missing = 0;
    for (int64_t i = 0; i < f->part.n_blocks; i++)
        missing += f->part.blocks[i] == BLOCK_MISSING;
    if (!f->ranges)
        return f->part.blocks && missing == 0 ? 0 : 1;
    return missing < REMOTE_CONNECTIONS ? (int)missing : REMOTE_CONNECTIONS;
}

/* The missing part of the file, to its end or a failure; what has come is noted in both cases. */
static bool transfer(struct fetch *f, struct err *err)
{
    pthread_t threads[REMOTE_CONNECTIONS];
    int n = worker_count(f), started = 0;
    bool ok = true;
    f->noted_ms = clock_ms();
    f->running = n;
    while (ok && started < n) {
        if (pthread_create(&threads[started], NULL, worker_main, f) == 0)
            started++;
        else
            ok = err_set(err, ERR_NOMEM, "cannot start a thread for a download");
    }
    if (!ok) {
        pthread_mutex_lock(&f->lock);
        f->running -= n - started;
        pthread_mutex_unlock(&f->lock);
    }
    ok = ok && watch(f, err);
    atomic_store(&f->stop, true);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return note_written(f, ok ? err : NULL) && ok;
}

/* ---- before and after ---- */

/* Whether the host gives ranges, and what it says of the file's size and version. */
static bool probe(struct fetch *f, int64_t *ret_size, struct err *err)
{
    struct buf byte = BUF_INIT(64);
    struct remote_reply head;
    const struct remote_ask ask = {
        .url = f->layer->url, .n = 1, .max_bytes = (size_t)REMOTE_MAX_FILE_BYTES, .stop = &f->stop};
    bool ok = remote_get(f->r, &ask, &byte, &head, NULL, err);
    buf_free(&byte);
    if (!ok)
        return false;
    if (f->layer->size >= 0 && head.total >= 0 && head.total != f->layer->size)
        return err_set(err, ERR_CORRUPT, "%.200s has a file of %lld bytes where %lld were announced",
                       head.origin.host, (long long)head.total, (long long)f->layer->size);
    if (head.total > REMOTE_MAX_FILE_BYTES)
        return err_set(err, ERR_LIMIT, "%.200s announces a file of %lld bytes", head.origin.host,
                       (long long)head.total);
    f->ranges = head.status == 206 && head.total >= 0;
    snprintf(f->version, sizeof f->version, "%s", head.version);
    *ret_size = f->layer->size >= 0 ? f->layer->size : head.total;
    return true;
}

/* Plans the transfer from what the host says and an earlier try left. A small file of known size needs no probe. */
static bool plan(struct fetch *f, struct err *err)
{
    int64_t size = f->layer->size;
    bool small = size >= 0 && size <= REMOTE_BLOCK_BYTES && f->layer->digest[0];
    if ((!small && !probe(f, &size, err)) ||
        !partial_begin(&f->part, size, f->layer->digest[0] ? "digest" : f->version, err))
        return false;
    f->received = partial_noted_bytes(&f->part);
    f->stream_at = 0;
    while (f->part.blocks && f->stream_at < size && f->part.blocks[f->stream_at / REMOTE_BLOCK_BYTES] == BLOCK_NOTED)
        f->stream_at += REMOTE_BLOCK_BYTES;
    if (size >= 0 && f->stream_at > size)
        f->stream_at = size;
    return size < 0 || partial_check_space(&f->part, size - f->received, err);
}

static bool fetch_and_hash(struct fetch *f, char ret_hex[DIGEST_HEX + 1], struct err *err)
{
    digest_free(f->digest);
    f->digest = NULL;
    f->hashed = 0;
    atomic_store(&f->stop, false);
    return digest_new(&f->digest, err) && transfer(f, err) && digest_end(f->digest, ret_hex, err);
}

/* The digest decides. Bytes that an earlier try left may have been harmed since: then all is fetched once more. */
static bool fetch_verified(struct fetch *f, struct err *err)
{
    char hex[DIGEST_HEX + 1];
    bool resumed = f->received > 0;
    if (!fetch_and_hash(f, hex, err))
        return false;
    if (f->layer->digest[0] && strcmp(hex, f->layer->digest) != 0 && resumed) {
        f->received = f->stream_at = 0;
        if (!partial_restart(&f->part, err) || !fetch_and_hash(f, hex, err))
            return false;
    }
    if (f->layer->digest[0] && strcmp(hex, f->layer->digest) != 0) {
        partial_remove(&f->part);
        return err_set(err, ERR_CORRUPT, "what came has the digest sha256:%.12s... and not sha256:%.12s...; it was "
                       "thrown away; try again, or ask the model's host", hex, f->layer->digest);
    }
    memcpy(f->layer->digest, hex, sizeof hex);
    f->layer->size = f->hashed;
    return true;
}

static bool is_there(const struct remote_layer *layer, const char *dir, int64_t *ret_size)
{
    char path[PARTIAL_MAX_PATH];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/sha256-%s", dir, layer->digest);
    if (!layer->digest[0] || n < 0 || (size_t)n >= sizeof path || stat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
        (layer->size >= 0 && st.st_size != layer->size))
        return false;
    *ret_size = st.st_size;
    return true;
}

/* Waits for another process that fetches the same file: it may bring it, or leave us the rest. */
static bool open_partial(const struct fetch *f, const char *dir, struct partial *ret, bool *ret_there, struct err *err)
{
    char stem[DIGEST_HEX + 16], hex[DIGEST_HEX + 1];
    const char *kind = "sha256", *name = f->layer->digest;
    if (!name[0]) {
        if (!digest_of(str_of(f->layer->url), hex, err))
            return false;
        kind = "url";
        name = hex;
    }
    snprintf(stem, sizeof stem, "%s-%s", kind, name);
    for (;;) {
        int64_t size;
        struct err busy = ERR_INIT;
        *ret_there = is_there(f->layer, dir, &size);
        if (*ret_there) {
            f->layer->size = size;
            return tell(f->progress, size, size, err);
        }
        if (partial_open(dir, stem, ret, &busy)) {
            *ret_there = is_there(f->layer, dir, &size); /* it came just now: ours is a new, empty one */
            if (!*ret_there)
                return true;
            partial_remove(ret);
            partial_close(ret);
            continue;
        }
        if (busy.code != ERR_BUSY) {
            if (err)
                *err = busy;
            return false;
        }
        if (!tell(f->progress, 0, f->layer->size, err))
            return false;
        nanosleep(&(struct timespec){.tv_nsec = WAIT_SLICE_NS}, NULL);
    }
}

static bool publish(struct fetch *f, const char *dir, struct err *err)
{
    char path[PARTIAL_MAX_PATH];
    int n = snprintf(path, sizeof path, "%s/sha256-%s", dir, f->layer->digest);
    if (n < 0 || (size_t)n >= sizeof path)
        return err_set(err, ERR_LIMIT, "the path of the store is longer than %d bytes", PARTIAL_MAX_PATH);
    return partial_publish(&f->part, dir, path, err) &&
           tell(f->progress, f->layer->size, f->layer->size, err);
}

bool remote_fetch(struct remote *r, struct remote_layer *layer, const char *dir, const struct remote_progress *progress,
                  struct err *err)
{
    struct fetch *f = calloc(1, sizeof *f);
    bool there = false, ok = false;
    if (!f)
        return err_nomem(err, "a download");
    f->r = r;
    f->layer = layer;
    f->progress = progress;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, &attr);
    pthread_condattr_destroy(&attr);
    f->piece = malloc(HASH_BYTES);
    if (!f->piece) {
        err_nomem(err, "a download");
        goto out;
    }
    if (!open_partial(f, dir, &f->part, &there, err))
        goto out;
    ok = there || (plan(f, err) && fetch_verified(f, err) && publish(f, dir, err));
    if (!there)
        partial_close(&f->part);
out:
    digest_free(f->digest);
    free(f->piece);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return ok;
}
