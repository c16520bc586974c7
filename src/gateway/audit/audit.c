/* What a line of the audit log says. Names, counts and reasons; no text of a request or an answer, no secret. */
#include "gateway/audit/audit.h"

#include "data/json.h"
#include "gateway/people/people.h"
#include "gateway/residency/residency.h"

/* The members behind those that every line has: a writer that begins in the middle of an object. */
struct members {
    struct buf buf;
    struct json_writer w;
};

static void members_begin(struct members *m)
{
    m->buf = BUF_INIT(AUDIT_LINE_MAX);
    m->w = JSON_WRITER(&m->buf);
    json_open_object(&m->w);
}

/* The object that was written, from its first member on, with a comma before it. */
static bool members_append(struct members *m, struct audit *a, const char *event, struct err *err)
{
    json_close_object(&m->w);
    bool ok = buf_check(&m->buf, "a line of the audit log", err);
    if (ok && m->buf.n > 2) {
        m->buf.p[0] = ',';
        ok = audit_append(a, event, (struct str){m->buf.p, m->buf.n - 1}, err);
    } else if (ok) {
        ok = audit_append(a, event, STR(""), err);
    }
    buf_free(&m->buf);
    return ok;
}

static void put_who(struct json_writer *w, const struct request *req)
{
    const struct key_record *key = caller_record(req->caller);
    json_put_cstr(w, "id", req->id);
    json_put_cstr(w, "endpoint", req->caller ? req->caller->endpoint : NULL);
    json_put_cstr(w, "key", key ? key->id : NULL);
    json_put_cstr(w, "key_name", key ? key->name : NULL);
}

static void put_found(struct json_writer *w, const struct config *c, const struct residency_verdict *v)
{
    json_key(w, "found");
    json_open_object(w);
    for (int k = 0; k < PII_COUNT; k++)
        if (v->found.n[k])
            json_put_i64(w, pii_infos[k].name, v->found.n[k]);
    for (int k = 0; c->residency && k < DETECTORS_MAX; k++)
        if (v->patterns[k])
            json_put_i64(w, c->residency->pattern_names[k], v->patterns[k]);
    json_close_object(w);
    json_put_bool(w, "unread", v->unread);
}

static void put_classes(struct json_writer *w, const struct config *c, const struct request *req)
{
    const struct residency_verdict *v = req->residency;
    json_put_cstr(w, "privacy", req->privacy == PRIVACY_LOCAL ? "local" : "any");
    json_key(w, "classes");
    json_open_array(w);
    for (int i = 0; v && i < v->n_classes; i++) {
        json_open_object(w);
        json_put_cstr(w, "class", v->classes[i]->name);
        json_put_cstr(w, "rule", v->rules[i]);
        json_close_object(w);
    }
    json_close_array(w);
    if (v && v->looked)
        put_found(w, c, v);
}

bool audit_request(struct audit *a, const struct config *c, const struct request *req, const struct plan *plan,
                   struct err *err)
{
    struct members m;
    if (!a)
        return true;
    members_begin(&m);
    put_who(&m.w, req);
    json_put_str(&m.w, "model", utf8_clip(req->model, 200));
    json_put_cstr(&m.w, "kind", kind_names[plan->analysis.kind]);
    put_classes(&m.w, c, req);
    json_key(&m.w, "plan");
    json_open_array(&m.w);
    for (int i = 0; i < plan->n_steps; i++) {
        int tier = plan->steps[i].tier;
        json_open_object(&m.w);
        json_put_cstr(&m.w, "tier", tier >= 0 ? c->tiers[tier].name : "named");
        json_put_cstr(&m.w, "model", c->models[plan->steps[i].model].name);
        json_close_object(&m.w);
    }
    json_close_array(&m.w);
    json_put_cstr(&m.w, "why", plan->verdict == PLAN_OK ? plan->reason : plan->err.msg);
    if (plan->skipped[0])
        json_put_cstr(&m.w, "skipped", plan->skipped);
    return members_append(&m, a, plan->n_steps ? "request" : "refused", err);
}

static void put_attempt(struct json_writer *w, const struct attempt *t)
{
    json_open_object(w);
    json_put_cstr(w, "tier", t->tier);
    json_put_cstr(w, "model", t->model);
    json_put_cstr(w, "upstream", t->upstream);
    json_put_bool(w, "local", t->local);
    json_put_cstr(w, "outcome", attempt_outcome_names[t->outcome]);
    json_close_object(w);
}

bool audit_answer(struct audit *a, const struct request *req, const struct reply *reply, struct err *err)
{
    static const char *const outcomes[] = {
        [REPLY_OK] = "ok", [REPLY_UNANSWERED] = "unanswered", [REPLY_ERROR] = "error", [REPLY_CANCELLED] = "cancelled"};
    struct members m;
    if (!a)
        return true;
    members_begin(&m);
    put_who(&m.w, req);
    json_put_cstr(&m.w, "outcome", outcomes[reply->outcome]);
    json_put_cstr(&m.w, "tier", reply->tier);
    json_put_cstr(&m.w, "model", reply->model);
    json_put_cstr(&m.w, "why", reply->reason);
    json_key(&m.w, "attempts");
    json_open_array(&m.w);
    for (int i = 0; i < reply->n_attempts; i++)
        put_attempt(&m.w, &reply->attempts[i]);
    json_close_array(&m.w);
    return members_append(&m, a, "answer", err);
}

bool audit_denied(struct audit *a, const char *endpoint, const char *why, struct err *err)
{
    struct members m;
    int64_t left_out = 0;
    if (!a || audit_flood(a, &left_out))
        return true;
    members_begin(&m);
    json_put_cstr(&m.w, "endpoint", endpoint);
    json_put_cstr(&m.w, "why", why);
    if (left_out)
        json_put_i64(&m.w, "left_out", left_out);
    return members_append(&m, a, "denied", err);
}
