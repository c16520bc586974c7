/* The metadata of a GGUF file as JSON. What comes out of the file was checked by its reader; here it is spelled. */
#include "registry/facts.h"

#include <stdio.h>

#include "data/json.h"
#include "model/gguf.h"
#include "model/quantize.h"

/* Floats are kept in 32 bits: 1e-06, not 9.99999997e-07. */
static void write_float(struct json_writer *w, float value)
{
    char text[32];
    double shown;
    snprintf(text, sizeof text, "%.8g", (double)value);
    if (str_to_f64(str_of(text), &shown))
        json_f64(w, shown);
    else
        json_null_value(w);
}

static void write_array(struct json_writer *w, const struct gguf_array *a)
{
    json_open_array(w);
    for (int64_t i = 0; i < a->n && buf_ok(w->out); i++) {
        if (a->type == GGUF_STRING)
            json_str(w, a->strings[i]);
        else if (a->type == GGUF_BOOL)
            json_bool_value(w, gguf_array_i64(a, i) != 0);
        else if (a->type == GGUF_F32 || a->type == GGUF_F64)
            write_float(w, gguf_array_f32(a, i));
        else
            json_i64(w, gguf_array_i64(a, i));
    }
    json_close_array(w);
}

static void write_value(const struct gguf *g, const char *key, enum gguf_type type, bool arrays, struct json_writer *w)
{
    struct str text;
    struct gguf_array array;
    bool flag;
    float f32;
    int64_t i64;
    if (type == GGUF_STRING && gguf_get_str(g, key, &text, NULL))
        json_str(w, text);
    else if (type == GGUF_BOOL && gguf_get_bool(g, key, &flag, NULL))
        json_bool_value(w, flag);
    else if ((type == GGUF_F32 || type == GGUF_F64) && gguf_get_f32(g, key, &f32, NULL))
        write_float(w, f32);
    else if (arrays && type == GGUF_ARRAY && gguf_any_array(g, key, &array))
        write_array(w, &array);
    else if (gguf_get_i64(g, key, &i64, NULL))
        json_i64(w, i64);
    else
        json_null_value(w);
}

static void write_metadata(const struct gguf *g, bool arrays, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    json_open_object(&w);
    for (int64_t i = 0; i < gguf_key_count(g); i++) {
        enum gguf_type type;
        char key[GGUF_MAX_KEY_BYTES + 1];
        struct str k = gguf_key_at(g, i, &type);
        snprintf(key, sizeof key, STR_FMT, STR_ARG(k));
        json_key(&w, key);
        write_value(g, key, type, arrays, &w);
    }
    json_close_object(&w);
}

static void name_type(const struct gguf *g, char *text, size_t size)
{
    int64_t type = -1;
    gguf_get_i64(g, "general.file_type", &type, NULL);
    for (int i = 0; i < QUANTIZE_MIXES; i++) {
        if (quantize_mix_info((enum quantize_mix)i)->file_type == type)
            snprintf(text, size, "%s", quantize_mix_info((enum quantize_mix)i)->name);
    }
}

static bool open_file(const char *path, struct str bytes, struct gguf **ret, struct err *err)
{
    struct filemap *map;
    if (bytes.n == 0)
        return gguf_open(path, ret, err);
    return filemap_memory(path, bytes.p, bytes.n, &map, err) && gguf_open_map(map, ret, err);
}

bool model_facts_read(const char *path, struct str bytes, bool arrays, struct model_facts *ret, struct err *err)
{
    struct model_facts f = {.metadata = BUF_INIT(FACTS_MAX_BYTES),
                            .template = BUF_INIT(FACTS_MAX_BYTES),
                            .license = BUF_INIT(FACTS_MAX_BYTES)};
    struct str template = STR(""), license = STR("");
    struct gguf *g;
    if (!open_file(path, bytes, &g, err))
        return false;
    gguf_get_str(g, "tokenizer.chat_template", &template, NULL);
    gguf_get_str(g, "general.license", &license, NULL);
    buf_str(&f.template, template);
    buf_str(&f.license, license);
    name_type(g, f.type, sizeof f.type);
    write_metadata(g, arrays, &f.metadata);
    bool broken = gguf_broken(g);
    gguf_close(g);
    bool ok = buf_check(&f.metadata, "the metadata", err) && buf_check(&f.template, "the template", err) &&
              buf_check(&f.license, "the license", err);
    if (ok && broken)
        ok = err_set(err, ERR_CORRUPT, "the file %s became shorter while it was read", path);
    if (ok)
        *ret = f;
    else
        model_facts_free(&f);
    return ok;
}

void model_facts_free(struct model_facts *f)
{
    buf_free(&f->metadata);
    buf_free(&f->template);
    buf_free(&f->license);
}
