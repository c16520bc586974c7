/* perplexity MODEL: of the text on standard input, as one number: exp of the mean negative log-probability of each
 * token after those before it. A model whose weights or arithmetic are wrong is far off; see tests/real. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "runtime/vocab.h"

#define MAX_TEXT_BYTES ((size_t)1 << 20)
#define MAX_TOKENS 4096
#define STEP_TOKENS 64

static bool read_all(FILE *in, struct buf *out, struct err *err)
{
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0)
        buf_add(out, chunk, n);
    if (ferror(in))
        return err_errno(err, ERR_IO, "cannot read standard input");
    return buf_check(out, "the text", err);
}

/* One step: tokens [at, at + n), each asked for the log-probability of the token after it. */
static bool add_step(struct engine *e, struct session *s, const struct token_ids *ids, int64_t at, int n, double *sum,
                     struct err *err)
{
    struct want wants[STEP_TOKENS];
    float logprobs[STEP_TOKENS];
    for (int i = 0; i < n; i++) {
        wants[i] = (struct want){.kind = WANT_LOGPROBS, .at = i};
        wants[i].logprobs.ids = &ids->p[at + i + 1];
        wants[i].logprobs.n = 1;
        wants[i].logprobs.ret = &logprobs[i];
    }
    const struct step_item item = {.session = s, .tokens = ids->p + at, .n = n, .wants = wants, .n_wants = n};
    if (!engine_step(e, &item, 1, err))
        return false;
    for (int i = 0; i < n; i++)
        *sum -= logprobs[i];
    return true;
}

static bool measure(struct engine *e, const struct token_ids *ids, double *ret, struct err *err)
{
    struct session *s;
    double sum = 0;
    int64_t last = (ids->n < MAX_TOKENS ? ids->n : MAX_TOKENS) - 1;
    bool ok = true;
    if (last < 1)
        return err_set(err, ERR_INVALID, "the text has fewer than two tokens");
    if (!session_open(e, last + 1, TENSOR_F16, &s, err))
        return false;
    for (int64_t at = 0; ok && at < last; at += STEP_TOKENS)
        ok = add_step(e, s, ids, at, last - at < STEP_TOKENS ? (int)(last - at) : STEP_TOKENS, &sum, err);
    session_close(s);
    *ret = exp(sum / (double)last);
    return ok;
}

static bool run(const char *path, struct err *err)
{
    struct buf text = BUF_INIT(MAX_TEXT_BYTES);
    struct token_ids ids = {0};
    struct gguf *g = NULL;
    struct tokenizer *t = NULL;
    struct pool *pool = NULL;
    struct engine *e = NULL;
    double perplexity = 0;
    bool ok = pool_open(0, &pool, err) && gguf_open(path, &g, err) && vocab_open(g, &t, err) &&
              engine_open(g, pool, &e, err) && read_all(stdin, &text, err);
    if (ok && tokenizer_adds_bos(t))
        ok = token_ids_add(&ids, tokenizer_bos(t), err);
    ok = ok && tokenizer_encode(t, buf_view(&text), TOKENIZE_PLAIN, &ids, err) && measure(e, &ids, &perplexity, err);
    if (ok)
        printf("%.3f\n", perplexity);
    token_ids_free(&ids);
    buf_free(&text);
    engine_close(e);
    tokenizer_close(t);
    gguf_close(g);
    pool_close(pool);
    return ok;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    char text[1024];
    if (argc != 2) {
        fprintf(stderr, "usage: perplexity MODEL.gguf < TEXT\n");
        return 2;
    }
    if (run(argv[1], &err))
        return 0;
    fprintf(stderr, "perplexity: %s\n", err_format(&err, text, sizeof text));
    return 1;
}
