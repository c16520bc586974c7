/* A vocabulary and a text from the fuzzer: the tokenizer opens or refuses; if it opens, plain text gives no control
 * token, plain or through the guard, and byte-level BPE gives it back unchanged. Input: lines, up to a line "=", each a
 * kind (k model, first; m merge, t token, u user-defined, c control, p pre-tokenizer) and its text; then the user's
 * text. */
#include <stdlib.h>

#include "../text/tiny_vocab.h"
#include "text/guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool what)
{
    if (!what)
        abort();
}

static void add_line(struct tiny_vocab *v, struct tokenizer_spec *spec, struct str line)
{
    struct str text = {line.p + 1, line.n - 1};
    if (line.p[0] == 'p') {
        spec->pre = text;
    } else if (line.p[0] == 'k') {
        spec->model = text;
    } else if (line.p[0] == 'm' && v->n_merges < TINY_MAX_MERGES) {
        v->merges[v->n_merges++] = text;
    } else if (v->n_tokens < TINY_MAX_TOKENS) {
        v->tokens[v->n_tokens] = text;
        v->types[v->n_tokens++] = line.p[0] == 'u' ? TOKEN_USER_DEFINED : line.p[0] == 'c' ? TOKEN_CONTROL
            : TOKEN_NORMAL;
    }
}

/* The vocabulary's lines are taken off the front of *input. */
static void read_vocab(struct tiny_vocab *v, struct tokenizer_spec *spec, struct str *input)
{
    while (input->n > 0) {
        const char *newline = memchr(input->p, '\n', input->n);
        struct str line = {input->p, newline ? (size_t)(newline - input->p) : input->n};
        size_t used = newline ? line.n + 1 : line.n;
        *input = (struct str){input->p + used, input->n - used};
        if (str_is(line, "="))
            return;
        if (line.n > 0)
            add_line(v, spec, line);
    }
}

/* The pieces of plain tokens in a row are the text; control tokens number n_control. */
static void check_ids(const struct tokenizer *t, const struct token_ids *ids, struct str text, int64_t n_control)
{
    size_t at = 0;
    for (int64_t i = 0; i < ids->n; i++) {
        struct str piece = tokenizer_piece(t, ids->p[i]);
        if (tokenizer_type(t, ids->p[i]) == TOKEN_CONTROL) {
            n_control--;
            continue;
        }
        require(at + piece.n <= text.n && memcmp(text.p + at, piece.p, piece.n) == 0);
        at += piece.n;
    }
    require(at == text.n && n_control == 0);
}

static void check_no_control(const struct tokenizer *t, const struct token_ids *ids)
{
    for (int64_t i = 0; i < ids->n; i++)
        require(ids->p[i] >= 0 && ids->p[i] < tokenizer_count(t) && tokenizer_type(t, ids->p[i]) != TOKEN_CONTROL);
}

static void check_encoded(const struct tokenizer *t, const struct token_ids *ids, struct str text, bool exact)
{
    check_no_control(t, ids);
    if (exact)
        check_ids(t, ids, text, 0);
}

static void check_shown(const struct tokenizer *t, const struct token_ids *ids, struct str text, bool exact)
{
    struct buf shown = BUF_INIT(1u << 24);
    struct detokenizer d = {.at_start = true};
    for (int64_t i = 0; i < ids->n; i++)
        detokenizer_add(&d, t, ids->p[i], &shown);
    detokenizer_end(&d, &shown);
    require(utf8_valid(buf_view(&shown)) && (!exact || !utf8_valid(text) || str_eq(text, buf_view(&shown))));
    buf_free(&shown);
}

/* exact: the vocabulary gives every text back. */
static void check_text(const struct tokenizer *t, struct str text, bool exact)
{
    struct token_ids ids = {0};
    struct buf rendered = BUF_INIT(1u << 24);
    require(tokenizer_encode(t, text, TOKENIZE_PLAIN, &ids, NULL));
    check_encoded(t, &ids, text, exact);
    check_shown(t, &ids, text, exact);
    ids.n = 0;
    guard_escape(t, text, &rendered);
    require(buf_ok(&rendered) && guard_encode(t, buf_view(&rendered), &ids, NULL));
    check_encoded(t, &ids, text, exact);
    ids.n = 0;
    buf_clear(&rendered);
    guard_spell(t, text, &rendered);
    require(buf_ok(&rendered) && guard_encode(t, buf_view(&rendered), &ids, NULL));
    check_encoded(t, &ids, text, exact);
    token_ids_free(&ids);
    buf_free(&rendered);
}

/* The 256 bytes: by the names each model gives them. */
static void add_bytes(struct tiny_vocab *v, bool by_number)
{
    static char names[256][8];
    if (!by_number) {
        tiny_add_bytes(v);
        return;
    }
    for (int i = 0; i < 256; i++) {
        snprintf(names[i], sizeof names[i], "<0x%02X>", i);
        tiny_add_token(v, names[i], TOKEN_BYTE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tiny_vocab v;
    static float scores[TINY_MAX_TOKENS];
    struct str input = {(const char *)data, size};
    struct tokenizer_spec read = {.model = STR("gpt2"), .pre = STR("qwen2")};
    memset(&v, 0, sizeof v);
    bool exact = size == 0 || data[0] != 'k';
    add_bytes(&v, !exact);
    read_vocab(&v, &read, &input);
    for (int i = 0; i < TINY_MAX_TOKENS; i++)
        scores[i] = (float)(i % 5);
    struct tokenizer_spec spec = tokenizer_spec_of(read.model, read.pre);
    struct tokenizer_spec tables = tiny_spec(&v, "");
    spec.tokens = tables.tokens;
    spec.types = tables.types;
    spec.n_tokens = tables.n_tokens;
    spec.merges = tables.merges;
    spec.n_merges = tables.n_merges;
    spec.scores = scores;
    spec.unknown = 0;
    spec.names_trim = !exact && size % 2;
    struct tokenizer *t;
    if (tokenizer_open(&spec, &t, NULL)) {
        check_text(t, input, exact && str_is(spec.model, "gpt2"));
        tokenizer_close(t);
    }
    return 0;
}
