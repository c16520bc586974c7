/* SHA-256 over OpenSSL's EVP interface, which uses what the processor has for it. What a digest is compared with, and
 * what happens when it differs, is the callers'. */
#include "registry/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define PIECE_BYTES (1u << 20)
#define STEP_EVERY_NS 100000000ll
#define SHA256_BYTES 32

struct digest {
    EVP_MD_CTX *ctx;
    bool failed;
};

bool digest_new(struct digest **ret, struct err *err)
{
    struct digest *d = calloc(1, sizeof *d);
    if (!d)
        return err_nomem(err, "a digest");
    d->ctx = EVP_MD_CTX_new();
    if (!d->ctx || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1) {
        digest_free(d);
        return err_set(err, ERR_INTERNAL, "OpenSSL cannot compute SHA-256 here");
    }
    *ret = d;
    return true;
}

void digest_add(struct digest *d, const void *p, size_t n)
{
    if (EVP_DigestUpdate(d->ctx, p, n) != 1)
        d->failed = true;
}

bool digest_end(struct digest *d, char ret[DIGEST_HEX + 1], struct err *err)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char sum[SHA256_BYTES];
    unsigned n = 0;
    if (d->failed || EVP_DigestFinal_ex(d->ctx, sum, &n) != 1 || n != sizeof sum)
        return err_set(err, ERR_INTERNAL, "OpenSSL failed while computing SHA-256");
    for (unsigned i = 0; i < n; i++) {
        ret[2 * i] = hex[sum[i] >> 4];
        ret[2 * i + 1] = hex[sum[i] & 15];
    }
    ret[DIGEST_HEX] = '\0';
    return true;
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->ctx);
    free(d);
}

bool digest_of(struct str bytes, char ret[DIGEST_HEX + 1], struct err *err)
{
    struct digest *d;
    if (!digest_new(&d, err))
        return false;
    digest_add(d, bytes.p, bytes.n);
    bool ok = digest_end(d, ret, err);
    digest_free(d);
    return ok;
}

static bool add_file(struct digest *d, int fd, const char *path, char *piece, const struct remote_progress *progress,
                     struct err *err)
{
    struct stat st;
    int64_t done = 0, stepped_ns = clock_ns();
    if (fstat(fd, &st) != 0)
        return err_errno(err, ERR_IO, "%s: cannot read the file's state", path);
    for (ssize_t n; (n = pread(fd, piece, PIECE_BYTES, done)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, ERR_IO, "%s: cannot read", path);
        digest_add(d, piece, (size_t)n);
        done += n;
        int64_t now = clock_ns();
        if (!progress || now - stepped_ns < STEP_EVERY_NS)
            continue;
        stepped_ns = now;
        if (!progress->step(progress->ctx, done, st.st_size))
            return err_set(err, ERR_CANCELLED, "stopped while the digest of %s was computed", path);
    }
    if (progress)
        progress->step(progress->ctx, done, st.st_size);
    return true;
}

bool digest_fd(int fd, const char *path, const struct remote_progress *progress, char ret[DIGEST_HEX + 1],
               struct err *err)
{
    struct digest *d = NULL;
    char *piece = malloc(PIECE_BYTES);
    bool ok = piece ? digest_new(&d, err) : err_nomem(err, "reading a file");
    ok = ok && add_file(d, fd, path, piece, progress, err) && digest_end(d, ret, err);
    digest_free(d);
    free(piece);
    return ok;
}
