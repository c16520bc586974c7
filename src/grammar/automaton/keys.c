/* The keys that `many` fields took: recorded as they are written, kept sorted, and never admitted again. While a key is
 * in progress its frame knows which of the taken ones begin with what was written of it; once none does, the key is as
 * free as if nothing had been taken, and its states are those of every such key. */
#include "grammar/automaton/store.h"

static struct str text_at(const struct automaton *a, uint32_t id)
{
    if (id == TEXT_START)
        return (struct str){"", 0};
    return (struct str){a->store.texts.items[id].p, a->store.texts.items[id].n};
}

static const struct taken_key *keys_at(const struct automaton *a, uint32_t key_set)
{
    return key_set == 0 ? NULL : a->store.key_sets.items[key_set].p;
}

uint32_t keys_count(const struct automaton *a, uint32_t key_set)
{
    return key_set == 0 ? 0 : a->store.key_sets.items[key_set].n / (uint32_t)sizeof(struct taken_key);
}

int64_t keys_used(const void *automaton, uint32_t key_set, uint32_t field)
{
    const struct taken_key *keys = keys_at(automaton, key_set);
    uint32_t n = keys_count(automaton, key_set);
    int64_t used = 0;
    for (uint32_t i = 0; i < n; i++)
        used += keys[i].field == field;
    return used;
}

static const struct taken_key *keys_of(const struct automaton *a, const struct frame *f)
{
    return keys_at(a, payload_at(a, f->payload)->keys);
}

/* Those of the keys in range whose next byte is this one; the frame's range becomes theirs. */
static void narrow(const struct automaton *a, struct frame *f, uint8_t byte)
{
    const struct taken_key *keys = keys_of(a, f);
    uint32_t first = f->key_end, end = f->key_end;
    for (uint32_t i = f->key_first; i < f->key_end; i++) {
        struct str text = text_at(a, keys[i].text);
        bool same = text.n > f->spelled && (uint8_t)text.p[f->spelled] == byte;
        if (same && first == f->key_end)
            first = i;
        if (!same && first < f->key_end && end == f->key_end)
            end = i;
    }
    f->key_first = first;
    f->key_end = end;
    f->spelled++;
    if (first == end)
        f->key_first = f->key_end = f->spelled = 0;
}

static bool record(struct automaton *a, uint32_t text, uint8_t byte, uint32_t *ret, struct err *err)
{
    char longer[AUTOMATON_MAX_KEY_BYTES];
    struct str so_far = text_at(a, text);
    if (so_far.n == sizeof longer) {
        *ret = TEXT_LOST;
        return true;
    }
    memcpy(longer, so_far.p, so_far.n);
    longer[so_far.n] = (char)byte;
    return byte_pool_put(&a->store.texts, &a->store.arena, longer, so_far.n + 1, ret, NULL, err);
}

bool key_advance(struct automaton *a, const struct frame *f, uint8_t byte, bool real, struct frame *ret,
                 struct err *err)
{
    *ret = *f;
    if (f->key_first < f->key_end)
        narrow(a, ret, byte);
    ret->text = TEXT_LOST;
    return !real || f->text == TEXT_LOST || record(a, f->text, byte, &ret->text, err);
}

bool key_is_taken(const struct automaton *a, const struct frame *f)
{
    return f->key_first < f->key_end && text_at(a, keys_of(a, f)[f->key_first].text).n == f->spelled;
}

void key_next_bytes(const struct automaton *a, const struct frame *f, struct byte_set *add)
{
    const struct taken_key *keys = f->key_first < f->key_end ? keys_of(a, f) : NULL;
    for (uint32_t i = f->key_first; i < f->key_end; i++) {
        struct str text = text_at(a, keys[i].text);
        if (text.n > f->spelled) {
            uint8_t byte = (uint8_t)text.p[f->spelled];
            add->bits[byte / 64] |= (uint64_t)1 << byte % 64;
        }
    }
}

/* Whether a byte that no taken key goes on with leads to some text. */
static bool leaves_taken(struct automaton *a, uint32_t term, const struct byte_set *next)
{
    uint8_t classes[256] = {0};
    bool tried[256] = {false};
    expr_classes(a->exprs, term, classes, 0);
    for (int b = 0; b < 256; b++) {
        if (next->bits[b / 64] >> b % 64 & 1 || tried[classes[b]])
            continue;
        tried[classes[b]] = true;
        if (!expr_is_empty(a->exprs, expr_derive(a->exprs, term, (uint8_t)b)))
            return true;
    }
    return false;
}

bool key_is_open(struct automaton *a, const struct frame *f, uint32_t term)
{
    struct byte_set next = {{0}};
    if (f->key_first == f->key_end || expr_is_endless(a->exprs, term) ||
        (expr_nullable(a->exprs, term) && !key_is_taken(a, f)))
        return true;
    key_next_bytes(a, f, &next);
    if (leaves_taken(a, term, &next))
        return true;
    for (int b = 0; b < 256; b++) {
        uint32_t after = next.bits[b / 64] >> b % 64 & 1 ? expr_derive(a->exprs, term, (uint8_t)b) : EXPR_NONE;
        if (expr_is_empty(a->exprs, after))
            continue;
        struct frame longer = *f;
        narrow(a, &longer, (uint8_t)b);
        if (key_is_open(a, &longer, after))   /* as deep as the longest taken key */
            return true;
    }
    return false;
}

/* The set with one key more, in its place. */
static bool add_key(struct automaton *a, uint32_t key_set, struct taken_key key, uint32_t *ret, struct err *err)
{
    struct taken_key more[AUTOMATON_MAX_KEYS];
    const struct taken_key *keys = keys_at(a, key_set);
    struct str text = text_at(a, key.text);
    uint32_t n = keys_count(a, key_set), at = 0;
    if (n == AUTOMATON_MAX_KEYS) {
        *ret = key_set;
        return true;
    }
    for (; at < n; at++) {
        struct str other = text_at(a, keys[at].text);
        int order = memcmp(other.p, text.p, other.n < text.n ? other.n : text.n);
        if (order > 0 || (order == 0 && other.n > text.n))
            break;
    }
    if (n > 0) {
        memcpy(more, keys, at * sizeof *more);
        memcpy(more + at + 1, keys + at, (n - at) * sizeof *more);
    }
    more[at] = key;
    return byte_pool_put(&a->store.key_sets, &a->store.arena, more, (n + 1) * sizeof *more, ret, NULL, err);
}

bool key_payload(struct automaton *a, const struct frame *f, struct payload *ret, struct err *err)
{
    const struct members *m = a->rules->nodes[f->node].members;
    members_take(m, payload_at(a, f->payload), (uint32_t)f->at, ret);
    if (f->text == TEXT_LOST)
        return true;
    return add_key(a, ret->keys, (struct taken_key){f->text, (uint32_t)f->at}, &ret->keys, err);
}
