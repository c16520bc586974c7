/* Vocabularies of any bytes under a few rules: a mask says of each token what stepping its bytes says. The first byte
 * chooses the rule; then each token is a byte for its length and that many bytes. */
#include <stdlib.h>

#include "grammar/constraint.h"
#include "grammar/frontends.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_TOKENS 512
#define MAX_STEPS 24

struct tokens {
    struct str pieces[MAX_TOKENS];
    int32_t n;
};

static struct str piece_of(void *ctx, int32_t id)
{
    return ((struct tokens *)ctx)->pieces[id];
}

/* The last one. */
static bool is_end_of(void *ctx, int32_t id)
{
    return id == ((struct tokens *)ctx)->n - 1;
}

static void cut(const uint8_t *data, size_t size, struct tokens *ret)
{
    for (size_t at = 0; at < size && ret->n < MAX_TOKENS;) {
        size_t n = data[at++];
        n = n < size - at ? n : size - at;
        ret->pieces[ret->n++] = (struct str){(const char *)data + at, n};
        at += n;
    }
}

static bool open_rule(uint8_t which, struct rules **ret)
{
    const struct str choices[] = {STR("yes"), STR("yesterday"), STR("no")};
    switch (which % 5) {
    case 0: return rule_any_json(false, ret, NULL);
    case 1: return rule_regex(STR("[a-z]{0,9}(\xC3\xA9|\xE4\xBD\xA0)*"), ret, NULL);
    case 2: return rule_regex(STR("\"[^\"\\\\\\x00-\\x1f\\x7f]{0,30}\""), ret, NULL);
    case 3: return rule_regex(STR("(?!ab)[^q]*z|.{3,}"), ret, NULL);
    default: return rule_choices(choices, 3, ret, NULL);
    }
}

/* The first token, from `first` on, that the mask admits; -1: none. Each is held to its bytes. */
static int32_t check(struct matcher *m, int32_t n, int32_t first)
{
    uint64_t mask[VOCABULARY_WORDS(MAX_TOKENS)];
    int32_t admitted = -1;
    if (!matcher_mask(m, mask, NULL))
        return -1;
    for (int32_t i = 0; i < n; i++) {
        int32_t id = (first + i) % n;
        bool has = mask[id / 64] >> id % 64 & 1;
        if (has != matcher_admits(m, id))
            abort();
        if (has && admitted < 0)
            admitted = id;
    }
    return admitted;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tokens tokens = {.n = 0};
    struct vocabulary *v = NULL;
    struct rules *rules;
    struct constraint *c = NULL;
    struct matcher *m = NULL;
    if (size < 2)
        return 0;
    cut(data + 1, size - 1, &tokens);
    struct vocabulary_spec spec = {tokens.n, piece_of, is_end_of, &tokens};
    if (vocabulary_open(&spec, &v, NULL) && open_rule(data[0], &rules) && constraint_open(rules, v, &c, NULL) &&
        matcher_open(c, &m, NULL)) {
        int32_t id = 0;
        for (int step = 0; step < MAX_STEPS && id >= 0; step++) {
            id = check(m, tokens.n, (int32_t)(data[step % size]));
            if (id >= 0 && !matcher_take(m, id, NULL))
                abort();
        }
    }
    matcher_close(m);
    constraint_release(c);
    vocabulary_close(v);
    return 0;
}
