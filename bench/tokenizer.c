/* How fast text becomes tokens, on one core: English prose (the paragraphs of a SQuAD file, each once) in one text, and
 * a megabyte without a space, of letters and of Chinese.
 *
 *   build/bench/tokenizer SQUAD.json VOCABULARY.gguf...
 *
 * A figure is the best of ROUNDS; the cache of words starts empty in each. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "runtime/vocab.h"

#define ROUNDS 7
#define MAX_TEXT_BYTES (64u << 20)
#define LONG_LINE_BYTES (1u << 20)

static void die(const struct err *err)
{
    char text[900];
    fprintf(stderr, "tokenizer: %s\n", err_format(err, text, sizeof text));
    exit(1);
}

static void add_prose(const char *path, struct buf *out)
{
    json_t *root = json_load_file(path, 0, NULL), *article, *paragraph;
    size_t i, k;
    if (!root) {
        fprintf(stderr, "tokenizer: %s is no JSON file\n", path);
        exit(1);
    }
    json_array_foreach(json_object_get(root, "data"), i, article) {
        json_array_foreach(json_object_get(article, "paragraphs"), k, paragraph) {
            buf_puts(out, json_string_value(json_object_get(paragraph, "context")));
            buf_puts(out, "\n\n");
        }
    }
    json_decref(root);
}

static void add_line(const char *unit, struct buf *out)
{
    while (out->n < LONG_LINE_BYTES)
        buf_puts(out, unit);
}

/* Megabytes a second, and the tokens. */
static double measure(const struct tokenizer *t, struct str text, int64_t *ret_n)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct token_ids ids = {0};
        struct err err = ERR_INIT;
        int64_t start = clock_ns();
        if (!tokenizer_encode(t, text, TOKENIZE_PLAIN, &ids, &err))
            die(&err);
        double rate = (double)text.n * 1e3 / (double)(clock_ns() - start);
        best = rate > best ? rate : best;
        *ret_n = ids.n;
        token_ids_free(&ids);
    }
    return best;
}

static void measure_vocabulary(const char *path, struct str prose, struct str letters, struct str chinese)
{
    struct err err = ERR_INIT;
    struct gguf *g;
    struct tokenizer *t;
    int64_t n, n_line;
    if (!gguf_open(path, &g, &err))
        die(&err);
    int64_t start = clock_ns();
    if (!vocab_open(g, &t, &err))
        die(&err);
    double open_ms = (double)(clock_ns() - start) / 1e6, rate = measure(t, prose, &n);
    double line = measure(t, letters, &n_line), wide = measure(t, chinese, &n_line);
    const char *name = strrchr(path, '/');
    printf("%-28s %6.1f %8.2f %9.1f %9.1f %8.0f\n", name ? name + 1 : path, rate, (double)prose.n / (double)n, line, wide,
           open_ms);
    tokenizer_close(t);
    gguf_close(g);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: tokenizer SQUAD.json VOCABULARY.gguf...\n");
        return 2;
    }
    struct buf prose = BUF_INIT(MAX_TEXT_BYTES), letters = BUF_INIT(MAX_TEXT_BYTES), chinese = BUF_INIT(MAX_TEXT_BYTES);
    add_prose(argv[1], &prose);
    add_line("thequickbrownfoxjumpsoverthelazydog", &letters);
    add_line("我们都是中国人今天天气很好", &chinese);
    printf("%zu KB of prose; MB/s on one core\n%-28s %6s %8s %9s %9s %8s\n", prose.n / 1000, "vocabulary", "prose",
           "B/token", "letters", "Chinese", "open ms");
    for (int i = 2; i < argc; i++)
        measure_vocabulary(argv[i], buf_view(&prose), buf_view(&letters), buf_view(&chinese));
    buf_free(&prose);
    buf_free(&letters);
    buf_free(&chinese);
    return 0;
}
