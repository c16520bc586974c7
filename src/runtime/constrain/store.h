/* Rules compiled for one model, remembered by the bytes of their specs; the least recently used ones go first.
 *
 * Any thread; whoever compiles does so outside the lock, and of two that compile the same the first one's is kept. */
#ifndef RUNG_RUNTIME_CONSTRAIN_STORE_H
#define RUNG_RUNTIME_CONSTRAIN_STORE_H

#include "runtime/constrain/words.h"
#include "runtime/rule.h"

struct rule_store;
bool rule_store_open(const struct tokenizer *t, int64_t n_vocab, const struct word_markers *markers,
                     struct rule_store **ret, struct err *err);
void rule_store_close(struct rule_store *s);     /* NULL allowed; no answer uses its rules */
/* Opened by the first who asks: models without rules pay nothing. Lives as long as the store. */
bool rule_store_words(struct rule_store *s, const struct words **ret, struct err *err);
/* A reference to the rule of that key; NULL: there is none. */
struct constraint *rule_store_find(struct rule_store *s, struct str key);
/* Takes the caller's reference and gives one to the rule that is remembered now. Where there is no memory it is the
 * same one, and nothing is remembered. */
struct constraint *rule_store_keep(struct rule_store *s, struct str key, struct constraint *c);

#endif
