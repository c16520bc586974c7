/* Calls that are JSON objects: {"name": "f", "arguments": {...}}, in any order of the members, with others between.
 * Arguments go out as they are written once the name is known; arguments given as a string of JSON go out when the
 * string is whole. */
#include "data/json.h"
#include "text/toolcall/parser.h"

/* ---- members ---- */

static int key_kind(struct str key)
{
    if (str_is(key, "\"name\"") || str_is(key, "\"tool_name\""))
        return KEY_NAME;
    return str_is(key, "\"arguments\"") || str_is(key, "\"parameters\"") ? KEY_ARGUMENTS : KEY_OTHER;
}

/* The text of a JSON string as it stands in the input; *ret is the caller's to json_decref. */
static bool string_value(struct str literal, json_t **ret)
{
    return json_parse(literal, "a tool call", ret, NULL) && (json_is_string(*ret) || (json_decref(*ret), false));
}

static bool keep_name(struct object_body *o, struct str literal)
{
    json_t *value;
    if (o->n_name > 0 || !string_value(literal, &value))
        return false;
    o->n_name = json_string_length(value);
    bool ok = o->n_name > 0 && o->n_name <= sizeof o->name;
    if (ok)
        memcpy(o->name, json_string_value(value), o->n_name);
    json_decref(value);
    return ok;
}

static bool open_named(struct toolcall_parser *p)
{
    struct object_body *o = &p->u.object;
    return p->open || call_open(p, (struct str){o->name, o->n_name}, STR(""));
}

/* Arguments that came as a string: the JSON in it, where that is an object. */
static bool unwrap_arguments(struct toolcall_parser *p, struct str literal)
{
    json_t *text, *value = NULL;
    if (!string_value(literal, &text))
        return false;
    struct str inner = {json_string_value(text), json_string_length(text)};
    bool ok = json_parse_object(inner, "a tool call", &value, NULL) && call_arguments(p, inner);
    json_decref(value);
    json_decref(text);
    return ok;
}

/* Arguments that are whole, while the name is known. */
static bool give_whole(struct toolcall_parser *p, struct str value)
{
    bool ok = *value.p == '"' ? unwrap_arguments(p, value) : call_arguments(p, value);
    p->complete = ok;
    return ok;
}

/* The name is known. Behind a lead that is enough to open the call; a bare object may be any JSON and must show
 * arguments as well. */
static bool name_known(struct toolcall_parser *p)
{
    struct object_body *o = &p->u.object;
    if (!call_tool(p, (struct str){o->name, o->n_name}))
        return false;
    if (p->lead_n == 0 && p->fresh && o->held_n == 0)
        return true;
    if (!open_named(p))
        return false;
    if (o->held_n > 0 && !give_whole(p, (struct str){p->in.p + p->from + o->held_at, o->held_n}))
        return false;
    call_commit(p);
    return true;
}

/* A value that was not given while it was read is whole; p->at stands behind it. */
static bool take_value(struct toolcall_parser *p)
{
    struct object_body *o = &p->u.object;
    struct str value = word_since(p, o->word_at);
    o->state = OBJECT_NEXT;
    if (o->key == KEY_NAME)
        return keep_name(o, value) && name_known(p);
    if (o->key == KEY_OTHER)
        return true;
    if (o->n_name == 0) {
        o->held_at = o->word_at;
        o->held_n = value.n;
        return true;
    }
    if (!open_named(p) || !give_whole(p, value))
        return false;
    call_commit(p);
    return true;
}

/* ---- reading ---- */

/* Reads on in the key or value at hand; what of arguments is read goes out. */
static enum step read_word(struct toolcall_parser *p)
{
    struct object_body *o = &p->u.object;
    size_t begin = p->at;
    enum scan_result r = SCAN_MORE;
    while (r == SCAN_MORE && p->at < p->in.n) {
        r = json_scan_byte(&o->scan, p->in.p[p->at]);
        p->at += r == SCAN_MORE || r == SCAN_DONE;
    }
    if (o->live && p->at > begin) {
        if (!open_named(p) || !call_arguments(p, (struct str){p->in.p + begin, p->at - begin}))
            return STEP_BAD;
        call_commit(p);
    }
    return r == SCAN_BAD ? STEP_BAD : r == SCAN_MORE ? STEP_MORE : STEP_DONE;
}

static void begin_word(struct toolcall_parser *p, int state)
{
    struct object_body *o = &p->u.object;
    o->state = state;
    o->word_at = p->at - p->from;
    o->scan = (struct json_scan){0};
    o->live = false;
}

/* The first byte of a member's value. */
static bool begin_value(struct toolcall_parser *p, char c)
{
    struct object_body *o = &p->u.object;
    begin_word(p, OBJECT_VALUE);
    if (o->key != KEY_ARGUMENTS)
        return true;
    o->live = c == '{' && o->n_name > 0;
    return !p->complete && o->held_n == 0 && (c == '{' || c == '"');
}

/* The object is closed: a call without arguments has none. */
static enum step end_object(struct toolcall_parser *p)
{
    if (!p->open || (!p->complete && !call_arguments(p, STR("{}"))))
        return STEP_BAD;
    p->at++;
    return STEP_DONE;
}

static enum step read_whole_word(struct toolcall_parser *p)
{
    struct object_body *o = &p->u.object;
    enum step step = read_word(p);
    if (step != STEP_DONE)
        return step;
    if (o->state == OBJECT_KEY) {
        o->key = key_kind(word_since(p, o->word_at));
        o->state = OBJECT_COLON;
    } else if (o->live) {
        p->complete = true;
        o->state = OBJECT_NEXT;
    } else if (!take_value(p)) {
        return STEP_BAD;
    }
    return STEP_DONE;
}

/* One character between words. */
static enum step read_mark(struct toolcall_parser *p, char c)
{
    struct object_body *o = &p->u.object;
    if (c == '}' && (o->state == OBJECT_KEY_OR_END || o->state == OBJECT_NEXT))
        return end_object(p);
    switch (o->state) {
    case OBJECT_OPEN:
        o->state = OBJECT_KEY_OR_END;
        p->at++;
        return c == '{' ? STEP_MORE : STEP_BAD;
    case OBJECT_KEY_OR_END:
        begin_word(p, OBJECT_KEY);
        return c == '"' ? STEP_MORE : STEP_BAD;
    case OBJECT_COLON:
        o->state = OBJECT_START;
        p->at++;
        return c == ':' ? STEP_MORE : STEP_BAD;
    case OBJECT_START:
        return begin_value(p, c) ? STEP_MORE : STEP_BAD;
    default:
        o->state = OBJECT_KEY_OR_END;
        p->at++;
        return c == ',' ? STEP_MORE : STEP_BAD;
    }
}

enum step object_step(struct toolcall_parser *p)
{
    struct object_body *o = &p->u.object;
    while (p->at < p->in.n) {
        char c = p->in.p[p->at];
        enum step step;
        if (o->state == OBJECT_KEY || o->state == OBJECT_VALUE) {
            step = read_whole_word(p);
            if (step == STEP_DONE)
                continue;
        } else if (white(c)) {
            p->at++;
            continue;
        } else {
            step = read_mark(p, c);
        }
        if (step != STEP_MORE)
            return step;
    }
    return STEP_MORE;
}
