/* Parts of a chat-completions body for adapters to other APIs. The body was read and checked by its dialect before, so
 * that types are as documented; what an API takes of it is the adapter's to know. */
#include "gateway/provider/parts.h"

bool parts_chat(const struct provider_call *call, json_t **ret, struct err *err)
{
    if (call->req->json) {
        *ret = json_incref(call->req->json);
        return true;
    }
    return json_parse_object(call->req->body, "request body", ret, err);
}

bool parts_data_url(struct str url, struct str *ret_type, struct str *ret_base64)
{
    static const char scheme[] = "data:", mark[] = ";base64,";
    if (!str_starts(url, str_of(scheme)))
        return false;
    struct str rest = {url.p + strlen(scheme), url.n - strlen(scheme)};
    size_t at = str_find(rest, str_of(mark));
    if (at == SIZE_MAX)
        return false;
    *ret_type = (struct str){rest.p, at};
    *ret_base64 = (struct str){rest.p + at + strlen(mark), rest.n - at - strlen(mark)};
    return true;
}

static void add_mapped(struct buf *out, struct str text, const char *from, const char *to)
{
    for (size_t i = 0; i < text.n; i++) {
        const char *at = text.p[i] ? strchr(from, text.p[i]) : NULL;
        buf_char(out, at ? to[at - from] : text.p[i]);
    }
}

void parts_add_safe(struct buf *out, struct str base64)
{
    while (base64.n && base64.p[base64.n - 1] == '=')
        base64.n--;
    add_mapped(out, base64, "+/", "-_");
}

void parts_add_plain(struct buf *out, struct str safe)
{
    add_mapped(out, safe, "-_", "+/");
    for (size_t n = safe.n; n % 4 != 0; n++)
        buf_char(out, '=');
}

struct str parts_call_id(struct str id, struct str *ret_signature)
{
    size_t at = str_find(id, STR(PARTS_SIGNATURE));
    struct str signature = STR("");
    if (at != SIZE_MAX) {
        size_t from = at + strlen(PARTS_SIGNATURE);
        signature = (struct str){id.p + from, id.n - from};
        id.n = at;
    }
    if (ret_signature)
        *ret_signature = signature;
    return id;
}

void parts_arguments(struct json_writer *w, const json_t *call)
{
    json_t *object = NULL;
    struct str text = upstream_text(json_object_get(json_object_get(call, "function"), "arguments"));
    if (json_parse_object(text, "arguments", &object, NULL))
        json_value(w, object);
    else
        json_raw(w, STR("{}"));
    json_decref(object);
}

void parts_parameters(struct json_writer *w, const json_t *function)
{
    const char *key;
    json_t *value, *schema = json_object_get(function, "parameters");
    json_open_object(w);
    if (!json_object_get(schema, "type"))
        json_put_cstr(w, "type", "object");
    if (json_object_size(schema) == 0)
        json_put_raw(w, "properties", STR("{}"));
    json_object_foreach(schema, key, value)
    {
        json_key(w, key);
        json_value(w, value);
    }
    json_close_object(w);
}

bool parts_has_schema(const struct form *form)
{
    return form && (form->rule.kind == RULE_JSON_SCHEMA || form->rule.kind == RULE_CHOICES);
}

static void put_choices(struct json_writer *w, const struct rule_spec *rule)
{
    json_open_object(w);
    json_put_cstr(w, "type", "object");
    json_put_raw(w, "required", STR("[\"" UPSTREAM_CHOICE "\"]"));
    json_put_bool(w, "additionalProperties", false);
    json_key(w, "properties");
    json_open_object(w);
    json_key(w, UPSTREAM_CHOICE);
    json_open_object(w);
    json_put_cstr(w, "type", "string");
    json_key(w, "enum");
    json_open_array(w);
    for (int i = 0; i < rule->n_choices; i++)
        json_str(w, rule->choices[i]);
    json_close_array(w);
    json_close_object(w);
    json_close_object(w);
    json_close_object(w);
}

void parts_schema(struct json_writer *w, const struct form *form)
{
    if (form->rule.kind == RULE_CHOICES)
        put_choices(w, &form->rule);
    else
        json_value(w, form->rule.schema);
}

/* A number of one or two digits at *at, which moves behind it; -1: none. A longer one is a date. */
static int short_number(struct str text, size_t *at)
{
    int value = 0;
    size_t from = *at;
    while (*at < text.n && text.p[*at] >= '0' && text.p[*at] <= '9') {
        value = *at - from < 2 ? 10 * value + (text.p[*at] - '0') : value;
        ++*at;
    }
    return *at > from && *at - from <= 2 ? value : -1;
}

void parts_version(struct str model, int *ret_major, int *ret_minor)
{
    *ret_major = *ret_minor = 0;
    for (size_t at = 0; at < model.n; at++) {
        bool begins = at == 0 || (model.p[at - 1] == '-' || model.p[at - 1] == '/' || model.p[at - 1] == '.');
        int major = begins ? short_number(model, &at) : -1;
        if (major < 0)
            continue;
        *ret_major = major;
        if (at < model.n && (model.p[at] == '-' || model.p[at] == '.')) {
            at++;
            int minor = short_number(model, &at);
            *ret_minor = minor > 0 ? minor : 0;
        }
        return;
    }
}

bool parts_in_calls(const struct request *req)
{
    return req->n_messages > 0 && str_is(req->messages[req->n_messages - 1].role, "tool");
}
