/* Body of POST /v1/completions to struct request: what it shares with chat completions is read by their parser, its own
 * fields here. Each prompt and each of its n choices is a part of its own. */
#include <stdio.h>

#include "gateway/answer/several.h"
#include "gateway/api/completions/fields.h"

#define DEFAULT_MAX_TOKENS 16             /* as that API has it */
#define MAX_MEMBERS 64

struct completions_parse {
    const json_t *object;
    struct str body;
    struct arena *arena;
    struct request *r;
    struct text_or_tokens *prompts;
    int n_prompts;
    int64_t max_tokens;                   /* as asked; -1: not */
    struct err *err;
};

static const char *const common[] = {
    "model",          "stream",         "stream_options",   "max_tokens",        "temperature", "top_p",
    "seed",           "stop",           "presence_penalty", "frequency_penalty", "logit_bias",  "user",
    "n",              "metadata",       "keep_alive",       "top_k",             "min_p",       "repetition_penalty",
    "context_length", "response_format", "format",          "grammar",           "choices",     "property_order",
    NULL};
static const char *const own[] = {"prompt", "suffix", "echo", "logprobs", "best_of", NULL};

/* ---- its own fields ---- */

static bool parse_prompts(struct completions_parse *p)
{
    const json_t *prompt = json_object_get(p->object, "prompt");
    if (!prompt || json_is_null(prompt))
        return err_set(p->err, ERR_INVALID, "'prompt' is missing");
    return fields_texts("prompt", prompt, COMPLETIONS_MAX_PROMPTS, p->arena, &p->prompts, &p->n_prompts, p->err);
}

static bool parse_suffix(struct completions_parse *p)
{
    struct str suffix = STR("");
    const json_t *value = json_object_get(p->object, "suffix");
    if (!value || json_is_null(value))
        return true;
    if (!json_get_str(p->object, "suffix", &suffix, p->err))
        return false;
    if (suffix.n == 0)
        return true;
    if (p->r->echo)
        return err_set(p->err, ERR_INVALID, "'suffix' and 'echo' do not go together");
    for (int i = 0; i < p->n_prompts; i++)
        if (p->prompts[i].tokens)
            return err_set(p->err, ERR_INVALID, "'suffix' goes with a prompt of text, not of tokens");
    p->r->has_suffix = true;
    p->r->suffix = arena_str(p->arena, suffix);
    request_needs(p->r, NEED_SUFFIX, "suffix");
    return p->r->suffix.p || err_nomem(p->err, "suffix");
}

static bool parse_logprobs(struct completions_parse *p)
{
    int64_t top = -1;
    if (!json_get_i64(p->object, "logprobs", 0, RECORD_TOP, &top, p->err))
        return false;
    p->r->logprobs = top >= 0;
    p->r->top_logprobs = top > 0 ? (int)top : 0;
    if (top >= 0)
        request_needs(p->r, NEED_LOGPROBS, "logprobs");
    return true;
}

static bool parse_echo(struct completions_parse *p)
{
    if (!json_get_bool(p->object, "echo", &p->r->echo, p->err))
        return false;
    if (p->r->echo && p->r->form)
        return err_set(p->err, ERR_INVALID, "'echo' and '%s' do not go together: the prompt is in no form",
                       p->r->form->field);
    if (p->r->echo)
        request_needs(p->r, NEED_ECHO, "echo");
    return true;
}

static bool parse_best_of(struct completions_parse *p)
{
    int64_t n = p->r->n_answers ? p->r->n_answers : 1, best_of = n;
    if (!json_get_i64(p->object, "best_of", 1, INT32_MAX, &best_of, p->err))
        return false;
    return best_of == n || err_set(p->err, ERR_INVALID,
                                   "'best_of' must be left out or be n: every answer that is made is given");
}

/* ---- parts ---- */

/* As a server of one's own gets one prompt: the fields as they came, but for those that speak of several answers. */
static bool write_body(struct completions_parse *p, const struct text_or_tokens *prompt, struct str *ret)
{
    struct json_member members[MAX_MEMBERS];
    struct buf out = BUF_INIT(JSON_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    int n = 0;
    if (!json_members(p->body, members, MAX_MEMBERS, &n))
        return err_set(p->err, ERR_INVALID, "the request body has more than %d fields", MAX_MEMBERS);
    json_open_object(&w);
    json_key(&w, "prompt");
    if (!prompt->tokens)
        json_str(&w, prompt->text);
    else
        json_open_array(&w);
    for (int64_t i = 0; i < prompt->n_tokens; i++)
        json_i64(&w, prompt->tokens[i]);
    if (prompt->tokens)
        json_close_array(&w);
    for (int i = 0; i < n; i++) {
        struct str key = members[i].key;
        char name[64];
        if (str_is(key, "prompt") || str_is(key, "n") || str_is(key, "best_of"))
            continue;
        snprintf(name, sizeof name, STR_FMT, STR_ARG(key));
        json_put_raw(&w, name, members[i].value);
    }
    if (p->max_tokens < 0)
        json_put_i64(&w, "max_tokens", DEFAULT_MAX_TOKENS);
    json_close_object(&w);
    *ret = arena_str(p->arena, buf_view(&out));
    bool ok = buf_check(&out, "the request", p->err) && (ret->p || err_nomem(p->err, "the request"));
    buf_free(&out);
    return ok;
}

static bool set_prompt(struct completions_parse *p, struct request *r, const struct text_or_tokens *prompt)
{
    struct chat_message *message = arena_new(p->arena, struct chat_message);
    if (!message)
        return err_nomem(p->err, "the prompt");
    *message = (struct chat_message){.role = STR("user"), .content = prompt->text};
    r->messages = message;
    r->n_messages = 1;
    r->prompt_tokens = prompt->tokens;
    r->n_prompt_tokens = prompt->n_tokens;
    return write_body(p, prompt, &r->body);
}

/* Choices in the order prompt x n. */
static bool set_parts(struct completions_parse *p)
{
    struct request *r = p->r;
    int n = r->n_answers ? r->n_answers : 1;
    if (p->n_prompts * n > SEVERAL_MAX)
        return err_set(p->err, ERR_INVALID, "'prompt' and 'n' ask for %d answers; at most %d are made",
                       p->n_prompts * n, SEVERAL_MAX);
    if (!set_prompt(p, r, &p->prompts[0]))
        return false;
    r->n_answers = p->n_prompts * n;
    if (p->n_prompts == 1)
        return true;
    r->parts = arena_array(p->arena, (size_t)r->n_answers, sizeof *r->parts);
    if (!r->parts)
        return err_nomem(p->err, "the prompts");
    for (int i = 0; i < p->n_prompts; i++) {
        struct request part = *r;
        part.parts = NULL;
        if (!set_prompt(p, &part, &p->prompts[i]))
            return false;
        for (int k = 0; k < n; k++) {
            part.sampler.choice = (uint32_t)k;
            r->parts[i * n + k] = part;
        }
    }
    return true;
}

/* ---- the whole ---- */

/* No max_tokens are 16; none at all, 0, are for prompts that are only looked at. */
static bool settle_length(struct completions_parse *p)
{
    struct request *r = p->r;
    int64_t asked = p->max_tokens;
    r->no_answer = asked == 0;
    r->max_tokens = asked > 0 ? asked : asked == 0 ? 1 : DEFAULT_MAX_TOKENS;
    return asked != 0 || r->echo ||
           err_set(p->err, ERR_INVALID, "'max_tokens' is 0, which gives nothing without 'echo'");
}

/* For the chat parser, which knows no answer of no tokens. */
static bool take_max_tokens(json_t *object, int64_t *ret, struct err *err)
{
    *ret = -1;
    if (!json_get_i64(object, "max_tokens", 0, INT32_MAX, ret, err))
        return false;
    if (*ret == 0)
        json_object_del(object, "max_tokens");
    return true;
}

static bool parse(struct completions_parse *p)
{
    struct request *r = p->r;
    for (int i = 0; i < p->n_prompts; i++)
        if (p->prompts[i].tokens)
            request_needs(r, NEED_PROMPT_TOKENS, "prompt");
    request_needs(r, NEED_RAW_PROMPT, "prompt");
    r->kind = r->kind_given ? r->kind : KIND_COMPLETE;
    r->kind_given = true;
    return parse_echo(p) && parse_suffix(p) && parse_logprobs(p) && parse_best_of(p);
}

bool completions_parse(struct str body, struct arena *arena, struct request *ret, struct err *err)
{
    json_t *object = NULL;
    struct request r;
    struct completions_parse p = {.body = body, .arena = arena, .r = &r, .err = err};
    if (!json_parse_object(body, "request body", &object, err))
        return false;
    p.object = object;
    bool made = parse_prompts(&p) && take_max_tokens(object, &p.max_tokens, err) &&
                fields_common(object, common, own, p.prompts[0].text, arena, &r, err);
    bool ok = made && parse(&p) && settle_length(&p) && set_parts(&p);
    if (ok) {
        char id[sizeof r.id];
        snprintf(id, sizeof id, "cmpl-%.38s", r.id + strlen("chatcmpl-"));
        memcpy(r.id, id, sizeof r.id);
        *ret = r;
    } else if (made) {
        request_free(&r);
    }
    json_decref(object);
    return ok;
}
