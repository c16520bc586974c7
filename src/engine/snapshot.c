/* A session's state as bytes: a header, then what the pages hold below the length, so that nothing of an earlier owner
 * of a page leaks. Read back, the bytes may come from anywhere: sizes must agree exactly, the header must fit this
 * model, and a checksum finds damage. Any keys and values that pass are only numbers. */
#include <string.h>

#include "engine/internal.h"

#define SNAPSHOT_MAGIC 0x32304B43474E5552u   /* "RUNGCK02" */

/* Little endian, as Rung's machines are. */
struct snapshot_header {
    uint64_t magic, fingerprint, kv_type, length, payload_bytes, checksum;
};

/* Copies `bytes` between a page and the stream; the two directions share the walk over the pages. */
struct stream {
    char *at;
    bool into_pages;
};

/* Four lanes, so that the multiplications of a large state overlap. Finds damage, not forgery. */
static uint64_t checksum(const char *p, size_t n)
{
    const uint64_t prime = 0x9E3779B97F4A7C15u;
    uint64_t lanes[4] = {1, 2, 3, 4}, words[4], sum = n;
    for (size_t at = 0; at < n; at += sizeof words) {
        size_t left = n - at < sizeof words ? n - at : sizeof words;
        memset(words, 0, sizeof words);
        memcpy(words, p + at, left);
        for (int i = 0; i < 4; i++) {
            lanes[i] = (lanes[i] ^ words[i]) * prime;
            lanes[i] ^= lanes[i] >> 29;
        }
    }
    for (int i = 0; i < 4; i++)
        sum = (sum ^ lanes[i]) * prime + (sum >> 31);
    return sum;
}

/* Whole pages, from the one on that holds the first position read. */
static int64_t first_page_at(const struct session *s, int group, int64_t length)
{
    return group_first_position(s->engine, group, length) / KV_PAGE;
}

/* Long sessions of models with long-RoPE turn otherwise: their keys are no others'. */
static uint64_t fingerprint(const struct session *s)
{
    return s->engine->fingerprint + s->long_rope + adapter_fingerprint(s->adapter);
}

uint64_t session_fingerprint(const struct session *s)
{
    const uint64_t parts[] = {fingerprint(s), (uint64_t)s->kv_type};
    return str_hash((struct str){(const char *)parts, sizeof parts});
}

static size_t payload_bytes(const struct session *s, int64_t length)
{
    const struct engine *e = s->engine;
    size_t position = 2 * kv_layer_bytes(&e->model.h, s->kv_type) / KV_PAGE, n = 0;
    for (int i = 0; i < e->n_groups; i++)
        n += position * (size_t)e->groups[i].n_layer * (size_t)(length - first_page_at(s, i, length) * KV_PAGE);
    return n;
}

static void copy_bytes(char *in_page, size_t n, struct stream *stream)
{
    if (stream->into_pages)
        memcpy(in_page, stream->at, n);
    else
        memcpy(stream->at, in_page, n);
    stream->at += n;
}

/* One head's keys or values: of each run of KV_PAGE positions the first `used` count. */
static char *copy_parts(const struct kv_part parts[KV_PARTS], char *in_page, size_t used, struct stream *stream)
{
    for (int i = 0; i < KV_PARTS; i++)
        for (int64_t run = 0; run < parts[i].runs; run++) {
            copy_bytes(in_page, parts[i].position_bytes * used, stream);
            in_page += parts[i].position_bytes * KV_PAGE;
        }
    return in_page;
}

static void copy_page(const struct session *s, int n_layer, char *page, int64_t used, struct stream *stream)
{
    const struct hparams *h = &s->engine->model.h;
    struct kv_part keys[KV_PARTS], values[KV_PARTS];
    if (used == KV_PAGE) {
        copy_bytes(page, 2 * (size_t)n_layer * kv_layer_bytes(h, s->kv_type), stream);
        return;
    }
    kv_parts(s->kv_type, h->head_dim, false, keys);
    kv_parts(s->kv_type, h->head_dim, true, values);
    for (int half = 0; half < 2 * n_layer; half++)
        for (int head = 0; head < h->n_kv_head; head++)
            page = copy_parts(half % 2 ? values : keys, page, (size_t)used, stream);
}

static void copy_pages(const struct session *s, int64_t length, struct stream *stream)
{
    for (int i = 0; i < s->engine->n_groups; i++) {
        for (int64_t pos = first_page_at(s, i, length) * KV_PAGE; pos < length; pos += KV_PAGE) {
            int64_t used = length - pos < KV_PAGE ? length - pos : KV_PAGE;
            copy_page(s, s->engine->groups[i].n_layer, (char *)s->groups[i].pages[pos / KV_PAGE], used, stream);
        }
    }
}

bool session_snapshot(const struct session *s, struct buf *out, struct err *err)
{
    struct snapshot_header header = {
        .magic = SNAPSHOT_MAGIC,
        .fingerprint = fingerprint(s),
        .kv_type = (uint64_t)s->kv_type,
        .length = (uint64_t)s->length,
        .payload_bytes = payload_bytes(s, s->length),
    };
    char *p = buf_grow(out, sizeof header + header.payload_bytes);
    if (!p)
        return buf_check(out, "the snapshot of a session", err);
    struct stream stream = {p + sizeof header, false};
    copy_pages(s, s->length, &stream);
    header.checksum = checksum(p + sizeof header, header.payload_bytes);
    memcpy(p, &header, sizeof header);
    return true;
}

bool session_restore(struct session *s, struct str bytes, struct err *err)
{
    struct snapshot_header header;
    if (s->length != 0)
        return err_set(err, ERR_INVALID, "a snapshot goes into an empty session only; this one holds %lld tokens",
                       (long long)s->length);
    if (bytes.n < sizeof header)
        return err_set(err, ERR_CORRUPT, "a snapshot of %zu bytes ends inside its header", bytes.n);
    memcpy(&header, bytes.p, sizeof header);
    if (header.magic != SNAPSHOT_MAGIC)
        return err_set(err, ERR_CORRUPT, "these bytes are no snapshot of a session");
    if (header.fingerprint != fingerprint(s) || header.kv_type != (uint64_t)s->kv_type)
        return err_set(err, ERR_CORRUPT, "the snapshot belongs to another model or another cache type");
    if (header.length > (uint64_t)s->context)
        return err_set(err, ERR_LIMIT, "the snapshot holds %llu tokens, the session's context %lld",
                       (unsigned long long)header.length, (long long)s->context);
    size_t payload = payload_bytes(s, (int64_t)header.length);
    if (header.payload_bytes != payload || bytes.n - sizeof header != payload)
        return err_set(err, ERR_CORRUPT, "a snapshot of %llu tokens has %zu bytes after its header, not %zu",
                       (unsigned long long)header.length, payload, bytes.n - sizeof header);
    if (checksum(bytes.p + sizeof header, payload) != header.checksum)
        return err_set(err, ERR_CORRUPT, "the snapshot is damaged: its checksum does not fit");
    for (int i = 0; i < s->engine->n_groups; i++)
        s->groups[i].first_page = s->groups[i].n_pages = first_page_at(s, i, (int64_t)header.length);
    if (!session_reserve(s, (int64_t)header.length, err)) {
        session_trim(s);
        return false;
    }
    struct stream stream = {(char *)bytes.p + sizeof header, true};
    copy_pages(s, (int64_t)header.length, &stream);
    s->length = (int64_t)header.length;
    return true;
}
