/* Language by rules: a script other than Latin and Han decides at once (kana makes Han Japanese); in Latin script the
 * share of other languages' commonest words against English ones decides. Short texts need clear evidence: the doubtful
 * count as English. */
#include "gateway/kind/language.h"

#include "gateway/kind/cues.h"

#define LEAST_SAID 2 /* points of evidence in the instruction */
#define LEAST_ABOUT 3 /* in the matter, where addresses and names stand */
#define MOST_ACCENTED 2
#define WORDS_A_POINT 7 /* in a text of another language, at least every so many weigh a point */

enum script {
    SCRIPT_LATIN,
    SCRIPT_HAN,
    SCRIPT_OTHER,
    SCRIPT_NONE
};

static enum script script_of(uint32_t cp)
{
    if (cp < 0x80)
        return (cp | 0x20) >= 'a' && (cp | 0x20) <= 'z' ? SCRIPT_LATIN : SCRIPT_NONE;
    if ((cp >= 0xC0 && cp <= 0x24F) || (cp >= 0x1E00 && cp <= 0x1EFF))
        return SCRIPT_LATIN;
    if ((cp >= 0x4E00 && cp <= 0x9FFF) || (cp >= 0x3400 && cp <= 0x4DBF))
        return SCRIPT_HAN;
    /* Greek up to the Indic, Thai, Georgian and Ethiopic blocks; kana; Hangul */
    if ((cp >= 0x370 && cp <= 0x1CFF) || (cp >= 0x3040 && cp <= 0x30FF) || (cp >= 0xAC00 && cp <= 0xD7AF))
        return SCRIPT_OTHER;
    return SCRIPT_NONE;
}

/* Evidence of a text in Latin script: what its words weigh, how many there are, how many hold accents. */
struct evidence {
    int words, accented;
    struct cue_tally tally;
};

static void weigh(const char *folded, struct evidence *e)
{
    bool accented = false;
    cue_add(CUES_WORD, folded, 1, &e->tally);
    for (const char *p = folded + 1; *p; p++) {
        accented |= (unsigned char)*p >= 0x80;
        if (*p == ' ') {
            e->words += p[-1] != '|';
            e->accented += accented;
            accented = false;
        }
    }
}

/* Words decide; accents alone may be names. */
static bool speaks_other(const struct evidence *e, int least)
{
    int other = e->tally.score[WORD_OTHER], english = e->tally.score[WORD_ENGLISH];
    int accented = e->accented < MOST_ACCENTED ? e->accented : MOST_ACCENTED;
    return other && other + accented >= least && other + accented > english &&
           (other + accented) * WORDS_A_POINT >= e->words;
}

bool language_is_other(struct str text, const char *first, const char *rest, const char *matter)
{
    int64_t count[SCRIPT_NONE + 1] = {0};
    for (size_t i = 0; i < text.n;) {
        int len;
        uint32_t cp = utf8_decode(text, i, &len);
        count[script_of(cp)]++;
        i += (size_t)len;
    }
    int64_t letters = count[SCRIPT_LATIN] + count[SCRIPT_HAN] + count[SCRIPT_OTHER];
    if (count[SCRIPT_OTHER] * 5 > letters)
        return true;
    if (count[SCRIPT_HAN] * 4 > letters || count[SCRIPT_LATIN] < 8)
        return false;
    struct evidence said = {0}, about = {0};
    weigh(first, &said);
    weigh(rest, &said);
    weigh(matter, &about);
    return speaks_other(&said, LEAST_SAID) || speaks_other(&about, LEAST_ABOUT);
}
