/* Going through what a request would carry away: the messages as they are joined, and every text of the body, for
 * upstreams get its members as they stand. Strings are looked at as they mean, not as they are escaped. */
#include "data/json.h"
#include "gateway/embed.h"
#include "gateway/residency/residency.h"

static void look_at(const struct residency *r, struct str text, struct residency_verdict *v)
{
    pii_scan(text, &v->found);
    if (r->patterns)
        detectors_scan(r->patterns, text, v->patterns);
}

/* Members whose strings are pictures, sound or files, or where to get them. */
static bool is_unread(const char *key)
{
    static const char *const keys[] = {"image_url", "input_audio", "file", "audio", "image", "images", "source", NULL};
    for (int i = 0; keys[i]; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static void look_at_json(const struct residency *r, const json_t *value, struct residency_verdict *v)
{
    const char *key;
    json_t *item;
    if (json_is_string(value)) {
        look_at(r, (struct str){json_string_value(value), json_string_length(value)}, v);
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            look_at_json(r, json_array_get(value, i), v);
    } else if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, item)
        {
            look_at(r, str_of(key), v);
            look_at_json(r, item, v);
            v->unread |= is_unread(key) && !json_is_null(item);
        }
    }
}

/* An object that was received; what cannot be read again is unread. */
static void look_at_bytes(const struct residency *r, struct str bytes, struct residency_verdict *v)
{
    json_t *object = NULL;
    if (json_parse_object(bytes, "the body", &object, NULL))
        look_at_json(r, object, v);
    else
        v->unread |= bytes.n > 0;
    json_decref(object);
}

static void look_at_messages(const struct residency *r, const struct request *req, struct residency_verdict *v)
{
    for (int i = 0; i < req->n_messages; i++) {
        look_at(r, req->messages[i].content, v);
        look_at(r, req->messages[i].reasoning, v);
        look_at(r, req->messages[i].name, v);
    }
}

/* The same text seen twice, joined as a message and in its parts, is found once. */
static void most_of(struct residency_verdict *v, const struct residency_verdict *other)
{
    for (int k = 0; k < PII_COUNT; k++)
        v->found.n[k] = v->found.n[k] > other->found.n[k] ? v->found.n[k] : other->found.n[k];
    for (int k = 0; k < DETECTORS_MAX; k++)
        v->patterns[k] = v->patterns[k] > other->patterns[k] ? v->patterns[k] : other->patterns[k];
    v->unread |= other->unread;
}

void residency_look(const struct residency *r, const struct request *req, struct residency_verdict *v)
{
    struct residency_verdict whole = {0}, sent = {0};
    look_at_messages(r, req, v);
    look_at(r, req->suffix, v);
    if (req->json)
        look_at_json(r, req->json, &whole);
    else
        look_at_bytes(r, req->body, &whole);
    look_at_bytes(r, req->anthropic, &sent);
    for (int i = 0; req->embed && i < req->embed->n; i++)
        v->unread |= req->embed->inputs[i].tokens != NULL;
    v->unread |= req->prompt_tokens ||
                 (req->needs & (NEED_BIT(NEED_IMAGES) | NEED_BIT(NEED_FILES) | NEED_BIT(NEED_AUDIO)));
    most_of(v, &whole);
    most_of(v, &sent);
}
