/* Remembers digests of files by what the file system says of them. Computing and comparing is registry.c's. */
#include "registry/verified.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/filemap.h"
#include "registry/store.h"

#define LINE_BYTES (DIGEST_HEX + 6 * 21)
#define FILE_BYTES (VERIFIED_MAX_LINES * LINE_BYTES)

/* What stands after the digest, newline and all. */
static void show_state(const struct stat *st, char out[LINE_BYTES])
{
    snprintf(out, LINE_BYTES, " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", (uint64_t)st->st_dev,
             (uint64_t)st->st_ino, (int64_t)st->st_size, (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
             (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec);
}

static bool read_lines(const char *root, char path[MODEL_STORE_MAX_PATH], char **ret, size_t *ret_n)
{
    return snprintf(path, MODEL_STORE_MAX_PATH, "%s/verified", root) < MODEL_STORE_MAX_PATH &&
           file_read(path, FILE_BYTES, ret, ret_n, NULL);
}

bool verified_find(const char *root, const struct stat *st, char ret[DIGEST_HEX + 1])
{
    char path[MODEL_STORE_MAX_PATH], state[LINE_BYTES], *lines;
    size_t n;
    if (!read_lines(root, path, &lines, &n))
        return false;
    show_state(st, state);
    size_t at = str_find((struct str){lines, n}, str_of(state));
    bool ok = at != SIZE_MAX && at >= DIGEST_HEX && (at == DIGEST_HEX || lines[at - DIGEST_HEX - 1] == '\n') &&
              digest_parse((struct str){lines + at - DIGEST_HEX, DIGEST_HEX}, ret);
    free(lines);
    return ok;
}

void verified_note(const char *root, const struct stat *st, const char digest[DIGEST_HEX + 1])
{
    char path[MODEL_STORE_MAX_PATH], state[LINE_BYTES], inode[48], *lines = NULL;
    size_t n = 0;
    struct buf out = BUF_INIT(2 * FILE_BYTES);
    struct model_store s = {.own = true};
    snprintf(s.root, sizeof s.root, "%s", root);
    if (!read_lines(root, path, &lines, &n) && !model_store_make(&s, NULL))
        return;
    show_state(st, state);
    snprintf(inode, sizeof inode, " %" PRIu64 " %" PRIu64 " ", (uint64_t)st->st_dev, (uint64_t)st->st_ino);
    buf_puts(&out, digest);
    buf_puts(&out, state);
    struct str rest = {lines, n};
    for (int i = 1; rest.n > 0 && i < VERIFIED_MAX_LINES; i++) {
        size_t end = str_find(rest, STR("\n"));
        struct str line = {rest.p, end == SIZE_MAX ? rest.n : end + 1};
        if (end != SIZE_MAX && str_find(line, str_of(inode)) != DIGEST_HEX)
            buf_str(&out, line);
        rest = (struct str){rest.p + line.n, rest.n - line.n};
    }
    if (buf_ok(&out))
        model_store_write_file(path, buf_view(&out), NULL);
    buf_free(&out);
    free(lines);
}
