/* Reading a schema: one bounded walk that meets every subschema once, checks the form of its keywords, and notes base
 * URIs, anchors and references. References are followed in read_refs.c; what keywords mean is for others. */
#include "grammar/schema/read.h"

#include <stdio.h>
#include <stdlib.h>

#include "data/json.h"

#define SCHEMA_MAX_ARENA (256u << 20)
#define TABLE_FIRST 64u

/* ---- what was read ---- */

static uint32_t table_at(const struct schema *s, const json_t *json)
{
    uint64_t h = (uint64_t)(uintptr_t)json * 0x9E3779B97F4A7C15u;
    uint32_t i = (uint32_t)(h >> 32) & (s->table_size - 1);
    while (s->table[i] && s->table[i]->json != json)
        i = (i + 1) & (s->table_size - 1);
    return i;
}

struct subschema *read_find(const struct schema *s, const json_t *json)
{
    return json_is_object(json) && s->table_size ? s->table[table_at(s, json)] : NULL;
}

static bool table_grow(struct schema *s, struct err *err)
{
    struct subschema **old = s->table;
    uint32_t n_old = s->table_size;
    struct subschema **table = calloc(n_old ? n_old * 2 : TABLE_FIRST, sizeof *table);
    if (!table)
        return err_nomem(err, "a schema");
    s->table = table;
    s->table_size = n_old ? n_old * 2 : TABLE_FIRST;
    for (uint32_t i = 0; i < n_old; i++)
        if (old[i])
            table[table_at(s, old[i]->json)] = old[i];
    free(old);
    return true;
}

static bool table_add(struct schema *s, struct subschema *sub, struct err *err)
{
    if (s->n_subschemas >= SCHEMA_MAX_NODES)
        return err_set(err, ERR_LIMIT, "the schema has more than %d subschemas", SCHEMA_MAX_NODES);
    if (s->n_subschemas * 2 >= s->table_size && !table_grow(s, err))
        return false;
    s->table[table_at(s, sub->json)] = sub;
    s->n_subschemas++;
    return true;
}

static bool add_name(struct schema *s, const char *uri, struct str anchor, struct schema_name name, struct err *err)
{
    const char *key = anchor.n ? arena_printf(&s->arena, "%s#" STR_FMT, uri, STR_ARG(anchor)) : uri;
    if (!key)
        return err_nomem(err, "a schema");
    if (s->n_names == s->names_cap) {
        uint32_t cap = s->names_cap ? s->names_cap * 2 : 8;
        struct schema_name *names = realloc(s->names, cap * sizeof *names);
        if (!names)
            return err_nomem(err, "a schema");
        s->names = names;
        s->names_cap = cap;
    }
    s->names[s->n_names] = name;
    return strmap_put(&s->by_uri, str_of(key), (int32_t)s->n_names++, err);
}

static bool add_ref(struct schema *s, struct subschema *from, const json_t *text, bool dynamic, struct err *err)
{
    if (s->n_refs == s->refs_cap) {
        uint32_t cap = s->refs_cap ? s->refs_cap * 2 : 16;
        struct schema_ref *refs = realloc(s->refs, cap * sizeof *refs);
        if (!refs)
            return err_nomem(err, "a schema");
        s->refs = refs;
        s->refs_cap = cap;
    }
    s->refs[s->n_refs++] = (struct schema_ref){
        .from = from, .text = {json_string_value(text), json_string_length(text)}, .asked_dynamic = dynamic,
        .dynamic = dynamic};
    return true;
}

/* parent/keyword/key, escaped as JSON pointers want it; key.p NULL: none. */
static const char *path_of(struct schema *s, const char *parent, const char *keyword, struct str key)
{
    char path[SCHEMA_PATH_MAX + 1];
    size_t n = strlen(parent);
    memcpy(path, parent, n);
    const struct str parts[2] = {str_of(keyword), key};
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; parts[i].p && k <= parts[i].n; k++) {
            char c = k == 0 ? '/' : parts[i].p[k - 1];
            const char *spelled = c == '~' ? "~0" : c == '/' && k ? "~1" : NULL;
            size_t wanted = spelled ? 2 : 1;
            if (n + wanted > SCHEMA_PATH_MAX) {
                memcpy(path + SCHEMA_PATH_MAX - 3, "...", 3);
                return arena_strdup(&s->arena, utf8_clip((struct str){path, SCHEMA_PATH_MAX}, SCHEMA_PATH_MAX));
            }
            memcpy(path + n, spelled ? spelled : &c, wanted);
            n += wanted;
        }
    }
    return arena_strdup(&s->arena, (struct str){path, n});
}

/* ---- problems ---- */

bool read_refuse(struct reader *r, const struct subschema *sub, const char *keyword, enum err_code code,
                 const char *why, struct err *err)
{
    if (!r->note)
        return err_set(err, code, "'%s' at %s %s", keyword, sub->path[0] ? sub->path : "the top", why);
    r->note(r->note_ctx, sub, keyword, SCHEMA_REFUSED, why);
    return true;
}

/* A name that is no keyword: the standard has it ignored, unless it was surely meant to hold the value to something. */
static bool unknown_keyword(struct reader *r, const struct subschema *sub, const char *name, struct err *err)
{
    const char *instead = keyword_foreign(name), *meant = instead ? NULL : keyword_meant(name);
    char why[160] = "is no keyword of JSON Schema";
    if (instead)
        snprintf(why, sizeof why, "%s", instead);
    else if (meant)
        snprintf(why, sizeof why, "is not understood; did you mean '%s'?", meant);
    if ((instead || meant) && !r->s->options.relaxed)
        return read_refuse(r, sub, name, ERR_UNSUPPORTED, why, err);
    if (r->note)
        r->note(r->note_ctx, sub, name, SCHEMA_IGNORED, why);
    return true;
}

/* ---- names and drafts ---- */

static enum schema_draft draft_of(const char *uri, enum schema_draft otherwise, bool *ret_draft_4)
{
    *ret_draft_4 = strstr(uri, "draft-04") || strstr(uri, "draft-03");
    if (*ret_draft_4 || strstr(uri, "draft-06") || strstr(uri, "draft-07"))
        return SCHEMA_DRAFT_7;
    return strstr(uri, "draft/20") ? SCHEMA_DRAFT_2020_12 : otherwise;
}

/* $id makes a resource of the subschema; with nothing but a fragment it is what draft 7 has for an anchor. */
static bool take_id(struct schema *s, struct subschema *sub, struct scope *scope, const char *id, struct err *err)
{
    const char *hash = strchr(id, '#');
    struct str uri = {id, hash ? (size_t)(hash - id) : strlen(id)};
    if (uri.n > 0) {
        struct buf full = BUF_INIT(SCHEMA_MAX_URI);
        uri_resolve(str_of(scope->resource->uri), uri, &full);
        struct resource *resource = arena_new(&s->arena, struct resource);
        const char *kept = buf_ok(&full) ? arena_strdup(&s->arena, buf_view(&full)) : NULL;
        bool ok = buf_check(&full, "an $id", err) && ((resource && kept) || err_nomem(err, "a schema"));
        buf_free(&full);
        if (!ok)
            return false;
        *resource = (struct resource){.uri = kept, .root = sub};
        scope->resource = sub->resource = resource;
        if (!add_name(s, kept, (struct str){0}, (struct schema_name){.sub = sub}, err))
            return false;
    }
    if (hash && hash[1] && hash[1] != '/')
        return add_name(s, scope->resource->uri, str_of(hash + 1), (struct schema_name){.sub = sub}, err);
    return true;
}

static bool take_anchor(struct schema *s, struct subschema *sub, bool dynamic, struct err *err)
{
    const json_t *name = json_object_get(sub->json, dynamic ? "$dynamicAnchor" : "$anchor");
    struct str anchor = {json_string_value(name), json_string_length(name)};
    if (anchor.n == 0)
        return true;
    int32_t so_far = 0;
    strmap_get(&s->dynamic_counts, anchor, &so_far);
    return add_name(s, sub->resource->uri, anchor, (struct schema_name){sub, dynamic}, err) &&
           (!dynamic || strmap_put(&s->dynamic_counts, anchor, so_far + 1, err));
}

/* $schema, $id, anchors and references. */
static bool identify(struct schema *s, struct subschema *sub, struct scope *scope, struct err *err)
{
    const char *dialect = json_string_value(json_object_get(sub->json, "$schema"));
    if (dialect)
        scope->draft = draft_of(dialect, scope->draft, &scope->draft_4);
    sub->draft = scope->draft;
    sub->draft_4 = scope->draft_4;
    const json_t *ref = json_object_get(sub->json, "$ref"), *dynamic = json_object_get(sub->json, "$dynamicRef");
    bool alone = json_is_string(ref) && sub->draft == SCHEMA_DRAFT_7;
    sub->ref_alone = alone;
    const char *id = json_string_value(json_object_get(sub->json, scope->draft_4 ? "id" : "$id"));
    if (id && !alone && !take_id(s, sub, scope, id, err))
        return false;
    if (!alone && (!take_anchor(s, sub, false, err) || !take_anchor(s, sub, true, err)))
        return false;
    if (json_is_string(ref) && !add_ref(s, sub, ref, false, err))
        return false;
    return alone || !json_is_string(dynamic) || add_ref(s, sub, dynamic, true, err);
}

/* ---- the walk ---- */

static bool read_list(struct reader *r, const struct subschema *sub, const char *keyword, const json_t *list,
                      const struct scope *scope, struct err *err)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)list, i, one) {
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        const char *path = json_is_object(one) ? path_of(r->s, sub->path, keyword, str_of(index)) : "";
        if (!read_subschema(r, one, path, scope, err))
            return false;
    }
    return true;
}

/* Members that are no schemas are names' lists, or among definitions anything. */
static bool read_map(struct reader *r, const struct subschema *sub, const char *keyword, const json_t *map,
                     const struct scope *scope, struct err *err)
{
    const char *key;
    size_t n;
    json_t *one;
    json_object_keylen_foreach((json_t *)map, key, n, one) {
        if (!json_is_object(one))
            continue;
        const char *path = path_of(r->s, sub->path, keyword, (struct str){key, n});
        if (!read_subschema(r, one, path, scope, err))
            return false;
    }
    return true;
}

static bool read_keyword(struct reader *r, const struct subschema *sub, const char *name, const json_t *value,
                         const struct scope *scope, struct err *err)
{
    const struct keyword_info *info = keyword_find(name);
    if (!info)
        return unknown_keyword(r, sub, name, err);
    const char *wanted = keyword_wrong_form(info->form, value);
    if (wanted) {
        char why[160];
        snprintf(why, sizeof why, "must be %s", wanted);
        return read_refuse(r, sub, name, ERR_INVALID, why, err);
    }
    if (r->note)
        r->note(r->note_ctx, sub, name, SCHEMA_ENFORCED, "");
    if (info->keyword == KEYWORD_UNEVALUATED_ITEMS || info->keyword == KEYWORD_UNEVALUATED_PROPERTIES)
        r->s->has_unevaluated = true;
    bool holds_schemas = info->form >= FORM_SCHEMA;
    if (!holds_schemas || json_is_boolean(value))
        return true;
    if (json_is_array(value))
        return read_list(r, sub, name, value, scope, err);
    if (info->form != FORM_SCHEMA && info->form != FORM_ITEMS)
        return read_map(r, sub, name, value, scope, err);
    return read_subschema(r, value, path_of(r->s, sub->path, name, (struct str){0}), scope, err);
}

bool read_subschema(struct reader *r, const json_t *json, const char *path, const struct scope *outer,
                    struct err *err)
{
    struct schema *s = r->s;
    if (json_is_boolean(json) || read_find(s, json))
        return true;
    if (outer->depth >= SCHEMA_MAX_DEPTH)
        return err_set(err, ERR_LIMIT, "the schema is nested deeper than %d levels", SCHEMA_MAX_DEPTH);
    struct subschema *sub = arena_new(&s->arena, struct subschema);
    if (!sub || !path)
        return err_set(err, ERR_LIMIT, "the schema needs more than %u MiB of memory", SCHEMA_MAX_ARENA >> 20);
    struct scope scope = *outer;
    scope.depth++;
    *sub = (struct subschema){.json = json, .path = path, .resource = scope.resource};
    if (!table_add(s, sub, err) || !identify(s, sub, &scope, err))
        return false;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)json, name, value)
        if (!read_keyword(r, sub, name, value, &scope, err))
            return false;
    return true;
}

bool read_document(struct reader *r, const json_t *json, struct str uri, const char *path, struct err *err)
{
    struct schema *s = r->s;
    if (!json_is_object(json) && !json_is_boolean(json))
        return err_set(err, ERR_INVALID, "a schema must be an object, true or false, not %s", json_type_name(json));
    struct resource *resource = arena_new(&s->arena, struct resource);
    const char *kept = arena_strdup(&s->arena, uri);
    if (!resource || !kept)
        return err_nomem(err, "a schema");
    resource->uri = kept;
    struct scope scope = {.resource = resource, .draft = s->options.draft};
    if (!read_subschema(r, json, path, &scope, err))
        return false;
    resource->root = schema_at(s, json);
    return add_name(s, kept, (struct str){0}, (struct schema_name){.sub = resource->root}, err);
}

/* ---- the schema ---- */

bool read_new(json_t *json, const struct schema_options *options, struct schema **ret, struct err *err)
{
    struct schema *s = calloc(1, sizeof *s);
    if (!s || !patterns_open(&s->patterns, err)) {
        free(s);
        return s ? false : err_nomem(err, "a schema");
    }
    s->options = *options;
    if (s->options.draft == SCHEMA_DRAFT_AUTO)
        s->options.draft = SCHEMA_DRAFT_2020_12;
    s->arena = (struct arena)ARENA_INIT(SCHEMA_MAX_ARENA);
    s->json = json_incref(json);
    static const struct resource nowhere = {.uri = ""};
    s->yes = (struct subschema){json_true(), "", .resource = &nowhere, .draft = s->options.draft};
    s->no = (struct subschema){json_false(), "", .resource = &nowhere, .draft = s->options.draft};
    *ret = s;
    return true;
}

bool schema_open(json_t *json, const struct schema_options *options, struct schema **ret, struct err *err)
{
    struct schema *s;
    if (!read_new(json, options, &s, err))
        return false;
    struct reader r = {.s = s};
    if (!read_document(&r, json, STR(""), "", err) || !read_resolve(&r, err)) {
        schema_close(s);
        return false;
    }
    *ret = s;
    return true;
}

void schema_close(struct schema *s)
{
    if (!s)
        return;
    patterns_close(s->patterns);
    strmap_free(&s->by_uri);
    strmap_free(&s->dynamic_counts);
    free(s->names);
    free(s->refs);
    free(s->table);
    arena_free(&s->arena);
    json_decref(s->meta);
    json_decref(s->json);
    free(s);
}

const struct subschema *schema_root(const struct schema *s)
{
    return schema_at(s, s->json);
}

const struct schema_options *schema_options_of(const struct schema *s)
{
    return &s->options;
}

const struct subschema *schema_at(const struct schema *s, const json_t *json)
{
    if (json_is_boolean(json))
        return json_is_true(json) ? &s->yes : &s->no;
    return read_find(s, json);
}

const json_t *schema_get(const struct subschema *sub, const char *keyword)
{
    return sub->ref_alone ? NULL : json_object_get(sub->json, keyword);
}

_Atomic int *schema_remembered_need(const struct schema *s)
{
    return &((struct schema *)s)->need;
}

bool schema_has_unevaluated(const struct schema *s)
{
    return s->has_unevaluated;
}

struct patterns *schema_patterns(const struct schema *s)
{
    return s->patterns;
}
