/* The parts of a Responses message as parts of a chat message: text, images, files, sound. */
#include <stdio.h>

#include "gateway/api/responses/responses_internal.h"

#define MAX_PARTS 4096

struct part {
    struct responses_parse *p;
    const json_t *value;
    char field[RESPONSES_FIELD_BYTES];   /* "input[2].content[0]" */
};

static bool wrong(struct part *t, const char *key, const char *want)
{
    return err_set(t->p->err, ERR_INVALID, "'%s.%s' %s", t->field, key, want);
}

/* Copies a string member, under another name where `as` says so. */
static bool copy_text(struct part *t, json_t *to, const char *key, const char *as)
{
    json_t *value = json_object_get(t->value, key);
    if (!value || json_is_null(value))
        return true;
    if (!json_is_string(value))
        return wrong(t, key, "must be a string");
    return responses_put(t->p, to, as, json_incref(value));
}

static bool read_text(struct part *t, json_t *ret)
{
    static const char *const names[] = {"type", "text", "annotations", "logprobs", NULL};
    if (!json_is_string(json_object_get(t->value, "text")))
        return wrong(t, "text", "must be a string");
    return responses_only(t->p, t->field, t->value, names) && responses_put(t->p, ret, "type", json_string("text")) &&
           copy_text(t, ret, "text", "text");
}

static bool read_refusal(struct part *t, json_t *ret)
{
    static const char *const names[] = {"type", "refusal", NULL};
    if (!json_is_string(json_object_get(t->value, "refusal")))
        return wrong(t, "refusal", "must be a string");
    return responses_only(t->p, t->field, t->value, names) &&
           responses_put(t->p, ret, "type", json_string("refusal")) && copy_text(t, ret, "refusal", "refusal");
}

/* Nothing is stored here, so there are no ids of files to look up: those of an upstream mean nothing to the others. */
static bool read_image(struct part *t, json_t *ret)
{
    static const char *const names[] = {"type", "image_url", "detail", "file_id", NULL};
    const json_t *id = json_object_get(t->value, "file_id");
    json_t *image = json_object();
    if (id && !json_is_null(id)) {
        json_decref(image);
        return wrong(t, "file_id", "is not supported: no files are stored here; give the image as image_url");
    }
    if (!json_is_string(json_object_get(t->value, "image_url"))) {
        json_decref(image);
        return wrong(t, "image_url", "must be a string: a data: or https: URL");
    }
    return responses_put(t->p, ret, "image_url", image) && responses_only(t->p, t->field, t->value, names) &&
           responses_put(t->p, ret, "type", json_string("image_url")) && copy_text(t, image, "image_url", "url") &&
           copy_text(t, image, "detail", "detail");
}

static bool read_file(struct part *t, json_t *ret)
{
    static const char *const names[] = {"type", "file_data", "file_id", "filename", NULL};
    json_t *file = json_object();
    return responses_put(t->p, ret, "file", file) && responses_only(t->p, t->field, t->value, names) &&
           responses_put(t->p, ret, "type", json_string("file")) && copy_text(t, file, "file_data", "file_data") &&
           copy_text(t, file, "file_id", "file_id") && copy_text(t, file, "filename", "filename");
}

static bool read_audio(struct part *t, json_t *ret)
{
    static const char *const names[] = {"type", "input_audio", NULL};
    json_t *audio = json_object_get(t->value, "input_audio");
    if (!json_is_object(audio))
        return wrong(t, "input_audio", "must be an object with data and format");
    return responses_only(t->p, t->field, t->value, names) &&
           responses_put(t->p, ret, "type", json_string("input_audio")) &&
           responses_put(t->p, ret, "input_audio", json_incref(audio));
}

static const struct {
    const char *type;
    bool (*read)(struct part *t, json_t *ret);
} kinds[] = {
    {"input_text", read_text},   {"output_text", read_text}, {"input_image", read_image},
    {"input_file", read_file},   {"input_audio", read_audio}, {"refusal", read_refusal},
};

static bool read_part(struct part *t, json_t *parts)
{
    const char *type = json_string_value(json_object_get(t->value, "type"));
    if (!type)
        return err_set(t->p->err, ERR_INVALID, "'%s' must be an object with a type", t->field);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(type, kinds[i].type) != 0)
            continue;
        json_t *part = json_object();
        return responses_append(t->p, parts, part) && kinds[i].read(t, part);
    }
    return err_set(t->p->err, ERR_INVALID,
                   "'%s.type' is '%.40s'; it must be input_text, input_image, input_file, input_audio, output_text or "
                   "refusal",
                   t->field, type);
}

/* A text alone is a string: not every server takes parts everywhere. */
static json_t *simplest(json_t *parts)
{
    json_t *only = json_array_get(parts, 0), *text = json_object_get(only, "text");
    if (json_array_size(parts) != 1 || !text)
        return parts;
    json_incref(text);
    json_decref(parts);
    return text;
}

json_t *responses_content(struct responses_parse *p, const char *field, const json_t *value)
{
    size_t n = json_array_size(value);
    if (json_is_string(value))
        return json_incref((json_t *)(uintptr_t)value);
    if (!json_is_array(value)) {
        err_set(p->err, ERR_INVALID, "'%s' must be a string or an array of parts, not %s", field,
                value ? json_type_name(value) : "missing");
        return NULL;
    }
    if (n == 0 || n > MAX_PARTS) {
        err_set(p->err, ERR_INVALID, "'%s' has %zu parts; it must have 1 to %d", field, n, MAX_PARTS);
        return NULL;
    }
    json_t *parts = json_array();
    for (size_t i = 0; i < n; i++) {
        struct part t = {.p = p, .value = json_array_get(value, i)};
        snprintf(t.field, sizeof t.field, "%.90s[%zu]", field, i);
        if (!read_part(&t, parts)) {
            json_decref(parts);
            return NULL;
        }
    }
    return simplest(parts);
}
