/* A scratch ledger for the tests of this floor: a file, or, when RUNG_TEST_STORE holds its address, a database. */
#include "../support_sql.h"

#include "store/money.h"
#include "support_ledger.h"

static char folder[64], path[256];

const char *ledger_fresh(void)
{
    const char *address = getenv("RUNG_TEST_STORE");
    snprintf(folder, sizeof folder, "/tmp/rung-ledger-XXXXXX");
    if (address) {
        snprintf(path, sizeof path, "%s", address);
        sql_ask(path, "DROP SCHEMA IF EXISTS rung CASCADE");
        return path;
    }
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/deep/er/ledger.db", folder);
    return path;
}

void ledger_remove(void)
{
    char command[96];
    if (ledger_is_address(path))
        return;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

struct ledger *ledger_must_open(void)
{
    struct err err = ERR_INIT;
    struct ledger *l = NULL;
    assert_ok(ledger_open(path, &(struct ledger_options){0}, &l, &err), err);
    return l;
}

struct ledger_row ledger_sample(int i, int64_t cost_pico_usd)
{
    struct ledger_row row = {
        .outcome = LEDGER_OK, .tier_rank = 1, .confidence = -1, .hold_us = 1000, .ttft_us = 2000 + i, .total_us = 9000,
        .frontier_pico_usd = MONEY_USD / 100, .n_attempts = 2, .conversation = 0xfedcba9876543210u,
    };
    snprintf(row.id, sizeof row.id, "chatcmpl-%d", i);
    ledger_text(row.kind, sizeof row.kind, STR("classify"));
    ledger_text(row.model_asked, sizeof row.model_asked, STR("auto"));
    ledger_text(row.privacy, sizeof row.privacy, STR("any"));
    ledger_text(row.tier_path, sizeof row.tier_path, STR("local>mid"));
    ledger_text(row.tier, sizeof row.tier, STR("mid"));
    ledger_text(row.model, sizeof row.model, STR("mid-model"));
    row.attempts[0] = (struct ledger_attempt){
        .tier = "local", .model = "starter", .local = true, .outcome = LEDGER_ATTEMPT_LOW_CONFIDENCE,
        .tokens = {.prompt = 10, .cached = 4, .completion = 3, .reasoning = 1}, .confidence = 0.4,
    };
    row.attempts[1] = (struct ledger_attempt){
        .tier = "mid", .model = "mid-model", .outcome = LEDGER_ATTEMPT_OK, .cost_pico_usd = cost_pico_usd,
        .tokens = {.prompt = 11, .cached = 5, .completion = 4, .reasoning = 2}, .confidence = -1,
    };
    return row;
}

bool ledger_reserve(struct ledger *l, const char *id, int64_t pico_usd, int64_t budget_pico_usd, struct err *err)
{
    struct ledger_reservation r = {
        .id = id, .tier = "mid", .model = "m", .pico_usd = pico_usd, .budget_pico_usd = budget_pico_usd,
    };
    return ledger_attempt(l, &r, NULL, err);
}

int64_t ledger_query(const char *sql)
{
    return sql_ask(path, sql);
}
