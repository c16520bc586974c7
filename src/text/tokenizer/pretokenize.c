/* The families of pre-tokenizers: which scanners run one after another for each name a model file may carry, and the
 * walk that runs them. What each scanner matches is the business of scan.c; what becomes of a word, that
 * of the tokenizers. */
#include "text/tokenizer/pretokenize.h"

#include <stdio.h>

#include "text/tokenizer/scan.h"

/* ---- sets of characters ---- */

static bool is_letter(enum char_class class, uint32_t cp)
{
    (void)cp;
    return class & CHAR_LETTER;
}

static bool is_number(enum char_class class, uint32_t cp)
{
    (void)cp;
    return class == CHAR_NUMBER;
}

static bool is_ascii_digit(enum char_class class, uint32_t cp)
{
    (void)class;
    return cp >= '0' && cp <= '9';
}

static bool is_newline(enum char_class class, uint32_t cp)
{
    (void)cp;
    return class == CHAR_NEWLINE;
}

static bool is_punctuation(enum char_class class, uint32_t cp)
{
    (void)cp;
    return class == CHAR_PUNCTUATION;
}

/* \p{P} and the symbols of ASCII, all but the backtick. */
static bool is_mark(enum char_class class, uint32_t cp)
{
    return class == CHAR_PUNCTUATION || (class == CHAR_SYMBOL && cp < 0x80 && cp != '`');
}

static bool is_falcon_mark(enum char_class class, uint32_t cp)
{
    return cp == '`' || is_mark(class, cp);
}

/* [一-龥぀-ゟ゠-ヿ] */
static bool is_han_or_kana(enum char_class class, uint32_t cp)
{
    (void)class;
    return (cp >= 0x4E00 && cp <= 0x9FA5) || (cp >= 0x3040 && cp <= 0x30FF);
}

/* [一-龥ࠀ-一가-퟿], which is rather more than Chinese and Korean. */
static bool is_deepseek_han(enum char_class class, uint32_t cp)
{
    (void)class;
    return (cp >= 0x800 && cp <= 0x9FA5) || (cp >= 0xAC00 && cp <= 0xD7FF);
}

/* [!-/:-~！-／：-～‘-‟　-。] */
static bool is_deepseek_mark(enum char_class class, uint32_t cp)
{
    (void)class;
    return (cp >= '!' && cp <= '/') || (cp >= ':' && cp <= '~') || (cp >= 0xFF01 && cp <= 0xFF0F) ||
           (cp >= 0xFF1A && cp <= 0xFF5E) || (cp >= 0x2018 && cp <= 0x201F) || (cp >= 0x3000 && cp <= 0x3002);
}

/* The letters with case that deepseek-llm lists one by one; in order. */
static const struct {
    uint32_t first, last;
} deepseek_letters[] = {
    {0x41, 0x5A}, {0x61, 0x7A}, {0xB5, 0xB5}, {0xC0, 0xD6}, {0xD8, 0xF6}, {0xF8, 0x1BA}, {0x1BC, 0x1BF},
    {0x1C4, 0x293}, {0x295, 0x2AF}, {0x370, 0x373}, {0x376, 0x376}, {0x377, 0x377}, {0x37B, 0x37D}, {0x37F, 0x37F},
    {0x386, 0x386}, {0x388, 0x38A}, {0x38C, 0x38C}, {0x38E, 0x3A1}, {0x3A3, 0x3F5}, {0x3F7, 0x481}, {0x48A, 0x52F},
    {0x531, 0x556}, {0x10A0, 0x10C5}, {0x13A0, 0x13F5}, {0x13F8, 0x13FD}, {0x1C90, 0x1CBA}, {0x1CBD, 0x1CBF},
    {0x1D00, 0x1D2B}, {0x1D6B, 0x1D77}, {0x1D79, 0x1D9A}, {0x1E00, 0x1F15}, {0x1F18, 0x1F1D}, {0x1F20, 0x1F45},
    {0x1F48, 0x1F4D}, {0x1F50, 0x1F57}, {0x1F59, 0x1F59}, {0x1F5B, 0x1F5B}, {0x1F5D, 0x1F5D}, {0x1F5F, 0x1F7D},
    {0x1F80, 0x1FB4}, {0x1FB6, 0x1FBC}, {0x1FBE, 0x1FBE}, {0x1FC2, 0x1FC4}, {0x1FC6, 0x1FCC}, {0x1FD0, 0x1FD3},
    {0x1FD6, 0x1FDB}, {0x1FE0, 0x1FEC}, {0x1FF2, 0x1FF4}, {0x1FF6, 0x1FFC}, {0x2102, 0x2102}, {0x2107, 0x2107},
    {0x210A, 0x2113}, {0x2115, 0x2115}, {0x2119, 0x211D}, {0x2124, 0x2124}, {0x2126, 0x2126}, {0x2128, 0x2128},
    {0x212A, 0x212D}, {0x212F, 0x2134}, {0x2139, 0x2139}, {0x213C, 0x213F}, {0x2145, 0x2149}, {0x214E, 0x214E},
    {0x2183, 0x2183}, {0x2184, 0x2184}, {0x2C00, 0x2C7B}, {0x2C7E, 0x2CE4}, {0x2CEB, 0x2CEE}, {0x2CF2, 0x2CF2},
    {0x2CF3, 0x2CF3}, {0xA640, 0xA66D}, {0xA680, 0xA69B}, {0xA722, 0xA76F}, {0xA771, 0xA787}, {0xA78B, 0xA78E},
    {0xAB70, 0xABBF}, {0xFB00, 0xFB06}, {0xFB13, 0xFB17}, {0xFF21, 0xFF3A}, {0xFF41, 0xFF5A}, {0x10400, 0x1044F},
    {0x104B0, 0x104D3}, {0x104D8, 0x104FB}, {0x10C80, 0x10CB2}, {0x10CC0, 0x10CF2}, {0x118A0, 0x118DF},
    {0x1E900, 0x1E943},};

static bool is_deepseek_letter(enum char_class class, uint32_t cp)
{
    (void)class;
    const size_t n = sizeof deepseek_letters / sizeof *deepseek_letters;
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (cp > deepseek_letters[mid].last)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && cp >= deepseek_letters[low].first;
}

/* ---- families ---- */

#define RUNS(set, at_least, at_most) {.scan = scan_runs, .has = (set), .least = (at_least), .most = (at_most)}
#define LED_RUNS(set) {.scan = scan_runs, .has = (set), .least = 1, .most = SIZE_MAX, .led = true}
#define CASED(classes, n_digits) {.scan = scan_cased, .letters = (classes), .digits = (n_digits)}

static const struct pretokenize_stage gpt2_stages[] = {{.scan = scan_gpt2}};
static const struct pretokenize_stage qwen2_stages[] = {CASED(CHAR_LETTER, 1)};
static const struct pretokenize_stage qwen35_stages[] = {CASED(CHAR_LETTER | CHAR_MARK, 1)};
static const struct pretokenize_stage llama_stages[] = {CASED(CHAR_LETTER, 3)};
static const struct pretokenize_stage gpt4o_stages[] = {{.scan = scan_humps, .digits = 3, .contractions = true}};
static const struct pretokenize_stage tekken_stages[] = {{.scan = scan_humps, .digits = 1}};
static const struct pretokenize_stage starcoder_stages[] = {RUNS(is_number, 1, 1), {.scan = scan_gpt2}};
static const struct pretokenize_stage falcon_stages[] = {
    RUNS(is_falcon_mark, 1, SIZE_MAX), {.scan = scan_gpt2}, RUNS(is_ascii_digit, 3, 3),
};
static const struct pretokenize_stage default_stages[] = {
    RUNS(is_mark, 1, SIZE_MAX), {.scan = scan_gpt2}, RUNS(is_number, 1, SIZE_MAX), RUNS(is_ascii_digit, 3, 3),
};
static const struct pretokenize_stage deepseek_llm_stages[] = {
    RUNS(is_newline, 1, 1),     LED_RUNS(is_deepseek_letter),           LED_RUNS(is_deepseek_mark),
    {.scan = scan_last_white},  RUNS(is_deepseek_han, 1, SIZE_MAX),     RUNS(is_number, 1, SIZE_MAX),
};
static const struct pretokenize_stage deepseek_coder_stages[] = {
    RUNS(is_newline, 1, 1),             LED_RUNS(is_letter), LED_RUNS(is_punctuation),
    RUNS(is_deepseek_han, 1, SIZE_MAX), RUNS(is_number, 1, 1),
};
static const struct pretokenize_stage deepseek3_stages[] = {
    RUNS(is_number, 1, 3), RUNS(is_han_or_kana, 1, SIZE_MAX), {.scan = scan_deepseek},
};

#define STAGES(list) .stages = (list), .n_stages = (int)(sizeof(list) / sizeof *(list))

enum family {
    GPT2, QWEN2, QWEN35, LLAMA_BPE, DBRX, GPT4O, TEKKEN, STARCODER, FALCON, DEEPSEEK_LLM, DEEPSEEK_CODER, DEEPSEEK_V3,
    DEFAULT, N_FAMILIES,
};

static const struct pretokenizer families[N_FAMILIES] = {
    [GPT2] = {"gpt-2", STAGES(gpt2_stages)},
    [QWEN2] = {"qwen2", STAGES(qwen2_stages)},
    [QWEN35] = {"qwen35", STAGES(qwen35_stages)},
    [LLAMA_BPE] = {"llama-bpe", STAGES(llama_stages), .whole_words = true, .adds_bos = true},
    [DBRX] = {"dbrx", STAGES(llama_stages)},
    [GPT4O] = {"gpt-4o", STAGES(gpt4o_stages)},
    [TEKKEN] = {"tekken", STAGES(tekken_stages), .whole_words = true, .adds_bos = true},
    [STARCODER] = {"starcoder", STAGES(starcoder_stages)},
    [FALCON] = {"falcon", STAGES(falcon_stages)},
    [DEEPSEEK_LLM] = {"deepseek-llm", STAGES(deepseek_llm_stages)},
    [DEEPSEEK_CODER] = {"deepseek-coder", STAGES(deepseek_coder_stages)},
    [DEEPSEEK_V3] = {"deepseek-v3", STAGES(deepseek3_stages)},
    [DEFAULT] = {"default", STAGES(default_stages)},
};

/* Other names that files give the families. */
static const struct {
    const char *name;
    enum family family;
} aliases[] = {
    {"", DEFAULT},
    {"gpt2", GPT2}, {"phi-2", GPT2}, {"mpt", GPT2}, {"olmo", GPT2}, {"jais", GPT2}, {"trillion", GPT2},
    {"granite-docling", GPT2}, {"exaone4", GPT2}, {"gigachat", GPT2}, {"a.x-4.0", GPT2}, {"mellum", GPT2},
    {"modern-bert", GPT2}, {"roberta-bpe", GPT2}, {"jina-es", GPT2}, {"jina-de", GPT2}, {"jina-v1-en", GPT2},
    {"jina-v2-es", GPT2}, {"jina-v2-de", GPT2}, {"jina-v2-code", GPT2},
    {"deepseek-r1-qwen", QWEN2}, {"megrez", QWEN2}, {"stablelm2", QWEN2}, {"hunyuan", QWEN2}, {"solar-open", QWEN2},
    {"grok-2", QWEN2}, {"kormo", QWEN2}, {"f2llmv2", QWEN2},
    {"llama3", LLAMA_BPE}, {"llama-v3", LLAMA_BPE}, {"falcon3", LLAMA_BPE}, {"falcon-h1", LLAMA_BPE},
    {"pixtral", LLAMA_BPE}, {"midm-2.0", LLAMA_BPE}, {"lfm2", LLAMA_BPE}, {"jina-v5-nano", LLAMA_BPE},
    {"smaug-bpe", DBRX}, {"glm4", DBRX}, {"chatglm-bpe", DBRX},
    {"llama4", GPT4O}, {"kanana2", GPT4O}, {"talkie", GPT4O}, {"minimax-m2", GPT4O},
    {"smollm", STARCODER}, {"refact", STARCODER}, {"command-r", STARCODER}, {"codeshell", STARCODER},
    {"exaone", STARCODER}, {"minerva-7b", STARCODER}, {"mellum2", STARCODER},
    {"hunyuan-dense", DEEPSEEK_V3}, {"joyai-llm", DEEPSEEK_V3}, {"hy_v4", DEEPSEEK_V3},
};

static bool refuse(struct str name, struct err *err)
{
    char known[512] = "";
    size_t n = 0;
    for (int i = 0; i < N_FAMILIES; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", families[i].name);
    struct str shown = utf8_clip(name, 64);
    return err_set(err, ERR_UNSUPPORTED,
                   "the pre-tokenizer '" STR_FMT "' (tokenizer.ggml.pre) is unknown; Rung knows the families %s",
                   STR_ARG(shown), known);
}

bool pretokenizer_named(struct str name, const struct pretokenizer **ret, struct err *err)
{
    for (int i = 0; i < N_FAMILIES; i++) {
        if (str_is(name, families[i].name)) {
            *ret = &families[i];
            return true;
        }
    }
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (str_is(name, aliases[i].name)) {
            *ret = &families[aliases[i].family];
            return true;
        }
    }
    return refuse(name, err);
}

/* ---- the walk ---- */

struct str pretokenize_next(struct pretokenize *p)
{
    size_t start = p->at, end = p->text.n;
    if (start == end)
        return (struct str){p->text.p + start, 0};
    for (int i = 0; i < p->pre->n_stages; i++) {
        const struct pretokenize_stage *stage = &p->pre->stages[i];
        if (p->ends[i] == start)
            p->ends[i] = stage->scan(stage, (struct str){p->text.p, end}, start);
        end = p->ends[i];
    }
    p->at = end;
    return (struct str){p->text.p + start, end - start};
}
