/* One schema: compiled, its instances written as MaskBench writes them, made into tokens and held to masks and to
 * validation. */
#include "tools/maskbench/maskbench.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/filemap.h"
#include "data/json.h"

/* ---- the files ---- */

static bool find_member(struct str object, const char *key, struct str *ret)
{
    struct json_member members[64];
    int n = 0;
    if (!json_members(object, members, 64, &n))
        return false;
    for (int i = 0; i < n; i++) {
        if (!str_is(members[i].key, key))
            continue;
        *ret = str_trim(members[i].value);
        return true;
    }
    return false;
}

/* The next element of an array whose text was checked; *at begins as 0. */
static bool next_element(struct str array, size_t *at, struct str *ret)
{
    size_t begin = *at + 1, i = begin;
    int depth = 0;
    bool quoted = false;
    for (; i < array.n; i++) {
        char c = array.p[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            depth++;
        } else if ((c == ',' && depth == 0) || ((c == ']' || c == '}') && depth-- == 0)) {
            break;
        }
    }
    *ret = i < array.n ? str_trim((struct str){array.p + begin, i - begin}) : STR("");
    *at = i;
    return ret->n > 0;
}

/* A value on one line, as Python's json.dumps has it. Numbers and texts stay as they are spelled. */
static void add_respaced(struct str json, struct buf *out)
{
    bool quoted = false;
    for (size_t i = 0; i < json.n; i++) {
        char c = json.p[i];
        if (!quoted && strchr(" \t\r\n", c))
            continue;
        buf_char(out, c);
        if (quoted && c == '\\')
            buf_char(out, json.p[++i]);
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == ',' || c == ':'))
            buf_char(out, ' ');
    }
}

/* ---- one schema ---- */

struct compiled {
    json_t *json;
    struct schema *schema;
    struct constraint *constraint;
};

static void close_compiled(struct compiled *c)
{
    constraint_release(c->constraint);
    schema_close(c->schema);
    json_decref(c->json);
}

/* From the schema's text to a first matcher. */
static bool compile(const struct bench *b, struct str text, struct compiled *ret, struct err *err)
{
    struct rules *rules;
    struct matcher *m;
    *ret = (struct compiled){0};
    if (!json_parse(text, "schema", &ret->json, err) ||
        !schema_open(ret->json, &b->options, &ret->schema, err) || !schema_rules(ret->schema, &rules, err) ||
        !constraint_open(rules, b->vocabulary, &ret->constraint, err) || !matcher_open(ret->constraint, &m, err))
        return false;
    matcher_close(m);
    return true;
}

/* Whether the mask admits these tokens and an end after them; where not, *ret_at is the first that it does not. */
static bool admits(struct bench *b, struct constraint *c, const struct token_ids *ids, float *slowest, int64_t *ret_at,
                   struct err *err)
{
    struct matcher *m;
    struct board *board = b->board;
    bool ok = matcher_open(c, &m, err);
    if (!ok)
        return false;
    int64_t i = 0;
    for (; ok && i < ids->n; i++) {
        double begun = processor_us();
        ok = matcher_mask(m, b->mask, err);
        double masked = processor_us();
        ok = ok && (b->mask[ids->p[i] / 64] >> ids->p[i] % 64 & 1) != 0;
        bool took = matcher_take(m, ids->p[i], err->code == ERR_NONE ? err : NULL);
        double done = processor_us();
        if (ok != took && err->code != ERR_LIMIT)
            err_set(err, ERR_INTERNAL, "the mask %s token %d and taking it does not agree", ok ? "admits" : "bars",
                    (int)ids->p[i]);
        ok = ok && took;
        long long at = atomic_fetch_add(&board->n_samples, 1);
        if (at < MAX_SAMPLES)
            board->samples[at] = (struct sample){(float)(masked - begun), (float)(done - masked)};
        *slowest = (float)(masked - begun) > *slowest ? (float)(masked - begun) : *slowest;
    }
    *ret_at = ok ? i : i - 1;
    ok = ok && matcher_may_end(m);
    matcher_close(m);
    return ok;
}

/* Whether the order of its members alone is why the mask rejects a text. */
static bool admitted_in_any_order(const struct bench *b, json_t *schema, struct str text)
{
    struct bench other = *b;
    struct compiled c = {.json = json_incref(schema)};
    struct rules *rules;
    size_t n;
    bool whole = false;
    other.options.any_order = true;
    if (schema_open(c.json, &other.options, &c.schema, NULL) && schema_rules(c.schema, &rules, NULL) &&
        constraint_open(rules, b->vocabulary, &c.constraint, NULL))
        constraint_accepts(c.constraint, text, &n, &whole);
    close_compiled(&c);
    return whole;
}

/* What went wrong with instance `at`, for who mends it: the text up to the token that was not admitted. */
static void explain(struct outcome *o, const struct bench *b, int at, const char *what, const struct token_ids *ids,
                    int64_t stopped, const struct err *err)
{
    struct buf text = BUF_INIT(1u << 20);
    if (o->why[0])
        return;
    for (int64_t i = stopped > 30 ? stopped - 30 : 0; i < stopped && i < ids->n; i++)
        buf_str(&text, tokenizer_piece(b->tokenizer, ids->p[i]));
    buf_puts(&text, " >>> ");
    buf_str(&text, stopped < ids->n ? tokenizer_piece(b->tokenizer, ids->p[stopped]) : STR("(end)"));
    struct str view = buf_view(&text);
    size_t skip = view.n > 160 ? view.n - 160 : 0;
    snprintf(o->why, sizeof o->why, "test %d: %s: %.140s: %.*s", at, what, err->msg, (int)(view.n - skip),
             view.p + skip);
    buf_free(&text);
}

static bool run_test(struct bench *b, struct compiled *c, struct str data, bool valid, int at, struct outcome *o,
                     struct err *err)
{
    struct buf text = BUF_INIT(MAX_FILE_BYTES);
    struct token_ids ids = {0};
    struct err why = ERR_INIT, broken = ERR_INIT;
    json_t *instance = NULL;
    int64_t stopped = 0;
    add_respaced(data, &text);
    bool ok = buf_check(&text, "an instance", err) && json_parse(buf_view(&text), "instance", &instance, err) &&
              tokenizer_encode(b->tokenizer, buf_view(&text), TOKENIZE_PLAIN, &ids, err);
    if (ok) {
        bool mask = admits(b, c->constraint, &ids, &o->slowest_mask_us, &stopped, &why);
        bool check = schema_validate(c->schema, instance, &broken);
        *(valid ? &o->n_valid : &o->n_invalid) += 1;
        bool order = valid && !mask && !b->options.any_order && admitted_in_any_order(b, c->json, buf_view(&text));
        o->mask_rejects += valid && !mask;
        o->order_rejects += order;
        o->check_rejects += valid && !check;
        o->mask_admits += !valid && mask;
        o->both_admit += !valid && mask && (check || !schema_needs_validation(c->schema));
        o->unsaid |= mask && !check && !schema_needs_validation(c->schema);
        if (why.code == ERR_INTERNAL)
            explain(o, b, at, "the mask contradicts itself", &ids, stopped, &why);
        else if (valid && !mask)
            explain(o, b, at, order ? "valid, but in another order" : "valid, but the mask rejects it", &ids, stopped,
                    &why);
        else if (valid && !check)
            explain(o, b, at, "valid, but validation rejects it", &ids, ids.n, &broken);
        else if (!valid && mask && check)
            explain(o, b, at, "invalid, but mask and validation admit it", &ids, ids.n, &why);
        else if (o->unsaid)
            explain(o, b, at, "invalid, and the mask admits it though it was said to say all", &ids, ids.n, &broken);
    }
    token_ids_free(&ids);
    json_decref(instance);
    buf_free(&text);
    return ok;
}

bool run_schema(struct bench *b, int at, struct err *err)
{
    char path[4096];
    struct outcome *o = &b->board->outcomes[at];
    struct str file = {0}, schema, tests, test, data, valid;
    char *bytes = NULL;
    struct compiled c = {0};
    snprintf(path, sizeof path, "%s/%s", b->folder, b->names[at]);
    bool ok = file_read(path, MAX_FILE_BYTES, &bytes, &file.n, err);
    file.p = bytes;
    if (ok && (!find_member(file, "schema", &schema) || !find_member(file, "tests", &tests)))
        ok = err_set(err, ERR_INVALID, "%s is no object with schema and tests", path);
    if (ok) {
        struct err why = ERR_INIT;
        double begun = processor_us();
        bool compiled = compile(b, schema, &c, &why);
        o->compile_us = (float)(processor_us() - begun);
        if (!compiled)
            snprintf(o->why, sizeof o->why, "%.*s", (int)sizeof o->why - 1, why.msg);
        size_t from = 0;
        for (int i = 0; ok && compiled && next_element(tests, &from, &test); i++)
            ok = (find_member(test, "data", &data) && find_member(test, "valid", &valid)) ?
                     run_test(b, &c, data, str_is(valid, "true"), i, o, err) :
                     err_set(err, ERR_INVALID, "%s: test %d has no data or does not say whether it is valid", path, i);
        if (ok && compiled)
            run_walks(b, c.constraint, c.schema, o);
        o->status = compiled ? COMPILED : REFUSED;
    }
    close_compiled(&c);
    free(bytes);
    return ok;
}
