/* Which drafts are worth their step. Where the next words may come from is lookup.c's business, what a step costs
 * step_cost.c's; turn.c feeds the drafts and takes what came true. */
#include "runtime/schedule/speculate.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* Shortest match of each length, in bytes, and how often a token after it came true where answers quote their prompt:
 * one that goes on with a word, one that begins a word, and any other. */
static const struct {
    int bytes;
    float odds[SPECULATE_KINDS];
} first_odds[SPECULATE_MATCHES] = {
    {2, {0.65f, 0.40f, 0.45f}},  {3, {0.70f, 0.50f, 0.45f}},  {4, {0.85f, 0.60f, 0.35f}},  {6, {0.90f, 0.70f, 0.40f}},
    {9, {0.96f, 0.70f, 0.30f}}, {16, {0.97f, 0.75f, 0.35f}}, {32, {0.98f, 0.85f, 0.45f}},
};

#define ODDS_FIRST_TRIES 6.0f    /* what the first odds count for */
#define ODDS_KEPT 0.996f         /* of a count at the next one: some 250 tries are remembered */
#define TRUST_RATE 0.10f         /* of the difference between what came and what was expected */
#define TRUST_LEAST (-5.0f)
#define TRUST_MOST 2.0f
#define GAIN_LEAST 1.02          /* tokens a second over those without drafts; less is not worth an estimate's error */
#define REACHED_LEAST 0.01f      /* a token less likely than this is never worth its place */

void speculator_open(struct speculator *m, enum speculate_mode mode)
{
    *m = (struct speculator){.mode = mode};
    step_cost_open(&m->cost);
    for (int i = 0; i < SPECULATE_MATCHES; i++)
        for (int j = 0; j < SPECULATE_KINDS; j++)
            m->odds[i][j] = (struct speculate_odds){ODDS_FIRST_TRIES * first_odds[i].odds[j], ODDS_FIRST_TRIES};
}

void speculation_open(struct speculation *s, const struct tokenizer *tokenizer)
{
    *s = (struct speculation){0};
    lookup_open(&s->lookup, tokenizer);
}

void speculation_close(struct speculation *s)
{
    lookup_close(&s->lookup);
    s->n = s->take = 0;
}

/* ---- how likely a token comes true ---- */

static int match_of(int bytes)
{
    int i = SPECULATE_MATCHES - 1;
    while (i > 0 && bytes < first_odds[i].bytes)
        i--;
    return i;
}

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static int kind_of(struct str piece)
{
    if (piece.n > 0 && in_word(piece.p[0]))
        return 0;
    return piece.n > 1 && piece.p[0] == ' ' && in_word(piece.p[1]) ? 1 : 2;
}

static float chance(const struct speculator *m, const struct speculation *s, int i)
{
    const struct speculate_odds *odds = &m->odds[s->match[i]][s->kind[i]];
    float p = odds->hits / odds->tries;
    if (s->trust == 0)
        return p;
    p = p < 0.999f ? p > 0.001f ? p : 0.001f : 0.999f;
    return 1 / (1 + (1 - p) / p * expf(-s->trust));
}

/* ---- learning ---- */

static void learn(struct speculator *m, struct speculation *s, int i, bool came)
{
    struct speculate_odds *odds = &m->odds[s->match[i]][s->kind[i]];
    float trust = s->trust + TRUST_RATE * ((float)came - chance(m, s, i));
    s->trust = fminf(fmaxf(trust, TRUST_LEAST), TRUST_MOST);
    odds->hits = odds->hits * ODDS_KEPT + (float)came;
    odds->tries = odds->tries * ODDS_KEPT + 1;
}

void speculation_settle(struct speculator *m, struct speculation *s, const int32_t *ids, int64_t n)
{
    bool came = true;
    m->drafted += s->take;
    for (int i = 0; i < s->n && s->known + i < n && came; i++) {
        came = s->draft[i] == ids[s->known + i];
        m->accepted += came && i < s->take;
        learn(m, s, i, came);
    }
    s->n = s->take = 0;
}

/* ---- drafting ---- */

static void draft(const struct speculator *m, struct speculation *s, const int32_t *ids, int most)
{
    int match;
    float reached = 1;
    s->n = lookup_draft(&s->lookup, ids, most, s->draft, &match);
    for (int i = 0; i < s->n; i++) {
        struct str piece = tokenizer_piece(s->lookup.tokenizer, s->draft[i]);
        s->match[i] = (uint8_t)match_of(match);
        s->kind[i] = (uint8_t)kind_of(piece);
        reached *= chance(m, s, i);
        s->reached[i] = reached;
        match = piece.n < LOOKUP_MAX_MATCH ? match + (int)piece.n : LOOKUP_MAX_MATCH;
    }
}

void speculation_follow(const struct speculator *m, struct speculation *s, const int32_t *ids, int64_t n, int64_t most)
{
    if (m->mode == SPECULATE_OFF || s->failed)
        return;
    s->n = s->take = 0;
    s->known = n;
    s->failed = !lookup_add(&s->lookup, ids, n, NULL);
    if (s->failed)
        speculation_close(s);
    else if (most > 0)
        draft(m, s, ids, most < SPECULATE_MAX_DRAFT ? (int)most : SPECULATE_MAX_DRAFT);
}

/* ---- choosing ---- */

/* The most likely of the generations' next drafted tokens; -1: no draft goes further. */
static int most_likely(struct speculation *const *all, int n, bool always)
{
    int best = -1;
    float best_odds = always ? -1 : REACHED_LEAST;
    for (int i = 0; i < n; i++) {
        if (all[i]->take < all[i]->n && all[i]->reached[all[i]->take] > best_odds) {
            best = i;
            best_odds = all[i]->reached[all[i]->take];
        }
    }
    return best;
}

/* Tokens join the step by their likelihood. The step may cost much at one size and little more at a larger, so all are
 * tried, and those past the best size leave again. */
void speculate_choose(const struct speculator *m, struct speculation *const *all, int n, int tokens, int room)
{
    int16_t order[SPECULATE_MAX_STEP];
    bool always = m->mode == SPECULATE_ALWAYS;
    int most = room < SPECULATE_MAX_STEP ? room : SPECULATE_MAX_STEP, joined = 0, kept = 0, next;
    double expected = n, best = n / step_cost_of(&m->cost, tokens) * GAIN_LEAST;
    while (joined < most && (next = most_likely(all, n, always)) >= 0) {
        expected += all[next]->reached[all[next]->take++];
        order[joined++] = (int16_t)next;
        double rate = expected / step_cost_of(&m->cost, tokens + joined);
        if (rate > best || always) {
            best = rate;
            kept = joined;
        }
    }
    while (joined > kept)
        all[order[--joined]]->take--;
}
