/* The parts of a message: text, images, sound, files, refusals. What is no text is checked and noted for the planner,
 * which sends such a request to an upstream that takes it, whole, as it was received. */
#include <stdio.h>

#include "gateway/api/media.h"
#include "gateway/api/openai/openai_internal.h"

#define FIELD_BYTES 96
#define MAX_FILE_NAME 256

struct part {
    struct openai_parse *p;
    const json_t *value;         /* the member that the type names: an object, or for text and refusals a string */
    const char *type;
    char field[FIELD_BYTES];     /* "messages[3].content[1]" */
    struct buf *text;
};

/* Of the part's object: a string, or missing. */
static bool get_text(struct part *t, const char *key, struct str *ret)
{
    const json_t *value = json_object_get(t->value, key);
    *ret = STR("");
    if (!value || json_is_null(value))
        return true;
    if (!json_is_string(value))
        return err_set(t->p->err, ERR_INVALID, "'%s.%s.%s' must be a string, not %s", t->field, t->type, key,
                       json_type_name(value));
    *ret = (struct str){json_string_value(value), json_string_length(value)};
    return true;
}

static bool wrong(struct part *t, const char *key, const char *want)
{
    return err_set(t->p->err, ERR_INVALID, "'%s.%s.%s' %s", t->field, t->type, key, want);
}

/* The object's members are these; names ends with NULL. */
static bool check_members(struct part *t, const char *const *names)
{
    const char *key;
    json_t *value;
    if (!json_is_object(t->value))
        return err_set(t->p->err, ERR_INVALID, "'%s.%s' must be an object", t->field, t->type);
    json_object_foreach((json_t *)(uintptr_t)t->value, key, value)
    {
        bool known = false;
        for (size_t i = 0; names[i] && !known; i++)
            known = strcmp(key, names[i]) == 0;
        if (!known)
            return err_set(t->p->err, ERR_INVALID,
                           "'%s.%s.%.40s' is an unknown field; Rung refuses what it does not honour", t->field, t->type,
                           key);
    }
    return true;
}

static bool is_one_of(struct str text, const char *const *names)
{
    for (size_t i = 0; names[i]; i++) {
        if (str_is(text, names[i]))
            return true;
    }
    return false;
}

/* ---- one function per type ---- */

static bool read_text(struct part *t)
{
    buf_add(t->text, json_string_value(t->value), json_string_length(t->value));
    return true;
}

static bool read_refusal(struct part *t)
{
    (void)t;
    return true;
}

static bool read_image(struct part *t)
{
    static const char *const members[] = {"url", "detail", NULL}, *const details[] = {"", "auto", "low", "high", NULL};
    char field[FIELD_BYTES + 24];
    struct str url, detail;
    if (!check_members(t, members) || !get_text(t, "url", &url) || !get_text(t, "detail", &detail))
        return false;
    snprintf(field, sizeof field, "%s.image_url.url", t->field);
    if (!is_one_of(detail, details))
        return wrong(t, "detail", "must be auto, low or high");
    return media_check_image(field, url, t->p->err);
}

static bool check_data(struct part *t, const char *key, struct str data)
{
    if (data.n > MEDIA_MAX_BYTES)
        return wrong(t, key, "is too long");
    return (data.n > 0 && media_is_base64(data)) || wrong(t, key, "must be base64");
}

static bool read_audio(struct part *t)
{
    static const char *const members[] = {"data", "format", NULL}, *const formats[] = {"wav", "mp3", NULL};
    struct str data, format;
    if (!check_members(t, members) || !get_text(t, "data", &data) || !get_text(t, "format", &format))
        return false;
    if (!is_one_of(format, formats))
        return wrong(t, "format", "must be wav or mp3");
    return check_data(t, "data", data);
}

/* Its bytes come with it, as a data URL; or it lies at OpenAI already, which nobody else can read. */
static bool read_file(struct part *t)
{
    static const char *const members[] = {"file_data", "file_id", "filename", NULL};
    struct str data, id, name;
    if (!check_members(t, members) || !get_text(t, "file_data", &data) || !get_text(t, "file_id", &id) ||
        !get_text(t, "filename", &name))
        return false;
    if ((data.n > 0) == (id.n > 0))
        return wrong(t, "file_data", "or file_id must be given, and not both");
    if (name.n > MAX_FILE_NAME)
        return wrong(t, "filename", "is too long");
    if (id.n)
        request_needs(t->p->r, NEED_OPENAI, "%s.file.file_id", t->field);
    if (data.n > MEDIA_MAX_BYTES)
        return wrong(t, "file_data", "is too long");
    return true;
}

static const struct kind {
    const char *type;
    bool (*read)(struct part *t);
    bool is_text;                /* the member is a string */
    enum need need;              /* NEED_COUNT: none */
} kinds[] = {
    {"text", read_text, true, NEED_COUNT},
    {"refusal", read_refusal, true, NEED_OPENAI},
    {"image_url", read_image, false, NEED_IMAGES},
    {"input_audio", read_audio, false, NEED_AUDIO},
    {"file", read_file, false, NEED_FILES},
};

static const struct kind *find_kind(const char *type)
{
    for (size_t i = 0; type && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(type, kinds[i].type) == 0)
            return &kinds[i];
    }
    return NULL;
}

bool openai_parse_part(struct openai_parse *p, size_t message, size_t i, const json_t *part, struct buf *text)
{
    const char *type = json_string_value(json_object_get(part, "type"));
    struct part t = {.p = p, .value = type ? json_object_get(part, type) : NULL, .type = type, .text = text};
    const struct kind *kind = find_kind(type);
    snprintf(t.field, sizeof t.field, "messages[%zu].content[%zu]", message, i);
    if (!type)
        return err_set(p->err, ERR_INVALID, "'%s' must be an object with a type", t.field);
    if (!kind)
        return err_set(p->err, ERR_INVALID, "'%s.type' is '%.40s', which is unknown", t.field, type);
    if (!t.value || json_object_size(part) != 2 || (kind->is_text && !json_is_string(t.value)))
        return err_set(p->err, ERR_INVALID, "'%s' must hold type and %s, and nothing else", t.field, kind->type);
    if (kind->need != NEED_COUNT)
        request_needs(p->r, kind->need, "%s (%s)", t.field, kind->type);
    if (!kind->is_text && ++p->n_media > MEDIA_MAX_PARTS)
        return err_set(p->err, ERR_INVALID, "'%s' is one too many: at most %d images, sounds and files are taken",
                       t.field, MEDIA_MAX_PARTS);
    return kind->read(&t);
}
