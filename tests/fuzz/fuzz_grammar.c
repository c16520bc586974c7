/* Random grammars and random walks through their automata: every step that is offered can be taken, every walk that may
 * end there is a text that a slow, obvious matcher finds in the grammar, and what it finds is accepted. */
#include "tests/grammar/support_specimen.h"

#include <stdlib.h>

#include "tests/grammar/support_specimen.c"   /* a fuzzer links the libraries alone */

#define GRAMMAR_BYTES 96      /* of the input; the rest chooses steps */
#define WALK_MAX 14

struct walk {
    struct automaton *a;
    const struct specimen *grammar;
    uint32_t state;
    char text[WALK_MAX];
    size_t n;
};

static void check_text(const struct walk *w)
{
    bool may_end = w->state != STATE_DEAD && state_may_end(w->a, w->state);
    enum specimen_answer answer = specimen_matches(w->grammar, (struct str){w->text, w->n});
    if (answer != SPECIMEN_TOO_LONG_TO_TELL && (answer == SPECIMEN_YES) != may_end)
        abort();
}

/* One byte further: one that is offered, or now and then any. false past a ceiling. */
static bool walk_on(struct walk *w, unsigned choice)
{
    struct byte_set bytes;
    struct err err = ERR_INIT;
    char offered[256];
    unsigned n = 0;
    if (!state_bytes(w->a, w->state, &bytes, &err)) {
        if (err.code != ERR_LIMIT)
            abort();
        return false;
    }
    for (int b = 0; b < 256; b++)
        if (bytes.bits[b / 64] >> b % 64 & 1)
            offered[n++] = (char)b;
    if (n == 0 && !state_may_end(w->a, w->state))
        abort();   /* it can neither go on nor end */
    char byte = n == 0 || choice >= 250 ? SPECIMEN_LETTERS[choice % 4] : offered[choice % n];
    bool is_offered = bytes.bits[(uint8_t)byte / 64] >> (uint8_t)byte % 64 & 1;
    w->text[w->n++] = byte;
    w->state = state_take(w->a, w->state, (uint8_t)byte, &err);
    if (err.code != ERR_NONE || is_offered != (w->state != STATE_DEAD))
        abort();
    return true;
}

static void walk(struct automaton *a, const struct specimen *grammar, struct specimen_source *from)
{
    struct walk w = {.a = a, .grammar = grammar};
    automaton_lock(a);
    w.state = automaton_start(a);
    check_text(&w);
    while (from->n > 0 && w.n < WALK_MAX && w.state != STATE_DEAD) {
        if (!walk_on(&w, draw(from, 256)))
            break;
        check_text(&w);
    }
    automaton_unlock(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size < GRAMMAR_BYTES ? size : GRAMMAR_BYTES;
    struct specimen_source grammar_from = {data, n}, steps = {data + n, size - n};
    struct specimen *grammar = specimen_draw(&grammar_from);
    struct rules *rules = NULL;
    struct automaton *a = NULL;
    struct err err = ERR_INIT;
    if (!grammar)
        return 0;
    if (specimen_rules(grammar, &rules, &err)) {
        if (!automaton_open(rules, &a, &err))
            abort();
        for (int i = 0; i < 16 && steps.n > 0; i++) {
            struct specimen_source some = {steps.p, steps.n < WALK_MAX ? steps.n : WALK_MAX};
            walk(a, grammar, &some);
            steps.p += some.p - steps.p;
            steps.n = (size_t)(data + size - steps.p);
        }
        automaton_close(a);
    } else if (err.code == ERR_NONE || err.msg[0] == '\0') {
        abort();
    }
    specimen_free(grammar);
    return 0;
}
