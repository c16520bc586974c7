/* A request's messages to the tokens of a prompt: the template renders them (context.c builds what it sees), and the
 * rendered text is encoded with its control tokens. A model file without a template gets ChatML where the vocabulary
 * has its tokens, else lines "role: content". */
#include "base/clock.h"
#include "grammar/toolrule.h"
#include "runtime/context.h"
#include "runtime/history.h"
#include "text/guard.h"

/* ---- what a template knows ---- */

#define PROBE_NAME "rung_probe_tool"

/* Whether the template writes a tool it is given. A template that does not compile is refused when the model is
 * loaded; here it shows nothing. */
static bool shows_tools(struct str source)
{
    static const char probe[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"add_generation_prompt\":true,\"bos_token\":\"\","
        "\"eos_token\":\"\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"" PROBE_NAME "\","
        "\"description\":\"x\",\"parameters\":{\"type\":\"object\",\"properties\":{}}}}]}";
    struct template *template = NULL;
    struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT_BYTES);
    json_t *context = json_loads(probe, 0, NULL);
    bool shows = context && template_compile(source, &template, NULL) &&
                 template_render(template, context, clock_wall_ms(), &out, NULL) &&
                 str_find(buf_view(&out), STR(PROBE_NAME)) != SIZE_MAX;
    json_decref(context);
    template_free(template);
    buf_free(&out);
    return shows;
}

void prompt_read_template(struct local_model *m, struct str source)
{
    m->reasoning = reasoning_detect(source);
    m->calls = toolcall_detect(source);
    m->folds_results = str_find(source, STR("tool_responses")) != SIZE_MAX &&
                       str_find(source, STR("tool_call_id")) == SIZE_MAX;
    m->info.has_template = source.n > 0;
    m->info.thinks = m->reasoning != NULL;
    m->info.tools = m->calls && shows_tools(source);
    m->info.calls_in_json = m->info.tools && toolrule_in_json(m->calls);
}

/* ---- rendering ---- */

static bool render_once(const struct context_spec *spec, struct buf *out, struct err *err)
{
    json_t *context;
    if (!context_build(spec, &context, err))
        return false;
    bool ok = template_render(spec->model->template, context, clock_wall_ms(), out, err);
    json_decref(context);
    return ok || err_prefix(err, "the chat template of %s: ", spec->model->name);
}

/* Most templates want a call's arguments as an object, some as the text they were; only trying tells. */
static bool render_guarded(const struct local_model *m, guard_fn *guard, const struct generation_request *req,
                           struct buf *out, struct err *err)
{
    struct context_spec spec = {.model = m, .guard = guard, .req = req};
    struct err why = ERR_INIT;
    if (render_once(&spec, out, &why))
        return true;
    spec.arguments_as_text = true;
    buf_clear(out);
    if (why.code == ERR_INVALID && context_has_calls(req) && render_once(&spec, out, NULL))
        return true;
    if (err)
        *err = why;
    return false;
}

/* The escaped messages look to the template as they are; the spelled ones cannot become a control token whatever it
 * does to them. Where the two come out with other control tokens, the template has made one of a user's text. */
static bool render_template(const struct local_model *m, const struct generation_request *req, struct buf *out,
                            struct err *err)
{
    if (!render_guarded(m, guard_escape, req, out, err))
        return false;
    if (!context_spells(m, req))
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

/* ---- what a request may hold ---- */

static bool effort_ok(struct str effort)
{
    bool ok = effort.n <= 16;
    for (size_t i = 0; i < effort.n && ok; i++)
        ok = effort.p[i] >= 'a' && effort.p[i] <= 'z';
    return ok;
}

static bool messages_check(const struct local_model *m, const struct generation_request *req, struct err *err)
{
    bool tools = req->tools != NULL;
    if (req->n_messages > GENERATION_MAX_MESSAGES)
        return err_set(err, ERR_LIMIT, "the request has %d messages; at most %d are read", req->n_messages,
                       GENERATION_MAX_MESSAGES);
    for (int i = 0; i < req->n_messages; i++) {
        const struct chat_message *one = &req->messages[i];
        if (!utf8_valid(one->role) || !utf8_valid(one->content) || !utf8_valid(one->reasoning) ||
            !utf8_valid(one->tool_call_id) || !utf8_valid(one->name))
            return err_set(err, ERR_INVALID, "message %d is not valid UTF-8", i + 1);
        tools = tools || one->tool_calls || one->tool_call_id.n > 0;
    }
    if (!effort_ok(req->reasoning_effort))
        return err_set(err, ERR_INVALID, "the reasoning effort must be a word like low, medium or high");
    if (!history_check(req->messages, req->n_messages, err) ||
        (req->tools && !history_check_tools(req->tools, err)))
        return false;
    return !tools || m->info.tools ||
           err_set(err, ERR_UNSUPPORTED, "the chat template of %s knows no tools", m->name);
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

/* Raw text, or tokens as they are. */
static bool build_raw(const struct local_model *m, const struct generation_request *req, struct token_ids *ids,
                      struct err *err)
{
    for (int64_t i = 0; i < req->n_prompt_tokens; i++) {
        int32_t id = req->prompt_tokens[i];
        if (id < 0 || id >= tokenizer_count(m->tokenizer))
            return err_set(err, ERR_INVALID, "token %lld of the prompt is %d; %s has the tokens 0 to %d", (long long)i,
                           id, m->name, tokenizer_count(m->tokenizer) - 1);
        if (!token_ids_add(ids, id, err))
            return false;
    }
    if (req->prompt_tokens)
        return true;
    bool ok = req->has_suffix ? infill_build(m, req->prompt, req->suffix, ids, err)
                              : tokenizer_encode(m->tokenizer, req->prompt, TOKENIZE_PLAIN, ids, err);
    return ok && lead_with_bos(m, ids, err);
}

bool prompt_build(const struct local_model *m, const struct generation_request *req, struct token_ids *ids,
                  bool *ret_reasoning, struct err *err)
{
    *ret_reasoning = false;
    if (req->n_messages == 0)
        return build_raw(m, req, ids, err);
    if (!messages_check(m, req, err))
        return false;
    struct buf text = BUF_INIT(TEMPLATE_MAX_OUTPUT_BYTES);
    bool ok = true;
    if (m->template)
        ok = render_template(m, req, &text, err);
    else
        render_plainly(m, req, &text);
    ok = ok && buf_check(&text, "the rendered prompt", err) && guard_encode(m->tokenizer, buf_view(&text), ids, err) &&
         lead_with_bos(m, ids, err);
    *ret_reasoning = ok && reasoning_opened(m->reasoning, buf_view(&text));
    buf_free(&text);
    return ok;
}
