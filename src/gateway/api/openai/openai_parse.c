/* A chat-completions body to struct request. Each documented field has a row in a table: it is honoured, or refused by
 * name; a field without a row is refused too, so none is ever dropped in silence. What only an upstream can do (images)
 * is noted in request_needs for the planner. Messages, tools and the form of the answer have their own files. */
#include <stdio.h>

#include "base/clock.h"
#include "base/rng.h"
#include "gateway/api/fields.h"
#include "gateway/api/openai/openai_internal.h"
#include "gateway/keep_alive.h"

#define MAX_METADATA_PAIRS 16
#define MAX_METADATA_KEY 64
#define MAX_METADATA_VALUE 512
#define MAX_TOKENS_LIMIT (1ll << 31)
#define MAX_SEEN_FIELDS 64
#define MAX_CHOICES 16

bool openai_text(struct openai_parse *p, const char *field, const json_t *value, struct str *ret)
{
    if (!json_is_string(value))
        return err_set(p->err, ERR_INVALID, "'%s' must be a string, not %s", field, json_type_name(value));
    *ret = arena_str(p->arena, (struct str){json_string_value(value), json_string_length(value)});
    return ret->p || err_nomem(p->err, field);
}

/* ---- one function per shape of field; each is only called with a value that is not null ---- */

static bool parse_model(struct openai_parse *p, const char *field, const json_t *value)
{
    if (!openai_text(p, field, value, &p->r->model))
        return false;
    return p->r->model.n > 0 || err_set(p->err, ERR_INVALID, "'model' is empty; name a model or say \"auto\"");
}

static bool parse_flag(struct openai_parse *p, const char *field, const json_t *value)
{
    if (!json_is_boolean(value))
        return err_set(p->err, ERR_INVALID, "'%s' must be true or false, not %s", field, json_type_name(value));
    bool on = json_is_true(value);
    if (strcmp(field, "stream") == 0)
        p->r->stream = on;
    else if (strcmp(field, "logprobs") == 0)
        p->r->logprobs = on;
    else if (strcmp(field, "parallel_tool_calls") == 0)
        p->r->one_tool_call = !on;
    else if (strcmp(field, "store") == 0 && on)
        return err_set(p->err, ERR_INVALID,
                       "'store' is not supported: answers are not stored; leave it out or say false");
    return true;
}

static bool parse_number(struct openai_parse *p, const char *field, const json_t *value)
{
    (void)value;
    struct sampler *s = &p->r->sampler;
    double min = -2, max = 2, v = 0;
    bool temperature = strcmp(field, "temperature") == 0, top_p = strcmp(field, "top_p") == 0;
    if (temperature || top_p)
        min = 0;
    if (top_p)
        max = 1;
    if (!json_get_f64(p->body, field, min, max, &v, p->err))
        return false;
    if (temperature) {
        s->temperature = (float)v;
        p->r->has_temperature = true;
        if (v > 1)
            request_needs(p->r, NEED_HIGH_TEMPERATURE, "temperature (above 1)");
    } else if (top_p) {
        if (v == 0)
            return err_set(p->err, ERR_INVALID, "'top_p' must be above 0 and at most 1");
        s->top_p = (float)v;
    } else if (strcmp(field, "presence_penalty") == 0) {
        s->presence_penalty = (float)v;
    } else {
        s->frequency_penalty = (float)v;
    }
    if (s->presence_penalty != 0 || s->frequency_penalty != 0)
        request_needs(p->r, NEED_PENALTIES, "%s", field);
    return true;
}

static bool parse_integer(struct openai_parse *p, const char *field, const json_t *value)
{
    (void)value;
    int64_t v = 0;
    if (strcmp(field, "seed") == 0) {
        if (!json_get_i64(p->body, field, INT64_MIN, INT64_MAX, &v, p->err))
            return false;
        p->r->sampler.seed = (uint64_t)v;
        request_needs(p->r, NEED_SEED, "seed");
    } else if (strcmp(field, "top_logprobs") == 0) {
        if (!json_get_i64(p->body, field, 0, RECORD_TOP, &v, p->err))
            return false;
        p->r->top_logprobs = (int)v;
    } else if (strcmp(field, "n") == 0) {
        if (!json_get_i64(p->body, field, 1, MAX_CHOICES, &v, p->err))
            return false;
        p->r->n_answers = (int)v;
    } else {
        if (!json_get_i64(p->body, field, 1, MAX_TOKENS_LIMIT, &v, p->err))
            return false;
        if (p->r->max_tokens && p->r->max_tokens != v)
            return err_set(p->err, ERR_INVALID,
                           "'max_tokens' and 'max_completion_tokens' contradict each other; give one");
        p->r->max_tokens = v;
    }
    return true;
}

/* Fields that the API does not have and its local servers do. */
static bool parse_own_sampling(struct openai_parse *p, const char *field, const json_t *value)
{
    struct sampler *s = &p->r->sampler;
    int64_t k = 0;
    double v = 0;
    (void)value;
    if (strcmp(field, "top_k") == 0) {
        if (!json_get_i64(p->body, field, -1, INT32_MAX, &k, p->err))
            return false;
        s->top_k = k > 0 ? (int)k : 0;
        request_needs(p->r, NEED_TOP_K, "top_k");
    } else if (strcmp(field, "min_p") == 0) {
        if (!json_get_f64(p->body, field, 0, 1, &v, p->err))
            return false;
        s->min_p = (float)v;
        request_needs(p->r, NEED_MIN_P, "min_p");
    } else {
        if (!json_get_f64(p->body, field, 0.01, 100, &v, p->err))
            return false;
        s->repetition_penalty = (float)v;
        request_needs(p->r, NEED_REPETITION_PENALTY, "repetition_penalty");
    }
    return true;
}

static bool parse_context_length(struct openai_parse *p, const char *field, const json_t *value)
{
    (void)value;
    return json_get_i64(p->body, field, 1, MAX_TOKENS_LIMIT, &p->r->context_length, p->err);
}

static bool add_stop(struct openai_parse *p, const char *field, const json_t *value)
{
    struct str text;
    if (!openai_text(p, field, value, &text))
        return false;
    if (text.n == 0 || text.n > GENERATION_MAX_STOP_BYTES)
        return err_set(p->err, ERR_INVALID, "'%s' must hold 1 to %d bytes", field, GENERATION_MAX_STOP_BYTES);
    p->r->stop[p->r->n_stop++] = text;
    return true;
}

static bool parse_stop(struct openai_parse *p, const char *field, const json_t *value)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    if (n > GENERATION_MAX_STOPS)
        return err_set(p->err, ERR_INVALID, "'stop' has %zu texts; at most %d are taken", n, GENERATION_MAX_STOPS);
    p->r->stop = arena_array(p->arena, n ? n : 1, sizeof *p->r->stop);
    if (!p->r->stop)
        return err_nomem(p->err, field);
    if (!json_is_array(value))
        return add_stop(p, field, value);
    for (size_t i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "stop[%zu]", i);
        if (!add_stop(p, name, json_array_get(value, i)))
            return false;
    }
    return true;
}

static bool parse_logit_bias(struct openai_parse *p, const char *field, const json_t *value)
{
    if (!json_is_object(value))
        return err_set(p->err, ERR_INVALID, "'logit_bias' must be an object of token ids, not %s",
                       json_type_name(value));
    size_t n = json_object_size(value);
    if (n > SAMPLER_MAX_BIAS)
        return err_set(p->err, ERR_INVALID, "'logit_bias' has %zu tokens; at most %d are taken", n, SAMPLER_MAX_BIAS);
    struct logit_bias *bias = arena_array(p->arena, n ? n : 1, sizeof *bias);
    if (!bias)
        return err_nomem(p->err, field);
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)value, key, item)
    {
        int64_t id;
        if (!str_to_i64(str_of(key), &id) || id < 0 || id > INT32_MAX)
            return err_set(p->err, ERR_INVALID, "'logit_bias' has the key '%.40s', which is no token id", key);
        double v = json_number_value(item);
        if (!json_is_number(item) || v < -100 || v > 100)
            return err_set(p->err, ERR_INVALID, "'logit_bias' of token %s must be a number from -100 to 100", key);
        bias[p->r->n_logit_bias++] = (struct logit_bias){.id = (int32_t)id, .bias = (float)v};
    }
    p->r->logit_bias = bias;
    return true;
}

static bool parse_stream_options(struct openai_parse *p, const char *field, const json_t *value)
{
    if (!json_is_object(value))
        return err_set(p->err, ERR_INVALID, "'%s' must be an object, not %s", field, json_type_name(value));
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)value, key, item)
    {
        if (strcmp(key, "include_obfuscation") == 0 && (json_is_false(item) || json_is_null(item)))
            continue;
        if (strcmp(key, "include_usage") != 0)
            return err_set(p->err, ERR_INVALID, "'stream_options.%.60s' is not supported; include_usage is", key);
        if (!json_is_boolean(item))
            return err_set(p->err, ERR_INVALID, "'stream_options.include_usage' must be true or false, not %s",
                           json_type_name(item));
        p->r->include_usage = json_is_true(item);
    }
    return true;
}

static bool metadata_pair(struct openai_parse *p, const char *key, struct str value)
{
    struct request *r = p->r;
    if (strcmp(key, "kind") == 0) {
        r->kind_given = true;
        if (!kind_from_name(value, &r->kind) || r->kind >= KIND_COUNT)
            return err_set(p->err, ERR_INVALID,
                           "'metadata.kind' is '" STR_FMT
                           "'; it must be one of classify, extract, summarize, route, rewrite, "
                           "qa, code, complete, open_ended",
                           (int)(value.n < 60 ? value.n : 60), value.p);
    } else if (strcmp(key, "privacy") == 0) {
        r->privacy = str_is(value, "local") ? PRIVACY_LOCAL : PRIVACY_ANY;
        r->privacy_class = value;        /* whether there is such a class, the configuration knows */
        if (value.n == 0)
            return err_set(p->err, ERR_INVALID, "'metadata.privacy' is empty; it must be local, any or a class");
    } else if (strcmp(key, "conversation_id") == 0) {
        r->conversation_id = value;
    } else if (strcmp(key, "id") == 0) {
        r->label = value;
    } else if (strcasecmp(key, "privacy") == 0 || strcasecmp(key, "kind") == 0) {
        return err_set(p->err, ERR_INVALID, "'metadata.%s' must be written in lower case", key);
    }
    return true;
}

static bool parse_metadata(struct openai_parse *p, const char *field, const json_t *value)
{
    if (!json_is_object(value))
        return err_set(p->err, ERR_INVALID, "'%s' must be an object of strings, not %s", field, json_type_name(value));
    if (json_object_size(value) > MAX_METADATA_PAIRS)
        return err_set(p->err, ERR_INVALID, "'metadata' has %zu pairs; at most %d are taken", json_object_size(value),
                       MAX_METADATA_PAIRS);
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)value, key, item)
    {
        char name[MAX_METADATA_KEY + 16];
        struct str text;
        if (strlen(key) > MAX_METADATA_KEY)
            return err_set(p->err, ERR_INVALID, "'metadata' has a key longer than %d bytes", MAX_METADATA_KEY);
        snprintf(name, sizeof name, "metadata.%s", key);
        if (!openai_text(p, name, item, &text))
            return false;
        if (text.n > MAX_METADATA_VALUE)
            return err_set(p->err, ERR_INVALID, "'%s' is longer than %d bytes", name, MAX_METADATA_VALUE);
        if (!metadata_pair(p, key, text))
            return false;
    }
    return true;
}

static bool parse_reasoning_effort(struct openai_parse *p, const char *field, const json_t *value)
{
    /* What templates know are three steps; whether there is reasoning at all is their enable_thinking. */
    static const struct {
        const char *name, *effort;
        bool thinks;
    } efforts[] = {{"none", "low", false},       {"minimal", "low", false}, {"low", "low", true},
                   {"medium", "medium", true},   {"high", "high", true},    {"xhigh", "high", true}};
    struct str text;
    if (!openai_text(p, field, value, &text))
        return false;
    for (size_t i = 0; i < sizeof efforts / sizeof efforts[0]; i++) {
        if (!str_is(text, efforts[i].name))
            continue;
        p->r->enable_thinking = efforts[i].thinks;
        p->r->reasoning_effort = str_of(efforts[i].effort);
        return true;
    }
    return err_set(p->err, ERR_INVALID, "'reasoning_effort' must be none, minimal, low, medium, high or xhigh");
}

static bool parse_template_kwargs(struct openai_parse *p, const char *field, const json_t *value)
{
    const json_t *thinking = json_object_get(value, "enable_thinking");
    if (!json_is_object(value) || json_object_size(value) != 1 || !json_is_boolean(thinking))
        return err_set(p->err, ERR_INVALID, "'%s' takes {\"enable_thinking\": true or false} and nothing else", field);
    p->r->enable_thinking = json_is_true(thinking);
    return true;
}

/* Names of the sender for the sender's own bookkeeping: they change no answer here and reach an upstream as they stand.
 */
static bool parse_identifier(struct openai_parse *p, const char *field, const json_t *value)
{
    struct str ignored;
    return openai_text(p, field, value, &ignored);
}

static bool parse_keep_alive(struct openai_parse *p, const char *field, const json_t *value)
{
    (void)field;
    p->r->has_keep_alive = true;
    return keep_alive_of_json(value, &p->r->keep_alive_ms, p->err);
}

static const struct field {
    const char *name;
    bool (*parse)(struct openai_parse *p, const char *field, const json_t *value);
} fields[] = {
    {"model", parse_model},
    {"messages", openai_parse_messages},
    {"stream", parse_flag},
    {"stream_options", parse_stream_options},
    {"max_tokens", parse_integer},
    {"max_completion_tokens", parse_integer},
    {"temperature", parse_number},
    {"top_p", parse_number},
    {"presence_penalty", parse_number},
    {"frequency_penalty", parse_number},
    {"seed", parse_integer},
    {"top_k", parse_own_sampling},
    {"min_p", parse_own_sampling},
    {"repetition_penalty", parse_own_sampling},
    {"context_length", parse_context_length},
    {"n", parse_integer},
    {"stop", parse_stop},
    {"logprobs", parse_flag},
    {"top_logprobs", parse_integer},
    {"logit_bias", parse_logit_bias},
    {"metadata", parse_metadata},
    {"response_format", openai_parse_response_format},
    {"format", openai_parse_format},
    {"grammar", openai_parse_grammar},
    {"choices", openai_parse_choices},
    {"property_order", openai_parse_property_order},
    {"reasoning_effort", parse_reasoning_effort},
    {"chat_template_kwargs", parse_template_kwargs},
    {"tools", openai_parse_tools},
    {"tool_choice", openai_parse_tool_choice},
    {"parallel_tool_calls", parse_flag},
    {"store", parse_flag},
    {"keep_alive", parse_keep_alive},
    {"user", parse_identifier},
    {"safety_identifier", parse_identifier},
    {"prompt_cache_key", parse_identifier},
    {"modalities", openai_parse_extra},
    {"service_tier", openai_parse_extra},
    {"audio", openai_parse_extra},
    {"functions", openai_parse_extra},
    {"function_call", openai_parse_extra},
    {"moderation", openai_parse_extra},
    {"prediction", openai_parse_extra},
    {"prompt_cache_options", openai_parse_extra},
    {"prompt_cache_retention", openai_parse_extra},
    {"verbosity", openai_parse_extra},
    {"web_search_options", openai_parse_extra},
};

static bool parse_fields(struct openai_parse *p)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)p->body, key, value)
    {
        const struct field *f = fields_row(fields, sizeof fields / sizeof fields[0], sizeof fields[0], key, p->err);
        if (!f || (!json_is_null(value) && !f->parse(p, f->name, value)))
            return false;
    }
    return true;
}

/* What two fields say together. */
static bool check_whole(struct openai_parse *p)
{
    struct request *r = p->r;
    if (r->model.n == 0)
        return err_set(p->err, ERR_INVALID, "'model' is missing; name a model or say \"auto\"");
    if (!r->messages)
        return err_set(p->err, ERR_INVALID, "'messages' is missing");
    if (r->top_logprobs && !r->logprobs)
        return err_set(p->err, ERR_INVALID, "'top_logprobs' needs 'logprobs': true");
    if (json_is_object(json_object_get(p->body, "stream_options")) && !r->stream)
        return err_set(p->err, ERR_INVALID, "'stream_options' needs 'stream': true");
    return true;
}

/* The raw bytes of metadata, for routes that match on it. */
static bool keep_metadata(struct openai_parse *p, struct str body)
{
    struct json_member members[MAX_SEEN_FIELDS];
    int n = 0;
    if (!json_members(body, members, MAX_SEEN_FIELDS, &n))
        return err_set(p->err, ERR_INVALID, "the request body has more than %d fields", MAX_SEEN_FIELDS);
    for (int i = 0; i < n; i++) {
        if (str_is(members[i].key, "metadata") && !str_is(members[i].value, "null"))
            p->r->metadata = members[i].value;
    }
    return true;
}

static void start_request(struct str body, struct arena *arena, struct request *r)
{
    *r = (struct request){
        .arena = arena,
        .body = body,
        .kind = KIND_UNKNOWN,
        .enable_thinking = -1,
        .sampler = {.temperature = 1, .top_p = 1, .repetition_penalty = 1, .seed = rng_entropy()},
        .arrived_ns = clock_ns(),
        .created_s = clock_wall_ms() / 1000,
    };
    request_make_id(r, "chatcmpl-");
}

static bool parse_object(json_t *object, struct str body, struct arena *arena, struct request *ret, struct err *err)
{
    struct request r;
    start_request(body, arena, &r);
    struct openai_parse p = {.body = object, .r = &r, .arena = arena, .err = err};
    bool ok = parse_fields(&p) && check_whole(&p) && keep_metadata(&p, body);
    if (p.no_tools)
        r.tools = NULL;
    ok = ok && openai_settle_form(&p);
    if (r.tools)
        request_needs(&r, NEED_TOOLS, "tools");
    if (r.form && r.form->rule.kind == RULE_GBNF)
        request_needs(&r, NEED_GRAMMAR, "grammar");
    if (r.logprobs)
        request_needs(&r, NEED_LOGPROBS, "logprobs");
    if (r.n_logit_bias)
        request_needs(&r, NEED_LOGIT_BIAS, "logit_bias");
    if (!ok)
        return false;
    r.json = r.needs || r.form ? json_incref(object) : NULL;
    *ret = r;
    return true;
}

/* A body whose bytes are not those received. */
static bool parse_made(json_t *body, struct arena *arena, struct request *ret, struct err *err)
{
    struct buf text = BUF_INIT(JSON_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&text);
    json_value(&w, body);
    struct str kept = arena_str(arena, buf_view(&text));
    bool ok = buf_check(&text, "the request", err) && (kept.p || err_nomem(err, "the request")) &&
              parse_object(body, kept, arena, ret, err);
    buf_free(&text);
    return ok;
}

bool openai_parse_chat(struct str body, struct arena *arena, struct request *ret, struct err *err)
{
    json_t *object = NULL;
    bool narrowed;
    if (!json_parse_object(body, "request body", &object, err))
        return false;
    bool ok = openai_narrow_tools(object, &narrowed, err) &&
              (narrowed ? parse_made(object, arena, ret, err) : parse_object(object, body, arena, ret, err));
    json_decref(object);
    return ok;
}

bool openai_parse_built(json_t *body, struct arena *arena, struct request *ret, struct err *err)
{
    bool narrowed, ok = openai_narrow_tools(body, &narrowed, err) && parse_made(body, arena, ret, err);
    json_decref(body);
    return ok;
}
