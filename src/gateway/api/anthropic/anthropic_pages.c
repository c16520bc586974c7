/* The page that counts the tokens of a message before it is asked: with the tokenizer and template of the model that
 * would be asked first, where that is here; for an upstream it is an estimate, and says so. */
#include "data/json.h"
#include "gateway/answer/answer.h"
#include "gateway/api/anthropic/anthropic.h"
#include "gateway/http/pages.h"
#include "gateway/kind/kind.h"
#include "gateway/models.h"
#include "gateway/people/people.h"

#define COUNT_ARENA_MAX (160u << 20)

/* Who would be asked first; -1 and *err: nobody of this name that the caller may use. */
static int model_asked(struct gateway *g, const struct request *req, struct err *err)
{
    const struct config *c = gateway_config(g);
    struct str name = config_resolve_alias(c, req->model);
    int first = caller_first_tier(c, req->caller);
    int model = !str_is(name, "auto") ? models_find(g, name, err) : first >= 0 ? c->tiers[first].model : -1;
    if (model >= 0 && caller_may_use(c, req->caller, model))
        return model;
    if (err->code == ERR_NONE)
        err_set(err, ERR_NOT_FOUND, "the model '" STR_FMT "' does not exist here", STR_ARG(utf8_clip(name, 100)));
    return -1;
}

/* A model that cannot be loaded now counts as one that is not here. */
static bool count_here(struct gateway *g, const struct request *req, int model, int64_t *ret)
{
    struct local_model *m = models_local(g, model);
    struct generation_request gr = local_request(req);
    if (!m || (req->needs & ~LOCAL_OFFERS) || !local_model_acquire(m, &gr.load, NULL))
        return false;
    bool ok = generation_count_prompt(m, &gr, ret, NULL);
    local_model_release(m);
    return ok;
}

static void count(struct gateway *g, struct http_exchange *x, const struct request *req)
{
    struct err err = ERR_INIT;
    int model = model_asked(g, req, &err);
    int64_t tokens = 0;
    if (model < 0) {
        page_fail(x, anthropic_write_error, 404, err.msg, "model", NULL);
        return;
    }
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    bool exact = count_here(g, req, model, &tokens);
    json_open_object(&w);
    json_put_i64(&w, "input_tokens", exact ? tokens : kind_estimate_tokens(req));
    json_key(&w, "rung");
    json_open_object(&w);
    json_put_cstr(&w, "model", gateway_config(g)->models[model].name);
    json_put_bool(&w, "estimate", !exact);
    json_close_object(&w);
    json_close_object(&w);
    page_json(x, 200, &out);
    buf_free(&out);
}

void page_count_tokens(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    struct arena arena = ARENA_INIT(COUNT_ARENA_MAX);
    struct request req;
    struct err err = ERR_INIT;
    if (!anthropic_parse_count(http_body(x), &arena, &req, &err)) {
        page_fail(x, anthropic_write_error, err.code == ERR_NOMEM ? 503 : 400, err.msg, NULL, NULL);
    } else {
        req.caller = caller;
        count(g, x, &req);
        request_free(&req);
    }
    arena_free(&arena);
}
