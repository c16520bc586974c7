/* What is said in Anthropic's dialect as messages of a chat-completions body: a turn of results becomes a message for
 * each, images and documents become parts, thoughts are left out, as that body's convention is. What cannot be said in
 * it is noted as a need that only an upstream of the same API has; that gets the body as it came. */
#include <stdio.h>

#include "gateway/api/anthropic/anthropic_internal.h"
#include "runtime/generate.h"

#define MAX_BLOCKS 4096

/* One turn on its way. */
struct turn {
    struct anthropic_parse *p;
    size_t index;
    bool assistant;
    const json_t *before;                /* the content of the turn before it, for the calls that results answer */
    json_t *parts, *calls;
};

static struct str text_of(const json_t *value)
{
    return json_is_string(value) ? (struct str){json_string_value(value), json_string_length(value)} : STR("");
}

static bool add_message(struct anthropic_parse *p, int origin, json_t *message)
{
    if (p->n_origin == GENERATION_MAX_MESSAGES) {
        json_decref(message);
        return err_set(p->err, ERR_INVALID, "'messages' has more than %d messages and results",
                       GENERATION_MAX_MESSAGES);
    }
    if (!message || json_array_append_new(p->messages, message) < 0)
        return err_nomem(p->err, "the messages");
    p->origin[p->n_origin++] = origin;
    return true;
}

static bool add_text(struct turn *t, struct str text)
{
    json_t *part = json_pack("{s:s, s:o}", "type", "text", "text", json_stringn(text.p, text.n));
    return json_array_append_new(t->parts, part) == 0 || err_nomem(t->p->err, "the messages");
}

/* ---- blocks of a user's turn, and of results ---- */

static bool take_text(struct turn *t, const char *field, const json_t *block)
{
    static const char *const keys[] = {"type", "text", "cache_control", "citations", NULL};
    struct str text;
    return anthropic_only_keys(t->p, field, block, keys) && anthropic_need_str(t->p, field, block, "text", &text) &&
           add_text(t, text);
}

static bool add_image(struct turn *t, const char *field, struct str url)
{
    anthropic_needs(t->p, NEED_IMAGES, field);
    json_t *part = json_pack("{s:s, s:{s:o}}", "type", "image_url", "image_url", "url", json_stringn(url.p, url.n));
    return json_array_append_new(t->parts, part) == 0 || err_nomem(t->p->err, field);
}

static bool add_inlined_image(struct turn *t, const char *field, struct str type, struct str data)
{
    struct buf url = BUF_INIT(JSON_MAX_BYTES);
    buf_puts(&url, "data:");
    buf_str(&url, type);
    buf_puts(&url, ";base64,");
    buf_str(&url, data);
    bool ok = buf_check(&url, field, t->p->err) && add_image(t, field, buf_view(&url));
    buf_free(&url);
    return ok;
}

static bool take_image(struct turn *t, const char *field, const json_t *block)
{
    static const char *const keys[] = {"type", "source", "cache_control", NULL};
    const json_t *source = json_object_get(block, "source");
    struct str type, a, b;
    char name[ANTHROPIC_FIELD_BYTES];
    snprintf(name, sizeof name, "%.100s.source", field);
    if (!anthropic_only_keys(t->p, field, block, keys) || !anthropic_need_str(t->p, name, source, "type", &type))
        return false;
    if (str_is(type, "base64"))
        return anthropic_need_str(t->p, name, source, "media_type", &a) &&
               anthropic_need_str(t->p, name, source, "data", &b) && add_inlined_image(t, field, a, b);
    if (str_is(type, "url"))
        return anthropic_need_str(t->p, name, source, "url", &a) && add_image(t, field, a);
    if (!str_is(type, "file"))
        return err_set(t->p->err, ERR_INVALID, "'%s.type' must be base64, url or file", name);
    anthropic_needs(t->p, NEED_ANTHROPIC, name);
    return true;
}

static bool add_pdf(struct turn *t, const char *field, const json_t *title, struct str data)
{
    struct buf url = BUF_INIT(JSON_MAX_BYTES);
    struct str name = json_is_string(title) ? text_of(title) : STR("document.pdf");
    buf_puts(&url, "data:application/pdf;base64,");
    buf_str(&url, data);
    bool ok = buf_check(&url, field, t->p->err);
    anthropic_needs(t->p, NEED_FILES, field);
    ok = ok && (json_array_append_new(t->parts, json_pack("{s:s, s:{s:o, s:o}}", "type", "file", "file", "filename",
                                                          json_stringn(name.p, name.n), "file_data",
                                                          json_stringn(url.p, url.n))) == 0 ||
                err_nomem(t->p->err, field));
    buf_free(&url);
    return ok;
}

/* Text documents are text to every model; PDFs go where files can; the rest, to Anthropic. */
static bool take_document(struct turn *t, const char *field, const json_t *block)
{
    static const char *const keys[] = {"type", "source", "title", "context", "citations", "cache_control", NULL};
    const json_t *source = json_object_get(block, "source"), *title = json_object_get(block, "title");
    const json_t *context = json_object_get(block, "context");
    struct str type, data;
    char name[ANTHROPIC_FIELD_BYTES];
    snprintf(name, sizeof name, "%.100s.source", field);
    if (!anthropic_only_keys(t->p, field, block, keys) || !anthropic_need_str(t->p, name, source, "type", &type))
        return false;
    if (json_is_true(json_object_get(json_object_get(block, "citations"), "enabled")))
        return err_set(t->p->err, ERR_INVALID, "'%s.citations' is not supported: answers carry no citations", field);
    if (json_is_string(context) && !add_text(t, text_of(context)))
        return false;
    if (str_is(type, "text"))
        return (!json_is_string(title) || add_text(t, text_of(title))) &&
               anthropic_need_str(t->p, name, source, "data", &data) && add_text(t, data);
    if (str_is(type, "base64") && str_is(text_of(json_object_get(source, "media_type")), "application/pdf"))
        return anthropic_need_str(t->p, name, source, "data", &data) && add_pdf(t, field, title, data);
    anthropic_needs(t->p, NEED_ANTHROPIC, name);
    return true;
}

/* ---- results ---- */

static bool result_text(struct turn *t, const char *field, const json_t *content, struct buf *out)
{
    if (json_is_string(content))
        buf_str(out, text_of(content));
    else if (content && !json_is_null(content) && !json_is_array(content))
        return anthropic_bad_type(t->p, field, "a string or an array of blocks", content);
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        struct str type = text_of(json_object_get(block, "type"));
        char name[ANTHROPIC_FIELD_BYTES];
        snprintf(name, sizeof name, "%.90s[%zu] (%.20s)", field, i, type.p);
        if (str_is(type, "text"))
            buf_str(out, text_of(json_object_get(block, "text")));
        else if (str_is(type, "image") || str_is(type, "document") || str_is(type, "search_result"))
            anthropic_needs(t->p, NEED_ANTHROPIC, name);
        else
            return err_set(t->p->err, ERR_INVALID, "'%.90s[%zu].type' must be text, image, document or search_result",
                           field, i);
    }
    return buf_check(out, field, t->p->err);
}

static bool was_called(const struct turn *t, struct str id)
{
    for (size_t i = 0; i < json_array_size(t->before); i++) {
        const json_t *block = json_array_get(t->before, i);
        if (str_is(text_of(json_object_get(block, "type")), "tool_use") &&
            str_eq(text_of(json_object_get(block, "id")), id))
            return true;
    }
    return false;
}

/* A chat-completions body cannot mark a result as an error; its text then says so. */
static bool take_result(struct turn *t, const char *field, const json_t *block)
{
    static const char *const keys[] = {"type", "tool_use_id", "content", "is_error", "cache_control", NULL};
    struct buf text = BUF_INIT(JSON_MAX_BYTES);
    struct str id;
    char name[ANTHROPIC_FIELD_BYTES];
    snprintf(name, sizeof name, "%.100s.content", field);
    if (!anthropic_only_keys(t->p, field, block, keys) ||
        !anthropic_need_str(t->p, field, block, "tool_use_id", &id))
        return false;
    if (!was_called(t, id))
        return err_set(t->p->err, ERR_INVALID,
                       "'%s.tool_use_id' is '" STR_FMT "', which is no tool_use of the message before it", field,
                       STR_ARG(utf8_clip(id, 64)));
    if (json_is_true(json_object_get(block, "is_error")))
        buf_puts(&text, "Error: ");
    bool ok = result_text(t, name, json_object_get(block, "content"), &text) &&
              add_message(t->p, (int)t->index,
                          json_pack("{s:s, s:O, s:o}", "role", "tool", "tool_call_id",
                                    json_object_get(block, "tool_use_id"), "content",
                                    json_stringn(text.p ? text.p : "", text.n)));
    buf_free(&text);
    return ok;
}

/* ---- blocks of an assistant's turn ---- */

static bool take_call(struct turn *t, const char *field, const json_t *block)
{
    static const char *const keys[] = {"type", "id", "name", "input", "cache_control", "caller", NULL};
    const json_t *input = json_object_get(block, "input");
    struct buf text = BUF_INIT(JSON_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&text);
    struct str id, name;
    if (!anthropic_only_keys(t->p, field, block, keys) || !anthropic_need_str(t->p, field, block, "id", &id) ||
        !anthropic_need_str(t->p, field, block, "name", &name))
        return false;
    if (!json_is_object(input))
        return err_set(t->p->err, ERR_INVALID, "'%s.input' must be an object, not %s", field,
                       input ? json_type_name(input) : "missing");
    json_value(&w, input);
    json_t *call = json_pack("{s:O, s:s, s:{s:O, s:o}}", "id", json_object_get(block, "id"), "type", "function",
                             "function", "name", json_object_get(block, "name"), "arguments",
                             json_stringn(text.p ? text.p : "", text.n));
    bool ok = buf_check(&text, field, t->p->err) &&
              (json_array_append_new(t->calls, call) == 0 || err_nomem(t->p->err, field));
    buf_free(&text);
    return ok;
}

static bool take_block(struct turn *t, const char *field, const json_t *block)
{
    static const struct {
        const char *type;
        bool assistant, user;
        bool (*take)(struct turn *t, const char *field, const json_t *block);
    } kinds[] = {
        {"text", true, true, take_text},
        {"image", false, true, take_image},
        {"document", false, true, take_document},
        {"tool_result", false, true, take_result},
        {"tool_use", true, false, take_call},
        {"thinking", true, false, NULL},
        {"redacted_thinking", true, false, NULL},
    };
    struct str type;
    if (!anthropic_need_str(t->p, field, block, "type", &type))
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (str_is(type, kinds[i].type) && (t->assistant ? kinds[i].assistant : kinds[i].user))
            return !kinds[i].take || kinds[i].take(t, field, block);
    }
    if (!str_is(type, "search_result") || t->assistant)
        return err_set(t->p->err, ERR_INVALID, "'%s.type' is '" STR_FMT "', which is not supported in %s message",
                       field, STR_ARG(utf8_clip(type, 60)), t->assistant ? "an assistant's" : "a user's");
    anthropic_needs(t->p, NEED_ANTHROPIC, field);
    return true;
}

/* ---- turns ---- */

static bool take_blocks(struct turn *t, const json_t *content)
{
    size_t n = json_array_size(content);
    if (n > MAX_BLOCKS)
        return err_set(t->p->err, ERR_INVALID, "'messages[%zu].content' has %zu blocks; at most %d are taken", t->index,
                       n, MAX_BLOCKS);
    for (size_t i = 0; i < n; i++) {
        char field[ANTHROPIC_FIELD_BYTES];
        snprintf(field, sizeof field, "messages[%zu].content[%zu]", t->index, i);
        if (!take_block(t, field, json_array_get(content, i)))
            return false;
    }
    return true;
}

static bool add_turn(struct turn *t, const char *role)
{
    bool calls = json_array_size(t->calls) > 0, parts = json_array_size(t->parts) > 0;
    bool answered = t->p->n_origin > 0 && t->p->origin[t->p->n_origin - 1] == (int)t->index;
    if (!calls && !parts && (answered || t->assistant))
        return true;                     /* a turn of results, or of thoughts alone */
    json_t *message = json_pack("{s:s}", "role", role);
    json_object_set(message, "content", calls && !parts ? json_null() : t->parts);
    if (calls)
        json_object_set(message, "tool_calls", t->calls);
    return add_message(t->p, (int)t->index, message);
}

static bool take_turn(struct anthropic_parse *p, size_t i, const json_t *message, const json_t *before)
{
    static const char *const keys[] = {"role", "content", NULL};
    const json_t *content = json_object_get(message, "content");
    char field[ANTHROPIC_FIELD_BYTES];
    struct str role;
    snprintf(field, sizeof field, "messages[%zu]", i);
    if (!anthropic_need_str(p, field, message, "role", &role) || !anthropic_only_keys(p, field, message, keys))
        return false;
    if (!str_is(role, "user") && !str_is(role, "assistant") && !str_is(role, "system"))
        return err_set(p->err, ERR_INVALID, "'%s.role' is '" STR_FMT "'; it must be user, assistant or system", field,
                       STR_ARG(utf8_clip(role, 40)));
    if (json_is_string(content))
        return add_message(p, (int)i, json_pack("{s:O, s:O}", "role", json_object_get(message, "role"), "content",
                                                content));
    if (!json_is_array(content))
        return err_set(p->err, ERR_INVALID, "'%s.content' must be a string or an array of blocks, not %s", field,
                       content ? json_type_name(content) : "missing");
    struct turn t = {.p = p, .index = i, .assistant = str_is(role, "assistant"), .before = before,
                     .parts = json_array(), .calls = json_array()};
    bool ok = (t.parts && t.calls) || err_nomem(p->err, field);
    ok = ok && take_blocks(&t, content) && add_turn(&t, json_string_value(json_object_get(message, "role")));
    json_decref(t.parts);
    json_decref(t.calls);
    return ok;
}

/* An answer that is begun for the model cannot be said in a chat-completions body. */
static void note_prefill(struct anthropic_parse *p, const json_t *messages)
{
    size_t n = json_array_size(messages);
    char field[ANTHROPIC_FIELD_BYTES];
    if (!str_is(text_of(json_object_get(json_array_get(messages, n - 1), "role")), "assistant"))
        return;
    snprintf(field, sizeof field, "messages[%zu] (the beginning of the answer)", n - 1);
    anthropic_needs(p, NEED_ANTHROPIC, field);
}

/* As many chat messages as there may be: each block may become one. */
static bool open_messages(struct anthropic_parse *p)
{
    size_t most = 1;
    for (size_t i = 0; i < json_array_size(p->turns); i++) {
        size_t blocks = json_array_size(json_object_get(json_array_get(p->turns, i), "content"));
        most += 1 + (blocks < MAX_BLOCKS ? blocks : MAX_BLOCKS);
    }
    p->origin = arena_array(p->arena, most, sizeof *p->origin);
    p->messages = json_array();
    return (p->origin && anthropic_put(p, "messages", p->messages)) || err_nomem(p->err, "the messages");
}

static bool take_system(struct anthropic_parse *p)
{
    struct turn t = {.p = p, .parts = json_array()};
    bool ok = t.parts != NULL || err_nomem(p->err, "system");
    if (json_is_string(p->system))
        ok = ok && (json_string_length(p->system) == 0 || add_text(&t, text_of(p->system)));
    else if (p->system && !json_is_array(p->system))
        ok = ok && anthropic_bad_type(p, "system", "a string or an array of text blocks", p->system);
    for (size_t i = 0; ok && i < json_array_size(p->system); i++) {
        char name[ANTHROPIC_FIELD_BYTES];
        snprintf(name, sizeof name, "system[%zu]", i);
        const json_t *block = json_array_get(p->system, i);
        bool text = str_is(text_of(json_object_get(block, "type")), "text");
        ok = text ? take_text(&t, name, block)
                  : err_set(p->err, ERR_INVALID, "'%s' must be an object of the type text", name);
    }
    if (ok && json_array_size(t.parts) > 0)
        ok = add_message(p, -1, json_pack("{s:s, s:O}", "role", "system", "content", t.parts));
    json_decref(t.parts);
    return ok;
}

bool anthropic_take_conversation(struct anthropic_parse *p)
{
    size_t n = json_array_size(p->turns);
    if (!json_is_array(p->turns))
        return anthropic_bad_type(p, "messages", "an array", p->turns);
    if (n == 0 || n > GENERATION_MAX_MESSAGES)
        return err_set(p->err, ERR_INVALID, "'messages' has %zu messages; it must have 1 to %d", n,
                       GENERATION_MAX_MESSAGES);
    if (!open_messages(p) || !take_system(p))
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *before = i ? json_object_get(json_array_get(p->turns, i - 1), "content") : NULL;
        if (!take_turn(p, i, json_array_get(p->turns, i), before))
            return false;
    }
    note_prefill(p, p->turns);
    return true;
}
