/* The format of one file of the prefix cache: made, and read back with suspicion. Which files there are, when they are
 * written and when they go is prefix_disk.c's business. */
#include "runtime/schedule/prefix_file.h"

#include "base/siphash.h"

#define MAGIC 0x3130585046474E52u    /* "RNGFPX01" */

struct header {
    uint64_t magic, mac, version, state, salt, n_tokens, snapshot_bytes;
};
_Static_assert(sizeof(struct header) == PREFIX_FILE_HEADER_BYTES, "the header has no gaps");

#define SIGNED_FROM offsetof(struct header, version)

/* Other versions of Rung may compute other bits, and the same request must have the same answer. */
static uint64_t version(void)
{
    return str_hash(STR(RUNG_VERSION));
}

static uint64_t mac_of(struct str bytes, uint64_t n_tokens, const uint64_t secret[2])
{
    size_t end = sizeof(struct header) + (size_t)n_tokens * sizeof(int32_t);
    return siphash(secret, (struct str){bytes.p + SIGNED_FROM, end - SIGNED_FROM});
}

bool prefix_file_make(const struct session *s, uint64_t salt, const int32_t *tokens, const uint64_t secret[2],
                      struct buf *out, uint64_t *ret_name, struct err *err)
{
    struct header h = {.magic = MAGIC, .version = version(), .state = session_fingerprint(s), .salt = salt,
                       .n_tokens = (uint64_t)session_length(s)};
    buf_clear(out);
    buf_add(out, &h, sizeof h);
    buf_add(out, tokens, (size_t)h.n_tokens * sizeof *tokens);
    size_t before = out->n;
    if (!buf_check(out, "a file of the prefix cache", err) || !session_snapshot(s, out, err))
        return false;
    h.snapshot_bytes = out->n - before;
    memcpy(out->p, &h, sizeof h);
    h.mac = mac_of(buf_view(out), h.n_tokens, secret);
    memcpy(out->p, &h, sizeof h);
    *ret_name = h.mac;
    return true;
}

bool prefix_file_peek(struct str header, int64_t size, struct prefix_file *ret, struct err *err)
{
    struct header h;
    if (header.n < sizeof h)
        return err_set(err, ERR_CORRUPT, "the file ends inside its header");
    memcpy(&h, header.p, sizeof h);
    if (h.magic != MAGIC || h.version != version())
        return err_set(err, ERR_CORRUPT, "the file is not of this version of Rung's prefix cache");
    if (h.n_tokens < 1 || h.n_tokens > PREFIX_FILE_MAX_TOKENS || h.snapshot_bytes > PREFIX_FILE_MAX_BYTES ||
        (uint64_t)size != sizeof h + h.n_tokens * sizeof(int32_t) + h.snapshot_bytes)
        return err_set(err, ERR_CORRUPT, "the file has %lld bytes, which is not what its header says", (long long)size);
    *ret = (struct prefix_file){.state = h.state, .salt = h.salt, .n = (int64_t)h.n_tokens, .name = h.mac};
    return true;
}

bool prefix_file_parse(struct str bytes, const uint64_t secret[2], struct prefix_file *ret, struct err *err)
{
    struct prefix_file f;
    if (!prefix_file_peek(bytes, (int64_t)bytes.n, &f, err))
        return false;
    if (mac_of(bytes, (uint64_t)f.n, secret) != f.name)
        return err_set(err, ERR_CORRUPT, "the file is damaged, or was not written with this folder's secret");
    size_t start = sizeof(struct header) + (size_t)f.n * sizeof(int32_t);
    f.tokens = (const int32_t *)(bytes.p + sizeof(struct header));
    f.snapshot = (struct str){bytes.p + start, bytes.n - start};
    *ret = f;
    return true;
}
