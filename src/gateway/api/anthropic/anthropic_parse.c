/* A body of /v1/messages to a chat-completions body, which is then read as any other; an upstream of the same API gets
 * the body as it came. Each documented field has a row; what is not honoured is refused by name. Messages and tools
 * have their own files. */
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "gateway/api/anthropic/anthropic_internal.h"
#include "gateway/api/fields.h"
#include "gateway/api/openai/openai.h"

#define MIN_BUDGET_TOKENS 1024
#define MAX_LIMIT (1ll << 31)

/* How the chat parser's sentences name what was asked here. */
static const struct field_name names[] = {
    {"stop", "stop_sequences"},
    {"user", "metadata.user_id"},
    {"reasoning_effort", "thinking"},
    {"chat_template_kwargs", "thinking"},
    {"parallel_tool_calls", "tool_choice.disable_parallel_tool_use"},
    {"tool_choice.function", "tool_choice"},
    {"response_format.json_schema", "output_config.format"},
    {"response_format", "output_config.format"},
    {NULL, NULL},
};

bool anthropic_put(struct anthropic_parse *p, const char *key, json_t *value)
{
    return json_object_set_new(p->chat, key, value) == 0 || err_nomem(p->err, key);
}

bool anthropic_bad_type(struct anthropic_parse *p, const char *field, const char *what, const json_t *value)
{
    return err_set(p->err, ERR_INVALID, "'%s' must be %s, not %s", field, what,
                   value ? json_type_name(value) : "missing");
}

bool anthropic_need_str(struct anthropic_parse *p, const char *field, const json_t *object, const char *key,
                        struct str *ret)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_object(object))
        return anthropic_bad_type(p, field, "an object", object);
    if (!json_is_string(value))
        return err_set(p->err, ERR_INVALID, "'%s.%s' must be a string, not %s", field, key,
                       value ? json_type_name(value) : "missing");
    *ret = (struct str){json_string_value(value), json_string_length(value)};
    return true;
}

bool anthropic_only_keys(struct anthropic_parse *p, const char *field, const json_t *object, const char *const *keys)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        bool known = json_is_null(value);
        for (int i = 0; keys[i] && !known; i++)
            known = strcmp(key, keys[i]) == 0;
        if (!known)
            return err_set(p->err, ERR_INVALID, "'%s.%.60s' is an unknown field; Rung refuses what it does not honour",
                           field, key);
    }
    return true;
}

void anthropic_needs(struct anthropic_parse *p, enum need need, const char *field)
{
    if (!p->needs[need])
        p->needs[need] = arena_strdup(p->arena, str_of(field));
}

/* ---- one function per shape of field; each is only called with a value that is not null ---- */

static bool take_as_is(struct anthropic_parse *p, const char *field, const json_t *value)
{
    return anthropic_put(p, field, json_incref((json_t *)value));
}

static bool take_stop(struct anthropic_parse *p, const char *field, const json_t *value)
{
    if (!json_is_array(value))
        return anthropic_bad_type(p, field, "an array of strings", value);
    return json_array_size(value) == 0 || anthropic_put(p, "stop", json_incref((json_t *)value));
}

static bool take_limit(struct anthropic_parse *p, const char *field, const json_t *value)
{
    if (!json_is_integer(value) || json_integer_value(value) < 1 || json_integer_value(value) > MAX_LIMIT)
        return err_set(p->err, ERR_INVALID, "'%s' must be an integer of at least 1", field);
    return take_as_is(p, field, value);
}

static bool take_temperature(struct anthropic_parse *p, const char *field, const json_t *value)
{
    if (!json_is_number(value) || json_number_value(value) < 0 || json_number_value(value) > 1)
        return err_set(p->err, ERR_INVALID, "'%s' must be a number from 0 to 1", field);
    return take_as_is(p, field, value);
}

static bool take_conversation_part(struct anthropic_parse *p, const char *field, const json_t *value)
{
    if (strcmp(field, "system") == 0)
        p->system = value;
    else
        p->turns = value;
    return true;
}

/* user_id is theirs; the other pairs are Rung's (kind, privacy, conversation_id) and routes'. */
static bool take_metadata(struct anthropic_parse *p, const char *field, const json_t *value)
{
    if (!json_is_object(value))
        return anthropic_bad_type(p, field, "an object", value);
    json_t *ours = json_copy((json_t *)value), *user = json_object_get(value, "user_id");
    if (!ours)
        return err_nomem(p->err, field);
    json_object_del(ours, "user_id");
    bool ok = json_object_size(ours) == 0 || anthropic_put(p, "metadata", json_incref(ours));
    json_decref(ours);
    return ok && (!user || json_is_null(user) || anthropic_put(p, "user", json_incref(user)));
}

static bool take_service_tier(struct anthropic_parse *p, const char *field, const json_t *value)
{
    const char *tier = json_string_value(value);
    return (tier && (strcmp(tier, "auto") == 0 || strcmp(tier, "standard_only") == 0)) ||
           err_set(p->err, ERR_INVALID, "'%s' must be auto or standard_only", field);
}

/* What was read before is remembered without being asked: there is nothing to mark. */
static bool take_cache_control(struct anthropic_parse *p, const char *field, const json_t *value)
{
    return json_is_object(value) || anthropic_bad_type(p, field, "an object", value);
}

static bool take_thinking(struct anthropic_parse *p, const char *field, const json_t *value)
{
    (void)field;
    p->thinking = value;
    return true;
}

static bool take_format(struct anthropic_parse *p, const char *field, const json_t *value)
{
    static const char *const keys[] = {"type", "schema", NULL};
    struct str type;
    const json_t *schema = json_object_get(value, "schema");
    if (!anthropic_need_str(p, field, value, "type", &type) || !anthropic_only_keys(p, field, value, keys))
        return false;
    if (!str_is(type, "json_schema") || !json_is_object(schema))
        return err_set(p->err, ERR_INVALID, "'%s' must have the type json_schema and a schema", field);
    return anthropic_put(p, "response_format",
                         json_pack("{s:s, s:{s:s, s:O}}", "type", "json_schema", "json_schema", "name", "answer",
                                   "schema", schema));
}

static bool take_output_config(struct anthropic_parse *p, const char *field, const json_t *value)
{
    static const char *const keys[] = {"format", "effort", NULL};
    const json_t *format = json_object_get(value, "format");
    if (!json_is_object(value))
        return anthropic_bad_type(p, field, "an object", value);
    p->effort = json_object_get(value, "effort");
    return anthropic_only_keys(p, field, value, keys) &&
           (!format || json_is_null(format) || take_format(p, "output_config.format", format));
}

/* Thoughts of earlier turns are cleared here anyway; what else is cut from a prompt, only their API knows how. */
static bool take_context_management(struct anthropic_parse *p, const char *field, const json_t *value)
{
    const json_t *edits = json_object_get(value, "edits");
    if (!json_is_object(value))
        return anthropic_bad_type(p, field, "an object", value);
    for (size_t i = 0; i < json_array_size(edits); i++) {
        const char *type = json_string_value(json_object_get(json_array_get(edits, i), "type"));
        if (!type || strncmp(type, "clear_thinking_", 15) != 0)
            anthropic_needs(p, NEED_ANTHROPIC, field);
    }
    return true;
}

/* There is one speed here; the other is Anthropic's to sell. */
static bool take_speed(struct anthropic_parse *p, const char *field, const json_t *value)
{
    const char *speed = json_string_value(value);
    return (speed && strcmp(speed, "standard") == 0) ||
           err_set(p->err, ERR_INVALID, "'%s' is not supported unless it is standard; leave it out", field);
}

static bool take_refused(struct anthropic_parse *p, const char *field, const json_t *value)
{
    bool none = (json_is_array(value) && json_array_size(value) == 0);
    return none || err_set(p->err, ERR_INVALID, "'%s' is not supported: it names what runs at Anthropic; leave it out",
                           field);
}

static const struct field {
    const char *name;
    bool (*take)(struct anthropic_parse *p, const char *field, const json_t *value);
} fields[] = {
    {"model", take_as_is},
    {"messages", take_conversation_part},
    {"system", take_conversation_part},
    {"max_tokens", take_limit},
    {"stream", take_as_is},
    {"stop_sequences", take_stop},
    {"temperature", take_temperature},
    {"top_p", take_as_is},
    {"top_k", take_as_is},
    {"tools", anthropic_take_tools},
    {"tool_choice", anthropic_take_tool_choice},
    {"thinking", take_thinking},
    {"output_config", take_output_config},
    {"output_format", take_format},
    {"metadata", take_metadata},
    {"service_tier", take_service_tier},
    {"cache_control", take_cache_control},
    {"context_length", take_as_is},
    {"keep_alive", take_as_is},
    {"container", take_refused},
    {"context_management", take_context_management},
    {"mcp_servers", take_refused},
    {"inference_geo", take_refused},
    {"diagnostics", take_refused},
    {"user_profile_id", take_refused},
    {"workspace_id", take_refused},
    {"speed", take_speed},
};

static bool take_fields(struct anthropic_parse *p, const json_t *body)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)body, key, value)
    {
        const struct field *f = fields_row(fields, sizeof fields / sizeof fields[0], sizeof fields[0], key, p->err);
        if (!f || (!json_is_null(value) && !f->take(p, f->name, value)))
            return false;
    }
    return true;
}

/* ---- what two fields say together ---- */

/* An effort without thinking changes nothing here unless it is the usual one. */
static bool settle_effort(struct anthropic_parse *p, bool thinks, struct str *ret)
{
    static const char *const efforts[] = {"low", "medium", "high", "xhigh", "max"};
    *ret = STR("");
    if (!p->effort || json_is_null(p->effort))
        return true;
    for (size_t i = 0; i < sizeof efforts / sizeof efforts[0]; i++) {
        if (json_is_string(p->effort) && strcmp(json_string_value(p->effort), efforts[i]) == 0)
            *ret = str_of(i == 4 ? "xhigh" : efforts[i]);
    }
    if (!ret->n)
        return err_set(p->err, ERR_INVALID, "'output_config.effort' must be low, medium, high, xhigh or max");
    if (!thinks && !str_is(*ret, "high"))
        anthropic_needs(p, NEED_ANTHROPIC, "output_config.effort (without thinking)");
    return true;
}

static bool check_budget(struct anthropic_parse *p, int64_t *ret)
{
    const json_t *limit = json_object_get(p->chat, "max_tokens");
    *ret = 0;
    if (!json_get_i64(p->thinking, "budget_tokens", MIN_BUDGET_TOKENS, MAX_LIMIT, ret, p->err))
        return err_prefix(p->err, "'thinking.budget_tokens': ");
    if (!*ret)
        return err_set(p->err, ERR_INVALID, "'thinking.budget_tokens' is missing");
    return !limit || *ret < json_integer_value(limit) ||
           err_set(p->err, ERR_INVALID, "'thinking.budget_tokens' must be less than max_tokens");
}

static bool put_effort(struct anthropic_parse *p, struct str effort)
{
    return anthropic_put(p, "reasoning_effort", json_stringn(effort.p, effort.n));
}

/* A budget is an effort to those that have no budgets. */
static bool settle_thinking(struct anthropic_parse *p)
{
    static const char *const keys[] = {"type", "budget_tokens", "display", NULL};
    struct str type = STR("unset"), effort;
    int64_t budget;
    if (p->thinking && (!anthropic_need_str(p, "thinking", p->thinking, "type", &type) ||
                        !anthropic_only_keys(p, "thinking", p->thinking, keys)))
        return false;
    bool adaptive = str_is(type, "adaptive"), enabled = str_is(type, "enabled");
    const char *display = json_string_value(json_object_get(p->thinking, "display"));
    if (display && strcmp(display, "summarized") != 0)
        anthropic_needs(p, NEED_ANTHROPIC, "thinking.display");
    if (!settle_effort(p, adaptive || enabled, &effort))
        return false;
    if (str_is(type, "unset"))
        return true;
    if (str_is(type, "disabled"))
        return put_effort(p, STR("none"));
    if (adaptive && !effort.n)
        return anthropic_put(p, "chat_template_kwargs", json_pack("{s:b}", "enable_thinking", 1));
    if (adaptive)
        return put_effort(p, effort);
    if (!enabled)
        return err_set(p->err, ERR_INVALID, "'thinking.type' must be enabled, adaptive or disabled");
    if (!check_budget(p, &budget))
        return false;
    if (!effort.n)
        effort = budget <= 2048 ? STR("low") : budget <= 8192 ? STR("medium") : STR("high");
    return put_effort(p, effort);
}

/* ---- sentences about the chat body, in this dialect's words ---- */

static void replace(char *text, size_t size, const char *from, const char *to)
{
    char rest[512];
    char *at = strstr(text, from);
    if (!at)
        return;
    snprintf(rest, sizeof rest, "%s", at + strlen(from));
    snprintf(at, size - (size_t)(at - text), "%s%s", to, rest);
}

static void rename_sentence(const struct anthropic_parse *p, struct err *err)
{
    static const char head[] = "'messages[";
    char text[sizeof err->msg], *end;
    fields_rename_sentence(names, err);
    if (strncmp(err->msg, "'tools[", 7) == 0) {
        replace(err->msg, sizeof err->msg, ".function.parameters", ".input_schema");
        replace(err->msg, sizeof err->msg, ".function.", ".");
    }
    if (strncmp(err->msg, head, strlen(head)) != 0)
        return;
    replace(err->msg, sizeof err->msg, ".image_url.url", ".source");
    replace(err->msg, sizeof err->msg, ".file.file_data", ".source");
    memcpy(text, err->msg, sizeof text);
    size_t i = strtoul(text + strlen(head), &end, 10);
    if (i < p->n_origin && p->origin[i] >= 0)
        snprintf(err->msg, sizeof err->msg, "%s%d%s", head, p->origin[i], end);
    else if (i < p->n_origin)
        snprintf(err->msg, sizeof err->msg, "'system%s", end + 1);
}

static void note_needs(const struct anthropic_parse *p, struct request *r)
{
    fields_rename_needs(names, r);
    for (int n = 0; n < NEED_COUNT; n++) {
        if (!p->needs[n])
            continue;
        r->needs |= NEED_BIT(n);
        r->need_fields[n] = p->needs[n];
    }
}

/* The one is the older name of a member of the other. */
static bool check_formats(const struct anthropic_parse *p, const json_t *body)
{
    bool both = json_object_get(body, "output_format") && json_is_object(json_object_get(body, "output_config"));
    return !both || err_set(p->err, ERR_INVALID, "'output_format' goes into 'output_config' as its 'format'");
}

static bool translate(struct anthropic_parse *p, const json_t *body, bool counting)
{
    if (!check_formats(p, body) || !take_fields(p, body) || !settle_thinking(p))
        return false;
    if (!p->turns)
        return err_set(p->err, ERR_INVALID, "'messages' is missing");
    if (!counting && !json_object_get(p->chat, "max_tokens"))
        return err_set(p->err, ERR_INVALID, "'max_tokens' is missing: this API wants a limit for the answer");
    return anthropic_take_conversation(p);
}

static bool parse(struct str body, bool counting, struct arena *arena, struct request *ret, struct err *err)
{
    json_t *object = NULL;
    if (!json_parse_object(body, "request body", &object, err))
        return false;
    struct anthropic_parse p = {.chat = json_object(), .arena = arena, .err = err};
    bool ok = (p.chat || err_nomem(err, "the request")) && translate(&p, object, counting);
    if (!ok) {
        json_decref(p.chat);
    } else if (!openai_parse_built(p.chat, arena, ret, err)) {
        rename_sentence(&p, err);
        ok = false;
    } else {
        ret->anthropic = body;
        note_needs(&p, ret);
        request_make_id(ret, "msg_");
    }
    json_decref(object);
    return ok;
}

bool anthropic_parse_messages(struct str body, struct arena *arena, struct request *ret, struct err *err)
{
    return parse(body, false, arena, ret, err);
}

bool anthropic_parse_count(struct str body, struct arena *arena, struct request *ret, struct err *err)
{
    return parse(body, true, arena, ret, err);
}
