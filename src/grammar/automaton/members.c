/* What may come next among the members of an object, from what came so far: order, required fields, needs and counts.
 * How a member is spelled, and which keys were used, is the automaton's. */
#include "grammar/automaton/members.h"

#include <stddef.h>

#define WORDS(bits) (((bits) + 63) / 64)
#define KEYS_STEPS 2000      /* derivatives taken to count a field's keys; beyond: as if they never ended */
#define KEYS_TERMS 64        /* terms in progress while counting */
#define KEYS_MANY (1 << 20)  /* as good as without end */

static bool has_bit(const uint64_t *set, uint32_t bit)
{
    return set[bit / 64] >> bit % 64 & 1;
}

static void add_bit(uint64_t *set, uint32_t bit)
{
    set[bit / 64] |= (uint64_t)1 << bit % 64;
}

static bool within(const uint64_t *part, const uint64_t *whole, uint32_t words)
{
    for (uint32_t w = 0; w < words; w++)
        if (part[w] & ~whole[w])
            return false;
    return true;
}

static int64_t count_bits(const uint64_t *set, uint32_t words)
{
    int64_t n = 0;
    for (uint32_t w = 0; w < words; w++)
        n += __builtin_popcountll(set[w]);
    return n;
}

/* ---- made ---- */

/* Single fields first, each kind in the order given; *place says where field i went. */
static void sort_fields(struct members *m, const struct rule_object *object, uint32_t *place)
{
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < object->n_fields; i++) {
            const struct rule_field *f = &object->fields[i];
            if (f->many != (pass == 1))
                continue;
            place[i] = m->n;
            m->fields[m->n++] = (struct field){.key = f->key, .value = f->value, .required = f->required && !f->many,
                                               .many = f->many, .bit = MEMBERS_NO_BIT, .keys = RULES_ENDLESS};
            m->n_single += !f->many;
        }
}

/* Bits for the fields that needs name, from 0; false when there are too many, or one is of many keys. */
static bool number_needing(struct members *m, const struct rule_object *object, const uint32_t *place)
{
    for (int i = 0; i < object->n_needs; i++) {
        const int ends[] = {object->needs[i].field, object->needs[i].needs};
        for (int k = 0; k < 2; k++) {
            struct field *f = &m->fields[place[ends[k]]];
            if (f->bit != MEMBERS_NO_BIT)
                continue;
            if (f->many || m->n_needing == MEMBERS_MAX_NEEDS)
                return false;
            m->needing[m->n_needing] = place[ends[k]];
            f->bit = m->n_needing++;
        }
    }
    return true;
}

/* needed[i] becomes all that i needs, directly or not; what a required field needs is required. */
static void close_needs(struct members *m, const struct rule_object *object, const uint32_t *place)
{
    for (int i = 0; i < object->n_needs; i++) {
        uint32_t from = m->fields[place[object->needs[i].field]].bit;
        uint32_t to = m->fields[place[object->needs[i].needs]].bit;
        if (from != to)
            add_bit(m->needed[from], to);
    }
    for (uint32_t via = 0; via < m->n_needing; via++)
        for (uint32_t i = 0; i < m->n_needing; i++)
            for (uint32_t w = 0; has_bit(m->needed[i], via) && w < MEMBERS_NEED_WORDS; w++)
                m->needed[i][w] |= m->needed[via][w];
    for (uint32_t i = 0; i < m->n_needing; i++) {
        m->looped |= has_bit(m->needed[i], i);
        for (uint32_t k = 0; m->fields[m->needing[i]].required && k < m->n_needing; k++)
            if (has_bit(m->needed[i], k))
                m->fields[m->needing[k]].required = true;
    }
}

static bool make_needs(struct rules *r, struct members *m, const struct rule_object *object, const uint32_t *place)
{
    m->needing = arena_array(&r->arena, MEMBERS_MAX_NEEDS, sizeof *m->needing);
    if (!m->needing)
        return err_nomem(&r->fault, "rules");
    if (!number_needing(m, object, place))
        return err_set(&r->fault, ERR_LIMIT, "an object's dependent fields are more than %d, or not single ones",
                       MEMBERS_MAX_NEEDS);
    m->needed = arena_array(&r->arena, m->n_needing, sizeof *m->needed);
    if (!m->needed)
        return err_nomem(&r->fault, "rules");
    close_needs(m, object, place);
    return true;
}

static bool make_tables(struct rules *r, struct members *m)
{
    m->n_bits = m->n_needing;
    for (uint32_t i = 0; m->any_order && i < m->n_single; i++)
        if (m->fields[i].bit == MEMBERS_NO_BIT)
            m->fields[i].bit = m->n_bits++;
    m->plain_required = arena_array(&r->arena, WORDS(m->n_bits) + 1, sizeof *m->plain_required);
    m->required_from = arena_array(&r->arena, m->n_single + 1, sizeof *m->required_from);
    m->live_from = arena_array(&r->arena, m->n_single + 1, sizeof *m->live_from);
    return m->plain_required && m->required_from && m->live_from ? true : err_nomem(&r->fault, "rules");
}

bool members_make(struct rules *r, const struct rule_object *object, struct members **ret)
{
    int n = object->n_fields;
    if (n > RULES_MAX_FIELDS)
        return err_set(&r->fault, ERR_LIMIT, "an object has %d fields; at most %d can be held to", n, RULES_MAX_FIELDS);
    struct members *m = arena_new(&r->arena, struct members);
    uint32_t *place = arena_array(&r->arena, (size_t)n + 1, sizeof *place);
    if (!m || !place || !(m->fields = arena_array(&r->arena, (size_t)n + 1, sizeof *m->fields)))
        return err_nomem(&r->fault, "rules");
    m->min = object->min < 0 ? 0 : object->min;
    m->max_said = object->max < 0 ? RULES_ENDLESS : object->max;
    m->any_order = object->any_order;
    m->colon = object->colon;
    m->separator = object->separator;
    sort_fields(m, object, place);
    if ((object->n_needs > 0 && !make_needs(r, m, object, place)) || !make_tables(r, m))
        return false;
    *ret = m;
    return true;
}

/* ---- settled ---- */

/* Terms in progress while the texts of a term are counted by length, and how many prefixes lead to each. */
struct key_front {
    uint32_t terms[KEYS_TERMS];
    int64_t ways[KEYS_TERMS];
    int n;
};

static bool front_add(struct key_front *f, uint32_t term, int64_t ways)
{
    int i = 0;
    while (i < f->n && f->terms[i] != term)
        i++;
    if (i == KEYS_TERMS)
        return false;
    f->terms[i] = term;
    f->ways[i] = (i == f->n ? 0 : f->ways[i]) + ways;
    f->n += i == f->n;
    return true;
}

/* One byte further; false when it gets too many terms. */
static bool front_step(struct exprs *x, const struct key_front *from, struct key_front *to, int *steps)
{
    to->n = 0;
    for (int i = 0; i < from->n; i++) {
        uint8_t classes[256] = {0};
        int64_t size[256] = {0};
        uint8_t byte_of[256];
        int n = expr_classes(x, from->terms[i], classes, 0);
        for (int b = 0; b < 256; b++) {
            size[classes[b]]++;
            byte_of[classes[b]] = (uint8_t)b;
        }
        for (int c = 0; c < n; c++) {
            uint32_t next = expr_derive(x, from->terms[i], byte_of[c]);
            if (!expr_is_empty(x, next) && !front_add(to, next, from->ways[i] * size[c]))
                return false;
            if (--*steps < 0)
                return false;
        }
    }
    return true;
}

/* How many texts the term has, RULES_ENDLESS for `enough` and more, or for what is not soon counted. */
static int64_t count_keys(struct exprs *x, uint32_t term, int64_t enough)
{
    struct key_front fronts[2] = {{.terms = {term}, .ways = {1}, .n = 1}};
    int steps = KEYS_STEPS;
    int64_t total = 0;
    for (int at = 0; fronts[at].n > 0; at = !at) {
        for (int i = 0; i < fronts[at].n; i++) {
            total += expr_nullable(x, fronts[at].terms[i]) ? fronts[at].ways[i] : 0;
            if (total >= enough || fronts[at].ways[i] >= enough)
                return RULES_ENDLESS;
        }
        if (!front_step(x, &fronts[at], &fronts[!at], &steps))
            return RULES_ENDLESS;
    }
    return total;
}

static void settle_fields(struct rules *r, struct members *m)
{
    bool colon = r->nodes[m->colon].live;
    for (uint32_t i = 0; i < m->n; i++)
        m->fields[i].gone = !colon || !r->nodes[m->fields[i].value].live || expr_is_empty(r->exprs, m->fields[i].key);
    for (uint32_t i = 0; i < m->n_needing; i++)
        for (uint32_t k = 0; k < m->n_needing; k++) {
            struct field *f = &m->fields[m->needing[i]];
            f->gone |= has_bit(m->needed[i], k) && m->fields[m->needing[k]].gone;
        }
}

/* Sums over the single fields; false when a required one is gone. */
static bool settle_sums(struct members *m)
{
    bool whole = true;
    m->required = m->live = 0;
    m->required_from[m->n_single] = m->live_from[m->n_single] = 0;
    for (uint32_t i = m->n_single; i-- > 0;) {
        struct field *f = &m->fields[i];
        bool plain = f->bit == MEMBERS_NO_BIT || f->bit >= m->n_needing;
        whole &= !f->required || !f->gone;
        m->required += f->required;
        m->live += !f->gone;
        m->required_from[i] = m->required_from[i + 1] + (plain && f->required);
        m->live_from[i] = m->live_from[i + 1] + (plain && !f->gone);
        if (plain && f->required && f->bit != MEMBERS_NO_BIT)
            add_bit(m->plain_required, f->bit);
    }
    return whole;
}

static void settle_many(struct rules *r, struct members *m, bool *ret_any)
{
    *ret_any = m->endless = false;
    for (uint32_t i = m->n_single; i < m->n; i++) {
        struct field *f = &m->fields[i];
        if (f->gone)
            continue;
        f->keys = RULES_ENDLESS;
        if (m->min > m->required)
            f->keys = count_keys(r->exprs, f->key, m->min < KEYS_MANY ? m->min : KEYS_MANY);
        m->endless |= f->keys == RULES_ENDLESS;
        *ret_any = true;
    }
}

bool members_settle(struct rules *r, struct members *m)
{
    struct payload p;
    bool many;
    settle_fields(r, m);
    if (!settle_sums(m))
        return false;
    settle_many(r, m, &many);
    m->max = r->nodes[m->separator].live || m->max_said < 1 ? m->max_said : 1;
    m->enough = m->min > 1 ? m->min : 1;
    if (m->max < RULES_ENDLESS && (many || m->max < m->live))
        m->enough = m->max + 1;   /* one too many must be told from all there may be */
    members_begin(m, &p);
    return m->min <= m->max && members_outlook(m, &p, NULL).possible;
}

bool members_decidable(const struct members *m, struct err *err)
{
    if (m->looped && !m->endless && m->min > m->required && m->max < m->live)
        return err_set(err, ERR_UNSUPPORTED, "an object whose fields need each other in a circle cannot be held to "
                       "both a least and a greatest number of fields; leave one of them out");
    return true;
}

/* ---- asked ---- */

size_t members_payload_bytes(const struct members *m)
{
    return offsetof(struct payload, taken) + WORDS(m->n_bits) * sizeof(uint64_t);
}

void members_begin(const struct members *m, struct payload *ret)
{
    ret->count = 0;
    ret->next = ret->keys = 0;
    memset(ret->taken, 0, WORDS(m->n_bits) * sizeof ret->taken[0]);
}

void members_take(const struct members *m, const struct payload *p, uint32_t field, struct payload *ret)
{
    const struct field *f = &m->fields[field];
    if (ret != p)
        memcpy(ret, p, members_payload_bytes(m));
    ret->count += ret->count < m->enough;
    if (f->bit != MEMBERS_NO_BIT)
        add_bit(ret->taken, f->bit);
    if (!m->any_order)
        ret->next = f->many ? m->n_single : field + 1;
}

bool members_in_turn(const struct members *m, const struct payload *p, uint32_t field)
{
    const struct field *f = &m->fields[field];
    if (f->gone)
        return false;
    if (f->many)
        return m->any_order || p->next == m->n_single || m->required_from[p->next] == 0;
    if (m->any_order)
        return !has_bit(p->taken, f->bit);
    return field >= p->next && m->required_from[p->next] == m->required_from[field];
}

/* The fields that needs name: the least and the most of them that must and can still come. false: it cannot end. */
static bool needing_outlook(const struct members *m, const struct payload *p, int64_t *least, int64_t *most)
{
    uint64_t must[MEMBERS_NEED_WORDS] = {0}, can[MEMBERS_NEED_WORDS] = {0};
    uint32_t words = WORDS(m->n_needing);
    for (uint32_t i = 0; i < m->n_needing; i++) {
        const struct field *f = &m->fields[m->needing[i]];
        bool taken = has_bit(p->taken, i);
        if (taken || (!f->gone && (m->any_order || m->needing[i] >= p->next)))
            add_bit(can, i);
        if (f->required || taken)
            add_bit(must, i);
        for (uint32_t w = 0; taken && w < words; w++)
            must[w] |= m->needed[i][w];
    }
    if (!within(must, can, words))
        return false;
    for (uint32_t i = 0; i < m->n_needing; i++) {
        bool taken = has_bit(p->taken, i);
        *least += !taken && has_bit(must, i);
        *most += !taken && has_bit(can, i) && within(m->needed[i], can, words);
    }
    return true;
}

static int64_t many_left(const struct members *m, const struct payload *p, const struct members_used *used)
{
    int64_t left = 0;
    for (uint32_t i = m->n_single; i < m->n; i++) {
        const struct field *f = &m->fields[i];
        if (f->gone)
            continue;
        if (f->keys == RULES_ENDLESS)
            return RULES_ENDLESS;
        left += f->keys - (used ? used->count(used->ctx, p->keys, i) : 0);
    }
    return left;
}

struct outlook members_outlook(const struct members *m, const struct payload *p, const struct members_used *used)
{
    int64_t least, most, many = many_left(m, p, used);
    if (m->any_order) {
        uint32_t words = WORDS(m->n_bits);
        uint64_t done[MEMBERS_MAX_WORDS];
        for (uint32_t w = 0; w < words; w++)
            done[w] = p->taken[w] & m->plain_required[w];
        least = m->required_from[0] - count_bits(done, words);
        for (uint32_t w = 0; w < words; w++)   /* bits of needs come first: leave them out */
            done[w] = (w + 1) * 64 <= m->n_needing ? 0
                      : w * 64 < m->n_needing      ? p->taken[w] & ~(uint64_t)0 << m->n_needing % 64
                                                   : p->taken[w];
        most = m->live_from[0] - count_bits(done, words);
    } else {
        least = m->required_from[p->next];
        most = m->live_from[p->next];
    }
    if (m->n_needing > 0 && !needing_outlook(m, p, &least, &most))
        return (struct outlook){false, false};
    bool fits = least <= m->max && p->count <= m->max - least;
    bool fills = many == RULES_ENDLESS || m->min - p->count <= most + many;
    return (struct outlook){
        .possible = fits && fills,
        .may_end = fits && least == 0 && p->count >= m->min,
    };
}
