/* One answer: started, streamed to the terminal while it is written, and summed up for the timing line or as JSON. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run/run.h"

#define POLL_MS 50 /* how soon Ctrl-C is seen */

/* ---- Ctrl-C ---- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

void run_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
}

bool run_interrupted(void)
{
    return interrupted;
}

bool run_take_interrupt(void)
{
    bool was = interrupted;
    interrupted = 0;
    return was;
}

/* ---- writing while it comes ---- */

struct screen {
    bool on;
    bool terminal;    /* a pipe gets the answer alone, byte for byte; people get the reasoning too */
    bool color;
    bool reasoning;   /* what was written last */
};

/* The answer stands apart from the reasoning before it. */
static void screen_turn(struct screen *s, bool reasoning)
{
    if (reasoning == s->reasoning)
        return;
    if (s->color)
        fputs(reasoning ? "\x1b[2m" : "\x1b[0m", stdout);
    if (!reasoning)
        fputs("\n\n", stdout);
    s->reasoning = reasoning;
}

static void screen_write(struct screen *s, struct str text, bool reasoning)
{
    if (!s->on || text.n == 0 || (reasoning && !s->terminal))
        return;
    screen_turn(s, reasoning);
    struct buf safe = BUF_INIT(RUN_MAX_TEXT_BYTES);
    if (s->terminal) {
        cli_make_safe(text, &safe);
        text = buf_view(&safe);
    }
    fwrite(text.p, 1, text.n, stdout);
    fflush(stdout);
    buf_free(&safe);
}

static void screen_end(struct screen *s)
{
    if (!s->on)
        return;
    if (s->reasoning && s->color)
        fputs("\x1b[0m", stdout);
    putchar('\n');
    fflush(stdout);
}

/* ---- the answer ---- */

static void take_event(struct run_answer *a, struct screen *screen, const struct gen_event *event)
{
    buf_str(event->reasoning ? &a->reasoning : &a->text, event->text);
    screen_write(screen, event->text, event->reasoning);
    if (event->kind == GEN_DONE) {
        a->finish = event->finish;
        a->valid = event->whole;
        a->usage = event->usage;
    } else if (!event->reasoning) {
        a->logprob_sum += (double)event->record.logprob;
        a->n_logprobs++;
    }
}

static bool pull_events(struct generation *g, struct run_answer *a, struct screen *screen, struct err *err)
{
    struct gen_event event = {0};
    do {
        if (run_take_interrupt() || ferror(stdout))
            generation_cancel(g);
        if (generation_next(g, POLL_MS, &event))
            take_event(a, screen, &event);
    } while (event.kind != GEN_DONE);
    if (event.finish == FINISH_ERROR) {
        *err = event.err;
        return false;
    }
    if (ferror(stdout))
        return err_set(err, ERR_IO, "cannot write to standard output");
    return buf_check(&a->text, "the answer", err) && buf_check(&a->reasoning, "the reasoning", err);
}

/* Whether the answer is what its rule asks for; a mask leaves some of a schema to this. */
static void judge(struct run_answer *a, const struct cli_rule *rule)
{
    a->why = ERR_INIT;
    if (!rule)
        a->valid = true;
    else if (a->finish == FINISH_LENGTH && !a->valid)
        err_set(&a->why, ERR_LIMIT, "it was cut after %lld tokens, before it was whole",
                (long long)a->usage.completion_tokens);
    else if (!a->valid)
        err_set(&a->why, ERR_INVALID, "it ended before it was whole");
    else
        a->valid = cli_rule_validate(rule, buf_view(&a->text), &a->why);
}

bool run_answer(const struct cli_model *m, const struct run_options *o, const struct chat_message *messages, int n,
                bool stream,
                struct run_answer *ret, struct err *err)
{
    *ret = (struct run_answer){.text = BUF_INIT(RUN_MAX_TEXT_BYTES), .reasoning = BUF_INIT(RUN_MAX_TEXT_BYTES)};
    struct generation_request req = {
        .messages = messages, .n_messages = n, .sampler = o->sampler, .max_tokens = o->max_tokens,
        .enable_thinking = o->enable_thinking, .reasoning_effort = o->reasoning_effort,
        .rule = o->rule ? &o->rule->spec : NULL};
    struct screen screen = {.on = stream, .terminal = isatty(STDOUT_FILENO), .color = cli_color(STDOUT_FILENO)};
    struct generation *g;
    if (!generation_start(m->rt, m->model, &req, &g, err))
        return false;
    bool ok = pull_events(g, ret, &screen, err);
    screen_end(&screen);
    generation_close(g);
    if (ok)
        judge(ret, o->rule);
    return ok;
}

void run_answer_free(struct run_answer *a)
{
    buf_free(&a->text);
    buf_free(&a->reasoning);
}

/* ---- summed up ---- */

double run_confidence(const struct run_answer *a)
{
    return a->n_logprobs > 0 ? exp(a->logprob_sum / (double)a->n_logprobs) : 0;
}

/* The first token is prefill's, so the rate is of the others. */
static double tokens_per_second(const struct generation_usage *u)
{
    int64_t writing_us = u->total_us - u->ttft_us;
    return u->completion_tokens > 1 && writing_us > 0 ? (double)(u->completion_tokens - 1) * 1e6 / (double)writing_us
        : 0;
}

void run_print_timing(const struct run_answer *a)
{
    const struct generation_usage *u = &a->usage;
    bool dim = cli_color(STDERR_FILENO);
    fprintf(stderr, "%s%lld tokens", dim ? "\x1b[2m" : "", (long long)u->completion_tokens);
    if (u->reasoning_tokens > 0)
        fprintf(stderr, " (%lld reasoning)", (long long)u->reasoning_tokens);
    fprintf(stderr, " after a prompt of %lld", (long long)u->prompt_tokens);
    if (u->cached_tokens > 0)
        fprintf(stderr, " (%lld known from before)", (long long)u->cached_tokens);
    if (u->forced_tokens > 0)
        fprintf(stderr, ", %lld forced by the rule", (long long)u->forced_tokens);
    fprintf(stderr, ", first after %.0f ms, %.1f tokens/s, confidence %.3f", (double)u->ttft_us / 1000,
            tokens_per_second(u), run_confidence(a));
    if (a->finish != FINISH_STOP)
        fprintf(stderr, ", ended by %s", a->finish == FINISH_LENGTH ? "length" : "Ctrl-C");
    fprintf(stderr, "%s\n", dim ? "\x1b[0m" : "");
}

static void put_usage(struct json_writer *w, const struct generation_usage *u)
{
    json_key(w, "usage");
    json_open_object(w);
    json_put_i64(w, "prompt_tokens", u->prompt_tokens);
    json_put_i64(w, "cached_tokens", u->cached_tokens);
    json_put_i64(w, "completion_tokens", u->completion_tokens);
    json_put_i64(w, "reasoning_tokens", u->reasoning_tokens);
    json_put_i64(w, "forced_tokens", u->forced_tokens);
    json_put_i64(w, "total_tokens", u->prompt_tokens + u->completion_tokens);
    json_close_object(w);
    json_key(w, "timings");
    json_open_object(w);
    json_put_f64(w, "prefill_ms", (double)u->prefill_us / 1000);
    json_put_f64(w, "time_to_first_token_ms", (double)u->ttft_us / 1000);
    json_put_f64(w, "total_ms", (double)u->total_us / 1000);
    json_put_f64(w, "tokens_per_second", tokens_per_second(u));
    json_close_object(w);
}

bool run_print_json(const struct run_options *o, const struct run_answer *a, const struct run_posterior *posterior,
                    struct err *err)
{
    struct buf out = BUF_INIT(4 * (size_t)RUN_MAX_TEXT_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    json_put_cstr(&w, "model", o->name);
    json_put_str(&w, "text", buf_view(&a->text));
    json_put_str(&w, "reasoning", buf_view(&a->reasoning));
    json_put_cstr(&w, "finish_reason", finish_reason_name(a->finish));
    if (o->rule)
        json_put_bool(&w, "valid", a->valid);
    json_put_f64(&w, "confidence", run_confidence(a));
    if (posterior->probability)
        run_put_posterior(&w, o, posterior);
    json_put_i64(&w, "seed", (int64_t)o->sampler.seed);
    put_usage(&w, &a->usage);
    json_close_object(&w);
    bool ok = buf_check(&out, "the answer as JSON", err);
    if (ok) {
        fwrite(out.p, 1, out.n, stdout);
        putchar('\n');
    }
    buf_free(&out);
    return ok;
}
