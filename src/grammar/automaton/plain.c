/* How long plain text may go on from a state: what the state's terms show at a glance, or else what is found by going
 * on with every plain character at once, level by level. A level of a few states stands for all texts of its length, so
 * tokens by the ten thousand need not be tried one by one. */
#include <limits.h>

#include "grammar/automaton/store.h"

#define PLAIN_LEVELS 32      /* characters looked ahead; longer tokens are few */
#define PLAIN_ENOUGH 16      /* what is known to go on so far is not asked again */
#define PLAIN_STATES 96      /* met in one search */

/* Well-formed UTF-8 but '"', '\\', and what lies below U+0020 and at U+007F: first byte, range of the second, bytes
 * that follow the first (Unicode 15, table 3-7). */
static const struct {
    uint8_t first, last, second_first, second_last, more;
} plain_characters[] = {
    {0x20, 0x21, 0, 0, 0},       {0x23, 0x5b, 0, 0, 0},       {0x5d, 0x7e, 0, 0, 0},       {0xc2, 0xdf, 0x80, 0xbf, 1},
    {0xe0, 0xe0, 0xa0, 0xbf, 2}, {0xe1, 0xec, 0x80, 0xbf, 2}, {0xed, 0xed, 0x80, 0x9f, 2}, {0xee, 0xef, 0x80, 0xbf, 2},
    {0xf0, 0xf0, 0x90, 0xbf, 3}, {0xf1, 0xf3, 0x80, 0xbf, 3}, {0xf4, 0xf4, 0x80, 0x8f, 3},
};

struct search {
    struct automaton *a;
    uint32_t met[PLAIN_STATES];
    int n;
    bool full;       /* there were more */
};

static bool meet(struct search *s, uint32_t state)
{
    struct automaton *a = s->a;
    if (a->states[state].met == a->met_when)
        return true;
    if (s->n == PLAIN_STATES) {
        s->full = true;
        return true;
    }
    a->states[state].met = a->met_when;
    s->met[s->n++] = state;
    return true;
}

/* Meets what follows each byte of the range and then `more` bytes; false when some text of those cannot go on. */
static bool follow(struct search *s, uint32_t state, uint8_t first, uint8_t last, uint8_t second_first,
                   uint8_t second_last, int more)
{
    struct err fault = ERR_INIT;
    uint64_t tried[4] = {0};
    struct state_row row = state_row(s->a, state, &fault);
    for (int byte = first; byte <= last && row.next; byte++) {
        uint8_t class = row.classes[byte];
        if (tried[class / 64] >> class % 64 & 1)
            continue;
        tried[class / 64] |= (uint64_t)1 << class % 64;
        uint32_t next = state_step(s->a, state, (uint8_t)byte, &fault);
        if (next == STATE_DEAD)
            return false;
        if (more > 0 ? !follow(s, next, second_first, second_last, 0x80, 0xbf, more - 1) : !meet(s, next))
            return false;
    }
    return row.next != NULL;
}

static bool follow_characters(struct search *s, uint32_t state)
{
    for (size_t i = 0; i < sizeof plain_characters / sizeof *plain_characters; i++)
        if (!follow(s, state, plain_characters[i].first, plain_characters[i].last, plain_characters[i].second_first,
                    plain_characters[i].second_last, plain_characters[i].more))
            return false;
    return true;
}

/* The states met learn what follows for them: from one met after k characters n - k more may come. */
static void learn(struct search *s, const int *ends, int levels, int n)
{
    for (int level = 0, i = 0; level <= levels; level++)
        for (; i < ends[level]; i++) {
            struct state *state = &s->a->states[s->met[i]];
            int left = n == INT_MAX ? n : n - level;
            if (left > state->plain)
                state->plain = left;
        }
}

static void look_ahead(struct automaton *a, uint32_t state)
{
    struct search s = {.a = a};
    int ends[PLAIN_LEVELS + 1], level = 0;
    a->met_when++;
    meet(&s, state);
    ends[0] = 1;
    for (int i = 0; level < PLAIN_LEVELS; level++) {
        for (; i < ends[level]; i++)
            if (!follow_characters(&s, s.met[i]))
                break;
        if (i < ends[level] || s.full)
            break;
        ends[level + 1] = s.n;
        if (s.n == ends[level]) {   /* nothing new: it may go on for ever */
            learn(&s, ends, level, INT_MAX);
            return;
        }
    }
    learn(&s, ends, level, level);
}

static int at_a_glance(struct automaton *a, uint32_t state)
{
    struct state *s = &a->states[state];
    if (s->glance >= 0)
        return s->glance;
    s->glance = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        int plain = expr_plain_prefix(a->exprs, s->configs[i].term);
        if (plain > s->glance && (plain == INT_MAX || !state_key_narrows(a, s->configs[i].stack)))
            s->glance = plain;
    }
    if (s->glance > s->plain)
        s->plain = s->glance;
    return s->glance;
}

bool state_always_plain(struct automaton *a, uint32_t state)
{
    uint32_t twin = a->states[state].twin;
    return a->states[twin].plain == INT_MAX || at_a_glance(a, twin) == INT_MAX;
}

int state_plain_prefix(struct automaton *a, uint32_t state)
{
    uint32_t twin = a->states[state].twin;
    if (a->states[twin].plain < PLAIN_ENOUGH && !a->states[twin].plain_known) {
        if (at_a_glance(a, twin) < PLAIN_LEVELS)
            look_ahead(a, twin);
        a->states[twin].plain_known = true;
    }
    return a->states[twin].plain;
}
