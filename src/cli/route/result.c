/* What is written about one line: as JSON for programs, as text with the reason for people. */
#include "cli/route/route.h"
#include "data/json.h"
#include "gateway/residency/residency.h"

#define PRIVACY_TEXT 400

struct str route_asked(const struct request *req)
{
    for (int i = req->n_messages - 1; i >= 0; i--) {
        if (str_is(req->messages[i].role, "user"))
            return req->messages[i].content;
    }
    return STR("");
}

void route_clip(struct str text, char *out, size_t size)
{
    struct str fits = text.n < size ? text : utf8_clip(text, size - 4);
    size_t n = 0;
    for (; n < fits.n; n++)
        out[n] = (unsigned char)fits.p[n] < ' ' || fits.p[n] == 127 ? ' ' : fits.p[n];
    snprintf(out + n, size - n, "%s", fits.n < text.n ? "..." : "");
}

static void put_id(struct json_writer *w, const struct request *req, int64_t line)
{
    json_put_i64(w, "line", line);
    json_put_str(w, "id", req->label.n ? req->label : str_of(req->id));
}

/* Which privacy classes held, and why; null where none did. */
static void put_privacy(struct json_writer *w, const struct request *req)
{
    char text[PRIVACY_TEXT];
    residency_describe(req, text, sizeof text);
    json_put_cstr(w, "privacy", text[0] ? text : NULL);
}

static void write_privacy(const struct request *req, struct buf *out)
{
    char text[PRIVACY_TEXT];
    residency_describe(req, text, sizeof text);
    if (text[0])
        buf_printf(out, "; privacy: %s", text);
}

static void put_scores(struct json_writer *w, const struct reply *r)
{
    json_key(w, "scores");
    json_open_object(w);
    for (int s = 0; s < SCORE_COUNT; s++) {
        json_key(w, confidence_score_names[s]);
        if (r->scores[s] < 0)
            json_null_value(w);
        else
            json_f64(w, r->scores[s]);
    }
    json_close_object(w);
}

void route_write_json(const struct request *req, const struct reply *r, int64_t line, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    json_open_object(&w);
    put_id(&w, req, line);
    if (r->outcome == REPLY_OK)
        json_put_str(&w, "answer", buf_view(&r->text));
    else
        json_put_cstr(&w, "error", r->err.msg);
    if (r->reasoning.n)
        json_put_str(&w, "reasoning", buf_view(&r->reasoning));
    if (r->tool_calls.n)
        json_put_raw(&w, "tool_calls", r->tool_calls);
    json_put_cstr(&w, "tier", r->tier);
    json_put_cstr(&w, "model", r->model);
    json_put_cstr(&w, "kind", kind_names[r->kind]);
    put_privacy(&w, req);
    json_key(&w, "confidence");
    if (r->confidence < 0)
        json_null_value(&w);
    else
        json_f64(&w, r->confidence);
    put_scores(&w, r);
    json_put_cstr(&w, "reason", r->reason);
    json_put_cstr(&w, "escalation", r->escalation);
    json_put_cstr(&w, "unanswered", r->unanswered);
    json_put_cstr(&w, "finish_reason", r->finish_reason);
    json_put_f64(&w, "cost_usd", (double)r->cost_pico_usd / 1e12);
    json_put_f64(&w, "frontier_cost_usd", (double)r->frontier_pico_usd / 1e12);
    json_put_f64(&w, "latency_ms", (double)r->total_us / 1000);
    openai_put_rung(&w, r, NULL);
    json_close_object(&w);
    buf_char(out, '\n');
}

void route_write_plan_json(const struct config *c, const struct request *req, const struct plan *plan, int64_t line,
                           struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    json_open_object(&w);
    put_id(&w, req, line);
    json_put_cstr(&w, "kind", kind_names[plan->analysis.kind]);
    json_put_cstr(&w, "kind_why", plan->analysis.why);
    put_privacy(&w, req);
    json_key(&w, "traits");
    json_open_array(&w);
    for (int t = 0; t < TRAIT_COUNT; t++) {
        if (plan->analysis.traits & TRAIT_BIT(t))
            json_cstr(&w, trait_names[t]);
    }
    json_close_array(&w);
    json_key(&w, "steps");
    json_open_array(&w);
    for (int i = 0; i < plan->n_steps; i++)
        json_cstr(&w, c->models[plan->steps[i].model].name);
    json_close_array(&w);
    json_put_cstr(&w, "reason", plan->reason);
    json_put_cstr(&w, "skipped", plan->skipped[0] ? plan->skipped : NULL);
    json_put_cstr(&w, "error", plan->verdict == PLAN_OK ? NULL : plan->err.msg);
    json_put_i64(&w, "prompt_tokens_estimate", kind_estimate_tokens(req));
    json_put_i64(&w, "completion_tokens_assumed", route_assumed_output(req, plan->analysis.kind));
    json_close_object(&w);
    buf_char(out, '\n');
}

void route_write_bad_json(int64_t line, const struct err *err, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    json_open_object(&w);
    json_put_i64(&w, "line", line);
    json_put_cstr(&w, "error", err->msg);
    json_close_object(&w);
    buf_char(out, '\n');
}

static void write_label(const struct request *req, int64_t line, struct buf *out)
{
    char label[40], number[24];
    snprintf(number, sizeof number, "%lld", (long long)line);
    route_clip(req->label.n ? req->label : str_of(number), label, sizeof label);
    buf_printf(out, "%-14s ", label);
}

void route_write_text(const struct request *req, const struct reply *r, int64_t line, struct buf *out)
{
    char text[160];
    write_label(req, line, out);
    if (r->confidence >= 0)
        snprintf(text, sizeof text, "%.2f", r->confidence);
    else
        snprintf(text, sizeof text, "-");
    buf_printf(out, "%-10s %-9s %5s  ", kind_names[r->kind], r->outcome == REPLY_OK ? r->tier : "-", text);
    route_clip(r->outcome == REPLY_OK ? buf_view(&r->text) : str_of(r->err.msg), text, 60);
    buf_printf(out, "%-60s  %s%s%s", text, r->reason, r->escalation ? "; escalation: " : "",
               r->escalation ? r->escalation : "");
    write_privacy(req, out);
    buf_char(out, '\n');
    if (r->unanswered)
        buf_printf(out, "%-14s unanswered: %s\n", "", r->unanswered);
}

void route_write_plan_text(const struct config *c, const struct request *req, const struct plan *plan, int64_t line,
                           struct buf *out)
{
    write_label(req, line, out);
    buf_printf(out, "%-10s ", kind_names[plan->analysis.kind]);
    for (int i = 0; i < plan->n_steps; i++) {
        int tier = plan->steps[i].tier;
        buf_printf(out, "%s%s", i ? (plan->steps[i].fallback ? " else " : " > ") : "",
                   tier >= 0 ? c->tiers[tier].name : c->models[plan->steps[i].model].name);
    }
    buf_printf(out, "  %s", plan->verdict == PLAN_OK ? plan->reason : plan->err.msg);
    buf_printf(out, " (%s)%s%s", plan->analysis.why ? plan->analysis.why : "no rule",
               plan->skipped[0] ? "; left out: " : "", plan->skipped);
    write_privacy(req, out);
    buf_char(out, '\n');
}
