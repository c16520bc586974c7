/* tokenize MODEL: the text on standard input as token ids, separated by spaces, on one line. No BOS or EOS is added,
 * and control tokens in the text are text. MODEL may be a file that holds a vocabulary alone. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "runtime/vocab.h"

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

static bool tokenize(const char *path, struct err *err)
{
    struct buf text = BUF_INIT(TOKENIZER_MAX_TEXT_BYTES);
    struct token_ids ids = {0};
    struct gguf *g = NULL;
    struct tokenizer *t = NULL;
    bool ok = gguf_open(path, &g, err) && vocab_open(g, &t, err) && read_all(stdin, &text, err) &&
              tokenizer_encode(t, buf_view(&text), TOKENIZE_PLAIN, &ids, err);
    for (int64_t i = 0; ok && i < ids.n; i++)
        printf(i ? " %d" : "%d", ids.p[i]);
    if (ok)
        ok = putchar('\n') != EOF && fflush(stdout) == 0 ? true : err_errno(err, ERR_IO, "cannot write the tokens");
    token_ids_free(&ids);
    buf_free(&text);
    tokenizer_close(t);
    gguf_close(g);
    return ok;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    if (argc != 2) {
        fprintf(stderr, "usage: tokenize MODEL < TEXT\n");
        return 2;
    }
    if (tokenize(argv[1], &err))
        return 0;
    char text[1024];
    log_error("%s", err_format(&err, text, sizeof text));
    return 1;
}
