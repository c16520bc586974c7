/* A body of /api/chat or /api/generate to a chat-completions body, which is then read as any other. Each documented
 * field has a row; what is not honoured is refused by name. Options and messages have their own files. */
#include <stdio.h>

#include "gateway/api/ollama/ollama_internal.h"
#include "gateway/api/openai/openai.h"

/* How the chat parser's sentences name what was asked here. */
const struct field_name ollama_fields[] = {
    {"max_tokens", "options.num_predict"},
    {"context_length", "options.num_ctx"},
    {"temperature", "options.temperature"},
    {"top_k", "options.top_k"},
    {"top_p", "options.top_p"},
    {"min_p", "options.min_p"},
    {"repetition_penalty", "options.repeat_penalty"},
    {"presence_penalty", "options.presence_penalty"},
    {"frequency_penalty", "options.frequency_penalty"},
    {"seed", "options.seed"},
    {"stop", "options.stop"},
    {"reasoning_effort", "think"},
    {NULL, NULL},
};

bool ollama_put(struct ollama_parse *p, const char *key, json_t *value)
{
    return json_object_set_new(p->out, key, value) == 0 || err_nomem(p->err, key);
}

bool ollama_bad_type(struct ollama_parse *p, const char *field, const char *what, const json_t *value)
{
    return err_set(p->err, ERR_INVALID, "'%s' must be %s, not %s", field, what, json_type_name(value));
}

/* ---- one function per shape of field; each is only called with a value that is not null ---- */

static bool take_as_is(struct ollama_parse *p, const char *field, const json_t *value)
{
    return ollama_put(p, field, json_incref((json_t *)value));
}

/* "" is none: clients with typed requests always write the field. */
static bool take_format(struct ollama_parse *p, const char *field, const json_t *value)
{
    bool none = json_is_string(value) && json_string_length(value) == 0;
    return none || take_as_is(p, field, value);
}

static bool take_think(struct ollama_parse *p, const char *field, const json_t *value)
{
    const char *level = json_string_value(value);
    if (json_is_boolean(value))
        return ollama_put(p, "reasoning_effort", json_string(json_is_true(value) ? "medium" : "none"));
    if (level && (strcmp(level, "low") == 0 || strcmp(level, "medium") == 0 || strcmp(level, "high") == 0))
        return ollama_put(p, "reasoning_effort", json_string(level));
    return err_set(p->err, ERR_INVALID, "'%s' must be true, false, \"low\", \"medium\" or \"high\"", field);
}

static bool take_prompt(struct ollama_parse *p, const char *field, const json_t *value)
{
    bool images = strcmp(field, "images") == 0;
    if (images ? !json_is_array(value) : !json_is_string(value))
        return ollama_bad_type(p, field, images ? "an array" : "a string", value);
    if (images)
        p->images = value;
    else if (strcmp(field, "system") == 0)
        p->system = value;
    else if (strcmp(field, "suffix") == 0)
        p->suffix = value;
    else
        p->prompt = value;
    return true;
}

/* Leave to cut what is too long. It is not used: what does not fit is an error, or goes to a model that holds it. */
static bool take_leave(struct ollama_parse *p, const char *field, const json_t *value)
{
    return json_is_boolean(value) || ollama_bad_type(p, field, "true or false", value);
}

static bool refuse_if_said(struct ollama_parse *p, const char *field, const json_t *value, const char *why)
{
    bool none = (json_is_string(value) && json_string_length(value) == 0) || json_is_false(value) ||
                (json_is_array(value) && json_array_size(value) == 0);
    return none || err_set(p->err, ERR_INVALID, "'%s' is not supported: %s", field, why);
}

static bool take_template(struct ollama_parse *p, const char *field, const json_t *value)
{
    return refuse_if_said(p, field, value, "a model's own template is used; send the whole text with \"raw\": true");
}

static bool take_context(struct ollama_parse *p, const char *field, const json_t *value)
{
    return refuse_if_said(p, field, value, "it is deprecated; send the conversation so far to /api/chat");
}

static bool take_raw(struct ollama_parse *p, const char *field, const json_t *value)
{
    p->raw = json_is_true(value);
    return json_is_boolean(value) || ollama_bad_type(p, field, "true or false", value);
}

static bool take_picture_field(struct ollama_parse *p, const char *field, const json_t *value)
{
    (void)value;
    return err_set(p->err, ERR_INVALID, "'%s' is not supported: Rung answers in text and makes no images", field);
}

enum { CHAT = 1, GENERATE = 2, BOTH = CHAT | GENERATE };

static const struct field {
    const char *name;
    unsigned in;
    bool (*take)(struct ollama_parse *p, const char *field, const json_t *value);
} fields[] = {
    {"model", BOTH, take_as_is},
    {"messages", CHAT, ollama_take_messages},
    {"tools", CHAT, take_as_is},
    {"prompt", GENERATE, take_prompt},
    {"system", GENERATE, take_prompt},
    {"images", GENERATE, take_prompt},
    {"raw", GENERATE, take_raw},
    {"suffix", GENERATE, take_prompt},
    {"template", GENERATE, take_template},
    {"context", GENERATE, take_context},
    {"format", BOTH, take_format},
    {"options", BOTH, ollama_take_options},
    {"stream", BOTH, take_as_is},
    {"think", BOTH, take_think},
    {"keep_alive", BOTH, take_as_is},
    {"logprobs", BOTH, take_as_is},
    {"top_logprobs", BOTH, take_as_is},
    {"truncate", BOTH, take_leave},
    {"shift", BOTH, take_leave},
    {"width", GENERATE, take_picture_field},
    {"height", GENERATE, take_picture_field},
    {"steps", GENERATE, take_picture_field},
};

static bool take_fields(struct ollama_parse *p, const json_t *body, unsigned in)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)body, key, value)
    {
        const struct field *f = NULL;
        for (size_t i = 0; i < sizeof fields / sizeof fields[0] && !f; i++) {
            if ((fields[i].in & in) && strcmp(key, fields[i].name) == 0)
                f = &fields[i];
        }
        if (!f)
            return err_set(p->err, ERR_INVALID, "'%.80s' is an unknown field; Rung refuses what it does not honour",
                           key);
        if (!json_is_null(value) && !f->take(p, f->name, value))
            return false;
    }
    return true;
}

static bool add_message(struct ollama_parse *p, json_t *messages, const char *role, json_t *content)
{
    return json_array_append_new(messages, json_pack("{s:s, s:o}", "role", role, "content", content)) == 0 ||
           err_nomem(p->err, "a message");
}

/* The prompt as a conversation: what the system is, then what the user says. */
static bool put_prompt(struct ollama_parse *p)
{
    json_t *messages = json_array(), *content = NULL;
    bool ok = messages != NULL || err_nomem(p->err, "the messages");
    if (ok && json_string_length(p->system) > 0)
        ok = add_message(p, messages, "system", json_incref((json_t *)p->system));
    ok = ok && ollama_content(p, "", p->prompt, p->images, &content) && add_message(p, messages, "user", content);
    if (ok)
        return ollama_put(p, "messages", messages);
    json_decref(messages);
    return false;
}

static bool translate(struct ollama_parse *p, const json_t *body, unsigned in)
{
    if (!take_fields(p, body, in))
        return false;
    if (!json_object_get(p->out, "stream") && !ollama_put(p, "stream", json_true()))
        return false;
    if (in == GENERATE)
        return put_prompt(p);
    return json_array_size(json_object_get(p->out, "messages")) > 0 ||
           err_set(p->err, ERR_INVALID, "'messages' is missing or empty");
}

/* Takes p->out. */
static bool read_translated(struct ollama_parse *p, struct arena *arena, struct request *ret)
{
    struct str body = STR("");
    bool raw = ollama_is_raw(p);
    if (raw && !ollama_raw_body(p, arena, &body)) {
        json_decref(p->out);
        return false;
    }
    if (!openai_parse_built(p->out, arena, ret, p->err))
        return false;
    if (!raw || ollama_raw_settle(p, body, ret, p->err))
        return true;
    request_free(ret);
    return false;
}

static bool parse(struct str text, unsigned in, struct arena *arena, struct request *ret, struct err *err)
{
    json_t *body = NULL;
    struct ollama_parse p = {.out = json_object(), .err = err};
    bool ok = p.out ? json_parse_object(text, "request body", &body, err) : err_nomem(err, "the request");
    ok = ok && translate(&p, body, in);
    if (!ok)
        json_decref(p.out);
    ok = ok && read_translated(&p, arena, ret);
    json_decref(body);
    if (!ok) {
        fields_rename_sentence(ollama_fields, err);
        return false;
    }
    fields_rename_needs(ollama_fields, ret);
    if (ret->needs & NEED_BIT(NEED_IMAGES)) {
        const char *field = arena_strdup(arena, str_of(p.image_field));
        ret->need_fields[NEED_IMAGES] = field ? field : "images";
    }
    return true;
}

bool ollama_parse_chat(struct str body, struct arena *arena, struct request *ret, struct err *err)
{
    return parse(body, CHAT, arena, ret, err);
}

bool ollama_parse_generate(struct str body, struct arena *arena, struct request *ret, struct err *err)
{
    return parse(body, GENERATE, arena, ret, err);
}
