/* Calls as Gemma writes them: call:f{city:<|"|>Bonn<|"|>,days:3,tags:[<|"|>a<|"|>],deep:{x:true}}. Keys are bare or
 * quoted, strings stand between quote words, the rest is JSON; what is read goes out as JSON at once. */
#include "text/toolcall/parser.h"

/* Gives bytes of JSON; they must keep the arguments a beginning of JSON. STEP_DONE: they also end them. */
static enum step give(struct toolcall_parser *p, struct str json)
{
    enum scan_result r = SCAN_MORE;
    for (size_t i = 0; i < json.n && r == SCAN_MORE; i++)
        r = json_scan_byte(&p->u.gemma.scan, json.p[i]);
    if (r == SCAN_BAD || r == SCAN_OVER || !call_arguments(p, json))
        return STEP_BAD;
    return r == SCAN_DONE ? STEP_DONE : STEP_MORE;
}

/* One character of a string, escaped where JSON wants it. */
static enum step give_char(struct toolcall_parser *p, char c)
{
    if (c == '"' || c == '\\')
        return give(p, (struct str){(char[]){'\\', c}, 2});
    return give(p, (struct str){&c, 1});
}

/* The quote word at p->at: its index, -1 when there is none; *ret_waits: there may be one. */
static int quote_at(const struct toolcall_parser *p, bool *ret_waits)
{
    *ret_waits = false;
    for (int i = 0; i < 2 && p->syntax->quotes[i]; i++) {
        enum match m = word_match(p, p->syntax->quotes[i]);
        if (m == MATCH_WHOLE)
            return i;
        *ret_waits = *ret_waits || m == MATCH_PART;
    }
    return -1;
}

static enum step read_call(struct toolcall_parser *p)
{
    struct gemma_body *b = &p->u.gemma;
    if (b->state == GEMMA_CALL) {
        enum match m = word_match(p, "call:");
        if (m != MATCH_WHOLE)
            return m == MATCH_PART ? STEP_MORE : STEP_BAD;
        p->at += 5;
        b->word_at = p->at - p->from;
        b->state = GEMMA_NAME;
    }
    while (p->at < p->in.n && name_char(p->in.p[p->at]))
        p->at++;
    if (p->at == p->in.n)
        return STEP_MORE;
    if (p->in.p[p->at] != '{' || !call_open(p, word_since(p, b->word_at), STR("")))
        return STEP_BAD;
    p->at++;
    b->state = GEMMA_KEY_OR_END;
    enum step step = give(p, STR("{"));
    call_commit(p);
    return step;
}

/* A string begins behind a quote word, of a key or of a value. */
static enum step open_string(struct toolcall_parser *p, int quote, bool key)
{
    struct gemma_body *b = &p->u.gemma;
    p->at += strlen(p->syntax->quotes[quote]);
    b->quote = quote;
    b->state = key ? GEMMA_QUOTED_KEY : GEMMA_STRING;
    return give(p, STR("\""));
}

static enum step read_string(struct toolcall_parser *p)
{
    struct gemma_body *b = &p->u.gemma;
    const char *quote = p->syntax->quotes[b->quote];
    enum match m = word_match(p, quote);
    if (m == MATCH_PART)
        return STEP_MORE;
    if (m == MATCH_NONE)
        return give_char(p, p->in.p[p->at++]);
    p->at += strlen(quote);
    b->state = b->state == GEMMA_QUOTED_KEY ? GEMMA_COLON : GEMMA_NEXT;
    return give(p, STR("\""));
}

/* A bare key ends at its colon, a number or literal in front of what follows a value. */
static enum step read_bare(struct toolcall_parser *p, char c)
{
    struct gemma_body *b = &p->u.gemma;
    if (b->state == GEMMA_KEY) {
        p->at++;
        if (c != ':')
            return name_char(c) ? give(p, (struct str){&c, 1}) : STEP_BAD;
        b->state = GEMMA_VALUE;
        return give(p, STR("\":"));
    }
    if (c == ',' || c == '}' || c == ']' || white(c)) {
        b->state = GEMMA_NEXT;
        return STEP_MORE;
    }
    p->at++;
    return give(p, (struct str){&c, 1});
}

static enum step begin_value(struct toolcall_parser *p, char c)
{
    struct gemma_body *b = &p->u.gemma;
    if (c == ']' && b->state == GEMMA_VALUE_OR_END)
        b->state = GEMMA_NEXT;
    else if (c == '{' || c == '[')
        b->state = c == '{' ? GEMMA_KEY_OR_END : GEMMA_VALUE_OR_END;
    else if (c != '"')
        b->state = GEMMA_PLAIN;
    else
        return STEP_BAD;
    p->at++;
    return give(p, (struct str){&c, 1});
}

/* Between keys and values. */
static enum step read_mark(struct toolcall_parser *p, char c)
{
    struct gemma_body *b = &p->u.gemma;
    bool waits, key = b->state == GEMMA_KEY_OR_END;
    bool value = b->state == GEMMA_VALUE || b->state == GEMMA_VALUE_OR_END;
    int quote = key || value ? quote_at(p, &waits) : (waits = false, -1);
    if (waits)
        return STEP_MORE;
    if (quote >= 0)
        return open_string(p, quote, key);
    if (value)
        return begin_value(p, c);
    if (key && c != '}') {
        b->state = GEMMA_KEY;
        return give(p, STR("\""));
    }
    p->at++;
    if (b->state == GEMMA_COLON) {
        b->state = GEMMA_VALUE;
        return c == ':' ? give(p, STR(":")) : STEP_BAD;
    }
    if (c == ',')
        b->state = json_scan_in_object(&b->scan) ? GEMMA_KEY_OR_END : GEMMA_VALUE;
    else
        b->state = GEMMA_NEXT;
    return give(p, (struct str){&c, 1});
}

enum step gemma_step(struct toolcall_parser *p)
{
    struct gemma_body *b = &p->u.gemma;
    while (p->at < p->in.n) {
        size_t before = p->at;
        unsigned state = b->state;
        enum step step;
        if (state == GEMMA_CALL || state == GEMMA_NAME) {
            step = read_call(p);
        } else {
            char c = p->in.p[p->at];
            if (state == GEMMA_STRING || state == GEMMA_QUOTED_KEY)
                step = read_string(p);
            else if (state == GEMMA_KEY || state == GEMMA_PLAIN)
                step = read_bare(p, c);
            else if (white(c))
                step = (p->at++, STEP_MORE);
            else
                step = read_mark(p, c);
            if (step != STEP_BAD)
                call_commit(p);
        }
        if (step == STEP_DONE)
            p->complete = true;
        if (step != STEP_MORE)
            return step;
        if (p->at == before && b->state == state)
            return STEP_MORE; /* it waits for input */
    }
    return STEP_MORE;
}
