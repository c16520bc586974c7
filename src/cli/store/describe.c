/* Describes a model from the header of its file and its manifest, for people and as JSON. Everything that comes out of
 * the file passes cli_make_safe before a terminal sees it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/filemap.h"
#include "cli/cli.h"
#include "cli/fit/fit.h"
#include "cli/progress.h"
#include "cli/store/store.h"
#include "data/json.h"

#define LICENSE_MAX_BYTES (1u << 20)
#define SHOWN_STRING_BYTES 200
#define SHOWN_ARRAY 8
#define CONTEXTS 5

struct description {
    struct str architecture, title, license, template;
    struct engine_needs needs;
    bool runs;
    char why_not[512];
    int64_t tensors[TENSOR_TYPES], bytes[TENSOR_TYPES];
    uint32_t main_type;
    int64_t contexts[CONTEXTS];
    int n_contexts;
};

/* Contexts that people ask about, as far as the model was trained for them, and its own longest. */
static void choose_contexts(struct description *d)
{
    static const int64_t usual[] = {4096, 8192, 32768, 131072};
    int64_t most = d->needs.n_ctx_train;
    for (int i = 0; i < 4; i++)
        if (usual[i] < most)
            d->contexts[d->n_contexts++] = usual[i];
    d->contexts[d->n_contexts++] = most;
}

static bool describe(const struct gguf *g, struct description *d, struct err *err)
{
    struct err why = ERR_INIT;
    if (!gguf_get_str(g, "general.architecture", &d->architecture, err) ||
        !gguf_get_str(g, "general.name", &d->title, err) || !gguf_get_str(g, "general.license", &d->license, err) ||
        !gguf_get_str(g, "tokenizer.chat_template", &d->template, err))
        return false;
    for (int64_t i = 0; i < gguf_tensor_count(g); i++) {
        const struct tensor *t = gguf_tensor_at(g, i);
        d->tensors[t->type]++;
        d->bytes[t->type] += (int64_t)t->bytes;
        d->main_type = d->bytes[t->type] > d->bytes[d->main_type] ? t->type : d->main_type;
    }
    d->runs = engine_needs_of(g, 1, &d->needs, &why);
    if (d->runs)
        choose_contexts(d);
    else
        snprintf(d->why_not, sizeof d->why_not, "%s", why.msg);
    return true;
}

/* ---- for people ---- */

static void put_line(struct buf *out, const char *label, struct str value)
{
    if (value.n == 0)
        return;
    buf_printf(out, "  %-14s ", label);
    cli_make_safe(utf8_clip(value, SHOWN_STRING_BYTES), out);
    buf_char(out, '\n');
}

static void put_count(struct buf *out, int64_t n)
{
    if (n >= 1000000000)
        buf_printf(out, "%.2f billion", (double)n / 1e9);
    else
        buf_printf(out, "%.1f million", (double)n / 1e6);
}

static void put_needs(const struct description *d, struct buf *out)
{
    char size[32];
    if (!d->runs) {
        put_line(out, "runs here", STR("no"));
        put_line(out, "", str_of(d->why_not));
        return;
    }
    buf_printf(out, "  %-14s ", "parameters");
    put_count(out, d->needs.parameters);
    if (d->needs.active_parameters < d->needs.parameters) {
        buf_puts(out, ", of which a token passes ");
        put_count(out, d->needs.active_parameters);
    }
    buf_printf(out, "\n  %-14s %" PRId64 " tokens\n  %-14s ", "context", d->needs.n_ctx_train, "memory");
    for (int i = 0; i < d->n_contexts; i++)
        buf_printf(out, "%s%s at %" PRId64, i ? ", " : "",
                   progress_show_bytes(fit_total(&d->needs, (struct fit_context){d->contexts[i], TENSOR_F16}), size,
                                       sizeof size), d->contexts[i]);
    buf_puts(out, " tokens\n");
}

static void put_summary(const struct registry_model *m, const struct description *d, struct buf *out)
{
    char size[32];
    put_line(out, "name", str_of(m->name));
    put_line(out, "title", d->title);
    put_line(out, "architecture", d->architecture);
    put_needs(d, out);
    buf_printf(out, "  %-14s %s (", "type", tensor_type_name(d->main_type));
    for (int t = 0, n = 0; t < TENSOR_TYPES; t++)
        if (d->tensors[t])
            buf_printf(out, "%s%" PRId64 " tensors %s", n++ ? ", " : "", d->tensors[t], tensor_type_name((uint32_t)t));
    buf_printf(out, ")\n  %-14s %s\n", "size", progress_show_bytes(m->size, size, sizeof size));
    put_line(out, "license", d->license);
    put_line(out, "template", d->template.n ? STR("yes; rung show --template prints it") : STR("none"));
    if (m->digest[0])
        buf_printf(out, "  %-14s sha256:%s%s\n", "digest", m->digest, m->pinned ? ", pinned" : "");
    put_line(out, "from", str_of(m->owner == OWNER_OLLAMA ? "Ollama's store" : m->source));
    put_line(out, "file", str_of(m->path));
}

/* ---- metadata ---- */

static void put_number(const struct gguf_array *a, int64_t i, struct buf *out)
{
    if (a->type == GGUF_F32 || a->type == GGUF_F64)
        buf_printf(out, "%g", (double)gguf_array_f32(a, i));
    else
        buf_printf(out, "%" PRId64, gguf_array_i64(a, i));
}

static void put_array(const struct gguf *g, const char *key, struct buf *out)
{
    struct gguf_array a;
    if (!gguf_any_array(g, key, &a)) {
        buf_puts(out, "an array of arrays");
        return;
    }
    buf_printf(out, "[%" PRId64 "]", a.n);
    for (int64_t k = 0; k < a.n && a.n <= SHOWN_ARRAY; k++) {
        buf_char(out, ' ');
        if (a.type == GGUF_STRING)
            cli_make_safe(utf8_clip(a.strings[k], SHOWN_STRING_BYTES), out);
        else
            put_number(&a, k, out);
    }
}

static void put_value(const struct gguf *g, const char *key, enum gguf_type type, struct buf *out)
{
    struct str text = STR("");
    bool flag = false;
    float f32 = 0;
    int64_t i64 = 0;
    if (type == GGUF_STRING && gguf_get_str(g, key, &text, NULL)) {
        cli_make_safe(utf8_clip(text, SHOWN_STRING_BYTES), out);
        if (text.n > SHOWN_STRING_BYTES)
            buf_printf(out, "... (%zu bytes)", text.n);
    } else if (type == GGUF_ARRAY) {
        put_array(g, key, out);
    } else if (type == GGUF_BOOL && gguf_get_bool(g, key, &flag, NULL)) {
        buf_puts(out, flag ? "true" : "false");
    } else if ((type == GGUF_F32 || type == GGUF_F64) && gguf_get_f32(g, key, &f32, NULL)) {
        buf_printf(out, "%g", (double)f32);
    } else if (gguf_get_i64(g, key, &i64, NULL)) {
        buf_printf(out, "%" PRId64, i64);
    } else {
        buf_puts(out, "a number that is not shown");
    }
}

static void put_metadata(const struct gguf *g, struct buf *out)
{
    for (int64_t i = 0; i < gguf_key_count(g); i++) {
        enum gguf_type type;
        char key[GGUF_MAX_KEY_BYTES + 1];
        struct str k = gguf_key_at(g, i, &type);
        snprintf(key, sizeof key, STR_FMT, STR_ARG(k));
        cli_make_safe(k, out);
        buf_puts(out, " = ");
        put_value(g, key, type, out);
        buf_char(out, '\n');
    }
}

/* ---- as JSON ---- */

static void put_memory(struct json_writer *w, const struct description *d)
{
    json_key(w, "memory");
    json_open_array(w);
    for (int i = 0; i < d->n_contexts; i++) {
        json_open_object(w);
        json_put_i64(w, "context", d->contexts[i]);
        json_put_i64(w, "bytes", fit_total(&d->needs, (struct fit_context){d->contexts[i], TENSOR_F16}));
        json_close_object(w);
    }
    json_close_array(w);
}

static void put_json(const struct registry_model *m, const struct description *d, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    json_open_object(&w);
    json_put_cstr(&w, "name", m->name);
    json_put_str(&w, "title", d->title);
    json_put_str(&w, "architecture", d->architecture);
    json_put_bool(&w, "runs", d->runs);
    json_put_cstr(&w, "why", d->runs ? NULL : d->why_not);
    if (d->runs) {
        json_put_i64(&w, "parameters", d->needs.parameters);
        json_put_i64(&w, "active_parameters", d->needs.active_parameters);
        json_put_i64(&w, "context", d->needs.n_ctx_train);
        put_memory(&w, d);
    }
    json_put_cstr(&w, "type", tensor_type_name(d->main_type));
    json_key(&w, "tensors");
    json_open_object(&w);
    for (int t = 0; t < TENSOR_TYPES; t++)
        if (d->tensors[t])
            json_put_i64(&w, tensor_type_name((uint32_t)t), d->tensors[t]);
    json_close_object(&w);
    json_put_i64(&w, "bytes", m->size);
    json_put_str(&w, "license", d->license);
    json_put_str(&w, "template", d->template);
    json_put_cstr(&w, "digest", m->digest[0] ? m->digest : NULL);
    json_put_bool(&w, "pinned", m->pinned);
    json_put_cstr(&w, "owner", registry_owner_names[m->owner]);
    json_put_cstr(&w, "source", m->source);
    json_put_cstr(&w, "path", m->path[0] ? m->path : NULL);
    json_close_object(&w);
    buf_char(out, '\n');
}

/* ---- */

/* The license's text where the model came with one, else its name. */
static bool put_license(const struct registry_model *m, const struct description *d, struct buf *out, struct err *err)
{
    char path[REGISTRY_MAX_PATH], *text;
    size_t n;
    if (registry_layer_path(m, LAYER_LICENSE, path, sizeof path)) {
        if (!file_read(path, LICENSE_MAX_BYTES, &text, &n, err))
            return false;
        cli_make_safe((struct str){text, n}, out);
        free(text);
    } else if (d->license.n) {
        cli_make_safe(d->license, out);
    } else {
        return err_set(err, ERR_NOT_FOUND, "%.200s does not say its license", m->name);
    }
    buf_char(out, '\n');
    return true;
}

bool show_model(const struct registry_model *m, const struct gguf *g, enum show_what what, struct buf *out,
                struct err *err)
{
    struct description d = {.title = STR("")};
    if (!describe(g, &d, err))
        return false;
    switch (what) {
    case SHOW_SUMMARY: put_summary(m, &d, out); break;
    case SHOW_METADATA: put_metadata(g, out); break;
    case SHOW_JSON: put_json(m, &d, out); break;
    case SHOW_LICENSE: return put_license(m, &d, out, err);
    case SHOW_TEMPLATE:
        if (d.template.n == 0)
            return err_set(err, ERR_NOT_FOUND, "%.200s has no chat template", m->name);
        cli_make_safe(d.template, out);
    }
    return true;
}
