/* Calls written as marked up parameters: <function=f><parameter=k>v</parameter></function> of Qwen3-Coder, and
 * f<arg_key>k</arg_key><arg_value>v</arg_value> of GLM. A value is text; the tool's schema says whether it stands for a
 * string, and where it does not, a value that is JSON is taken as such. Each parameter goes out when it is whole. */
#include "data/json.h"
#include "text/toolcall/parser.h"

/* Reads on to the word; STEP_DONE: it stands at p->at. */
static enum step seek(struct toolcall_parser *p, const char *word)
{
    while (p->at < p->in.n) {
        enum match m = word_match(p, word);
        if (m != MATCH_NONE)
            return m == MATCH_WHOLE ? STEP_DONE : STEP_MORE;
        p->at++;
    }
    return STEP_MORE;
}

/* The word must stand here, but for white space; STEP_DONE: it was read. */
static enum step expect(struct toolcall_parser *p, const char *word)
{
    while (p->at < p->in.n && white(p->in.p[p->at]))
        p->at++;
    if (p->at == p->in.n)
        return STEP_MORE;
    enum match m = word_match(p, word);
    if (m == MATCH_WHOLE)
        p->at += strlen(word);
    return m == MATCH_WHOLE ? STEP_DONE : m == MATCH_PART ? STEP_MORE : STEP_BAD;
}

static enum step read_name(struct toolcall_parser *p)
{
    struct xml_body *b = &p->u.xml;
    const struct xml_words *w = p->syntax->xml;
    while (p->at < p->in.n && name_char(p->in.p[p->at]))
        p->at++;
    if (p->at == p->in.n)
        return STEP_MORE;
    struct str name = word_since(p, b->word_at);
    if (w->name_end) {
        enum match m = word_match(p, w->name_end);
        if (m != MATCH_WHOLE)
            return m == MATCH_PART ? STEP_MORE : STEP_BAD;
        p->at += strlen(w->name_end);
    }
    const json_t *tool = call_tool(p, name);
    if (!tool || !call_open(p, name, STR("")))
        return STEP_BAD;
    b->schema = json_object_get(json_object_get(tool, "parameters"), "properties");
    b->state = XML_PARAMETERS;
    call_commit(p);
    return STEP_DONE;
}

/* Whether the parameter's schema wants a string, or may. */
static bool wants_string(const struct xml_body *b, struct str key)
{
    const json_t *schema = json_object_getn(b->schema, key.p, key.n), *type = json_object_get(schema, "type"), *one;
    size_t i;
    if (json_is_string(type))
        return strcmp(json_string_value(type), "string") == 0;
    json_array_foreach(type, i, one)
        if (json_is_string(one) && strcmp(json_string_value(one), "string") == 0)
            return true;
    return false;
}

/* The line breaks that stand between the tags and the value are none of it. */
static struct str value_text(struct str text)
{
    if (text.n > 0 && *text.p == '\n')
        text = (struct str){text.p + 1, text.n - 1};
    if (text.n > 0 && text.p[text.n - 1] == '\n')
        text.n--;
    return text;
}

static bool give_parameter(struct toolcall_parser *p, struct str key, struct str value)
{
    struct xml_body *b = &p->u.xml;
    struct buf json = BUF_INIT(TOOLCALL_MAX_ARGUMENT_BYTES);
    struct json_writer w = JSON_WRITER(&json);
    json_t *parsed = NULL;
    buf_puts(&json, b->n_parameters++ ? ", " : "{");
    json_str(&w, key);
    buf_puts(&json, ": ");
    w = JSON_WRITER(&json);
    if (!wants_string(b, key) && json_parse(str_trim(value), "a tool call", &parsed, NULL))
        json_value(&w, parsed);
    else
        json_str(&w, value_text(value));
    json_decref(parsed);
    bool ok = buf_ok(&json) && call_arguments(p, buf_view(&json));
    buf_free(&json);
    return ok;
}

static struct str key_of(const struct toolcall_parser *p)
{
    const struct xml_body *b = &p->u.xml;
    return str_trim((struct str){p->in.p + p->from + b->word_at, b->key_n});
}

/* A value that is no string is read over as JSON as long as it is; then, or from its start, to the tag that ends it. */
static enum step seek_value_end(struct toolcall_parser *p)
{
    struct xml_body *b = &p->u.xml;
    while (b->json && p->at < p->in.n) {
        enum scan_result r = json_scan_byte(&b->scan, p->in.p[p->at]);
        b->json = r == SCAN_MORE;
        if (r == SCAN_BAD)
            p->at = p->from + b->value_at;
        else
            p->at += r != SCAN_OVER;
    }
    return b->json ? STEP_MORE : seek(p, p->syntax->xml->value_end);
}

static enum step read_value(struct toolcall_parser *p)
{
    struct xml_body *b = &p->u.xml;
    const struct xml_words *w = p->syntax->xml;
    enum step step = seek_value_end(p);
    if (step != STEP_DONE)
        return step;
    struct str key = key_of(p);
    struct str value = word_since(p, b->value_at);
    if (key.n == 0 || memchr(key.p, 0, key.n) || memchr(value.p, 0, value.n) || !give_parameter(p, key, value))
        return STEP_BAD;
    p->at += strlen(w->value_end);
    b->state = XML_PARAMETERS;
    call_commit(p);
    return STEP_DONE;
}

/* The next parameter, or the call's end. */
static enum step read_parameters(struct toolcall_parser *p)
{
    struct xml_body *b = &p->u.xml;
    const struct xml_words *w = p->syntax->xml;
    enum step key = expect(p, w->key_open), end = key == STEP_DONE ? STEP_BAD : expect(p, w->call_end);
    if (key == STEP_DONE) {
        b->word_at = p->at - p->from;
        b->state = XML_KEY;
        return STEP_DONE;
    }
    if (end != STEP_DONE)
        return end == STEP_MORE ? end : key;
    if (!call_arguments(p, b->n_parameters ? STR("}") : STR("{}")))
        return STEP_BAD;
    p->complete = true;
    return STEP_DONE;
}

static void begin_value(struct toolcall_parser *p)
{
    struct xml_body *b = &p->u.xml;
    b->value_at = p->at - p->from;
    b->scan = (struct json_scan){0};
    b->json = !wants_string(b, key_of(p));
    b->state = XML_VALUE;
}

static enum step read_key(struct toolcall_parser *p)
{
    struct xml_body *b = &p->u.xml;
    const struct xml_words *w = p->syntax->xml;
    enum step step = seek(p, w->key_end);
    if (step != STEP_DONE)
        return step;
    b->key_n = p->at - p->from - b->word_at;
    p->at += strlen(w->key_end);
    b->state = XML_VALUE_OPEN;
    if (!w->value_open)
        begin_value(p);
    return STEP_DONE;
}

static enum step read_value_open(struct toolcall_parser *p)
{
    enum step step = expect(p, p->syntax->xml->value_open);
    if (step == STEP_DONE)
        begin_value(p);
    return step;
}

static enum step read_open(struct toolcall_parser *p)
{
    struct xml_body *b = &p->u.xml;
    enum step step = expect(p, p->syntax->xml->name_open);
    b->word_at = p->at - p->from;
    b->state = step == STEP_DONE ? XML_NAME : b->state;
    return step;
}

enum step xml_step(struct toolcall_parser *p)
{
    struct xml_body *b = &p->u.xml;
    enum step step = STEP_DONE;
    while (step == STEP_DONE && !p->complete) {
        switch (b->state) {
        case XML_OPEN: step = read_open(p); break;
        case XML_NAME: step = read_name(p); break;
        case XML_PARAMETERS: step = read_parameters(p); break;
        case XML_KEY: step = read_key(p); break;
        case XML_VALUE_OPEN: step = read_value_open(p); break;
        case XML_VALUE: step = read_value(p); break;
        }
    }
    return step;
}
