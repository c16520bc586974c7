/* Messages in Ollama's shape to chat-completions messages: images in base64 become parts with data URLs, arguments of
 * calls become texts, and results are tied to the calls they answer, which Ollama does by order and name, not by id. */
#include <stdio.h>

#include "gateway/api/media.h"
#include "gateway/api/ollama/ollama_internal.h"

#define FIELD_BYTES 96
#define MAX_IMAGES 64                     /* of one message */
#define MAX_CALLS 64                      /* of one message */
#define ID_BYTES 48

/* The calls of the assistant's message before, as its results come. */
struct pending {
    const json_t *calls;                  /* as they stand in the body that is built */
    bool answered[MAX_CALLS];
};

static bool is_string(const json_t *value, const char *text)
{
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

/* ---- images ---- */

/* What the first bytes say, as base64 shows them. */
static const char *image_type(struct str base64)
{
    static const struct {
        const char *start, *type;
    } known[] = {{"iVBORw0KGgo", "png"}, {"/9j/", "jpeg"}, {"R0lGOD", "gif"}, {"UklGR", "webp"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (str_starts(base64, str_of(known[i].start)))
            return known[i].type;
    }
    return NULL;
}

static bool image_part(struct ollama_parse *p, const char *field, const json_t *image, json_t **ret)
{
    struct str data = {json_string_value(image), json_string_length(image)};
    struct buf url = BUF_INIT(JSON_MAX_BYTES);
    const char *type = json_is_string(image) && media_is_base64(data) ? image_type(data) : NULL;
    if (!type)
        return err_set(p->err, ERR_INVALID, "'%s' must be a PNG, JPEG, GIF or WebP image in base64", field);
    buf_printf(&url, "data:image/%s;base64,", type);
    buf_str(&url, data);
    *ret = json_pack("{s:s, s:{s:s%}}", "type", "image_url", "image_url", "url", url.p ? url.p : "", url.n);
    bool ok = buf_check(&url, "an image", p->err) && (*ret || err_nomem(p->err, "an image"));
    buf_free(&url);
    return ok;
}

bool ollama_content(struct ollama_parse *p, const char *message, const json_t *text, const json_t *images, json_t **ret)
{
    char field[FIELD_BYTES];
    size_t n = json_array_size(images);
    if (n == 0) {
        *ret = text ? json_incref((json_t *)text) : json_string("");
        return *ret || err_nomem(p->err, "a message");
    }
    json_t *parts = json_array();
    bool ok = parts != NULL || err_nomem(p->err, "a message");
    snprintf(field, sizeof field, "%simages", message);
    if (!p->image_field[0])
        snprintf(p->image_field, sizeof p->image_field, "%s", field);
    if (ok && n > MAX_IMAGES)
        ok = err_set(p->err, ERR_INVALID, "'%s' has %zu images; at most %d are taken", field, n, MAX_IMAGES);
    if (ok && json_string_length(text) > 0)
        ok = json_array_append_new(parts, json_pack("{s:s, s:O}", "type", "text", "text", text)) == 0 ||
             err_nomem(p->err, "a message");
    for (size_t i = 0; ok && i < n; i++) {
        json_t *part = NULL;
        snprintf(field, sizeof field, "%simages[%zu]", message, i);
        ok = image_part(p, field, json_array_get(images, i), &part) &&
             (json_array_append_new(parts, part) == 0 || err_nomem(p->err, "an image"));
    }
    if (ok)
        *ret = parts;
    else
        json_decref(parts);
    return ok;
}

/* ---- calls and results ---- */

/* {"id"?, "function": {"name", "arguments": {...}}}, with its arguments as text and with an id. */
static bool take_call(struct ollama_parse *p, size_t message, size_t i, const json_t *call, json_t *calls)
{
    const json_t *function = json_object_get(call, "function"), *id = json_object_get(call, "id");
    const json_t *name = json_object_get(function, "name"), *arguments = json_object_get(function, "arguments");
    struct buf text = BUF_INIT(JSON_MAX_BYTES);
    char made[ID_BYTES];
    if (!json_is_string(name) || !json_is_object(arguments))
        return err_set(p->err, ERR_INVALID, "'messages[%zu].tool_calls[%zu].function' must have a name and, as "
                                            "arguments, an object", message, i);
    snprintf(made, sizeof made, "call_%zu_%zu", message, i);
    struct json_writer w = JSON_WRITER(&text);
    json_value(&w, arguments);
    json_t *ours = json_pack("{s:o, s:s, s:{s:O, s:s%}}", "id",
                             json_string_length(id) ? json_incref((json_t *)id) : json_string(made), "type",
                             "function", "function", "name", name, "arguments", text.p ? text.p : "", text.n);
    bool ok = buf_check(&text, "a call", p->err) &&
              (json_array_append(calls, ours) == 0 || err_nomem(p->err, "a call"));
    json_decref(ours);
    buf_free(&text);
    return ok;
}

static bool take_calls(struct ollama_parse *p, size_t message, const json_t *value, json_t *ours)
{
    size_t n = json_array_size(value);
    if (!json_is_array(value) || n > MAX_CALLS)
        return err_set(p->err, ERR_INVALID, "'messages[%zu].tool_calls' must be an array of at most %d calls", message,
                       MAX_CALLS);
    json_t *calls = json_array();
    bool ok = calls || err_nomem(p->err, "calls");
    for (size_t i = 0; ok && i < n; i++)
        ok = take_call(p, message, i, json_array_get(value, i), calls);
    if (ok && n > 0)
        ok = json_object_set(ours, "tool_calls", calls) == 0 || err_nomem(p->err, "calls");
    json_decref(calls);
    return ok;
}

/* The call that a result answers: by its id, else the first open one of its name, else the first open one. */
static const json_t *answered_call(struct pending *pending, const json_t *message)
{
    const json_t *id = json_object_get(message, "tool_call_id"), *name = json_object_get(message, "tool_name");
    size_t n = json_array_size(pending->calls), by_order = n, by_name = n;
    for (size_t i = n; i-- > 0;) {
        const json_t *call = json_array_get(pending->calls, i);
        const json_t *is = json_object_get(json_object_get(call, "function"), "name");
        if (pending->answered[i])
            continue;
        by_order = i;
        if (name && json_equal(is, name))
            by_name = i;
    }
    size_t chosen = by_name < n ? by_name : by_order;
    if (json_string_length(id) > 0 || chosen == n)
        return id;
    pending->answered[chosen] = true;
    return json_object_get(json_array_get(pending->calls, chosen), "id");
}

static bool take_result(struct ollama_parse *p, size_t i, const json_t *message, struct pending *pending, json_t *ours)
{
    const json_t *name = json_object_get(message, "tool_name"), *id = answered_call(pending, message);
    if (!json_is_string(id))
        return err_set(p->err, ERR_INVALID, "'messages[%zu]' is the result of a tool that no message before it calls",
                       i);
    bool ok = json_object_set(ours, "tool_call_id", (json_t *)id) == 0 &&
              (!json_is_string(name) || json_object_set(ours, "name", (json_t *)name) == 0);
    return ok || err_nomem(p->err, "a message");
}

/* ---- a message ---- */

static bool check_members(struct ollama_parse *p, size_t i, const json_t *message)
{
    static const char *const texts[] = {"role", "content", "thinking", "tool_name", "tool_call_id"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)message, key, value)
    {
        bool known = strcmp(key, "images") == 0 || strcmp(key, "tool_calls") == 0;
        for (size_t k = 0; k < sizeof texts / sizeof texts[0] && !known; k++) {
            known = strcmp(key, texts[k]) == 0;
            if (known && !json_is_string(value) && !json_is_null(value))
                return err_set(p->err, ERR_INVALID, "'messages[%zu].%s' must be a string, not %s", i, key,
                               json_type_name(value));
        }
        if (!known)
            return err_set(p->err, ERR_INVALID, "'messages[%zu].%.60s' is an unknown field; Rung refuses what it does "
                                                "not honour", i, key);
    }
    return true;
}

static bool take_message(struct ollama_parse *p, size_t i, const json_t *message, struct pending *pending, json_t *ours)
{
    char field[FIELD_BYTES];
    const json_t *role = json_object_get(message, "role"), *images = json_object_get(message, "images");
    const json_t *calls = json_object_get(message, "tool_calls"), *content = json_object_get(message, "content");
    const json_t *thinking = json_object_get(message, "thinking");
    json_t *text = NULL;
    snprintf(field, sizeof field, "messages[%zu].", i);
    if (!json_is_string(role))
        return err_set(p->err, ERR_INVALID, "'messages[%zu].role' is missing", i);
    if (images && !json_is_null(images) && !json_is_array(images))
        return err_set(p->err, ERR_INVALID, "'messages[%zu].images' must be an array, not %s", i,
                       json_type_name(images));
    if (!ollama_content(p, field, json_is_string(content) ? content : NULL, images, &text))
        return false;
    bool ok = json_object_set(ours, "role", (json_t *)role) == 0 && json_object_set(ours, "content", text) == 0 &&
              (!json_is_string(thinking) || json_object_set(ours, "reasoning_content", (json_t *)thinking) == 0);
    json_decref(text);
    if (!ok)
        return err_nomem(p->err, "a message");
    if (calls && !json_is_null(calls) && !take_calls(p, i, calls, ours))
        return false;
    if (is_string(role, "tool"))
        return take_result(p, i, message, pending, ours);
    *pending = (struct pending){.calls = json_object_get(ours, "tool_calls")};
    return true;
}

bool ollama_take_messages(struct ollama_parse *p, const char *field, const json_t *value)
{
    size_t n = json_array_size(value);
    struct pending pending = {0};
    if (!json_is_array(value))
        return ollama_bad_type(p, field, "an array", value);
    json_t *messages = json_array();
    bool ok = messages != NULL || err_nomem(p->err, "the messages");
    for (size_t i = 0; ok && i < n; i++) {
        const json_t *message = json_array_get(value, i);
        json_t *ours = json_object();
        if (!json_is_object(message))
            ok = err_set(p->err, ERR_INVALID, "'messages[%zu]' must be an object, not %s", i, json_type_name(message));
        ok = ok && check_members(p, i, message) && take_message(p, i, message, &pending, ours) &&
             (json_array_append(messages, ours) == 0 || err_nomem(p->err, "a message"));
        json_decref(ours);
    }
    if (ok)
        return ollama_put(p, field, messages);
    json_decref(messages);
    return false;
}
