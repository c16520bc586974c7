/* What becomes of each keyword of a schema, for people: the reader tells of all keywords it meets and of what it
 * refuses, making rules tells what they leave to the validator; the rest is said of keywords that mean nothing where
 * they stand. */
#include <stdio.h>
#include <stdlib.h>

#include "grammar/schema/formats.h"
#include "grammar/schema/read.h"

struct explanation {
    struct schema *s;
    struct schema_note *notes;
    const struct subschema **subs;    /* whose notes they are */
    int n, max;
    bool refused;
};

/* The note of a keyword that was thought to be enforced. */
static bool change_note(struct explanation *e, const struct subschema *sub, const char *keyword,
                        enum schema_treatment treatment, const char *why)
{
    for (int i = 0; i < e->n && i < e->max; i++) {
        struct schema_note *note = &e->notes[i];
        if (e->subs[i] != sub || note->treatment != SCHEMA_ENFORCED || strcmp(note->keyword, keyword) != 0)
            continue;
        note->treatment = treatment;
        snprintf(note->why, sizeof note->why, "%s", why);
        return true;
    }
    return false;
}

static void add_note(void *ctx, const struct subschema *sub, const char *keyword, enum schema_treatment treatment,
                     const char *why)
{
    struct explanation *e = ctx;
    if (treatment == SCHEMA_ENFORCED && schema_keyword(keyword) == KEYWORD_OTHER)
        return; /* holds no value to anything, and nobody thinks it does */
    e->refused |= treatment == SCHEMA_REFUSED;
    if (treatment == SCHEMA_REFUSED && change_note(e, sub, keyword, treatment, why))
        return; /* a reference is found to lead nowhere when its keyword was told of */
    if (e->n < e->max) {
        struct schema_note *note = &e->notes[e->n];
        *note = (struct schema_note){.treatment = treatment};
        snprintf(note->path, sizeof note->path, "%s", sub ? sub->path : "");
        snprintf(note->keyword, sizeof note->keyword, "%s", keyword);
        snprintf(note->why, sizeof note->why, "%s", why);
        e->subs[e->n] = sub;
    }
    e->n++;
}

/* ---- keywords that mean nothing where they stand ---- */

static const char *without(const struct subschema *sub, const char *keyword, const char *why)
{
    return schema_get(sub, keyword) ? NULL : why;
}

/* Why a keyword that is understood holds no value to anything; NULL: it does. */
static const char *idle_because(const struct schema *s, const struct subschema *sub, const char *keyword)
{
    const json_t *value = json_object_get(sub->json, keyword);
    if (!sub->reached)
        return "no value comes to it";
    if (strcmp(keyword, "$ref") != 0 && !schema_get(sub, keyword))
        return "stands beside $ref, where up to draft 7 nothing else counts";
    switch (schema_keyword(keyword)) {
    case KEYWORD_THEN:
    case KEYWORD_ELSE: return without(sub, "if", "means nothing without 'if'");
    case KEYWORD_MIN_CONTAINS:
    case KEYWORD_MAX_CONTAINS: return without(sub, "contains", "means nothing without 'contains'");
    case KEYWORD_ADDITIONAL_ITEMS:
        return json_is_array(schema_get(sub, "items")) ? NULL : "means nothing without an array of 'items'";
    case KEYWORD_FORMAT:
        if (!s->options.formats)
            return "is an annotation by the standard; formats are not asserted here";
        return schema_format_pattern(str_of(json_string_value(value))) ||
                       strcmp(json_string_value(value), "regex") == 0
                   ? NULL : "is a format that is not known";
    default: return NULL;
    }
}

static void note_idle(struct explanation *e)
{
    for (int i = 0; i < e->n && i < e->max; i++) {
        struct schema_note *note = &e->notes[i];
        if (note->treatment != SCHEMA_ENFORCED)
            continue;
        const char *why = idle_because(e->s, e->subs[i], note->keyword);
        if (!why)
            continue;
        note->treatment = SCHEMA_IGNORED;
        snprintf(note->why, sizeof note->why, "%s", why);
    }
}

/* ---- what rules leave to the validator ---- */

static bool holds_json(const json_t *value, const json_t *json)
{
    size_t i;
    const char *key;
    json_t *one;
    if (value == json)
        return true;
    json_array_foreach((json_t *)value, i, one)
        if (one == json)
            return true;
    json_object_foreach((json_t *)value, key, one)
        if (one == json)
            return true;
    return false;
}

/* keyword NULL: the keywords that have sub for a branch are meant. */
static void note_left(void *ctx, const struct subschema *sub, const char *keyword)
{
    struct explanation *e = ctx;
    const char *why = "a mask cannot say it, or not whole";
    if (keyword && schema_keyword(keyword) == KEYWORD_PATTERN) {
        change_note(e, sub, keyword, SCHEMA_IGNORED, "is of a kind of regular expression that is not understood");
        return;
    }
    if (keyword) {
        change_note(e, sub, keyword, SCHEMA_VALIDATED_AFTER, why);
        return;
    }
    for (int i = 0; i < e->n && i < e->max; i++) {
        const char *name = e->notes[i].keyword;
        enum keyword k = schema_keyword(name);
        bool chooses = k == KEYWORD_NOT || k == KEYWORD_IF || k == KEYWORD_ONE_OF;
        if (chooses && holds_json(json_object_get(e->subs[i]->json, name), sub->json))
            change_note(e, e->subs[i], name, SCHEMA_VALIDATED_AFTER, why);
    }
}

static bool any_left(const struct explanation *e)
{
    for (int i = 0; i < e->n && i < e->max; i++)
        if (e->notes[i].treatment == SCHEMA_VALIDATED_AFTER)
            return true;
    return false;
}

/* ---- the whole ---- */

int schema_explain(json_t *json, const struct schema_options *options, struct schema_note *ret, int max)
{
    struct explanation e = {.notes = ret, .max = max};
    struct err err = ERR_INIT;
    e.subs = calloc((size_t)max + 1, sizeof *e.subs);
    if (!e.subs || !read_new(json, options, &e.s, &err)) {
        free(e.subs);
        return 0;
    }
    struct reader r = {.s = e.s, .note = add_note, .note_ctx = &e};
    bool ok = read_document(&r, json, STR(""), "", &err) && read_resolve(&r, &err) && read_mark_reached(e.s, &err);
    if (ok)
        note_idle(&e);
    bool left = false;
    if (ok && !e.refused)
        ok = schema_leftovers(e.s, note_left, &e, &left, &err);
    if (!ok)
        add_note(&e, schema_root(e.s), "", SCHEMA_REFUSED, err.msg);
    else if (left && !any_left(&e))
        add_note(&e, schema_root(e.s), "", SCHEMA_VALIDATED_AFTER, "the schema has more cases than a mask can hold");
    schema_close(e.s);
    free(e.subs);
    return e.n;
}
