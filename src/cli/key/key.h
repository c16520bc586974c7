/* The parts of `rung key`: what is said about keys, for people and for programs. */
#ifndef RUNG_CLI_KEY_KEY_H
#define RUNG_CLI_KEY_KEY_H

#include "data/json.h"
#include "gateway/config.h"
#include "store/keys.h"

/* What `rung key create` takes, into a record and its lists checked; the sentence names the option. */
struct key_wishes {
    const char *name, *models, *tiers, *rpm, *tpm, *budget_day, *budget_month, *privacy, *expires;
    bool admin;
};
bool key_from_wishes(const struct key_wishes *wishes, int64_t now_ms, struct key_record *ret, struct err *err);
/* Whether its tiers, models and privacy class are the configuration's. A model that is none of it is noted on standard
 * error: it may be one of the store of models. */
bool key_check_names(const struct config *c, const struct key_record *k, struct err *err);

void key_print_table(const struct key_record *keys, const struct key_usage *usage, int64_t n, int64_t now_ms);
/* usage NULL: not shown; secret NULL: not shown. */
void key_write_json(struct json_writer *w, const struct key_record *k, const struct key_usage *usage,
                    const char *secret);

#endif
