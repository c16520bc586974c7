/* What a rule costs an answer: JSON values of a schema, token for token, once free and once under their schema, in
 * turns, from one prefilled session. Every token is chosen by the model and paid for in full, logits, record and mask;
 * then the value's own is taken in its place, so that both ways write the same text with a model of any weights. What
 * the rule forces is appended without a step. No drafts.
 *
 *   build/bench/constrained MODEL.gguf CASE.json... [--rounds N] [--threads N] [--vocabulary VOCABULARY.gguf] [--json]
 *
 * A case is {"schema": ..., "tests": [{"valid": true, "data": ...}, ...]} as the files of MaskBench are; its first
 * valid value is written, a space behind ',' and ':'. --vocabulary is for models of random weights, whose own spells no
 * words: any whose ids the model has. The rule is compiled once for each case and known from the second round on, as a
 * server knows it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/filemap.h"
#include "data/json.h"
#include "engine/engine.h"
#include "grammar/schema.h"
#include "runtime/constrain/binding.h"
#include "runtime/vocab.h"

#define MAX_CASES 64
#define MAX_ROUNDS 99
#define PROMPT_TOKENS 64
#define CONTEXT 8192
#define PROMPT "Write the record that the following text describes as JSON, and nothing else. "

struct sums {
    double seconds, least;           /* of all rounds; of the fastest */
    int64_t steps, tokens, forced, mask_ns;   /* of one round */
};

struct value {
    const char *path;
    struct token_ids tokens;         /* its text */
    struct constraint *constraint;
    double compile_us;
    struct sums sums[2];             /* free, under the rule */
};

struct bench {
    struct gguf *gguf, *vocabulary;
    struct pool *pool;
    struct engine *engine;
    struct tokenizer *tokenizer;
    struct words *words;
    struct session *prefilled;
    uint64_t *mask;
    struct value values[MAX_CASES];
    int n_values, rounds;
};

static void check(bool ok, const struct err *err)
{
    char text[900];
    if (ok)
        return;
    fprintf(stderr, "constrained: %s\n", err_format(err, text, sizeof text));
    exit(1);
}

/* ---- the cases ---- */

static bool compile(struct bench *b, struct value *v, json_t *json, bool any_order, struct str text)
{
    struct schema_options options = {.any_order = any_order, .formats = true};
    struct schema *schema;
    struct rules *rules;
    struct err err = ERR_INIT;
    size_t admitted;
    bool whole;
    int64_t start = clock_ns();
    check(schema_open(json, &options, &schema, &err) && schema_rules(schema, &rules, &err) &&
              constraint_open(rules, b->words->vocabulary, &v->constraint, &err), &err);
    v->compile_us = (double)(clock_ns() - start) / 1e3;
    schema_close(schema);
    if (constraint_accepts(v->constraint, text, &admitted, &whole) && whole)
        return true;
    constraint_release(v->constraint);
    return false;
}

static const json_t *first_valid(const json_t *root)
{
    const json_t *test;
    size_t i;
    json_array_foreach(json_object_get(root, "tests"), i, test)
        if (json_is_true(json_object_get(test, "valid")))
            return json_object_get(test, "data");
    return NULL;
}

static void add_case(struct bench *b, const char *path)
{
    struct value *v = &b->values[b->n_values++];
    struct err err = ERR_INIT;
    char *bytes;
    size_t n;
    json_t *root;
    check(file_read(path, JSON_MAX_BYTES, &bytes, &n, &err), &err);
    check(json_parse_object((struct str){bytes, n}, path, &root, &err), &err);
    char *text = json_dumps(first_valid(root), JSON_ENCODE_ANY | JSON_PRESERVE_ORDER);
    json_t *schema = json_object_get(root, "schema");
    v->path = path;
    if (!text || (!compile(b, v, schema, false, str_of(text)) && !compile(b, v, schema, true, str_of(text)))) {
        fprintf(stderr, "constrained: %s has no valid value that its schema's rule admits\n", path);
        exit(1);
    }
    check(tokenizer_encode(b->tokenizer, str_of(text), TOKENIZE_PLAIN, &v->tokens, &err), &err);
    free(text);
    free(bytes);
    json_decref(root);
}

/* ---- writing a value ---- */

static void prefill(struct bench *b)
{
    struct token_ids ids = {0};
    struct err err = ERR_INIT;
    while (ids.n < PROMPT_TOKENS)
        check(tokenizer_encode(b->tokenizer, STR(PROMPT), TOKENIZE_PLAIN, &ids, &err), &err);
    struct step_item item;
    check(session_open(b->engine, CONTEXT, TENSOR_F16, &b->prefilled, &err), &err);
    item = (struct step_item){.session = b->prefilled, .tokens = ids.p, .n = PROMPT_TOKENS};
    check(engine_step(b->engine, &item, 1, &err), &err);
    token_ids_free(&ids);
}

static void step(struct bench *b, struct session *s, const int32_t *tokens, int64_t n, const uint64_t *mask)
{
    static const struct sampler greedy = SAMPLER_GREEDY;
    struct token_record record;
    struct err err = ERR_INIT;
    struct want want = {.kind = WANT_SAMPLE, .at = (int)n - 1,
                        .sample = {.sampler = &greedy, .allowed = mask, .ret = &record}};
    struct step_item item = {.session = s, .tokens = tokens, .n = (int)n, .wants = &want, .n_wants = 1};
    check(engine_step(b->engine, &item, 1, &err), &err);
}

static void write_free(struct bench *b, const struct value *v, struct session *s, struct sums *sums)
{
    for (int64_t i = 0; i + 1 < v->tokens.n; i++)
        step(b, s, &v->tokens.p[i], 1, NULL);
    sums->steps = v->tokens.n - 1;
    sums->tokens = v->tokens.n;
}

/* The next token of the value, as a sample would bring it, and what is forced after it. False: it is written. */
static bool advance(const struct value *v, struct binding *binding, struct token_ids *ids, struct sums *sums)
{
    struct err err = ERR_INIT;
    bool settles;
    int32_t id = v->tokens.p[ids->n];
    check(binding_take(binding, id, &settles, &err) && token_ids_add(ids, id, &err), &err);
    for (int64_t from = -1; from != ids->n && ids->n < v->tokens.n;) {
        from = ids->n;
        check(binding_force(binding, ids, v->tokens.n - ids->n, &err), &err);
        for (int64_t i = from; i < ids->n; i++, sums->forced++) {
            if (ids->p[i] == v->tokens.p[i])
                continue;
            fprintf(stderr, "constrained: %s: token %lld is not forced as the tokenizer gives it\n", v->path,
                    (long long)i);
            exit(1);
        }
    }
    return ids->n < v->tokens.n;
}

static void write_held(struct bench *b, const struct value *v, struct session *s, struct sums *sums)
{
    struct binding binding;
    struct answer_state answer;
    struct answer_spec spec = {.tokenizer = b->tokenizer};
    struct binding_spec held = {.words = b->words, .constraint = constraint_share(v->constraint)};
    struct token_ids ids = {0};
    struct err err = ERR_INIT;
    *sums = (struct sums){.seconds = sums->seconds, .least = sums->least, .tokens = v->tokens.n};
    check(answer_open(&answer, &spec, &err) && binding_open(&binding, &held, &answer, &err), &err);
    for (int64_t fed = 0; advance(v, &binding, &ids, sums); fed = ids.n, sums->steps++) {
        int64_t start = clock_ns();
        check(binding_masks(&binding, NULL, 0, b->mask, &err), &err);
        sums->mask_ns += clock_ns() - start;
        step(b, s, ids.p + fed, ids.n - fed, b->mask);
    }
    binding_close(&binding);
    answer_close(&answer);
    token_ids_free(&ids);
}

static void write_value(struct bench *b, struct value *v, bool held)
{
    struct sums *sums = &v->sums[held];
    struct session *s;
    struct err err = ERR_INIT;
    check(session_fork(b->prefilled, &s, &err), &err);
    int64_t start = clock_ns();
    (held ? write_held : write_free)(b, v, s, sums);
    double seconds = (double)(clock_ns() - start) / 1e9;
    sums->seconds += seconds;
    sums->least = sums->least == 0 || seconds < sums->least ? seconds : sums->least;
    session_close(s);
}

/* ---- what is printed ---- */

static void print_people(const struct bench *b)
{
    printf("%s, %d threads, a vocabulary of %d, %d rounds; the fastest of each\n", gguf_path(b->gguf),
           pool_threads(b->pool), tokenizer_count(b->tokenizer), b->rounds);
    for (int i = 0; i < b->n_values; i++) {
        const struct value *v = &b->values[i];
        const struct sums *is_free = &v->sums[0], *held = &v->sums[1];
        const char *slash = strrchr(v->path, '/');
        printf("%s: %lld tokens, compiled in %.0f us\n", slash ? slash + 1 : v->path, (long long)held->tokens,
               v->compile_us);
        printf("  free %.1f tok/s in %lld steps, under the schema %.1f in %lld (%lld tokens forced): %.3f; masks %.1f "
               "us a step\n", (double)is_free->tokens / is_free->least, (long long)is_free->steps,
               (double)held->tokens / held->least, (long long)held->steps, (long long)held->forced,
               is_free->least / held->least, (double)held->mask_ns / 1e3 / (double)held->steps);
    }
}

static void print_json(const struct bench *b)
{
    struct buf out = BUF_INIT(1 << 20);
    struct json_writer w = JSON_WRITER(&out);
    json_open_array(&w);
    for (int i = 0; i < b->n_values; i++) {
        const struct value *v = &b->values[i];
        json_open_object(&w);
        json_put_cstr(&w, "case", v->path);
        json_put_i64(&w, "tokens", v->sums[1].tokens);
        json_put_i64(&w, "forced", v->sums[1].forced);
        json_put_i64(&w, "steps", v->sums[1].steps);
        json_put_f64(&w, "compile_us", v->compile_us);
        json_put_f64(&w, "mask_us", (double)v->sums[1].mask_ns / 1e3 / (double)v->sums[1].steps);
        json_put_f64(&w, "free_tok_s", (double)v->tokens.n / v->sums[0].least);
        json_put_f64(&w, "held_tok_s", (double)v->tokens.n / v->sums[1].least);
        json_close_object(&w);
    }
    json_close_array(&w);
    fwrite(out.p, 1, out.n, stdout);
    putchar('\n');
    buf_free(&out);
}

/* ---- the command line ---- */

struct options {
    const char *vocabulary;
    int threads;
    bool json;
};

static const struct option long_options[] = {
    {"rounds", required_argument, NULL, 'r'},     {"threads", required_argument, NULL, 't'},
    {"vocabulary", required_argument, NULL, 'v'}, {"json", no_argument, NULL, 'j'},
    {0},
};

static bool read_options(int argc, char **argv, struct bench *b, struct options *o)
{
    bool ok = true;
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        switch (c) {
        case 'r': b->rounds = atoi(optarg); break;
        case 't': o->threads = atoi(optarg); break;
        case 'v': o->vocabulary = optarg; break;
        case 'j': o->json = true; break;
        default: ok = false;
        }
    }
    return ok && argc - optind >= 2 && argc - optind - 1 <= MAX_CASES && b->rounds > 0 && b->rounds <= MAX_ROUNDS &&
           o->threads >= 0;
}

static void open_all(struct bench *b, const char *model, const struct options *o)
{
    struct err err = ERR_INIT;
    check(gguf_open(model, &b->gguf, &err), &err);
    check(gguf_open(o->vocabulary ? o->vocabulary : model, &b->vocabulary, &err), &err);
    check(vocab_open(b->vocabulary, &b->tokenizer, &err), &err);
    check(pool_open(o->threads, &b->pool, &err), &err);
    check(engine_open(b->gguf, b->pool, &b->engine, &err), &err);
    int64_t n_vocab = engine_info(b->engine)->n_vocab;
    if (tokenizer_count(b->tokenizer) > n_vocab)
        check(err_set(&err, ERR_INVALID, "the vocabulary has %d tokens, the model %lld",
                      tokenizer_count(b->tokenizer), (long long)n_vocab), &err);
    check(words_open(b->tokenizer, n_vocab, &(struct word_markers){0}, &b->words, &err), &err);
    b->mask = calloc(b->words->n_words, sizeof *b->mask);
    check(b->mask || err_nomem(&err, "a mask"), &err);
    prefill(b);
}

static void close_all(struct bench *b)
{
    for (int i = 0; i < b->n_values; i++) {
        constraint_release(b->values[i].constraint);
        token_ids_free(&b->values[i].tokens);
    }
    free(b->mask);
    session_close(b->prefilled);
    words_close(b->words);
    engine_close(b->engine);
    pool_close(b->pool);
    tokenizer_close(b->tokenizer);
    gguf_close(b->vocabulary);
    gguf_close(b->gguf);
}

int main(int argc, char **argv)
{
    static struct bench b = {.rounds = 5};
    struct options o = {0};
    if (!read_options(argc, argv, &b, &o)) {
        fprintf(stderr, "usage: constrained MODEL.gguf CASE.json... [--rounds N] [--threads N]\n"
                        "           [--vocabulary VOCABULARY.gguf] [--json]\n");
        return 2;
    }
    open_all(&b, argv[optind], &o);
    for (int i = optind + 1; i < argc; i++)
        add_case(&b, argv[i]);
    for (int round = 0; round < b.rounds; round++)
        for (int i = 0; i < b.n_values; i++)
            for (int turn = 0; turn < 2; turn++)
                write_value(&b, &b.values[i], (turn + round) % 2);
    if (o.json)
        print_json(&b);
    else
        print_people(&b);
    close_all(&b);
    return 0;
}
