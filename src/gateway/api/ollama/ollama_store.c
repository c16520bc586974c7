/* Changes of the store of models that Ollama's clients ask for: pulling, copying, deleting. Names of registries only:
 * a request chooses no file of this machine and no address to fetch from. What makes models out of other things
 * (create, push, blobs) is refused. */
#include <stdio.h>
#include <stdlib.h>

#include "data/json.h"
#include "gateway/api/ollama/ollama.h"
#include "gateway/api/ollama/ollama_details.h"
#include "gateway/http/pages.h"
#include "gateway/people/people.h"
#include "registry/pull.h"

#define LINE_MAX_BYTES (64u << 10)

static bool may_change(struct http_exchange *x, const struct caller *caller)
{
    if (caller_is_admin(caller))
        return true;
    page_fail(x, ollama_write_error, 403, "this key may not change the models of this machine; one made with rung key "
                                          "create --admin may", NULL, NULL);
    return false;
}

static int status_of(const struct err *err)
{
    switch (err->code) {
    case ERR_INVALID:
    case ERR_UNSUPPORTED:
        return 400;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_BUSY:
        return 409;
    case ERR_IO:
    case ERR_TIMEOUT:
    case ERR_CORRUPT:
        return 502;
    default:
        return 500;
    }
}

static void fail(struct http_exchange *x, const struct err *err)
{
    page_fail(x, ollama_write_error, status_of(err), err->msg, NULL, NULL);
}

/* A name for the registry: "model", "HOST/NS/MODEL:TAG", "hf.co/ORG/REPO:QUANT". */
static bool take_name(struct str name, char text[MODEL_NAME_MAX], struct err *err)
{
    struct model_name parsed;
    snprintf(text, MODEL_NAME_MAX, STR_FMT, (int)(name.n < MODEL_NAME_MAX ? name.n : 0), name.p);
    if (strlen(text) == name.n && model_name_parse(text, &parsed, NULL) &&
        (parsed.source == SOURCE_OLLAMA || parsed.source == SOURCE_HUGGING_FACE))
        return true;
    return err_set(err, ERR_INVALID, "'" STR_FMT "' is no name of a model; they are like qwen3:4b or "
                                     "hf.co/ORG/REPO:Q4_K_M", STR_ARG(utf8_clip(name, 80)));
}

/* ---- pulling ---- */

struct pulling {
    struct http_exchange *x;
    bool streamed, begun;
    char digest[DIGEST_HEX + 8];          /* "sha256:..." */
    char status[40];
    int64_t done;                         /* as last told; -1: not yet */
};

struct pull_request {
    char name[MODEL_NAME_MAX];
    bool streamed;
};

static bool parse_pull(const json_t *body, struct pull_request *ret, struct err *err)
{
    struct str name, user = STR(""), password = STR("");
    bool insecure = false;
    ret->streamed = true;
    if (!ollama_model_name(body, &name, err) || !json_get_bool(body, "stream", &ret->streamed, err) ||
        !json_get_bool(body, "insecure", &insecure, err) || !json_get_str(body, "username", &user, err) ||
        !json_get_str(body, "password", &password, err))
        return false;
    if (insecure)
        return err_set(err, ERR_INVALID, "'insecure' is not supported: models come over TLS, or from this machine");
    if (user.n || password.n)
        return err_set(err, ERR_INVALID, "'%s' is not supported; give a key to Rung's environment, as HF_TOKEN",
                       user.n ? "username" : "password");
    return take_name(name, ret->name, err);
}

static bool send_line(struct pulling *p, struct buf *line)
{
    bool ok = true;
    buf_char(line, '\n');
    if (p->streamed && !p->begun) {
        p->begun = true;
        http_reply_begin(p->x, 200, "application/x-ndjson");
    }
    if (p->streamed)
        ok = buf_ok(line) && http_reply_write(p->x, buf_view(line));
    buf_free(line);
    return ok;
}

static bool send_status(struct pulling *p, const char *status)
{
    struct buf line = BUF_INIT(LINE_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&line);
    json_open_object(&w);
    json_put_cstr(&w, "status", status);
    json_close_object(&w);
    return send_line(p, &line);
}

static void resolved(void *ctx, int64_t bytes, const char *digest)
{
    struct pulling *p = ctx;
    (void)bytes;
    snprintf(p->digest, sizeof p->digest, "sha256:%s", digest);
    snprintf(p->status, sizeof p->status, "pulling %.12s", digest[0] ? digest : "the model");
    send_status(p, "pulling manifest");
}

static bool step(void *ctx, int64_t done, int64_t total)
{
    struct pulling *p = ctx;
    struct buf line = BUF_INIT(LINE_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&line);
    if (!p->digest[0] || done == p->done)   /* looking at what is here already; or no news */
        return !http_client_gone(p->x);
    p->done = done;
    json_open_object(&w);
    json_put_cstr(&w, "status", p->status);
    json_put_cstr(&w, "digest", p->digest);
    if (total >= 0)
        json_put_i64(&w, "total", total);
    json_put_i64(&w, "completed", done);
    json_close_object(&w);
    return send_line(p, &line) && !http_client_gone(p->x);
}

static void end_pull(struct pulling *p, const struct pull_result *result)
{
    struct buf out = BUF_INIT(LINE_MAX_BYTES);
    char text[600];
    if (result->unread[0]) {
        snprintf(text, sizeof text, "it is kept, but this Rung cannot run it: %s", result->unread);
        send_status(p, text);
    }
    if (p->streamed) {
        send_status(p, "success");
        http_reply_end(p->x);
        return;
    }
    buf_puts(&out, "{\"status\":\"success\"}");
    page_json(p->x, 200, &out);
    buf_free(&out);
}

static void fail_pull(struct pulling *p, const struct err *err)
{
    struct buf line = BUF_INIT(LINE_MAX_BYTES);
    if (!p->begun) {
        fail(p->x, err);
        return;
    }
    ollama_write_error(status_of(err), err->msg, NULL, NULL, &line);
    send_line(p, &line);
    http_reply_end(p->x);
}

static bool pull(struct gateway *g, const char *name, struct pulling *p, struct pull_result *result, struct err *err)
{
    const struct remote_progress progress = {.ctx = p, .step = step};
    const struct pull_options options = {.progress = &progress, .resolved = resolved, .ctx = p};
    struct registry *r = NULL;
    bool ok = models_registry(g, &r, err) && registry_pull(r, name, &options, result, err);
    registry_close(r);
    if (ok && result->outcome == PULL_MOVED)
        models_changed(g, result->model.name);
    return ok;
}

void page_pull(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    struct pull_request request;
    struct pull_result *result = NULL;
    struct err err = ERR_INIT;
    json_t *body = NULL;
    if (!may_change(x, caller))
        return;
    if (!json_parse_object(http_body(x), "request body", &body, &err) || !parse_pull(body, &request, &err)) {
        fail(x, &err);
    } else {
        struct pulling p = {.x = x, .streamed = request.streamed, .done = -1};
        result = calloc(1, sizeof *result);
        if (result ? pull(g, request.name, &p, result, &err) : err_nomem(&err, "a model to pull"))
            end_pull(&p, result);
        else
            fail_pull(&p, &err);
    }
    free(result);
    json_decref(body);
}

/* ---- copying, deleting ---- */

static bool copy(struct gateway *g, const json_t *body, struct err *err)
{
    struct str source = STR(""), destination = STR("");
    char from[MODEL_NAME_MAX], to[MODEL_NAME_MAX];
    struct registry *r = NULL;
    struct registry_model *made = malloc(sizeof *made);
    bool ok = made ? json_get_str(body, "source", &source, err) && json_get_str(body, "destination", &destination, err)
                   : err_nomem(err, "a model");
    if (ok && (!source.n || !destination.n))
        ok = err_set(err, ERR_INVALID, "'%s' must name a model", source.n ? "destination" : "source");
    ok = ok && take_name(source, from, err) && take_name(destination, to, err) && models_registry(g, &r, err) &&
         registry_copy(r, from, to, NULL, made, err);
    registry_close(r);
    free(made);
    return ok;
}

static bool delete(struct gateway *g, const json_t *body, struct err *err)
{
    struct str name;
    char text[MODEL_NAME_MAX];
    int64_t freed;
    struct registry *r = NULL;
    struct registry_model *m = malloc(sizeof *m);
    bool ok = m ? ollama_model_name(body, &name, err) && take_name(name, text, err) && models_registry(g, &r, err)
                : err_nomem(err, "a model");
    bool known = ok && registry_find(r, text, m, NULL);
    ok = ok && registry_remove(r, text, &freed, err);
    if (ok && known)
        models_changed(g, m->name);
    registry_close(r);
    free(m);
    return ok;
}

static void change(struct gateway *g, struct http_exchange *x, const struct caller *caller,
                   bool (*how)(struct gateway *g, const json_t *body, struct err *err))
{
    struct err err = ERR_INIT;
    json_t *body = NULL;
    if (!may_change(x, caller))
        return;
    if (json_parse_object(http_body(x), "request body", &body, &err) && how(g, body, &err))
        http_reply(x, 200, "application/json", STR(""));
    else
        fail(x, &err);
    json_decref(body);
}

void page_copy(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    change(g, x, caller, copy);
}

void page_delete(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    change(g, x, caller, delete);
}

void page_not_made_here(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    (void)g;
    (void)caller;
    page_fail(x, ollama_write_error, 501, "Rung makes and publishes no models over HTTP; rung quantize makes a file, "
                                          "rung pull FILE brings one in", NULL, NULL);
}
