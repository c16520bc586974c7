/* The words of each family's tool calls, how a family is known by its chat template, and the ids of calls. A new
 * family is a new row; only a new kind of call needs a body. */
#include "base/rng.h"
#include "text/toolcall/parser.h"

static const struct xml_words qwen_words = {.name_open = "<function=", .name_end = ">", .key_open = "<parameter=",
                                            .key_end = ">", .value_end = "</parameter>", .call_end = "</function>"};
static const struct xml_words glm_words = {.name_open = "", .key_open = "<arg_key>", .key_end = "</arg_key>",
                                           .value_open = "<arg_value>", .value_end = "</arg_value>",
                                           .call_end = "</tool_call>"};

/* First match wins. A template is of a family when it holds all of `marks`. */
static const struct family {
    const char *marks[3];
    struct toolcall_syntax syntax;
} families[] = {
    {{"<|channel|>", "<|message|>", "functions."},
     {.name = "gpt-oss", .leads = {"<|channel|>", "<|start|>assistant"}, .closers = {"<|call|>", "<|end|>"},
      .starts = {{"", BODY_CHANNEL}}}},
    {{"<|tool_call>call:"},
     {.name = "gemma", .leads = {"<|tool_call>"}, .closers = {"<tool_call|>"}, .starts = {{"call:", BODY_GEMMA}},
      .quotes = {"<|\"|>"}}},
    {{"<start_function_call>"},
     {.name = "functiongemma", .leads = {"<start_function_call>"}, .closers = {"<end_function_call>"},
      .starts = {{"call:", BODY_GEMMA}}, .quotes = {"<escape>"}}},
    {{"[TOOL_CALLS]"},
     {.name = "mistral", .leads = {"[TOOL_CALLS]"}, .separators = {"[", ","}, .closers = {"]"},
      .starts = {{"{", BODY_OBJECT}, {"", BODY_NAMED}}, .name_ends = {{"[ARGS]", NAME_END_ARGUMENTS},
      {"[CALL_ID]", NAME_END_ID}}, .short_ids = true}},
    {{"<\xEF\xBD\x9Ctool\xE2\x96\x81" "call\xE2\x96\x81" "begin\xEF\xBD\x9C>"},
     {.name = "deepseek", .leads = {"<\xEF\xBD\x9Ctool\xE2\x96\x81" "calls\xE2\x96\x81" "begin\xEF\xBD\x9C>",
                                    "<\xEF\xBD\x9Ctool\xE2\x96\x81" "call\xE2\x96\x81" "begin\xEF\xBD\x9C>"},
      .separators = {"function<\xEF\xBD\x9Ctool\xE2\x96\x81sep\xEF\xBD\x9C>"},
      .closers = {"```", "<\xEF\xBD\x9Ctool\xE2\x96\x81" "call\xE2\x96\x81" "end\xEF\xBD\x9C>",
                  "<\xEF\xBD\x9Ctool\xE2\x96\x81" "calls\xE2\x96\x81" "end\xEF\xBD\x9C>"},
      .starts = {{"", BODY_NAMED}},
      .name_ends = {{"<\xEF\xBD\x9Ctool\xE2\x96\x81sep\xEF\xBD\x9C>", NAME_END_ARGUMENTS},
                    {"\n```json\n", NAME_END_ARGUMENTS}}}},
    {{"<function=", "<parameter=", "<seed:tool_call>"},
     {.name = "seed", .leads = {"<seed:tool_call>"}, .closers = {"</seed:tool_call>"},
      .starts = {{"<function=", BODY_XML}}, .xml = &qwen_words}},
    {{"<function=", "<parameter="},
     {.name = "qwen-xml", .leads = {"<tool_call>"}, .separators = {","}, .closers = {"</tool_call>"},
      .starts = {{"<function=", BODY_XML}, {"{", BODY_OBJECT}}, .xml = &qwen_words}},
    {{"<arg_key>", "<tool_call>"},
     {.name = "glm", .leads = {"<tool_call>"}, .starts = {{"", BODY_XML}}, .xml = &glm_words}},
    {{"<function="},
     {.name = "function-tags", .leads = {"<function="}, .separators = {";"}, .closers = {"</function>"},
      .starts = {{"", BODY_NAMED}}, .name_ends = {{">", NAME_END_ARGUMENTS}}}},
    {{"<|tool_call_begin|>"},
     {.name = "kimi", .leads = {"<|tool_calls_section_begin|>", "<|tool_call_begin|>"},
      .closers = {"<|tool_call_end|>", "<|tool_calls_section_end|>"}, .starts = {{"", BODY_NAMED}},
      .name_ends = {{"<|tool_call_argument_begin|>", NAME_END_ARGUMENTS}}}},
    {{"<|tool_call:begin|>"},
     {.name = "solar", .leads = {"<|tool_calls|>", "<|tool_call:begin|>"},
      .closers = {"<|tool_call:end|>", "<|calls|>"}, .starts = {{"", BODY_NAMED}},
      .name_ends = {{"<|tool_call:args|>", NAME_END_ARGUMENTS}, {"<|tool_call:name|>", NAME_END_NAME}}}},
    {{"<|START_ACTION|>"},
     {.name = "cohere", .leads = {"<|START_ACTION|>"}, .separators = {"[", ","}, .closers = {"]", "<|END_ACTION|>"},
      .starts = {{"{", BODY_OBJECT}}}},
    {{"functools"},
     {.name = "phi", .leads = {"functools"}, .separators = {"[", ","}, .closers = {"]"},
      .starts = {{"{", BODY_OBJECT}}}},
    {{"<|tool_call|>"},
     {.name = "phi-tags", .leads = {"<|tool_call|>", "functools"}, .separators = {"[", ","},
      .closers = {"]", "<|/tool_call|>", "<|end_tool_call|>"}, .starts = {{"{", BODY_OBJECT}}}},
    {{"<|function_call|>"},
     {.name = "gigachat", .leads = {"<|function_call|>"}, .starts = {{"{", BODY_OBJECT}}}},
    {{"<tool_call>"},
     {.name = "hermes", .leads = {"<tool_call>"}, .separators = {"[", ","}, .closers = {"</tool_call>", "]"},
      .starts = {{"{", BODY_OBJECT}}}},
    {{"<tool_calls>"},
     {.name = "tool-calls-tags", .leads = {"<tool_calls>"}, .separators = {"[", ","},
      .closers = {"]", "</tool_calls>"}, .starts = {{"{", BODY_OBJECT}}}},
    {{"<TOOLCALL>"},
     {.name = "nemotron", .leads = {"<TOOLCALL>"}, .separators = {"[", ","}, .closers = {"]", "</TOOLCALL>"},
      .starts = {{"{", BODY_OBJECT}}}},
    /* Llama 3, and whatever shows its template the tools without a syntax that is known here. */
    {{"tools"},
     {.name = "llama", .leads = {"<|python_tag|>"}, .separators = {";", ","}, .starts = {{"{", BODY_OBJECT}},
      .bare = true}},
};

const struct toolcall_syntax *toolcall_detect(struct str template_source)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        bool all = true;
        for (int k = 0; k < 3 && families[i].marks[k]; k++)
            all = all && str_find(template_source, str_of(families[i].marks[k])) != SIZE_MAX;
        if (all)
            return &families[i].syntax;
    }
    return NULL;
}

const char *toolcall_name(const struct toolcall_syntax *s)
{
    return s->name;
}

const char *const *toolcall_leads(const struct toolcall_syntax *s)
{
    return s->leads;
}

static bool holds(const char *word, struct str name)
{
    return word && str_find(str_of(word), name) != SIZE_MAX;
}

bool toolcall_marker(const struct toolcall_syntax *s, struct str name)
{
    bool is = false;
    for (int i = 0; i < SYNTAX_MAX_WORDS; i++)
        is = is || holds(s->leads[i], name) || holds(s->separators[i], name) || holds(s->closers[i], name);
    for (int i = 0; i < SYNTAX_MAX_STARTS; i++)
        is = is || holds(s->starts[i].word, name) || holds(s->name_ends[i].word, name);
    for (int i = 0; i < 2; i++)
        is = is || holds(s->quotes[i], name);
    if (s->xml) {
        const char *const words[] = {s->xml->name_open, s->xml->key_open, s->xml->key_end, s->xml->value_open,
                                     s->xml->value_end, s->xml->call_end};
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            is = is || holds(words[i], name);
    }
    return is && name.n > 1;
}

/* ---- ids ---- */

static void short_id(uint64_t bits, char ret[TOOLCALL_ID_BYTES])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (int i = 0; i < 9; i++) {
        ret[i] = letters[bits % 62];
        bits /= 62;
    }
    ret[9] = 0;
}

void toolcall_make_id(const struct toolcall_syntax *s, uint64_t seed, int index, char ret[TOOLCALL_ID_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t high = rng_u64(seed, (uint32_t)index, 0), low = rng_u64(seed, (uint32_t)index, 1);
    if (s->short_ids) {
        short_id(high, ret);
        return;
    }
    memcpy(ret, "call_", 5);
    for (int i = 0; i < 24; i++) {
        ret[5 + i] = digits[(i < 12 ? high : low) & 15];
        *(i < 12 ? &high : &low) >>= 4;
    }
    ret[29] = 0;
}

bool toolcall_id_fits(const struct toolcall_syntax *s, struct str id, char ret[TOOLCALL_ID_BYTES])
{
    bool fits = id.n == 9;
    for (size_t i = 0; i < id.n; i++)
        fits = fits && ((id.p[i] >= '0' && id.p[i] <= '9') || ((id.p[i] | 0x20) >= 'a' && (id.p[i] | 0x20) <= 'z'));
    if (!s->short_ids || fits)
        return true;
    short_id(rng_u64(str_hash(id), 0, 0), ret);
    return false;
}
