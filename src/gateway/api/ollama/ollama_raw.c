/* /api/generate with `raw` or `suffix`: the prompt is text to go on with, or to fill in, and no conversation. A model
 * here reads it as it stands; an upstream that takes text gets a body of its /completions. */
#include "gateway/api/ollama/ollama_internal.h"

bool ollama_is_raw(const struct ollama_parse *p) { return p->raw || json_string_length(p->suffix) > 0; }

static const char *field_of(const struct ollama_parse *p) { return p->raw ? "raw" : "suffix"; }

/* What belongs to a conversation. */
static bool check_beside(struct ollama_parse *p)
{
    const char *effort = json_string_value(json_object_get(p->out, "reasoning_effort"));
    const char *beside = json_array_size(p->images) > 0          ? "images"
                         : json_string_length(p->system) > 0     ? "system"
                         : effort && strcmp(effort, "none") != 0 ? "think"
                                                                 : NULL;
    return !beside || err_set(p->err, ERR_INVALID, "'%s' and '%s' do not go together: the prompt is taken as it stands",
                              beside, field_of(p));
}

static void write_members(const struct ollama_parse *p, struct json_writer *w)
{
    static const char *const others[] = {"messages", "logprobs", "top_logprobs", "reasoning_effort"};
    const char *key;
    json_t *value;
    json_object_foreach(p->out, key, value)
    {
        bool other = false;
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
            other |= strcmp(key, others[i]) == 0;
        if (other)
            continue;
        json_key(w, key);
        json_value(w, value);
    }
    if (json_is_true(json_object_get(p->out, "logprobs")))
        json_put_i64(w, "logprobs", json_integer_value(json_object_get(p->out, "top_logprobs")));
}

bool ollama_raw_body(struct ollama_parse *p, struct arena *arena, struct str *ret)
{
    struct buf out = BUF_INIT(JSON_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    struct str prompt = {json_string_value(p->prompt), json_string_length(p->prompt)};
    if (!check_beside(p))
        return false;
    json_open_object(&w);
    json_put_str(&w, "prompt", prompt);
    if (json_string_length(p->suffix) > 0) {
        json_key(&w, "suffix");
        json_value(&w, p->suffix);
    }
    write_members(p, &w);
    json_close_object(&w);
    *ret = arena_str(arena, buf_view(&out));
    bool ok = buf_check(&out, "the request", p->err) && (ret->p || err_nomem(p->err, "the request"));
    buf_free(&out);
    return ok;
}

bool ollama_raw_settle(const struct ollama_parse *p, struct str body, struct request *r, struct err *err)
{
    r->body = body;
    r->kind = KIND_COMPLETE;
    r->kind_given = true;
    request_needs(r, NEED_RAW_PROMPT, "%s", field_of(p));
    if (json_string_length(p->suffix) == 0)
        return true;
    r->has_suffix = true;
    r->suffix = arena_str(r->arena, (struct str){json_string_value(p->suffix), json_string_length(p->suffix)});
    request_needs(r, NEED_SUFFIX, "suffix");
    return r->suffix.p || err_nomem(err, "the suffix");
}
