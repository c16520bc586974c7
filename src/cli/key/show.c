/* Keys shown: a table for people, JSON for programs. */
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/key/key.h"
#include "store/money.h"

static void show_count(int64_t n, char out[24])
{
    if (n == KEY_NO_LIMIT)
        snprintf(out, 24, "-");
    else
        snprintf(out, 24, "%lld", (long long)n);
}

static void show_budget(int64_t spent, int64_t budget, char out[2 * MONEY_TEXT])
{
    char a[MONEY_TEXT], b[MONEY_TEXT];
    if (budget == KEY_NO_LIMIT)
        snprintf(out, 2 * MONEY_TEXT, "%s", money_format(spent, a));
    else
        snprintf(out, 2 * MONEY_TEXT, "%s of %s", money_format(spent, a), money_format(budget, b));
}

static const char *status_of(const struct key_record *k, int64_t now_ms)
{
    return k->revoked_ms ? "revoked" : k->expires_ms && k->expires_ms <= now_ms ? "expired" : "live";
}

void key_print_table(const struct key_record *keys, const struct key_usage *usage, int64_t n, int64_t now_ms)
{
    printf("%-16s %-16s %-9s %-8s %7s %9s  %-22s %-22s %s\n", "NAME", "ID", "KEY", "STATUS", "REQ/MIN", "TOK/MIN",
           "TODAY", "THIS MONTH", "LAST USED");
    for (int64_t i = 0; i < n; i++) {
        const struct key_record *k = &keys[i];
        char rpm[24], tpm[24], day[2 * MONEY_TEXT], month[2 * MONEY_TEXT], used[25] = "never";
        struct buf name = BUF_INIT(4096);
        cli_make_safe(str_of(k->name), &name);
        show_count(k->limits.requests_per_min, rpm);
        show_count(k->limits.tokens_per_min, tpm);
        show_budget(usage[i].day_spent_pico_usd, k->limits.budget_day_pico_usd, day);
        show_budget(usage[i].month_spent_pico_usd, k->limits.budget_month_pico_usd, month);
        if (k->last_used_ms)
            clock_iso8601(k->last_used_ms, used);
        printf("%-16s %-16s %-9s %-8s %7s %9s  %-22s %-22s %.16s\n", name.p ? name.p : "", k->id, k->prefix,
               status_of(k, now_ms), rpm, tpm, day, month, used);
        buf_free(&name);
    }
}

static void put_limit(struct json_writer *w, const char *key, int64_t n)
{
    if (n == KEY_NO_LIMIT)
        json_put_cstr(w, key, NULL);
    else
        json_put_i64(w, key, n);
}

static void put_usd(struct json_writer *w, const char *key, int64_t pico_usd)
{
    if (pico_usd == KEY_NO_LIMIT)
        json_put_cstr(w, key, NULL);
    else
        json_put_f64(w, key, (double)pico_usd / (double)MONEY_USD);
}

static void put_time(struct json_writer *w, const char *key, int64_t ms)
{
    char text[25];
    clock_iso8601(ms, text);
    json_put_cstr(w, key, ms ? text : NULL);
}

/* Names with commas between as an array; NULL for all. */
static void put_list(struct json_writer *w, const char *key, const char *list)
{
    json_key(w, key);
    if (!list[0]) {
        json_null_value(w);
        return;
    }
    json_open_array(w);
    while (*list) {
        size_t n = strcspn(list, ",");
        json_str(w, (struct str){list, n});
        list += n + (list[n] == ',');
    }
    json_close_array(w);
}

void key_write_json(struct json_writer *w, const struct key_record *k, const struct key_usage *usage,
                    const char *secret)
{
    json_open_object(w);
    json_put_cstr(w, "name", k->name);
    json_put_cstr(w, "id", k->id);
    if (secret)
        json_put_cstr(w, "key", secret);
    json_put_cstr(w, "prefix", k->prefix);
    json_put_cstr(w, "status", status_of(k, clock_wall_ms()));
    put_list(w, "models", k->models);
    put_list(w, "tiers", k->tiers);
    json_put_cstr(w, "privacy", k->privacy);
    json_put_bool(w, "admin", key_list_has(k->rights, STR("admin")));
    put_limit(w, "requests_per_min", k->limits.requests_per_min);
    put_limit(w, "tokens_per_min", k->limits.tokens_per_min);
    put_usd(w, "budget_day_usd", k->limits.budget_day_pico_usd);
    put_usd(w, "budget_month_usd", k->limits.budget_month_pico_usd);
    if (usage) {
        put_usd(w, "spent_today_usd", usage->day_spent_pico_usd);
        put_usd(w, "reserved_today_usd", usage->day_reserved_pico_usd);
        put_usd(w, "spent_this_month_usd", usage->month_spent_pico_usd);
        put_usd(w, "reserved_this_month_usd", usage->month_reserved_pico_usd);
    }
    put_time(w, "created", k->created_ms);
    put_time(w, "expires", k->expires_ms);
    put_time(w, "revoked", k->revoked_ms);
    put_time(w, "last_used", k->last_used_ms);
    json_close_object(w);
}
