/* What can be said about a ledger row without a database: its names, its texts and its sums. */
#include "store/ledger.h"
#include "store/money.h"

const char *const ledger_outcome_names[LEDGER_OUTCOMES] = {
    "open", "ok", "unanswered", "error", "cancelled", "possibly_billed", "lost",
};

const char *const ledger_attempt_outcome_names[LEDGER_ATTEMPT_OUTCOMES] = {
    "ok", "low_confidence", "failed", "timeout", "cancelled", "possibly_billed", "announced",
};

static int64_t sum_costs(const struct ledger_row *row, bool uncertain)
{
    int64_t sum = 0;
    for (int i = 0; i < row->n_attempts; i++)
        if ((row->attempts[i].outcome == LEDGER_ATTEMPT_POSSIBLY_BILLED) == uncertain)
            sum = money_add(sum, row->attempts[i].cost_pico_usd);
    return sum;
}

int64_t ledger_row_cost(const struct ledger_row *row)
{
    return sum_costs(row, false);
}

int64_t ledger_row_uncertain(const struct ledger_row *row)
{
    return sum_costs(row, true);
}

void ledger_text(char *field, size_t size, struct str s)
{
    struct str cut = utf8_clip(s, size - 1);
    if (cut.n)
        memcpy(field, cut.p, cut.n);
    field[cut.n] = '\0';
}
