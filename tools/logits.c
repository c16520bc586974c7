/* logits MODEL IDS.txt OUT.f32: the raw logits after every token of a list of ids, for conformance checks against
 * other implementations. Reads white-space separated decimal ids; writes n x vocabulary little-endian floats. The
 * key-value cache is F32, so that nothing but the weights is rounded. */
#include <stdio.h>
#include <stdlib.h>

#include "base/filemap.h"
#include "engine/engine.h"

#define LOGITS_MAX_IDS_BYTES (64u << 20)
#define LOGITS_STEP 16   /* rows written at a time */

static bool parse_ids(const char *path, int32_t **ret_ids, int64_t *ret_n, struct err *err)
{
    char *text;
    size_t bytes;
    if (!file_read(path, LOGITS_MAX_IDS_BYTES, &text, &bytes, err))
        return false;
    bool ok = false;
    int64_t n = 0, value;
    int32_t *ids = malloc((bytes / 2 + 1) * sizeof *ids);
    if (!ids) {
        err_nomem(err, "the token ids");
        goto out;
    }
    for (char *save, *word = strtok_r(text, " \t\r\n", &save); word; word = strtok_r(NULL, " \t\r\n", &save)) {
        if (!str_to_i64(str_of(word), &value) || value < 0 || value > INT32_MAX) {
            err_at_offset(err, ERR_INVALID, path, word - text, "\"%.40s\" is not a token id", word);
            goto out;
        }
        ids[n++] = (int32_t)value;
    }
    if (n == 0) {
        err_at_offset(err, ERR_INVALID, path, -1, "the file holds no token ids");
        goto out;
    }
    *ret_ids = ids;
    *ret_n = n;
    ids = NULL;
    ok = true;
out:
    free(ids);
    free(text);
    return ok;
}

static bool write_logits(struct engine *e, const int32_t *ids, int64_t n, FILE *out, struct err *err)
{
    bool ok = false;
    int64_t n_vocab = engine_info(e)->n_vocab;
    struct session *s = NULL;
    struct want wants[LOGITS_STEP];
    float *rows = malloc(LOGITS_STEP * (size_t)n_vocab * sizeof *rows);
    if (!rows) {
        err_nomem(err, "the logits");
        goto out;
    }
    if (!session_open(e, n, TENSOR_F32, &s, err))
        goto out;
    for (int64_t at = 0; at < n; at += LOGITS_STEP) {
        int now = n - at < LOGITS_STEP ? (int)(n - at) : LOGITS_STEP;
        for (int i = 0; i < now; i++)
            wants[i] = (struct want){.kind = WANT_LOGITS, .at = i, .ret_logits = rows + i * n_vocab};
        struct step_item item = {s, ids + at, now, wants, now};
        if (!engine_step(e, &item, 1, err))
            goto out;
        if (fwrite(rows, (size_t)n_vocab * sizeof *rows, (size_t)now, out) != (size_t)now) {
            err_errno(err, ERR_IO, "cannot write the logits");
            goto out;
        }
    }
    ok = true;
out:
    session_close(s);
    free(rows);
    return ok;
}

static bool run(const char *model, const char *ids_path, const char *out_path, struct err *err)
{
    bool ok = false;
    int32_t *ids = NULL;
    int64_t n;
    struct gguf *g = NULL;
    struct pool *pool = NULL;
    struct engine *e = NULL;
    FILE *out = NULL;
    if (!parse_ids(ids_path, &ids, &n, err) || !gguf_open(model, &g, err) || !pool_open(0, &pool, err) ||
        !engine_open(g, pool, &e, err))
        goto out;
    out = fopen(out_path, "wb");
    if (!out) {
        err_errno(err, ERR_IO, "cannot write %s", out_path);
        goto out;
    }
    ok = write_logits(e, ids, n, out, err);
    if (fclose(out) != 0 && ok)
        ok = err_errno(err, ERR_IO, "cannot write %s", out_path);
out:
    engine_close(e);
    pool_close(pool);
    gguf_close(g);
    free(ids);
    return ok;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    char text[1024];
    if (argc != 4) {
        fprintf(stderr, "usage: logits MODEL.gguf IDS.txt OUT.f32\n"
                        "  IDS.txt   token ids, separated by white space\n"
                        "  OUT.f32   receives the logits after each token: n x vocabulary little-endian floats\n");
        return 2;
    }
    if (run(argv[1], argv[2], argv[3], &err))
        return 0;
    fprintf(stderr, "logits: %s\n", err_format(&err, text, sizeof text));
    return 1;
}
