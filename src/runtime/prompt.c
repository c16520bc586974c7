/* A request's messages to the tokens of a prompt: strings escaped by the guard, a JSON context for the template, the
 * rendered text encoded with its control tokens. A model file without a template gets ChatML where the vocabulary
 * has its tokens, else lines "role: content". */
#include <jansson.h>

#include "base/clock.h"
#include "runtime/runtime_private.h"
#include "text/guard.h"

/* How a message's content is made safe: guard_escape or guard_spell. */
typedef void guard_fn(const struct tokenizer *t, struct str text, struct buf *out);

/* A user's string, made safe, as a JSON string; NULL on failure. */
static json_t *guarded_string(const struct local_model *m, guard_fn *guard, struct str text, struct err *err)
{
    struct buf safe = BUF_INIT(TEMPLATE_MAX_OUTPUT_BYTES);
    guard(m->tokenizer, text, &safe);
    json_t *value = buf_check(&safe, "a message", err) ? json_stringn(buf_view(&safe).p, safe.n) : NULL;
    if (!value && buf_ok(&safe))
        err_nomem(err, "the messages");
    buf_free(&safe);
    return value;
}

static json_t *message_json(const struct local_model *m, guard_fn *guard, const struct chat_message *message,
                            struct err *err)
{
    json_t *object = json_object(), *role = guarded_string(m, guard_escape, message->role, err);
    json_t *content = role ? guarded_string(m, guard, message->content, err) : NULL;
    if (object && role && content && json_object_set(object, "role", role) == 0 &&
        json_object_set(object, "content", content) == 0) {
        json_decref(role);
        json_decref(content);
        return object;
    }
    json_decref(role);
    json_decref(content);
    json_decref(object);
    return NULL;
}

static json_t *token_name(const struct local_model *m, int32_t id)
{
    struct str name = id >= 0 ? tokenizer_piece(m->tokenizer, id) : STR("");
    return json_stringn(name.p, name.n);
}

/* The template's variables. */
static bool context_build(const struct local_model *m, guard_fn *guard, const struct generation_request *req,
                          json_t **ret, struct err *err)
{
    struct err why = ERR_INIT;
    err_nomem(&why, "the messages");
    json_t *context = json_object(), *messages = json_array();
    bool ok = context && messages && json_object_set(context, "messages", messages) == 0;
    for (int i = 0; ok && i < req->n_messages; i++)
        ok = json_array_append_new(messages, message_json(m, guard, &req->messages[i], &why)) == 0;
    ok = ok && json_object_set_new(context, "add_generation_prompt", json_true()) == 0 &&
         json_object_set_new(context, "bos_token", token_name(m, tokenizer_bos(m->tokenizer))) == 0 &&
         json_object_set_new(context, "eos_token", token_name(m, tokenizer_eos(m->tokenizer))) == 0 &&
         (req->enable_thinking < 0 ||
          json_object_set_new(context, "enable_thinking", json_boolean(req->enable_thinking)) == 0);
    json_decref(messages);
    if (ok) {
        *ret = context;
        return true;
    }
    json_decref(context);
    if (err)
        *err = why;
    return false;
}

static bool render_guarded(const struct local_model *m, guard_fn *guard, const struct generation_request *req,
                           struct buf *out, struct err *err)
{
    json_t *context;
    if (!context_build(m, guard, req, &context, err))
        return false;
    bool ok = template_render(m->template, context, clock_wall_ms(), out, err);
    json_decref(context);
    return ok || err_prefix(err, "the chat template of %s: ", m->name);
}

static bool messages_spell(const struct local_model *m, const struct generation_request *req)
{
    for (int i = 0; i < req->n_messages; i++)
        if (guard_spells(m->tokenizer, req->messages[i].content))
            return true;
    return false;
}

/* The escaped messages look to the template as they are; the spelled ones cannot become a control token whatever it
 * does to them. Where the two come out with other control tokens, the template has made one of a user's text. */
static bool render_template(const struct local_model *m, const struct generation_request *req, struct buf *out,
                            struct err *err)
{
    if (!render_guarded(m, guard_escape, req, out, err))
        return false;
    if (!messages_spell(m, req))
        return true;
    struct buf spelled = BUF_INIT(TEMPLATE_MAX_OUTPUT_BYTES);
    bool ok = render_guarded(m, guard_spell, req, &spelled, err);
    if (ok && !guard_same_controls(m->tokenizer, buf_view(out), buf_view(&spelled))) {
        buf_clear(out);
        buf_str(out, buf_view(&spelled));
    }
    buf_free(&spelled);
    return ok;
}

static void render_plainly(const struct local_model *m, const struct generation_request *req, struct buf *out)
{
    bool chatml = tokenizer_find(m->tokenizer, STR("<|im_start|>")) >= 0;
    for (int i = 0; i < req->n_messages; i++) {
        buf_puts(out, chatml ? "<|im_start|>" : "");
        guard_escape(m->tokenizer, req->messages[i].role, out);
        buf_puts(out, chatml ? "\n" : ": ");
        guard_escape(m->tokenizer, req->messages[i].content, out);
        buf_puts(out, chatml ? "<|im_end|>\n" : "\n");
    }
    buf_puts(out, chatml ? "<|im_start|>assistant\n" : "assistant:");
}

static bool messages_check(const struct generation_request *req, struct err *err)
{
    if (req->n_messages > GENERATION_MAX_MESSAGES)
        return err_set(err, ERR_LIMIT, "the request has %d messages; at most %d are read", req->n_messages,
                       GENERATION_MAX_MESSAGES);
    for (int i = 0; i < req->n_messages; i++)
        if (!utf8_valid(req->messages[i].role) || !utf8_valid(req->messages[i].content))
            return err_set(err, ERR_INVALID, "message %d is not valid UTF-8", i + 1);
    return true;
}

/* The beginning-of-sequence token where the tokenizer adds one and the text did not bring it. */
static bool lead_with_bos(const struct local_model *m, struct token_ids *ids, struct err *err)
{
    int32_t bos = tokenizer_bos(m->tokenizer);
    if (!tokenizer_adds_bos(m->tokenizer) || (ids->n > 0 && ids->p[0] == bos))
        return true;
    if (!token_ids_add(ids, bos, err))
        return false;
    memmove(ids->p + 1, ids->p, (size_t)(ids->n - 1) * sizeof *ids->p);
    ids->p[0] = bos;
    return true;
}

bool prompt_build(const struct local_model *m, const struct generation_request *req, struct token_ids *ids,
                  bool *ret_reasoning, struct err *err)
{
    *ret_reasoning = false;
    if (req->n_messages == 0)
        return tokenizer_encode(m->tokenizer, req->prompt, TOKENIZE_PLAIN, ids, err) && lead_with_bos(m, ids, err);
    if (!messages_check(req, err))
        return false;
    struct buf text = BUF_INIT(TEMPLATE_MAX_OUTPUT_BYTES);
    bool ok = true;
    if (m->template)
        ok = render_template(m, req, &text, err);
    else
        render_plainly(m, req, &text);
    ok = ok && buf_check(&text, "the rendered prompt", err) && guard_encode(m->tokenizer, buf_view(&text), ids, err) &&
         lead_with_bos(m, ids, err);
    if (ok && m->think_open >= 0)
        *ret_reasoning = str_ends(str_trim(buf_view(&text)), tokenizer_piece(m->tokenizer, m->think_open));
    buf_free(&text);
    return ok;
}
