/* From a request's rule to one that masks understand: which front end reads it, and whether a model has read the same
 * before (constrain/store.c). What rules mean is grammar/'s business, how an answer is held to one binding.c's. */
#include "runtime/rule.h"

#include "grammar/toolrule.h"
#include "runtime/runtime_private.h"

/* ---- the key: all that a compiled rule depends on ---- */

static int add_json(const char *p, size_t n, void *out)
{
    buf_add(out, p, n);
    return buf_ok(out) ? 0 : -1;
}

static void key_text(struct buf *key, struct str text)
{
    buf_printf(key, "%zu:", text.n);
    buf_str(key, text);
}

static bool key_json(struct buf *key, const json_t *json)
{
    return !json || json_dump_callback(json, add_json, key, JSON_COMPACT | JSON_ENCODE_ANY) == 0;
}

static bool make_key(const struct rule_spec *spec, bool space, struct buf *key, struct err *err)
{
    bool ok = true;
    buf_printf(key, "%d %d", spec->kind, space);
    switch (spec->kind) {
    case RULE_JSON_OBJECT: break;
    case RULE_JSON_SCHEMA:
        buf_printf(key, " %d %d ", spec->any_order, spec->relaxed);
        ok = key_json(key, spec->schema);
        break;
    case RULE_REGEX:
    case RULE_GBNF: key_text(key, spec->text); break;
    case RULE_CHOICES:
        for (int i = 0; i < spec->n_choices; i++)
            key_text(key, spec->choices[i]);
        break;
    case RULE_TOOLS:
        buf_printf(key, " %d %d ", spec->tools_required, spec->parallel_calls);
        key_text(key, spec->tool_name);
        ok = key_json(key, spec->tools);
        break;
    }
    return buf_check(key, "the rule of the answer", err) && (ok || err_nomem(err, "the rule of the answer"));
}

/* ---- reading ---- */

static bool read_schema(const struct rule_spec *spec, struct rules **ret, struct err *err)
{
    struct schema_options options = {.any_order = spec->any_order, .relaxed = spec->relaxed, .formats = true};
    struct schema *schema;
    if (!schema_open((json_t *)spec->schema, &options, &schema, err))
        return false;
    bool ok = schema_rules(schema, ret, err);
    schema_close(schema);
    return ok;
}

static bool read_tools(const struct local_model *m, const struct words *words, const struct rule_spec *spec,
                       struct rules **ret, struct err *err)
{
    if (!m->info.tools)
        return err_set(err, ERR_UNSUPPORTED, "the chat template of %s knows no tools", m->name);
    struct toolrule rule = {
        .syntax = m->calls,
        .tools = spec->tools,
        .choice = spec->tools_required ? TOOLRULE_REQUIRED : TOOLRULE_AUTO,
        .name = spec->tool_name,
        .parallel = spec->parallel_calls,
        .options = {.any_order = true, .formats = true},
        .markers = words->markers,
        .n_markers = words->n_markers,
    };
    return rule_tools(&rule, ret, err);
}

static bool read_rule(const struct local_model *m, const struct words *words, const struct rule_spec *spec,
                      struct rules **ret, struct err *err)
{
    switch (spec->kind) {
    case RULE_JSON_OBJECT: return rule_any_json(true, ret, err);
    case RULE_JSON_SCHEMA: return read_schema(spec, ret, err);
    case RULE_REGEX: return rule_regex(spec->text, ret, err);
    case RULE_GBNF: return rule_gbnf(spec->text, ret, err);
    case RULE_CHOICES: return rule_choices(spec->choices, spec->n_choices, ret, err);
    case RULE_TOOLS: return read_tools(m, words, spec, ret, err);
    }
    return err_set(err, ERR_INVALID, "no such kind of rule: %d", (int)spec->kind);
}

/* ---- calls ---- */

bool rule_compile_for(struct local_model *m, const struct rule_spec *spec, bool space, struct constraint **ret,
                      struct err *err)
{
    struct rule_store *store = model_base(m)->rules;
    struct buf key = BUF_INIT(RULE_MAX_SPEC_BYTES);
    const struct words *words;
    struct rules *rules;
    struct constraint *c = NULL;
    if (!make_key(spec, space, &key, err) || !rule_store_words(store, &words, err))
        goto out;
    c = rule_store_find(store, buf_view(&key));
    if (c || !read_rule(m, words, spec, &rules, err))
        goto out;
    if (space && !rules_lead(rules, STR(" "), err)) {
        rules_close(rules);
        goto out;
    }
    if (constraint_open(rules, words->vocabulary, &c, err))
        c = rule_store_keep(store, buf_view(&key), c);
out:
    buf_free(&key);
    if (c)
        *ret = c;
    return c != NULL;
}

bool rule_compile(struct local_model *m, const struct rule_spec *spec, struct constraint **ret, struct err *err)
{
    return rule_compile_for(m, spec, false, ret, err);
}
