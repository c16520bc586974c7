/* How cues are found: an index from the first three bytes of a phrase to the phrases that begin so, built once, and one
 * walk over the words of a text. Which texts are searched and what the weights decide is kind.c's and traits.c's. */
#include "gateway/kind/cues.h"

#include <pthread.h>

#define BUCKETS 4096
#define NO_CUE UINT16_MAX
#define WIDE_LEAD 0xE3 /* first byte of Han, kana and Hangul */

struct cue_index {
    uint16_t first[BUCKETS], next[CUE_MAX];
    const struct cue *cue[CUE_MAX];
    int n;
};

static struct cue_index indexes[CUES_SETS];
static pthread_once_t indexed = PTHREAD_ONCE_INIT;

/* Openings after which the sentence still begins. */
static const char *const polite[] = {
    "please", "can you", "could you", "would you", "will you", "kindly", "hi", "hello", "hey", "now", "then", "and",
    "just", "first", "quickly", "ok", "okay", "go ahead and", "help me", "help me to", "you should", "you must",
    "you will", "you are to", "i want you to", "i need you to", "i'd like you to", "i would like you to",
    "your task is to", "your job is to", "bitte", "kannst du", "können sie", "könntest du", "por favor", "puedes",
    "podrías", "peux tu", "pouvez vous", "pourrais tu", "per favore", "puoi", "podes", "alsjeblieft", "kun je",
    "kan je", "proszę", "пожалуйста", "lütfen", NULL,
};

/* Of a phrase, or of a text at the start of a word: what follows a word of less than three letters does not count. */
static unsigned bucket_of(const char *p)
{
    unsigned second = p[1] ? (unsigned char)p[1] : ' ';
    unsigned third = second != ' ' && p[2] ? (unsigned char)p[2] : ' ';
    return ((unsigned char)p[0] * 311u + second * 37u + third) % BUCKETS;
}

static void index_table(struct cue_index *ix, const struct cue *table)
{
    for (const struct cue *c = table; c->phrase && ix->n < CUE_MAX; c++, ix->n++) {
        unsigned b = bucket_of(c->phrase + (c->phrase[0] == '^'));
        ix->cue[ix->n] = c;
        ix->next[ix->n] = ix->first[b];
        ix->first[b] = (uint16_t)ix->n;
    }
}

static void index_all(void)
{
    for (int s = 0; s < CUES_SETS; s++)
        memset(indexes[s].first, 0xFF, sizeof indexes[s].first);
    index_table(&indexes[CUES_KIND], narrow_cues);
    index_table(&indexes[CUES_KIND], broad_cues);
    index_table(&indexes[CUES_KIND], language_cues);
    index_table(&indexes[CUES_TRAIT], trait_cues);
    index_table(&indexes[CUES_WORD], word_cues);
}

/* Bytes of text that the phrase takes up at its start, 0 when it does not stand there. */
static size_t phrase_at(const char *text, const char *phrase)
{
    bool open_end = (unsigned char)phrase[0] >= WIDE_LEAD;
    size_t n = 0;
    while (phrase[n] && phrase[n] != '*' && phrase[n] == text[n])
        n++;
    if (phrase[n] == '*')
        return n;
    return !phrase[n] && (open_end || text[n] == ' ') ? n : 0;
}

static const char *after_politeness(const char *word)
{
    for (bool again = true; again;) {
        again = false;
        for (int i = 0; polite[i]; i++) {
            size_t n = polite[i][0] == word[0] ? phrase_at(word, polite[i]) : 0;
            if (n && word[n] == ' ' && word[n + 1]) {
                word += n + 1;
                again = true;
            }
        }
    }
    return word;
}

static void add_at(const struct cue_index *ix, const char *at, bool starts, int factor, struct cue_tally *t)
{
    for (uint16_t i = ix->first[bucket_of(at)]; i != NO_CUE; i = ix->next[i]) {
        const struct cue *c = ix->cue[i];
        bool anchored = c->phrase[0] == '^';
        if ((anchored && !starts) || (t->seen[i / 64] >> (i % 64) & 1) || !phrase_at(at, c->phrase + anchored))
            continue;
        t->seen[i / 64] |= (uint64_t)1 << (i % 64);
        t->score[c->what] += c->weight * factor;
        if (c->weight * factor > t->strongest[c->what]) {
            t->strongest[c->what] = c->weight * factor;
            t->by[c->what] = c->phrase;
        }
    }
}

void cue_add(enum cue_set set, const char *folded, int factor, struct cue_tally *t)
{
    pthread_once(&indexed, index_all);
    bool begins = true; /* the next word begins a sentence */
    const char *start = folded;
    for (const char *p = folded; *p; p++) {
        bool word = *p != ' ' && (p == folded || p[-1] == ' ');
        bool wide = (unsigned char)*p >= WIDE_LEAD;
        if (!word && !wide)
            continue;
        if (*p == '|') {
            begins = true;
            continue;
        }
        if (begins)
            start = after_politeness(p);
        begins = false;
        add_at(&indexes[set], p, p == start, factor, t);
    }
}
