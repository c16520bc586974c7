/* Language by rules: a script other than Latin and Han decides at once (kana makes Han Japanese); in Latin script the
 * share of other languages' commonest words against English ones decides. Short texts need clear evidence: the doubtful
 * count as English. */
#include "gateway/policy/language.h"

#include "gateway/policy/cues.h"

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

static const char *const english_words[] = {
    "the",  "and",    "of",  "to", "is", "in",  "that", "it", "for", "you",  "with", "this", "my", "are",
    "what", "please", "how", "i",  "a",  "can", "on",   "be", "not", "have", "from", "your", NULL,
};

/* Common words of Spanish, French, German, Italian, Portuguese, Dutch, Polish, Swedish, Turkish, Czech, Vietnamese,
 * Indonesian. */
static const char *const other_words[] = {
    "el",    "los",  "las",    "que",      "una",  "por",    "para",   "como",   "con",   "del",       "esta",  "qué",
    "cómo",  "está", "mi",     "es",       "un",   "puedo",  "le",     "les",    "des",   "est",       "une",   "pour",
    "dans",  "avec", "qui",    "sur",      "je",   "vous",   "et",     "du",     "ce",    "mon",       "pas",   "être",
    "der",   "die",  "das",    "und",      "ist",  "ich",    "nicht",  "ein",    "eine",  "mit",       "für",   "auf",
    "wie",   "zu",   "den",    "dem",      "von",  "bitte",  "il",     "che",    "di",    "per",       "sono",  "non",
    "della", "come", "gli",    "perché",   "mio",  "questo", "o",      "os",     "uma",   "não",       "meu",   "minha",
    "em",    "do",   "da",     "você",     "são",  "isso",   "het",    "een",    "van",   "niet",      "dat",   "ik",
    "voor",  "zijn", "wat",    "hoe",      "mijn", "naar",   "jest",   "nie",    "się",   "że",        "jak",   "czy",
    "mój",   "moja", "proszę", "dlaczego", "och",  "att",    "det",    "som",    "jag",   "är",        "inte",  "på",
    "med",   "hur",  "ve",     "bir",      "bu",   "için",   "nasıl",  "ne",     "değil", "mı",        "mi",    "benim",
    "je",    "co",   "jsem",   "není",     "jak",  "můj",    "prosím", "là",     "của",   "tôi",       "không", "và",
    "cho",   "các",  "những",  "yang",     "dan",  "saya",   "untuk",  "dengan", "apa",   "bagaimana", "tidak", NULL,
};

static int count_words(const char *folded, const char *const *words)
{
    int n = 0;
    for (int i = 0; words[i]; i++)
        n += cue_found(folded, words[i]);
    return n;
}

bool language_is_other(struct str text, const char *folded)
{
    int64_t count[SCRIPT_NONE + 1] = {0};
    int64_t accented = 0;
    for (size_t i = 0; i < text.n;) {
        int len;
        uint32_t cp = utf8_decode(text, i, &len);
        enum script s = script_of(cp);
        count[s]++;
        accented += s == SCRIPT_LATIN && cp >= 0x80;
        i += (size_t)len;
    }
    int64_t letters = count[SCRIPT_LATIN] + count[SCRIPT_HAN] + count[SCRIPT_OTHER];
    if (count[SCRIPT_OTHER] * 4 > letters)
        return true;
    if (count[SCRIPT_HAN] * 4 > letters || count[SCRIPT_LATIN] < 8)
        return false;
    int other = count_words(folded, other_words), english = count_words(folded, english_words);
    return other >= 2 + (accented == 0) && other > english;
}
