/* The starter model on Restaurant-8k, free and under a schema, in turns: how many answers are valid and how many exact,
 * and what the schema costs or brings in speed. Requests go through the whole runtime one after the other, greedy; of
 * each one the fastest round counts.
 *
 *   build/bench/extract MODEL.gguf SHARED_DATA_DIR [--cases N] [--rounds N] [--threads N] [--no-speculation] */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/filemap.h"
#include "bench/restaurant8k.h"
#include "grammar/schema.h"
#include "runtime/generate.h"

#define MAX_FILE_BYTES (64u << 20)
#define MAX_ANSWER_BYTES (1u << 20)

#define SLOT "{\"type\": \"string\", \"maxLength\": 64}"
static const char schema_text[] =
    "{\"type\": \"object\", \"properties\": {\"date\": " SLOT ", \"time\": " SLOT ", \"people\": " SLOT
    ", \"first_name\": " SLOT ", \"last_name\": " SLOT "}, \"additionalProperties\": false}";

struct figures {
    int valid, exact;
    int64_t tokens, forced, mask_us;
    double seconds;
};

struct bench {
    struct runtime *rt;
    struct local_model *model;
    json_t *cases, *json;
    struct schema *schema;
    int n_cases, rounds, threads;
    bool no_speculation;
    struct figures figures[2];       /* free, under the schema */
};

static void check(bool ok, const struct err *err)
{
    char text[900];
    if (ok)
        return;
    fprintf(stderr, "extract: %s\n", err_format(err, text, sizeof text));
    exit(1);
}

static json_t *read_json(const char *path)
{
    struct err err = ERR_INIT;
    char *bytes;
    size_t n;
    json_t *json = NULL;
    check(file_read(path, MAX_FILE_BYTES, &bytes, &n, &err) && json_parse((struct str){bytes, n}, path, &json, &err),
          &err);
    free(bytes);
    return json;
}

static void open_all(struct bench *b, const char *model, const char *data)
{
    struct err err = ERR_INIT;
    struct filemap *map;
    struct local_model_options options = {.no_speculation = b->no_speculation};
    struct schema_options as_read = {.formats = true};
    char path[4096];
    snprintf(path, sizeof path, "%s/" RESTAURANT8K_FILE, data);
    b->cases = read_json(path);
    if (b->n_cases == 0 || b->n_cases > (int)json_array_size(b->cases))
        b->n_cases = (int)json_array_size(b->cases);
    check(json_parse(str_of(schema_text), "the schema", &b->json, &err) &&
              schema_open(b->json, &as_read, &b->schema, &err) && runtime_open(b->threads, &b->rt, &err) &&
              filemap_open(model, &map, &err) && runtime_load(b->rt, "starter", map, &options, &b->model, &err), &err);
}

/* One answer into *out; returns its seconds. */
static double ask(struct bench *b, struct str user, const struct rule_spec *rule, struct buf *out,
                  struct generation_usage *ret_usage)
{
    struct chat_message messages[] = {{STR("system"), STR(RESTAURANT8K_SYSTEM)}, {STR("user"), user}};
    struct generation_request req = {.messages = messages, .n_messages = 2, .sampler = SAMPLER_GREEDY,
                                     .enable_thinking = -1, .rule = rule};
    struct generation *g;
    struct gen_event event;
    struct err err = ERR_INIT;
    buf_clear(out);
    int64_t start = clock_ns();
    check(generation_start(b->rt, b->model, &req, &g, &err), &err);
    do {
        generation_next(g, -1, &event);
        buf_str(out, event.text);
    } while (event.kind != GEN_DONE);
    double seconds = (double)(clock_ns() - start) / 1e9;
    check(event.finish != FINISH_ERROR, &event.err);
    *ret_usage = event.usage;
    generation_close(g);
    return seconds;
}

static bool is_valid(const struct bench *b, struct str text)
{
    json_t *json = NULL;
    bool valid = json_parse(text, "the answer", &json, NULL);
    if (!valid)
        return false;
    valid = schema_validate(b->schema, json, NULL);
    json_decref(json);
    return valid;
}

static void count(struct bench *b, struct figures *f, struct str answer, struct str gold,
                  const struct generation_usage *usage)
{
    f->valid += is_valid(b, answer);
    f->exact += str_eq(answer, gold);
    f->tokens += usage->completion_tokens;
    f->forced += usage->forced_tokens;
    f->mask_us += usage->mask_us;
}

static void measure_case(struct bench *b, int i)
{
    struct rule_spec rule = {.kind = RULE_JSON_SCHEMA, .schema = b->json};
    struct buf user = BUF_INIT(MAX_ANSWER_BYTES), gold = BUF_INIT(MAX_ANSWER_BYTES), out = BUF_INIT(MAX_ANSWER_BYTES);
    double least[2] = {0, 0};
    restaurant8k_case(json_array_get(b->cases, (size_t)i), &user, &gold);
    for (int turn = 0; turn < 2 * b->rounds; turn++) {
        int held = (turn + turn / 2 + i) % 2;   /* neither is always the first, or always the second */
        struct generation_usage usage;
        double seconds = ask(b, buf_view(&user), held ? &rule : NULL, &out, &usage);
        if (turn < 2)
            count(b, &b->figures[held], buf_view(&out), buf_view(&gold), &usage);
        least[held] = turn < 2 || seconds < least[held] ? seconds : least[held];
    }
    for (int held = 0; held < 2; held++)
        b->figures[held].seconds += least[held];
    buf_free(&user);
    buf_free(&gold);
    buf_free(&out);
}

static void print(const struct bench *b)
{
    static const char *const names[] = {"free", "under the schema"};
    for (int held = 0; held < 2; held++) {
        const struct figures *f = &b->figures[held];
        printf("%-16s %d of %d valid, %.1f%% exact, %lld tokens (%lld forced), %.0f tok/s, masks %.2f us a token\n",
               names[held], f->valid, b->n_cases, 100.0 * f->exact / b->n_cases, (long long)f->tokens,
               (long long)f->forced, (double)f->tokens / f->seconds, (double)f->mask_us / (double)f->tokens);
    }
    printf("the schema takes %.2f of the time\n", b->figures[1].seconds / b->figures[0].seconds);
}

static const struct option long_options[] = {
    {"cases", required_argument, NULL, 'c'},   {"rounds", required_argument, NULL, 'r'},
    {"threads", required_argument, NULL, 't'}, {"no-speculation", no_argument, NULL, 'n'},
    {0},
};

static bool read_options(int argc, char **argv, struct bench *b)
{
    bool ok = true;
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        switch (c) {
        case 'c': b->n_cases = atoi(optarg); break;
        case 'r': b->rounds = atoi(optarg); break;
        case 't': b->threads = atoi(optarg); break;
        case 'n': b->no_speculation = true; break;
        default: ok = false;
        }
    }
    return ok && argc - optind == 2 && b->n_cases >= 0 && b->rounds > 0 && b->threads >= 0;
}

int main(int argc, char **argv)
{
    struct bench b = {.rounds = 2};
    if (!read_options(argc, argv, &b)) {
        fprintf(stderr, "usage: extract MODEL.gguf SHARED_DATA_DIR [--cases N] [--rounds N] [--threads N] "
                        "[--no-speculation]\n");
        return 2;
    }
    open_all(&b, argv[optind], argv[optind + 1]);
    for (int i = 0; i < b.n_cases; i++)
        measure_case(&b, i);
    print(&b);
    runtime_close(b.rt);
    schema_close(b.schema);
    json_decref(b.json);
    json_decref(b.cases);
    return 0;
}
