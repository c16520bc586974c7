/* Rules for answers that call tools. Each family's calls are a row of a table: words in which a blank is white space
 * and %n, %a, %i and %d stand for the name, the arguments, an id and a number, so that a new family is a new row. How
 * arguments are written is the business of tool_schema.c (JSON), tool_xml.c and tool_gemma.c; what the words mean to
 * whoever reads an answer is text/toolcall's. */
#include "grammar/rule/tools.h"

#include <stdlib.h>

#define MAX_FORMS 3

/* ---- the families ---- */

enum arguments { ARGUMENTS_JSON, ARGUMENTS_XML, ARGUMENTS_GEMMA };

struct call_form {
    const char *begin, *call;
    const char *between;          /* NULL: one call only */
    const char *end;
};

static const struct tool_markup parameter_tags = {"<parameter=", ">", "\n", "\n</parameter>", "</parameter>"};
static const struct tool_markup argument_tags = {"<arg_key>", "</arg_key>", " <arg_value>", "</arg_value>",
                                                 "</arg_value>"};

#define OBJECT "{ \"name\": \"%n\", \"arguments\": %a }"
#define LLAMA_OBJECT "{ \"name\": \"%n\", \"parameters\": %a }"
#define BAR "\xEF\xBD\x9C"
#define LOW "\xE2\x96\x81"
#define DEEPSEEK(word) "<" BAR "tool" LOW word BAR ">"
#define HARMONY_CALL "<|channel|>commentary%_to=functions.%n%_<|constrain|>json<|message|>%a"

static const struct family {
    const char *name;
    enum arguments arguments;
    struct call_form forms[MAX_FORMS];
    const struct tool_markup *markup;
    const char *quote;            /* of Gemma's strings */
    const char *text[2];          /* what stands in front of free text, which then stands alone; NULL: nothing */
} families[] = {
    {"gpt-oss", ARGUMENTS_JSON, {{"", HARMONY_CALL, NULL, ""}, {"<|start|>assistant", HARMONY_CALL, NULL, ""}},
     .text = {"<|channel|>final<|message|>", "<|start|>assistant<|channel|>final<|message|>"}},
    {"gemma", ARGUMENTS_GEMMA, {{"", "<|tool_call>call:%n%a<tool_call|>", "", ""}}, .quote = "<|\"|>"},
    {"functiongemma", ARGUMENTS_GEMMA, {{"", "<start_function_call>call:%n%a<end_function_call>", "", ""}},
     .quote = "<escape>"},
    {"mistral", ARGUMENTS_JSON, {{"[TOOL_CALLS] [ ", OBJECT, ", ", " ]"}, {"", "[TOOL_CALLS]%n[ARGS]%a", "", ""},
                                 {"", "[TOOL_CALLS]%n[CALL_ID]%i[ARGS]%a", "", ""}}},
    {"deepseek", ARGUMENTS_JSON,
     {{DEEPSEEK("calls" LOW "begin"), DEEPSEEK("call" LOW "begin") "%n" DEEPSEEK("sep") "%a" DEEPSEEK("call" LOW "end"),
       "", DEEPSEEK("calls" LOW "end")},
      {DEEPSEEK("calls" LOW "begin"), DEEPSEEK("call" LOW "begin") "function" DEEPSEEK("sep") "%n\n```json\n%a\n```"
       DEEPSEEK("call" LOW "end"), " ", DEEPSEEK("calls" LOW "end")}}},
    {"seed", ARGUMENTS_XML, {{"", "<seed:tool_call> <function=%n> %a </function> </seed:tool_call>", " ", ""}},
     &parameter_tags},
    {"qwen-xml", ARGUMENTS_XML, {{"", "<tool_call> <function=%n> %a </function> </tool_call>", " ", ""}},
     &parameter_tags},
    {"glm", ARGUMENTS_XML, {{"", "<tool_call>%n %a </tool_call>", " ", ""}}, &argument_tags},
    {"function-tags", ARGUMENTS_JSON, {{"", "<function=%n>%a</function>", "", ""}}},
    {"kimi", ARGUMENTS_JSON,
     {{"<|tool_calls_section_begin|>",
       "<|tool_call_begin|>functions.%n:%d<|tool_call_argument_begin|>%a<|tool_call_end|>", "",
       "<|tool_calls_section_end|>"}}},
    {"solar", ARGUMENTS_JSON,
     {{"<|tool_calls|>", "<|tool_call:begin|>%i<|tool_call:name|>%n<|tool_call:args|>%a<|tool_call:end|>", "",
       "<|calls|>"}}},
    {"cohere", ARGUMENTS_JSON,
     {{"<|START_ACTION|>[ ", "{ \"tool_call_id\": \"%d\", \"tool_name\": \"%n\", \"parameters\": %a }", ", ",
       " ]<|END_ACTION|>"}}},
    {"phi", ARGUMENTS_JSON, {{"functools[ ", OBJECT, ", ", " ]"}}},
    {"phi-tags", ARGUMENTS_JSON, {{"<|tool_call|> [ ", OBJECT, ", ", " ]<|/tool_call|>"},
                                  {"<|tool_call|> [ ", OBJECT, ", ", " ]"}}},
    {"gigachat", ARGUMENTS_JSON, {{"", "<|function_call|>" OBJECT, NULL, ""}}},
    {"hermes", ARGUMENTS_JSON, {{"", "<tool_call> " OBJECT " </tool_call>", " ", ""}}},
    {"tool-calls-tags", ARGUMENTS_JSON, {{"<tool_calls> [ ", OBJECT, ", ", " ] </tool_calls>"}}},
    {"nemotron", ARGUMENTS_JSON, {{"<TOOLCALL>[ ", OBJECT, ", ", " ]</TOOLCALL>"}}},
    {"llama", ARGUMENTS_JSON, {{"", LLAMA_OBJECT, "; ", ""}, {"<|python_tag|>", LLAMA_OBJECT, "; ", ""}}},
};

static const struct family *find_family(const struct toolcall_syntax *syntax)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i].name, toolcall_name(syntax)) == 0)
            return &families[i];
    return NULL;
}

/* ---- words ---- */

/* The longest marker that `text` begins with; 0: none. */
static size_t marker_at(const struct toolrule *spec, struct str text)
{
    size_t longest = 0;
    for (int i = 0; i < spec->n_markers; i++)
        if (spec->markers[i].n > longest && str_starts(text, spec->markers[i]))
            longest = spec->markers[i].n;
    return longest;
}

uint32_t tool_words_term(struct tool_writer *w, struct str words)
{
    struct buf bytes = BUF_INIT(4096);
    for (size_t at = 0; at < words.n;) {
        size_t marker = marker_at(w->spec, (struct str){words.p + at, words.n - at});
        if (marker > 0)
            buf_char(&bytes, VOCABULARY_MARK);
        buf_add(&bytes, words.p + at, marker > 0 ? marker : 1);
        if (marker > 0)
            buf_char(&bytes, VOCABULARY_MARK);
        at += marker > 0 ? marker : 1;
    }
    uint32_t term = buf_ok(&bytes) ? expr_literal(rules_exprs(w->rules), buf_view(&bytes)) : EXPR_NONE;
    buf_free(&bytes);
    return term;
}

uint32_t tool_words(struct tool_writer *w, struct str words)
{
    return rules_term(w->rules, tool_words_term(w, words));
}

uint32_t tool_spaced(struct tool_writer *w, const char *words)
{
    uint32_t node = rules_empty(w->rules);
    while (*words) {
        size_t n = strcspn(words, " ");
        const uint32_t parts[] = {node, tool_words(w, (struct str){words, n}), words[n] ? w->space
                                                                                        : rules_empty(w->rules)};
        node = rules_sequence(w->rules, parts, 3);
        words += n + (words[n] == ' ');
    }
    return node;
}

static uint32_t any_bytes(struct exprs *x)
{
    struct byte_set all = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    return expr_repeat(x, expr_bytes(x, &all), 0, EXPR_UNBOUNDED);
}

uint32_t tool_text_without(struct tool_writer *w, struct str word)
{
    static const struct code_range all = {1, 0x10FFFF};
    struct exprs *x = rules_exprs(w->rules);
    uint32_t any = any_bytes(x);
    uint32_t with = expr_concat(x, any, expr_concat(x, expr_literal(x, word), any));
    return expr_and(x, expr_repeat(x, expr_code_points(x, &all, 1), 0, EXPR_UNBOUNDED), expr_not(x, with));
}

/* ---- calls ---- */

/* Letters and digits, as ids of calls are. */
static uint32_t id_node(struct tool_writer *w, bool digits)
{
    static const struct code_range ranges[] = {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}};
    struct exprs *x = rules_exprs(w->rules);
    uint32_t one = expr_code_points(x, ranges, digits ? 1 : 3);
    return rules_term(w->rules, expr_repeat(x, one, digits ? 1 : 9, digits ? 2 : 9));
}

/* What stands for the character behind a percent sign. */
static uint32_t form_part(struct tool_writer *w, char what, const struct tool *t, uint32_t arguments)
{
    switch (what) {
    case 'n': return tool_words(w, t->name);
    case 'a': return arguments;
    case '_': return rules_term(w->rules, expr_literal(rules_exprs(w->rules), STR(" ")));
    default: return id_node(w, what == 'd');
    }
}

/* One call of the tool in the words of a form. */
static uint32_t call_node(struct tool_writer *w, const char *form, const struct tool *t, uint32_t arguments)
{
    uint32_t node = rules_empty(w->rules);
    while (*form) {
        size_t n = strcspn(form, "%");
        char words[160];
        if (n >= sizeof words)
            return RULES_NONE;
        memcpy(words, form, n);
        words[n] = 0;
        const uint32_t parts[] = {node, tool_spaced(w, words),
                                  form[n] ? form_part(w, form[n + 1], t, arguments) : rules_empty(w->rules)};
        node = rules_sequence(w->rules, parts, 3);
        form += n + (form[n] ? 2 : 0);
    }
    return node;
}

static uint32_t form_node(struct tool_writer *w, const struct call_form *form, const struct tool *tools, int n,
                          const uint32_t *arguments)
{
    uint32_t *ways = malloc((size_t)n * sizeof *ways);
    if (!ways)
        return RULES_NONE;
    for (int i = 0; i < n; i++)
        ways[i] = call_node(w, form->call, &tools[i], arguments[i]);
    uint32_t call = rules_choice(w->rules, ways, n);
    free(ways);
    bool several = w->spec->parallel && form->between;
    uint32_t between = several ? tool_spaced(w, form->between) : RULES_NONE;
    const uint32_t parts[] = {tool_spaced(w, form->begin),
                              rules_repeat(w->rules, call, between, 1, several ? TOOLCALL_MAX_CALLS : 1),
                              tool_spaced(w, form->end)};
    return rules_sequence(w->rules, parts, 3);
}

static bool arguments_node(struct tool_writer *w, const struct family *f, const struct tool *t, uint32_t *ret,
                           struct err *err)
{
    switch (f->arguments) {
    case ARGUMENTS_XML: return tool_xml(w, t, f->markup, ret, err);
    case ARGUMENTS_GEMMA: return tool_gemma(w, t, f->quote, ret, err);
    case ARGUMENTS_JSON: break;
    }
    return tool_json(w, t, ret, err);
}

static bool calls_node(struct tool_writer *w, const struct family *f, const struct tool *tools, int n, uint32_t *ret,
                       struct err *err)
{
    uint32_t forms[MAX_FORMS], *arguments = malloc((size_t)n * sizeof *arguments);
    if (!arguments)
        return err_nomem(err, "the rules of tool calls");
    bool ok = true;
    for (int i = 0; ok && i < n; i++)
        ok = arguments_node(w, f, &tools[i], &arguments[i], err);
    int n_forms = 0;
    for (; ok && n_forms < MAX_FORMS && f->forms[n_forms].call; n_forms++)
        forms[n_forms] = form_node(w, &f->forms[n_forms], tools, n, arguments);
    free(arguments);
    if (ok)
        *ret = rules_choice(w->rules, forms, n_forms);
    return ok;
}

/* ---- free text ---- */

/* Text in which no call begins. Where a call is a bare object, text that begins with a brace is one. */
static uint32_t text_node(struct tool_writer *w, bool bare)
{
    struct exprs *x = rules_exprs(w->rules);
    uint32_t text = expr_not(x, EXPR_NONE);
    for (const char *const *lead = toolcall_leads(w->spec->syntax); *lead; lead++)
        text = expr_and(x, text, tool_text_without(w, str_of(*lead)));
    if (bare) {
        struct byte_set blanks = {{1ull << ' ' | 1ull << '\t' | 1ull << '\n' | 1ull << '\r'}};
        uint32_t brace = expr_concat(x, expr_literal(x, STR("{")), any_bytes(x));
        uint32_t object = expr_concat(x, expr_repeat(x, expr_bytes(x, &blanks), 0, EXPR_UNBOUNDED), brace);
        text = expr_and(x, text, expr_not(x, object));
    }
    return rules_term(w->rules, text);
}

/* Text, calls, or text and then calls. */
static uint32_t auto_node(struct tool_writer *w, const struct family *f, uint32_t calls)
{
    struct rules *r = w->rules;
    bool bare = *f->forms[0].begin == 0 && *f->forms[0].call == '{';
    uint32_t text = text_node(w, bare);
    if (f->text[0]) {
        uint32_t ways[3] = {calls};
        for (int i = 0; i < 2; i++) {
            const uint32_t parts[] = {tool_spaced(w, f->text[i]), text};
            ways[i + 1] = rules_sequence(r, parts, 2);
        }
        return rules_choice(r, ways, 3);
    }
    if (bare)
        return rules_choice(r, (uint32_t[]){text, calls}, 2);
    const uint32_t end[] = {rules_empty(r), calls};
    return rules_sequence(r, (uint32_t[]){text, rules_choice(r, end, 2)}, 2);
}

/* ---- the whole ---- */

static bool name_fits(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_-.:/", c))))
            return false;
    }
    return name.n > 0 && name.n <= TOOLCALL_MAX_NAME_BYTES;
}

/* The tools that may be called into tools[TOOLRULE_MAX_TOOLS]; *ret_n counts also where it fails. */
static bool open_tools(const struct toolrule *spec, struct tool *tools, int *ret_n, struct err *err)
{
    size_t i;
    json_t *tool;
    json_array_foreach(spec->tools, i, tool) {
        const json_t *function = json_object_get(tool, "function");
        struct str name = str_of(json_string_value(json_object_get(function, "name")));
        if (spec->name.n > 0 && !str_eq(name, spec->name))
            continue;
        if (!name_fits(name))
            return err_set(err, ERR_INVALID, "the name of tool %zu is not made of letters, digits, '_' and '-'", i + 1);
        if (*ret_n == TOOLRULE_MAX_TOOLS)
            return err_set(err, ERR_LIMIT, "there are more than %d tools", TOOLRULE_MAX_TOOLS);
        if (!tool_open(spec, function, &tools[*ret_n], err))
            return false;
        ++*ret_n;
    }
    if (*ret_n == 0 && spec->name.n > 0)
        return err_set(err, ERR_INVALID, "no tool is named '" STR_FMT "'", STR_ARG(utf8_clip(spec->name, 64)));
    return *ret_n > 0 || err_set(err, ERR_INVALID, "there are no tools that could be called");
}

static bool write_rules(struct tool_writer *w, const struct family *f, const struct tool *tools, int n,
                        struct err *err)
{
    uint32_t calls = RULES_NONE;
    w->space = rules_json_space(w->rules, w->spec->options.space);
    if (!calls_node(w, f, tools, n, &calls, err))
        return false;
    uint32_t start = w->spec->choice == TOOLRULE_REQUIRED ? calls : auto_node(w, f, calls);
    return rules_check(w->rules, err) && rules_finish(w->rules, start, err);
}

bool toolrule_in_json(const struct toolcall_syntax *syntax)
{
    const struct family *f = find_family(syntax);
    return f && f->arguments == ARGUMENTS_JSON;
}

bool rule_tools(const struct toolrule *spec, struct rules **ret, struct err *err)
{
    const struct family *f = find_family(spec->syntax);
    struct tool_writer w = {.spec = spec};
    int n = 0;
    if (!f)
        return err_set(err, ERR_UNSUPPORTED, "tool calls as '%s' writes them cannot be enforced",
                       toolcall_name(spec->syntax));
    struct tool *tools = calloc(TOOLRULE_MAX_TOOLS, sizeof *tools);
    if (!tools)
        return err_nomem(err, "the rules of tool calls");
    bool ok = open_tools(spec, tools, &n, err) && rules_open(&w.rules, err) && write_rules(&w, f, tools, n, err);
    for (int i = 0; i < n; i++)
        tool_close(&tools[i]);
    free(tools);
    if (ok)
        *ret = w.rules;
    else if (w.rules)
        rules_close(w.rules);
    return ok;
}
