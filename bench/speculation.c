/* Speculation where answers copy from their prompt: questions with their paragraphs, the recorded answers forced. Every
 * token is chosen by the model and paid for in full, logits, record and all; then the recorded one is taken in its
 * place. The prompt and the answer's first token are not timed. With speculation and without in turns, from one
 * prefilled session.
 *
 *   build/bench/speculation MODEL.gguf XQUAD.json [--questions N] [--rounds N] [--threads N] [--kind KIND]
 *                           [--vocabulary VOCABULARY.gguf] [--cases CASES.json] [--json]
 *
 * Kinds of answers, all three without --kind: `recorded` (as the data has them, a few words), `sentence` (of the
 * paragraph, the one the recorded answer stands in), `other` (a paragraph from elsewhere: nothing to copy, so that what
 * speculation costs shows). --vocabulary is for models of random weights, whose own spells no words: any whose ids the
 * model has. --cases writes the tokens for others to decode. Speculation learns through all rounds, as a server does. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/filemap.h"
#include "data/json.h"
#include "engine/engine.h"
#include "runtime/schedule/speculate.h"
#include "runtime/vocab.h"

#define MAX_QUESTIONS 1000
#define MAX_ROUNDS 25
#define OTHER_TOKENS 64
#define CONTEXT 4096
#define END_OF_ANSWER "<|im_end|>"

enum kind { RECORDED, SENTENCE, OTHER, KINDS };
static const char *const kind_names[KINDS] = {"recorded", "sentence", "other"};

struct question {
    char id[64];
    struct token_ids prompt, answers[KINDS];
    double seconds[KINDS][2];              /* of the round at hand: without speculation, with it */
    int64_t steps[KINDS];
};

/* Answers of so many tokens, their end included. */
#define LENGTHS 5
static const int length_from[LENGTHS] = {2, 4, 6, 10, 20};

struct bench {
    struct gguf *gguf, *vocabulary;
    struct pool *pool;
    struct engine *engine;
    struct tokenizer *tokenizer;
    struct question *questions;
    int n_questions, rounds;
    int only;                              /* a kind, or -1 */
    struct speculator speculators[KINDS], plain;
    double ratio[KINDS][MAX_ROUNDS];
    double total[KINDS][2], of_length[LENGTHS][2];
    int64_t tokens[KINDS], steps[KINDS], tokens_of_length[LENGTHS];
};

static void die(const struct err *err)
{
    char text[900];
    fprintf(stderr, "speculation: %s\n", err_format(err, text, sizeof text));
    exit(1);
}

static void check(bool ok, const struct err *err)
{
    if (!ok)
        die(err);
}

/* ---- the questions ---- */

static void encode(struct bench *b, struct str text, int flags, struct token_ids *ids)
{
    struct err err = ERR_INIT;
    check(tokenizer_encode(b->tokenizer, text, flags, ids, &err), &err);
}

static struct str json_text(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return (struct str){json_string_value(value), json_string_length(value)};
}

static size_t byte_of(struct str s, int64_t character)
{
    size_t at = 0;
    for (int n; character > 0 && at < s.n; character--, at += (size_t)n)
        utf8_decode(s, at, &n);
    return at;
}

/* From behind the last ". " before the answer to the next one behind it. */
static struct str sentence_around(struct str text, size_t begin, size_t end)
{
    while (begin > 0 && !(begin >= 2 && memcmp(text.p + begin - 2, ". ", 2) == 0))
        begin--;
    while (end < text.n && !(text.p[end - 1] == '.' && text.p[end] == ' '))
        end++;
    return (struct str){text.p + begin, end - begin};
}

static void add_question(struct bench *b, struct str paragraph, const json_t *qa, struct str other)
{
    struct question *q = &b->questions[b->n_questions++];
    const json_t *answer = json_array_get(json_object_get(qa, "answers"), 0);
    struct str text = json_text(answer, "text"), id = json_text(qa, "id");
    size_t begin = byte_of(paragraph, json_integer_value(json_object_get(answer, "answer_start")));
    snprintf(q->id, sizeof q->id, STR_FMT, STR_ARG(id));
    encode(b, STR("<|im_start|>user\n"), TOKENIZE_SPECIAL, &q->prompt);
    encode(b, paragraph, TOKENIZE_PLAIN, &q->prompt);
    encode(b, STR("\n\nQuestion: "), TOKENIZE_PLAIN, &q->prompt);
    encode(b, json_text(qa, "question"), TOKENIZE_PLAIN, &q->prompt);
    encode(b, STR("\nAnswer with words of the text.<|im_end|>\n<|im_start|>assistant\n"), TOKENIZE_SPECIAL,
           &q->prompt);
    encode(b, text, TOKENIZE_PLAIN, &q->answers[RECORDED]);
    encode(b, sentence_around(paragraph, begin, begin + text.n), TOKENIZE_PLAIN, &q->answers[SENTENCE]);
    encode(b, other, TOKENIZE_PLAIN, &q->answers[OTHER]);
    if (q->answers[OTHER].n > OTHER_TOKENS)
        q->answers[OTHER].n = OTHER_TOKENS;
    for (int kind = 0; kind < KINDS; kind++)
        encode(b, STR(END_OF_ANSWER), TOKENIZE_SPECIAL, &q->answers[kind]);
}

/* Questions of the whole data set at equal distances. */
static void read_questions(struct bench *b, const char *path, int wanted)
{
    struct err err = ERR_INIT;
    char *bytes;
    size_t n, i, j, k;
    json_t *root, *article, *paragraph, *qa;
    int total = 0, at = 0;
    struct str before = STR("");
    check(file_read(path, JSON_MAX_BYTES, &bytes, &n, &err), &err);
    check(json_parse_object((struct str){bytes, n}, path, &root, &err), &err);
    json_array_foreach(json_object_get(root, "data"), i, article)
        json_array_foreach(json_object_get(article, "paragraphs"), j, paragraph)
            total += (int)json_array_size(json_object_get(paragraph, "qas"));
    json_array_foreach(json_object_get(root, "data"), i, article) {
        json_array_foreach(json_object_get(article, "paragraphs"), j, paragraph) {
            json_array_foreach(json_object_get(paragraph, "qas"), k, qa) {
                /* The paragraph before is the other one; the first has none and is passed over. */
                if (before.n > 0 && (int64_t)at++ * wanted / total >= b->n_questions && b->n_questions < wanted)
                    add_question(b, json_text(paragraph, "context"), qa, before);
            }
            before = json_text(paragraph, "context");
        }
    }
    json_decref(root);
    free(bytes);
    if (b->n_questions == 0) {
        fprintf(stderr, "speculation: %s holds no questions with their paragraphs\n", path);
        exit(1);
    }
}

static void write_ids(struct json_writer *w, const char *key, const struct token_ids *ids)
{
    json_key(w, key);
    json_open_array(w);
    for (int64_t i = 0; i < ids->n; i++)
        json_i64(w, ids->p[i]);
    json_close_array(w);
}

static void write_cases(const struct bench *b, const char *path)
{
    struct buf out = BUF_INIT(JSON_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    struct err err = ERR_INIT;
    json_open_object(&w);
    json_key(&w, "cases");
    json_open_array(&w);
    for (int i = 0; i < b->n_questions; i++) {
        for (int kind = 0; kind < KINDS; kind++) {
            json_open_object(&w);
            json_put_cstr(&w, "id", b->questions[i].id);
            json_put_cstr(&w, "kind", kind_names[kind]);
            write_ids(&w, "prompt", &b->questions[i].prompt);
            write_ids(&w, "answer", &b->questions[i].answers[kind]);
            json_close_object(&w);
        }
    }
    json_close_array(&w);
    json_close_object(&w);
    check(buf_check(&out, "the cases", &err), &err);
    FILE *f = fopen(path, "w");
    if (!f || fwrite(out.p, 1, out.n, f) != out.n || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
    buf_free(&out);
}

/* ---- decoding ---- */

static struct session *prefill(struct bench *b, const struct question *q)
{
    struct session *s;
    struct err err = ERR_INIT;
    check(session_open(b->engine, CONTEXT, TENSOR_F16, &s, &err), &err);
    for (int64_t at = 0; at < q->prompt.n; at += ENGINE_MAX_STEP_TOKENS) {
        int64_t n = q->prompt.n - at < ENGINE_MAX_STEP_TOKENS ? q->prompt.n - at : ENGINE_MAX_STEP_TOKENS;
        struct step_item item = {.session = s, .tokens = q->prompt.p + at, .n = (int)n};
        check(engine_step(b->engine, &item, 1, &err), &err);
    }
    return s;
}

/* The last token of ids and what is drafted behind it, in one step, all sampled. */
static void step(struct bench *b, struct session *s, const struct token_ids *ids, const struct speculation *draft)
{
    static const struct sampler greedy = SAMPLER_GREEDY;
    int32_t tokens[1 + SPECULATE_MAX_DRAFT] = {ids->p[ids->n - 1]};
    struct want wants[1 + SPECULATE_MAX_DRAFT];
    struct token_record records[1 + SPECULATE_MAX_DRAFT];
    struct err err = ERR_INIT;
    memcpy(tokens + 1, draft->draft, (size_t)draft->take * sizeof *tokens);
    for (int i = 0; i <= draft->take; i++)
        wants[i] = (struct want){.kind = WANT_SAMPLE, .at = i, .sample = {.sampler = &greedy, .ret = &records[i]}};
    struct step_item item = {s, tokens, 1 + draft->take, wants, 1 + draft->take};
    check(engine_step(b->engine, &item, 1, &err), &err);
}

/* One step of the answer, `at` of whose tokens are taken; returns how many are then. */
static int64_t advance(struct bench *b, struct speculator *m, struct speculation *draft, struct session *s,
                       struct token_ids *ids, const struct token_ids *answer, int64_t at)
{
    struct speculation *all[] = {draft};
    struct err err = ERR_INIT;
    speculation_follow(m, draft, ids->p, ids->n, CONTEXT - ids->n);
    speculate_choose(m, all, 1, 1, SPECULATE_MAX_DRAFT);
    int64_t start = clock_ns(), length = session_length(s) + 1;
    step(b, s, ids, draft);
    step_cost_saw(&m->cost, 1 + draft->take, clock_ns() - start);
    int accepted = 0;
    while (accepted < draft->take && at + accepted + 1 < answer->n &&
           draft->draft[accepted] == answer->p[at + accepted])
        accepted++;
    check(session_truncate(s, length + accepted, &err), &err);
    for (int i = 0; i <= accepted; i++)
        check(token_ids_add(ids, answer->p[at++], &err), &err);
    speculation_settle(m, draft, ids->p, ids->n);
    return at;
}

/* Seconds for an answer behind its first token. */
static double decode(struct bench *b, struct speculator *m, const struct session *prefilled, const struct question *q,
                     enum kind kind, int64_t *ret_steps)
{
    const struct token_ids *answer = &q->answers[kind];
    struct speculation draft;
    struct session *s;
    struct token_ids ids = {0};
    struct err err = ERR_INIT;
    check(session_fork(prefilled, &s, &err), &err);
    for (int64_t i = 0; i < q->prompt.n; i++)
        check(token_ids_add(&ids, q->prompt.p[i], &err), &err);
    check(token_ids_add(&ids, answer->p[0], &err), &err);
    speculation_open(&draft, b->tokenizer);
    int64_t start = clock_ns(), at = 1;
    for (*ret_steps = 0; at < answer->n; ++*ret_steps)
        at = advance(b, m, &draft, s, &ids, answer, at);
    double seconds = (double)(clock_ns() - start) / 1e9;
    speculation_close(&draft);
    token_ids_free(&ids);
    session_close(s);
    return seconds;
}

static void decode_in_turns(struct bench *b, const struct session *prefilled, struct question *q, enum kind kind,
                            int turn)
{
    int64_t steps;
    for (int i = 0; i < 2; i++) {
        bool speculates = (i + turn) % 2;
        struct speculator *m = speculates ? &b->speculators[kind] : &b->plain;
        q->seconds[kind][speculates] = decode(b, m, prefilled, q, kind, &steps);
        if (speculates)
            q->steps[kind] = steps;
    }
}

/* ---- sums ---- */

static void add_up(struct bench *b, enum kind kind, int round)
{
    double sums[2] = {0, 0};
    for (int i = 0; i < b->n_questions; i++) {
        const struct question *q = &b->questions[i];
        int64_t tokens = q->answers[kind].n - 1;
        int length = LENGTHS - 1;
        while (length > 0 && tokens + 1 < length_from[length])
            length--;
        b->tokens[kind] += tokens;
        b->steps[kind] += q->steps[kind];
        b->tokens_of_length[length] += kind == RECORDED ? tokens : 0;
        for (int j = 0; j < 2; j++) {
            sums[j] += q->seconds[kind][j];
            b->of_length[length][j] += kind == RECORDED ? q->seconds[kind][j] : 0;
        }
    }
    b->total[kind][0] += sums[0];
    b->total[kind][1] += sums[1];
    b->ratio[kind][round] = sums[0] / sums[1];
}

static void measure(struct bench *b)
{
    for (int round = 0; round < b->rounds; round++) {
        for (int i = 0; i < b->n_questions; i++) {
            struct session *prefilled = prefill(b, &b->questions[i]);
            for (int kind = 0; kind < KINDS; kind++)
                if (b->only < 0 || b->only == kind)
                    decode_in_turns(b, prefilled, &b->questions[i], kind, round + i);
            session_close(prefilled);
        }
        for (int kind = 0; kind < KINDS; kind++)
            if (b->only < 0 || b->only == kind)
                add_up(b, kind, round);
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, ascending);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* ---- what is printed ---- */

static void print_people(struct bench *b)
{
    printf("%s, %d threads, %d questions, %d rounds; tokens behind an answer's first\n", gguf_path(b->gguf),
           pool_threads(b->pool), b->n_questions, b->rounds);
    for (int kind = 0; kind < KINDS; kind++) {
        const struct speculator *m = &b->speculators[kind];
        if (b->only >= 0 && b->only != kind)
            continue;
        printf("%-9s %6.2f tok/s plain, %6.2f with speculation: %.2f (median of rounds); %.2f tokens a step, "
               "%lld of %lld drafted came true\n", kind_names[kind], (double)b->tokens[kind] / b->total[kind][0],
               (double)b->tokens[kind] / b->total[kind][1], median(b->ratio[kind], b->rounds),
               (double)b->tokens[kind] / (double)b->steps[kind], (long long)m->accepted, (long long)m->drafted);
        printf("          a step of 2, 3, 4, 5, 6, 8, 12, 17 tokens over one:");
        for (const char *c = "\2\3\4\5\6\10\14\21"; *c; c++)
            printf(" %.2f", step_cost_of(&m->cost, *c));
        printf("\n");
    }
    for (int i = 0; i < LENGTHS; i++)
        if (b->tokens_of_length[i] > 0)
            printf("recorded, %d%s tokens with the end: %.2f (%lld tokens)\n", length_from[i],
                   i + 1 < LENGTHS ? " and more" : " and longer", b->of_length[i][0] / b->of_length[i][1],
                   (long long)b->tokens_of_length[i] / b->rounds);
}

static void print_json(struct bench *b)
{
    struct buf out = BUF_INIT(1 << 20);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    json_put_cstr(&w, "model", gguf_path(b->gguf));
    json_put_i64(&w, "threads", pool_threads(b->pool));
    json_put_i64(&w, "questions", b->n_questions);
    for (int kind = 0; kind < KINDS; kind++) {
        if (b->only >= 0 && b->only != kind)
            continue;
        json_key(&w, kind_names[kind]);
        json_open_object(&w);
        json_put_i64(&w, "tokens", b->tokens[kind] / b->rounds);
        json_put_f64(&w, "plain_tok_s", (double)b->tokens[kind] / b->total[kind][0]);
        json_put_f64(&w, "speculation_tok_s", (double)b->tokens[kind] / b->total[kind][1]);
        json_put_f64(&w, "ratio", median(b->ratio[kind], b->rounds));
        json_put_f64(&w, "tokens_per_step", (double)b->tokens[kind] / (double)b->steps[kind]);
        json_put_i64(&w, "drafted", b->speculators[kind].drafted);
        json_put_i64(&w, "accepted", b->speculators[kind].accepted);
        json_close_object(&w);
    }
    json_close_object(&w);
    fwrite(out.p, 1, out.n, stdout);
    putchar('\n');
    buf_free(&out);
}

/* ---- the command line ---- */

struct options {
    const char *vocabulary, *cases;
    int questions, threads;
    bool json;
};

static const struct option long_options[] = {
    {"questions", required_argument, NULL, 'q'}, {"rounds", required_argument, NULL, 'r'},
    {"threads", required_argument, NULL, 't'},   {"kind", required_argument, NULL, 'k'},
    {"vocabulary", required_argument, NULL, 'v'}, {"cases", required_argument, NULL, 'c'},
    {"json", no_argument, NULL, 'j'},            {0},
};

static bool read_kind(const char *name, int *ret)
{
    for (int kind = 0; kind < KINDS; kind++) {
        if (strcmp(name, kind_names[kind]) == 0) {
            *ret = kind;
            return true;
        }
    }
    return false;
}

static bool read_options(int argc, char **argv, struct bench *b, struct options *o)
{
    bool ok = true;
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        switch (c) {
        case 'q': o->questions = atoi(optarg); break;
        case 'r': b->rounds = atoi(optarg); break;
        case 't': o->threads = atoi(optarg); break;
        case 'k': ok = read_kind(optarg, &b->only) && ok; break;
        case 'v': o->vocabulary = optarg; break;
        case 'c': o->cases = optarg; break;
        case 'j': o->json = true; break;
        default: ok = false;
        }
    }
    return ok && argc - optind == 2 && o->questions > 0 && o->questions <= MAX_QUESTIONS && b->rounds > 0 &&
           b->rounds <= MAX_ROUNDS && o->threads >= 0;
}

/* Any id that the vocabulary may give, the model must have. */
static void open_all(struct bench *b, const char *model, const struct options *o)
{
    struct err err = ERR_INIT;
    check(gguf_open(model, &b->gguf, &err), &err);
    check(gguf_open(o->vocabulary ? o->vocabulary : model, &b->vocabulary, &err), &err);
    check(vocab_open(b->vocabulary, &b->tokenizer, &err), &err);
    check(pool_open(o->threads, &b->pool, &err), &err);
    check(engine_open(b->gguf, b->pool, &b->engine, &err), &err);
    if (tokenizer_count(b->tokenizer) <= engine_info(b->engine)->n_vocab)
        return;
    fprintf(stderr, "speculation: the vocabulary has %d tokens, the model %lld\n", tokenizer_count(b->tokenizer),
            (long long)engine_info(b->engine)->n_vocab);
    exit(1);
}

int main(int argc, char **argv)
{
    static struct bench b = {.rounds = 3, .only = -1};
    struct options o = {.questions = 20};
    if (!read_options(argc, argv, &b, &o)) {
        fprintf(stderr, "usage: speculation MODEL.gguf XQUAD.json [--questions N] [--rounds N] [--threads N]\n"
                        "           [--kind recorded|sentence|other] [--vocabulary VOCABULARY.gguf] "
                        "[--cases CASES.json] [--json]\n");
        return 2;
    }
    open_all(&b, argv[optind], &o);
    b.questions = calloc((size_t)o.questions, sizeof *b.questions);
    if (!b.questions)
        return 1;
    read_questions(&b, argv[optind + 1], o.questions);
    if (o.cases)
        write_cases(&b, o.cases);
    speculator_open(&b.plain, SPECULATE_OFF);
    for (int kind = 0; kind < KINDS; kind++)
        speculator_open(&b.speculators[kind], SPECULATE_WHERE_IT_PAYS);
    measure(&b);
    if (o.json)
        print_json(&b);
    else
        print_people(&b);
    for (int i = 0; i < b.n_questions; i++) {
        token_ids_free(&b.questions[i].prompt);
        for (int kind = 0; kind < KINDS; kind++)
            token_ids_free(&b.questions[i].answers[kind]);
    }
    free(b.questions);
    engine_close(b.engine);
    pool_close(b.pool);
    tokenizer_close(b.tokenizer);
    gguf_close(b.vocabulary);
    gguf_close(b.gguf);
    return 0;
}
