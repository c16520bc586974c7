/* Validating a finished value: the walk of the value beside the schema, references, branches, the budget of steps and
 * the words of failures. Keywords that look into values have files of their own (scalar.c, array.c, object.c). */
#include "grammar/validate/validate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/json.h"
#include "grammar/validate/patterns.h"

/* ---- the budget ---- */

bool validate_stop(struct validation *v, const struct err *why)
{
    if (!v->stopped)
        v->stop = *why;
    v->stopped = true;
    return false;
}

bool validate_spend(struct validation *v, size_t n)
{
    if (v->stopped)
        return false;
    v->steps += (int64_t)n;
    if (v->steps <= VALIDATE_MAX_STEPS)
        return true;
    struct err err = ERR_INIT;
    err_set(&err, ERR_LIMIT, "validating takes more than %d steps", VALIDATE_MAX_STEPS);
    return validate_stop(v, &err);
}

bool validate_matches(struct validation *v, struct str pattern, bool anchored, struct str text)
{
    bool match;
    struct err err = ERR_INIT;
    if (!validate_spend(v, text.n + 1))
        return false;
    if (patterns_match(schema_patterns(v->s), pattern, anchored, text, &match, &err))
        return match;
    if (err.code == ERR_UNSUPPORTED && schema_options_of(v->s)->relaxed)
        return true;   /* what is not understood is ignored, here as in the mask */
    err_prefix(&err, "the pattern '" STR_FMT "': ", STR_ARG(utf8_clip(pattern, SHOWN_MAX)));
    return validate_stop(v, &err);
}

/* ---- words ---- */

static void put_place(struct buf *out, const struct place *place)
{
    if (!place)
        return;
    put_place(out, place->up);
    buf_char(out, '/');
    if (!place->key.p) {
        buf_printf(out, "%zu", place->index);
        return;
    }
    for (size_t i = 0; i < place->key.n; i++) {
        char c = place->key.p[i];
        if (c == '~' || c == '/')
            buf_puts(out, c == '~' ? "~0" : "~1");
        else
            buf_char(out, c);
    }
}

bool validate_fail(const struct visit *at, const char *fmt, ...)
{
    if (!at->err)
        return false;
    char what[320];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    struct buf path = BUF_INIT(1u << 20);
    put_place(&path, at->place);
    struct str shown = utf8_clip(buf_view(&path), 160);
    err_set(at->err, ERR_INVALID, STR_FMT "%s%s: %s", STR_ARG(shown), shown.n < path.n ? "..." : "",
            path.n ? "" : "the value", what);
    buf_free(&path);
    return false;
}

const char *validate_show(const json_t *value, char out[SHOWN_MAX])
{
    if (json_is_object(value) || json_is_array(value)) {
        snprintf(out, SHOWN_MAX, "%s", json_type_name(value));
        return out;
    }
    struct buf text = BUF_INIT(1u << 20);
    struct json_writer writer = JSON_WRITER(&text);
    struct str string = {json_string_value(value), json_string_length(value)};
    bool cut = json_is_string(value) && string.n > SHOWN_MAX - 8;
    if (cut)
        json_str(&writer, utf8_clip(string, SHOWN_MAX - 8));
    else
        json_value(&writer, value);
    struct str shown = utf8_clip(buf_view(&text), SHOWN_MAX - 4);
    snprintf(out, SHOWN_MAX, STR_FMT "%s", STR_ARG(shown), cut || shown.n < text.n ? "..." : "");
    buf_free(&text);
    return out;
}

int64_t validate_count(const json_t *rule)
{
    return json_is_real(rule) ? (int64_t)json_real_value(rule) : json_integer_value(rule);
}

/* ---- what was looked at ---- */

static bool seen_open(struct validation *v, const json_t *value, struct seen *ret)
{
    size_t n = json_is_object(value) ? json_object_size(value) : json_array_size(value), n_words = (n + 63) / 64;
    *ret = (struct seen){v->n_words, n_words};
    if (v->n_words + n_words > v->words_cap) {
        size_t cap = (v->n_words + n_words) * 2;
        uint64_t *words = realloc(v->words, cap * sizeof *words);
        if (!words) {
            struct err err = ERR_INIT;
            err_nomem(&err, "validating");
            return validate_stop(v, &err);
        }
        v->words = words;
        v->words_cap = cap;
    }
    for (size_t i = 0; i < n_words; i++)
        v->words[v->n_words + i] = 0;
    v->n_words += n_words;
    return validate_spend(v, n_words);
}

void validate_saw(struct validation *v, const struct visit *at, size_t index)
{
    if (at->seen.n_words)
        v->words[at->seen.first_word + index / 64] |= UINT64_C(1) << index % 64;
}

bool validate_was_seen(const struct validation *v, const struct visit *at, size_t index)
{
    return at->seen.n_words && (v->words[at->seen.first_word + index / 64] >> index % 64 & 1);
}

/* ---- branches ---- */

static bool validate_all_of(struct validation *v, const struct visit *at, const json_t *rule)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)rule, i, one)
        if (!validate_here(v, at, schema_at(v->s, one), at->err))
            return false;
    return true;
}

/* Whether a branch's type, its own or behind references, is that of the value. */
static bool speaks_of(struct validation *v, const struct visit *at, const struct subschema *branch)
{
    struct visit there = {.sub = branch, .value = at->value};
    for (int i = 0; i < VALIDATE_MAX_HOPS && there.sub->ref && !schema_get(there.sub, "type"); i++)
        there.sub = there.sub->ref;
    const json_t *type = schema_get(there.sub, "type");
    return type ? validate_type(v, &there, type) : !json_is_false(there.sub->json);
}

/* In the words of the one branch that speaks of such values, as of "an object or null"; else in general. */
static bool fail_in_branches(struct validation *v, const struct visit *at, const json_t *branches, const char *keyword)
{
    const struct subschema *one = NULL;
    int n = 0;
    for (size_t i = 0; i < json_array_size(branches) && at->err; i++) {
        const struct subschema *branch = schema_at(v->s, json_array_get(branches, i));
        if (!speaks_of(v, at, branch))
            continue;
        one = branch;
        n++;
    }
    if (n == 1)
        return validate_here(v, at, one, at->err);
    return validate_fail(at, "none of the %zu branches of %s holds", json_array_size(branches), keyword);
}

/* All branches are tried where it counts what they looked at. */
static bool validate_any_of(struct validation *v, const struct visit *at, const json_t *rule)
{
    size_t i;
    json_t *one;
    bool any = false;
    json_array_foreach((json_t *)rule, i, one) {
        any |= validate_here(v, at, schema_at(v->s, one), NULL);
        if (any && !schema_has_unevaluated(v->s))
            return true;
    }
    return any || fail_in_branches(v, at, rule, "anyOf");
}

static bool validate_one_of(struct validation *v, const struct visit *at, const json_t *rule)
{
    size_t i, n = 0, held[2] = {0};
    json_t *one;
    json_array_foreach((json_t *)rule, i, one)
        if (validate_here(v, at, schema_at(v->s, one), NULL) && n < 2)
            held[n++] = i;
    if (n == 2)
        return validate_fail(at, "branches %zu and %zu of oneOf both hold; exactly one must", held[0], held[1]);
    return n == 1 || fail_in_branches(v, at, rule, "oneOf");
}

static bool validate_not(struct validation *v, const struct visit *at, const json_t *rule)
{
    struct visit apart = *at;
    apart.seen = (struct seen){0};
    char shown[SHOWN_MAX];
    return !validate_here(v, &apart, schema_at(v->s, rule), NULL) ||
           validate_fail(at, "%s is what 'not' excludes", validate_show(at->value, shown));
}

/* With then and else, which mean nothing without it. */
static bool validate_if(struct validation *v, const struct visit *at, const json_t *rule)
{
    bool holds = validate_here(v, at, schema_at(v->s, rule), NULL);
    const json_t *next = schema_get(at->sub, holds ? "then" : "else");
    return !next || validate_here(v, at, schema_at(v->s, next), at->err);
}

/* ---- references ---- */

static bool validate_ref(struct validation *v, const struct visit *at, const json_t *rule)
{
    (void)rule;
    return !at->sub->ref || validate_here(v, at, at->sub->ref, at->err);
}

static bool validate_dynamic_ref(struct validation *v, const struct visit *at, const json_t *rule)
{
    const struct subschema *sub = at->sub, *meant = sub->both_ref ? sub->both_ref : sub->ref;
    (void)rule;
    if (!sub->dynamic_ref)
        return !meant || validate_here(v, at, meant, at->err);
    meant = sub->dynamic_ref;
    const char *anchor = json_string_value(json_object_get(meant->json, "$dynamicAnchor"));
    for (const struct entered *e = at->entered; e; e = e->outer) {
        const struct subschema *found = schema_dynamic_anchor(v->s, e->resource, anchor);
        if (!validate_spend(v, VALIDATE_LOOKUP_STEPS))
            return false;
        if (found) /* the outermost that has such an anchor says what is meant */
            meant = found;
    }
    return validate_here(v, at, meant, at->err);
}

/* ---- the walk ---- */

static bool (*const checks[])(struct validation *v, const struct visit *at, const json_t *rule) = {
    [KEYWORD_REF] = validate_ref,
    [KEYWORD_DYNAMIC_REF] = validate_dynamic_ref,
    [KEYWORD_TYPE] = validate_type,
    [KEYWORD_ENUM] = validate_enum,
    [KEYWORD_CONST] = validate_const,
    [KEYWORD_MULTIPLE_OF] = validate_multiple_of,
    [KEYWORD_MINIMUM] = validate_minimum,
    [KEYWORD_MAXIMUM] = validate_maximum,
    [KEYWORD_EXCLUSIVE_MINIMUM] = validate_exclusive_minimum,
    [KEYWORD_EXCLUSIVE_MAXIMUM] = validate_exclusive_maximum,
    [KEYWORD_MIN_LENGTH] = validate_min_length,
    [KEYWORD_MAX_LENGTH] = validate_max_length,
    [KEYWORD_PATTERN] = validate_pattern,
    [KEYWORD_FORMAT] = validate_format,
    [KEYWORD_ITEMS] = validate_items,
    [KEYWORD_PREFIX_ITEMS] = validate_prefix_items,
    [KEYWORD_ADDITIONAL_ITEMS] = validate_additional_items,
    [KEYWORD_CONTAINS] = validate_contains,
    [KEYWORD_MIN_ITEMS] = validate_min_items,
    [KEYWORD_MAX_ITEMS] = validate_max_items,
    [KEYWORD_UNIQUE_ITEMS] = validate_unique_items,
    [KEYWORD_PROPERTIES] = validate_properties,
    [KEYWORD_PATTERN_PROPERTIES] = validate_pattern_properties,
    [KEYWORD_ADDITIONAL_PROPERTIES] = validate_additional_properties,
    [KEYWORD_PROPERTY_NAMES] = validate_property_names,
    [KEYWORD_REQUIRED] = validate_required,
    [KEYWORD_MIN_PROPERTIES] = validate_min_properties,
    [KEYWORD_MAX_PROPERTIES] = validate_max_properties,
    [KEYWORD_DEPENDENCIES] = validate_dependencies,
    [KEYWORD_DEPENDENT_REQUIRED] = validate_dependencies,
    [KEYWORD_DEPENDENT_SCHEMAS] = validate_dependencies,
    [KEYWORD_ALL_OF] = validate_all_of,
    [KEYWORD_ANY_OF] = validate_any_of,
    [KEYWORD_ONE_OF] = validate_one_of,
    [KEYWORD_NOT] = validate_not,
    [KEYWORD_IF] = validate_if,
    [KEYWORD_ELSE] = NULL,
};

static bool check_keywords(struct validation *v, const struct visit *at)
{
    const char *name;
    json_t *rule;
    const struct subschema *sub = at->sub;
    if (sub->ref_alone)
        return validate_ref(v, at, NULL);
    json_object_foreach((json_t *)sub->json, name, rule) {
        enum keyword keyword = schema_keyword(name);
        if (checks[keyword] && (!validate_spend(v, 1) || !checks[keyword](v, at, rule)))
            return false;
    }
    /* After all that may have looked at a member or an element. */
    const json_t *items = schema_get(sub, "unevaluatedItems"), *properties = schema_get(sub, "unevaluatedProperties");
    return (!items || validate_unevaluated_items(v, at, items)) &&
           (!properties || validate_unevaluated_properties(v, at, properties));
}

/* A subschema beside a value: on success what it looked at is added to `into` (NULL: nobody asks). */
static bool visit(struct validation *v, const struct visit *from, const struct subschema *sub, const struct seen *into)
{
    struct visit at = *from;
    struct entered entered = {.outer = from->entered, .resource = sub->resource};
    at.sub = sub;
    if (!validate_spend(v, 1))
        return false;
    if (json_is_boolean(sub->json))
        return json_is_true(sub->json) || validate_fail(&at, "nothing is allowed here");
    if (v->depth >= VALIDATE_MAX_DEPTH) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_LIMIT, "validating goes deeper than %d subschemas; does the schema refer to itself?",
                VALIDATE_MAX_DEPTH);
        return validate_stop(v, &err);
    }
    if (!from->entered || from->entered->resource != sub->resource)
        at.entered = &entered;
    if (schema_has_unevaluated(v->s) && !seen_open(v, at.value, &at.seen))
        return false;
    v->depth++;
    bool ok = check_keywords(v, &at) && !v->stopped;
    v->depth--;
    if (ok && into && into->n_words)
        for (size_t i = 0; i < into->n_words; i++)
            v->words[into->first_word + i] |= v->words[at.seen.first_word + i];
    v->n_words -= at.seen.n_words;
    return ok;
}

bool validate_child(struct validation *v, const struct visit *at, const json_t *schema, const json_t *value,
                    const struct place *place, struct err *err)
{
    struct visit below = {.value = value, .place = place, .entered = at->entered, .err = err};
    return visit(v, &below, schema_at(v->s, schema), NULL);
}

bool validate_here(struct validation *v, const struct visit *at, const struct subschema *sub, struct err *err)
{
    struct visit here = {.value = at->value, .place = at->place, .entered = at->entered, .err = err};
    return visit(v, &here, sub, &at->seen);
}

bool schema_validate(const struct schema *s, const json_t *instance, struct err *err)
{
    struct validation v = {.s = s};
    struct visit top = {.value = instance, .err = err};
    bool ok = visit(&v, &top, schema_root(s), NULL);
    free(v.words);
    if (v.stopped && err)
        *err = v.stop;
    return ok && !v.stopped;
}

bool schema_try(const struct schema *s, const struct subschema *sub, const json_t *value, bool *ret_holds)
{
    struct validation v = {.s = s, .steps = VALIDATE_MAX_STEPS - VALIDATE_TRY_STEPS};
    struct visit top = {.value = value};
    *ret_holds = visit(&v, &top, sub, NULL);
    free(v.words);
    return !v.stopped;
}
