/* Keys and what hangs on them. What a key holds, and how a rule is compiled, is rule.c's business. */
#include "runtime/constrain/store.h"

#include <pthread.h>
#include <stdlib.h>

struct entry {
    char *key;                       /* [n], allocated */
    size_t n;
    uint64_t hash, used;             /* used: when last; larger is later */
    struct constraint *constraint;
};

struct rule_store {
    const struct tokenizer *tokenizer;
    struct word_markers markers;
    int64_t n_vocab;
    pthread_mutex_t lock;
    /* under lock */
    struct words *words;             /* NULL: nobody asked yet */
    struct entry entries[RULES_KEPT];   /* one is free between calls */
    int n;
    uint64_t now;
};

bool rule_store_open(const struct tokenizer *t, int64_t n_vocab, const struct word_markers *markers,
                     struct rule_store **ret, struct err *err)
{
    struct rule_store *s = calloc(1, sizeof *s);
    if (!s)
        return err_nomem(err, "the rules of a model");
    s->tokenizer = t;
    s->n_vocab = n_vocab;
    s->markers = *markers;
    pthread_mutex_init(&s->lock, NULL);
    *ret = s;
    return true;
}

static void entry_free(struct entry *e)
{
    constraint_release(e->constraint);
    free(e->key);
}

void rule_store_close(struct rule_store *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->n; i++)
        entry_free(&s->entries[i]);
    words_close(s->words);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

bool rule_store_words(struct rule_store *s, const struct words **ret, struct err *err)
{
    pthread_mutex_lock(&s->lock);
    bool ok = s->words || words_open(s->tokenizer, s->n_vocab, &s->markers, &s->words, err);
    if (ok)
        *ret = s->words;
    pthread_mutex_unlock(&s->lock);
    return ok;
}

/* ---- under lock ---- */

static struct entry *find(struct rule_store *s, struct str key, uint64_t hash)
{
    for (int i = 0; i < s->n; i++)
        if (s->entries[i].hash == hash && str_eq((struct str){s->entries[i].key, s->entries[i].n}, key))
            return &s->entries[i];
    return NULL;
}

static void drop(struct rule_store *s, struct entry *e)
{
    entry_free(e);
    *e = s->entries[--s->n];
}

static void drop_oldest(struct rule_store *s)
{
    struct entry *oldest = &s->entries[0];
    for (int i = 1; i < s->n; i++)
        if (s->entries[i].used < oldest->used)
            oldest = &s->entries[i];
    drop(s, oldest);
}

static size_t bytes_of_all(const struct rule_store *s)
{
    size_t bytes = 0;
    for (int i = 0; i < s->n; i++)
        bytes += s->entries[i].n + constraint_bytes(s->entries[i].constraint);
    return bytes;
}

/* The one used last stays, whatever it takes. */
static void keep_within_limits(struct rule_store *s)
{
    while (s->n == RULES_KEPT || (s->n > 1 && bytes_of_all(s) > RULES_KEPT_BYTES))
        drop_oldest(s);
}

static struct constraint *use(struct rule_store *s, struct entry *e)
{
    struct constraint *c = constraint_share(e->constraint);
    e->used = ++s->now;
    keep_within_limits(s);
    return c;
}

/* ---- calls ---- */

struct constraint *rule_store_find(struct rule_store *s, struct str key)
{
    uint64_t hash = str_hash(key);
    pthread_mutex_lock(&s->lock);
    struct entry *e = find(s, key, hash);
    if (e && constraint_is_worn(e->constraint)) {
        drop(s, e);
        e = NULL;
    }
    struct constraint *c = e ? use(s, e) : NULL;
    pthread_mutex_unlock(&s->lock);
    return c;
}

struct constraint *rule_store_keep(struct rule_store *s, struct str key, struct constraint *c)
{
    uint64_t hash = str_hash(key);
    char *copy = str_dup(key);
    if (!copy)
        return c;
    pthread_mutex_lock(&s->lock);
    struct entry *e = find(s, key, hash);
    if (e) {
        constraint_release(c);
        free(copy);
    } else {
        e = &s->entries[s->n++];
        *e = (struct entry){.key = copy, .n = key.n, .hash = hash, .constraint = c};
    }
    c = use(s, e);
    pthread_mutex_unlock(&s->lock);
    return c;
}
