/* rung bill --conversation: how a conversation's prompt and cost grew, and what remembering its beginning saved. */
#include "cli/bill/conversation.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "data/json.h"
#include "gateway/account/account.h"
#include "store/money.h"
#include "store/report.h"

#define MAX_TURNS 100000
#define MAX_JSON (64u << 20)
#define BAR_WIDTH 24

struct turn {
    struct report_turn row;
    struct ledger_tokens tokens;          /* here and upstream together */
    bool saving_known;
    int64_t saved_pico_usd;               /* by what came from an upstream's cache, less what writing to it cost more */
};

struct conversation {
    const char *id;
    const struct config *prices;
    struct turn *turns;
    int64_t n, cap;
    bool failed;                          /* out of memory, or too many */
};

/* The model's price when the turn was; false: it has none. */
static bool price_of(const struct config *c, const struct report_turn *t, struct price *ret)
{
    int model = c ? config_find_model(c, str_of(t->model)) : -1;
    if (model < 0 || !config_is_upstream(&c->models[model]))
        return false;
    int64_t prompt = t->upstream_tokens.prompt;
    *ret = account_price_at(&c->models[model].upstreams[0].price, t->wall_ms, prompt);
    return ret->known;
}

static int64_t saving(const struct price *p, const struct ledger_tokens *t)
{
    return money_times(p->input, t->cached) - money_times(p->cached_input, t->cached) -
           (money_times(p->cached_write, t->cache_write) - money_times(p->input, t->cache_write));
}

static bool add_turn(void *ctx, const struct report_turn *row)
{
    struct conversation *c = ctx;
    if (c->n == c->cap) {
        int64_t grown = c->cap ? c->cap * 2 : 64;
        struct turn *turns = c->cap < MAX_TURNS ? reallocarray(c->turns, (size_t)grown, sizeof *turns) : NULL;
        c->failed = !turns;
        if (!turns)
            return false;
        c->turns = turns;
        c->cap = grown;
    }
    struct turn *t = &c->turns[c->n++];
    const struct ledger_tokens *here = &row->local_tokens, *up = &row->upstream_tokens;
    struct price price;
    *t = (struct turn){.row = *row};
    t->tokens = (struct ledger_tokens){
        .prompt = here->prompt + up->prompt,
        .cached = here->cached + up->cached,
        .cache_write = here->cache_write + up->cache_write,
        .completion = here->completion + up->completion,
        .reasoning = here->reasoning + up->reasoning,
    };
    t->saving_known = price_of(c->prices, row, &price);
    t->saved_pico_usd = t->saving_known ? saving(&price, up) : 0;
    return true;
}

/* The sums, as a turn. */
static struct turn total_of(const struct conversation *c)
{
    struct turn sum = {0};
    for (int64_t i = 0; i < c->n; i++) {
        const struct turn *t = &c->turns[i];
        sum.tokens.prompt += t->tokens.prompt;
        sum.tokens.cached += t->tokens.cached;
        sum.tokens.cache_write += t->tokens.cache_write;
        sum.tokens.completion += t->tokens.completion;
        sum.tokens.reasoning += t->tokens.reasoning;
        sum.row.local_tokens.cached += t->row.local_tokens.cached;
        sum.row.cost_pico_usd = money_add(sum.row.cost_pico_usd, t->row.cost_pico_usd);
        sum.row.uncertain_pico_usd = money_add(sum.row.uncertain_pico_usd, t->row.uncertain_pico_usd);
        sum.row.frontier_pico_usd = money_add(sum.row.frontier_pico_usd, t->row.frontier_pico_usd);
        sum.saved_pico_usd += t->saved_pico_usd;
        sum.saving_known |= t->saving_known;
    }
    return sum;
}

/* ---- as JSON ---- */

static double usd(int64_t pico_usd) { return (double)pico_usd / (double)MONEY_USD; }

static void put_figures(struct json_writer *w, const struct turn *t)
{
    json_put_i64(w, "prompt_tokens", t->tokens.prompt);
    json_put_i64(w, "cached_tokens", t->tokens.cached);
    json_put_i64(w, "local_cached_tokens", t->row.local_tokens.cached);
    json_put_i64(w, "cache_write_tokens", t->tokens.cache_write);
    json_put_i64(w, "completion_tokens", t->tokens.completion);
    json_put_i64(w, "reasoning_tokens", t->tokens.reasoning);
    json_put_f64(w, "cost_usd", usd(t->row.cost_pico_usd));
    json_put_f64(w, "possibly_billed_usd", usd(t->row.uncertain_pico_usd));
    json_put_f64(w, "frontier_usd", usd(t->row.frontier_pico_usd));
    if (t->saving_known)
        json_put_f64(w, "saved_by_cache_usd", usd(t->saved_pico_usd));
    else
        json_put_cstr(w, "saved_by_cache_usd", NULL);
}

static bool print_json(const struct conversation *c, struct err *err)
{
    struct buf out = BUF_INIT(MAX_JSON);
    struct json_writer w = JSON_WRITER(&out);
    struct turn sum = total_of(c);
    char time[25];
    json_open_object(&w);
    json_put_cstr(&w, "conversation", c->id);
    json_key(&w, "turns");
    json_open_array(&w);
    for (int64_t i = 0; i < c->n; i++) {
        const struct turn *t = &c->turns[i];
        clock_iso8601(t->row.wall_ms, time);
        json_open_object(&w);
        json_put_cstr(&w, "time", time);
        json_put_cstr(&w, "tier", t->row.tier);
        json_put_cstr(&w, "model", t->row.model);
        json_put_cstr(&w, "kind", t->row.kind);
        json_put_cstr(&w, "outcome", t->row.outcome);
        put_figures(&w, t);
        json_close_object(&w);
    }
    json_close_array(&w);
    json_key(&w, "total");
    json_open_object(&w);
    put_figures(&w, &sum);
    json_close_object(&w);
    json_close_object(&w);
    bool ok = buf_check(&out, "the bill", err);
    if (ok)
        printf("%s\n", out.p);
    buf_free(&out);
    return ok;
}

/* ---- for people ---- */

static void print_bar(int64_t value, int64_t most, const char *mark)
{
    int64_t n = most ? (value * BAR_WIDTH + most - 1) / most : 0;
    for (int64_t i = 0; i < n; i++)
        fputs(mark, stdout);
}

static void print_turn(const struct turn *t, int64_t number, int64_t most, const char *mark)
{
    char time[25], cost[MONEY_TEXT], who[64];
    clock_iso8601(t->row.wall_ms, time);
    snprintf(who, sizeof who, "%.15s %.40s", t->row.tier[0] ? t->row.tier : t->row.outcome, t->row.model);
    printf("  %4lld  %.10s %.5s  %-28.28s %8lld %8lld %8lld  %13s  ", (long long)number, time, time + 11, who,
           (long long)t->tokens.prompt, (long long)t->tokens.cached,
           (long long)(t->tokens.completion + t->tokens.reasoning), money_format(t->row.cost_pico_usd, cost));
    print_bar(t->tokens.prompt, most, mark);
    putchar('\n');
}

static void print_text(const struct conversation *c)
{
    const char *mark = cli_color(STDOUT_FILENO) ? "█" : "#";
    char text[MONEY_TEXT];
    struct buf id = BUF_INIT(4096);
    struct turn sum = total_of(c);
    int64_t most = 0;
    for (int64_t i = 0; i < c->n; i++)
        most = c->turns[i].tokens.prompt > most ? c->turns[i].tokens.prompt : most;
    cli_make_safe(str_of(c->id), &id);
    printf("conversation %s: %lld turn%s\n\n", id.p ? id.p : "", (long long)c->n, c->n == 1 ? "" : "s");
    buf_free(&id);
    printf("  %4s  %-16s  %-28s %8s %8s %8s  %13s  %s\n", "turn", "time (UTC)", "answered by", "prompt", "cached",
           "answer", "cost", "prompt's growth");
    for (int64_t i = 0; i < c->n; i++)
        print_turn(&c->turns[i], i + 1, most, mark);
    printf("\n  total %lld tokens of prompts, %lld of answers: %s", (long long)sum.tokens.prompt,
           (long long)(sum.tokens.completion + sum.tokens.reasoning), money_format(sum.row.cost_pico_usd, text));
    printf("; at the frontier %s\n", money_format(sum.row.frontier_pico_usd, text));
    if (sum.row.uncertain_pico_usd)
        printf("  possibly billed beside that: at most %s\n", money_format(sum.row.uncertain_pico_usd, text));
    if (sum.saving_known)
        printf("  the upstreams' caches saved %s\n", money_format(sum.saved_pico_usd, text));
    if (sum.row.local_tokens.cached)
        printf("  remembered beginnings saved computing %lld of the prompts' tokens here\n",
               (long long)sum.row.local_tokens.cached);
}

bool bill_conversation(const char *ledger, const char *id, const struct config *prices, bool json, struct err *err)
{
    struct conversation c = {.id = id, .prices = prices};
    bool ok = report_conversation(ledger, str_hash(str_of(id)), add_turn, &c, err);
    if (ok && c.failed)
        ok = err_set(err, ERR_LIMIT, "the conversation has over %d turns, or memory is out", MAX_TURNS);
    else if (ok && c.n == 0)
        ok = err_set(err, ERR_NOT_FOUND,
                     "%s has no turn of this conversation; requests name theirs in metadata.conversation_id", ledger);
    if (ok && json)
        ok = print_json(&c, err);
    else if (ok)
        print_text(&c);
    free(c.turns);
    return ok;
}
