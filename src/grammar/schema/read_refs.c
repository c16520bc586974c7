/* Following references: each $ref and $dynamicRef that the walk met is resolved to a subschema, in this document or in
 * others that the caller has at hand. What is not there is an error only where a value could come to it. */
#include "grammar/schema/read.h"

#include <stdio.h>
#include <stdlib.h>

#define POINTER_TOKEN_MAX 4096

/* ---- JSON pointers ---- */

/* The token at the start of *rest (behind its '/'), unescaped; *rest moves behind it. */
static void pointer_token(struct str *rest, struct buf *token)
{
    size_t i = 0;
    for (; i < rest->n && rest->p[i] != '/'; i++) {
        bool escape = rest->p[i] == '~' && i + 1 < rest->n && (rest->p[i + 1] == '0' || rest->p[i + 1] == '1');
        if (escape)
            i++;
        buf_char(token, !escape ? rest->p[i] : rest->p[i] == '1' ? '/' : '~');
    }
    *rest = (struct str){rest->p + i, rest->n - i};
}

static const json_t *pointer_step(const json_t *json, struct str token)
{
    if (json_is_object(json))
        return json_object_getn(json, token.p, token.n);
    int64_t index;
    if (!json_is_array(json) || !str_to_i64(token, &index) || index < 0)
        return NULL;
    return json_array_get(json, (size_t)index);
}

/* What the pointer leads to from root, and the last subschema on the way. NULL: nothing. */
static const json_t *pointer_follow(const struct schema *s, const struct subschema *root, struct str pointer,
                                    const struct subschema **ret_last)
{
    const json_t *json = root->json;
    struct buf token = BUF_INIT(POINTER_TOKEN_MAX);
    *ret_last = root;
    while (json && pointer.n > 0 && pointer.p[0] == '/') {
        pointer = (struct str){pointer.p + 1, pointer.n - 1};
        buf_clear(&token);
        pointer_token(&pointer, &token);
        json = buf_ok(&token) ? pointer_step(json, buf_view(&token)) : NULL;
        const struct subschema *here = read_find(s, json);
        if (here)
            *ret_last = here;
    }
    buf_free(&token);
    return json;
}

/* A pointer may lead where no keyword made the walk go: that becomes a subschema by being named. */
static bool pointer_resolve(struct reader *r, const struct subschema *root, struct str pointer,
                            const struct subschema **ret, struct err *err)
{
    const struct subschema *last;
    const json_t *json = pointer_follow(r->s, root, pointer, &last);
    *ret = NULL;
    if (!json_is_object(json) && !json_is_boolean(json))
        return true;
    if (!schema_at(r->s, json)) {
        struct scope scope = {.resource = last->resource, .draft = last->draft, .draft_4 = last->draft_4};
        const char *path = arena_printf(&r->s->arena, "%.*s", SCHEMA_PATH_MAX, pointer.p);
        if (!read_subschema(r, json, path, &scope, err))
            return false;
    }
    *ret = schema_at(r->s, json);
    return true;
}

/* ---- names ---- */

static const struct schema_name *name_of(const struct schema *s, struct str uri)
{
    int32_t at;
    return strmap_get(&s->by_uri, uri, &at) ? &s->names[at] : NULL;
}

static const struct schema_name *anchor_of(const struct schema *s, const struct resource *resource, struct str anchor)
{
    struct buf key = BUF_INIT(SCHEMA_MAX_URI + POINTER_TOKEN_MAX);
    buf_puts(&key, resource->uri);
    buf_char(&key, '#');
    buf_str(&key, anchor);
    const struct schema_name *name = buf_ok(&key) ? name_of(s, buf_view(&key)) : NULL;
    buf_free(&key);
    return name;
}

const struct subschema *schema_dynamic_anchor(const struct schema *s, const struct resource *scope, const char *anchor)
{
    const struct schema_name *name = anchor_of(s, scope, str_of(anchor));
    return name && name->dynamic ? name->sub : NULL;
}

/* The caller's document, or a meta-schema; *ret NULL when nobody has it. */
static bool document_at(struct schema *s, struct str uri, const json_t **ret, struct err *err)
{
    json_t *meta;
    *ret = s->options.document ? s->options.document(s->options.document_ctx, uri) : NULL;
    if (*ret)
        return true;
    if (!meta_document(uri, &meta, err))
        return false;
    *ret = meta;
    if (meta && ((!s->meta && !(s->meta = json_array())) || json_array_append_new(s->meta, meta) != 0))
        return err_nomem(err, "a schema");
    return true;
}

/* The root of the document or resource at uri; *ret NULL when nobody has it. */
static bool resource_resolve(struct reader *r, struct str uri, const struct subschema **ret, struct err *err)
{
    struct schema *s = r->s;
    const struct schema_name *name = name_of(s, uri);
    if (!name) {
        const json_t *json;
        if (!document_at(s, uri, &json, err))
            return false;
        const char *path = json ? arena_printf(&s->arena, "%.*s#", (int)(uri.n < 200 ? uri.n : 200), uri.p) : NULL;
        if (json && !read_document(r, json, uri, path, err))
            return false;
        name = name_of(s, uri);
    }
    *ret = name ? name->sub : NULL;
    return true;
}

/* What the fragment names inside root; *ret NULL: nothing. */
static bool fragment_resolve(struct reader *r, const struct subschema *root, struct str fragment,
                             struct schema_ref *ref, const struct subschema **ret, struct err *err)
{
    struct buf plain = BUF_INIT(SCHEMA_MAX_URI);
    uri_unescape(fragment, &plain);
    bool ok = true;
    if (!buf_ok(&plain)) {
        *ret = NULL;
    } else if (plain.n == 0) {
        *ret = root;
    } else if (plain.p[0] == '/') {
        ok = pointer_resolve(r, root, buf_view(&plain), ret, err);
    } else {
        const struct schema_name *name = anchor_of(r->s, root->resource, buf_view(&plain));
        *ret = name ? name->sub : NULL;
        ref->dynamic = ref->dynamic && name && name->dynamic;
        buf_free(&plain);
        return true;
    }
    ref->dynamic = false;
    buf_free(&plain);
    return ok;
}

/* *ret NULL: it leads nowhere. */
static bool ref_resolve(struct reader *r, struct schema_ref *ref, const struct subschema **ret, struct err *err)
{
    const char *hash = memchr(ref->text.p, '#', ref->text.n);
    struct str uri = {ref->text.p, hash ? (size_t)(hash - ref->text.p) : ref->text.n};
    struct str fragment = {hash ? hash + 1 : "", hash ? ref->text.n - uri.n - 1 : 0};
    struct buf full = BUF_INIT(SCHEMA_MAX_URI);
    struct str base = str_of(ref->from->resource->uri);
    if (uri.n == 0)
        buf_str(&full, base);
    else
        uri_resolve(base, uri, &full);
    const struct subschema *root = NULL;
    bool ok = buf_check(&full, "a $ref", err) && resource_resolve(r, buf_view(&full), &root, err);
    buf_free(&full);
    *ret = NULL;
    return ok && (!root || fragment_resolve(r, root, fragment, ref, ret, err));
}

/* ---- what can be reached ---- */

static void reach(const struct schema *s, const struct subschema *sub, struct subschema **list, uint32_t *n)
{
    struct subschema *here = sub ? read_find(s, sub->json) : NULL;
    if (here && !here->reached) {
        here->reached = true;
        list[(*n)++] = here;
    }
}

static void reach_json(const struct schema *s, const json_t *json, struct subschema **list, uint32_t *n)
{
    if (json_is_object(json))
        reach(s, schema_at(s, json), list, n);
}

static void reach_below(const struct schema *s, const struct subschema *sub, struct subschema **list, uint32_t *n)
{
    const char *name, *key;
    json_t *value, *one;
    size_t i;
    reach(s, sub->ref, list, n);
    reach(s, sub->both_ref, list, n);
    reach(s, sub->dynamic_ref, list, n);
    json_object_foreach((json_t *)sub->json, name, value) {
        const struct keyword_info *info = keyword_find(name);
        if (!info || info->keyword == KEYWORD_OTHER || info->form < FORM_SCHEMA || !schema_get(sub, name))
            continue;
        if (info->form == FORM_SCHEMA || info->form == FORM_ITEMS)
            reach_json(s, value, list, n);
        else
            json_object_foreach(value, key, one)
                reach_json(s, one, list, n);
        json_array_foreach(value, i, one)
            reach_json(s, one, list, n);
    }
}

/* From the root; also what a $dynamicRef may come to mean. */
bool read_mark_reached(struct schema *s, struct err *err)
{
    struct subschema **list = malloc((s->n_subschemas + 1) * sizeof *list);
    if (!list)
        return err_nomem(err, "a schema");
    uint32_t n = 0;
    reach(s, schema_root(s), list, &n);
    for (uint32_t i = 0; i < s->n_names; i++)
        if (s->names[i].dynamic)
            reach(s, s->names[i].sub, list, &n);
    for (uint32_t i = 0; i < n; i++)
        reach_below(s, list[i], list, &n);
    free(list);
    return true;
}

static bool refuse_missing(struct reader *r, struct err *err)
{
    if (!read_mark_reached(r->s, err))
        return false;
    for (uint32_t i = 0; i < r->s->n_refs; i++) {
        const struct schema_ref *ref = &r->s->refs[i];
        if (ref->resolved || !ref->from->reached)
            continue;
        char why[160];
        bool here = ref->text.n > 0 && ref->text.p[0] == '#';
        struct str shown = utf8_clip(ref->text, 60);
        snprintf(why, sizeof why, "names '" STR_FMT "', which is not %s", STR_ARG(shown),
                 here ? "there" : "at hand (nothing is fetched); put it under $defs");
        if (!read_refuse(r, ref->from, ref->asked_dynamic ? "$dynamicRef" : "$ref", ERR_INVALID, why, err))
            return false;
    }
    return true;
}

/* ---- all of them ---- */

/* Whether another resource could give this name another meaning. */
static bool really_dynamic(const struct schema *s, const struct subschema *sub)
{
    const json_t *anchor = json_object_get(sub->json, "$dynamicAnchor");
    int32_t n = 0;
    strmap_get(&s->dynamic_counts, (struct str){json_string_value(anchor), json_string_length(anchor)}, &n);
    return n > 1;
}

static void settle(const struct schema *s, struct schema_ref *ref)
{
    struct subschema *from = ref->from;
    if (ref->dynamic && really_dynamic(s, ref->to))
        from->dynamic_ref = ref->to;
    else if (from->ref)
        from->both_ref = ref->to;
    else
        from->ref = ref->to;
}

bool read_resolve(struct reader *r, struct err *err)
{
    struct schema *s = r->s;
    bool missing = false;
    for (uint32_t i = 0; i < s->n_refs; i++) {
        struct schema_ref ref = s->refs[i]; /* the list may grow, and so move, under the call */
        if (!ref_resolve(r, &ref, &ref.to, err))
            return false;
        ref.resolved = ref.to != NULL;
        missing |= !ref.resolved;
        s->refs[i] = ref;
    }
    for (uint32_t i = 0; i < s->n_refs; i++)
        if (s->refs[i].resolved)
            settle(s, &s->refs[i]);
    return !missing || refuse_missing(r, err);
}
