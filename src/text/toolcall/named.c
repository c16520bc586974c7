/* Calls whose name stands before their arguments: [TOOL_CALLS]f[ARGS]{...}, <function=f>{...}, and the messages of
 * gpt-oss, whose header names the recipient. Arguments are one JSON object, given as it is written. */
#include "text/toolcall/parser.h"

#define CHANNEL_MAX_HEADER_BYTES 512

/* What a name is called among the tools: some families write functions.f, or f:0 with the call's number. */
static struct str plain_name(const struct toolcall_parser *p, struct str name)
{
    name = str_trim(name);
    if (call_tool(p, name))
        return name;
    if (str_starts(name, STR("functions.")))
        name = (struct str){name.p + 10, name.n - 10};
    size_t n = name.n;
    while (n > 0 && name.p[n - 1] >= '0' && name.p[n - 1] <= '9')
        n--;
    if (n > 0 && n < name.n && name.p[n - 1] == ':')
        name.n = n - 1;
    return name;
}

static bool keep_name(struct toolcall_parser *p, struct str name)
{
    struct named_body *b = &p->u.named;
    name = plain_name(p, name);
    if (name.n == 0 || name.n > sizeof b->name)
        return false;
    memcpy(b->name, name.p, name.n);
    b->n_name = name.n;
    return true;
}

static bool begin_arguments(struct toolcall_parser *p, struct str id)
{
    struct named_body *b = &p->u.named;
    if (!call_open(p, (struct str){b->name, b->n_name}, id))
        return false;
    b->state = NAMED_ARGUMENTS;
    call_commit(p);
    return true;
}

static enum step read_arguments(struct toolcall_parser *p)
{
    struct named_body *b = &p->u.named;
    if (p->n_arguments == 0) {
        while (p->at < p->in.n && white(p->in.p[p->at]))
            p->at++;
        if (p->at < p->in.n && p->in.p[p->at] != '{')
            return STEP_BAD;
    }
    size_t begin = p->at;
    enum scan_result r = SCAN_MORE;
    while (r == SCAN_MORE && p->at < p->in.n) {
        r = json_scan_byte(&b->scan, p->in.p[p->at]);
        p->at += r == SCAN_MORE || r == SCAN_DONE;
    }
    if (p->at > begin) {
        if (!call_arguments(p, (struct str){p->in.p + begin, p->at - begin}))
            return STEP_BAD;
        call_commit(p);
    }
    p->complete = r == SCAN_DONE;
    return r == SCAN_DONE ? STEP_DONE : r == SCAN_BAD ? STEP_BAD : STEP_MORE;
}

/* A word that ends a name, or an id, stands here: what it ends is the word at hand. */
static bool take_word(struct toolcall_parser *p, int end)
{
    struct named_body *b = &p->u.named;
    struct str word = word_since(p, b->word_at);
    p->at += strlen(p->syntax->name_ends[end].word);
    b->word_at = p->at - p->from;
    if (b->state == NAMED_ID)
        return p->syntax->name_ends[end].end == NAME_END_ARGUMENTS && begin_arguments(p, str_trim(word));
    switch (p->syntax->name_ends[end].end) {
    case NAME_END_NAME: return true;
    case NAME_END_ID:
        b->state = NAMED_ID;
        return keep_name(p, word);
    case NAME_END_ARGUMENTS: break;
    }
    return keep_name(p, word) && begin_arguments(p, STR(""));
}

/* Reads a name, or an id, to the word that ends it. */
static enum step read_name(struct toolcall_parser *p)
{
    struct named_body *b = &p->u.named;
    while (p->at < p->in.n) {
        for (int i = 0; i < SYNTAX_MAX_STARTS && p->syntax->name_ends[i].word; i++) {
            enum match m = word_match(p, p->syntax->name_ends[i].word);
            if (m == MATCH_PART)
                return STEP_MORE;
            if (m == MATCH_WHOLE)
                return take_word(p, i) ? STEP_DONE : STEP_BAD;
        }
        char c = p->in.p[p->at];
        if (!name_char(c) && !white(c))
            return STEP_BAD;
        p->at++;
        if (p->at - p->from - b->word_at > TOOLCALL_MAX_NAME_BYTES)
            return STEP_BAD;
    }
    return STEP_MORE;
}

enum step named_step(struct toolcall_parser *p)
{
    struct named_body *b = &p->u.named;
    if (b->word_at == 0)
        b->word_at = p->at - p->from;
    while (b->state != NAMED_ARGUMENTS) {
        enum step step = read_name(p);
        if (step != STEP_DONE)
            return step;
    }
    return read_arguments(p);
}

/* The recipient in a header, "to=functions.f": f; empty when there is none. */
static struct str recipient(struct str header)
{
    size_t at = str_find(header, STR("to=")), n = 0;
    if (at == SIZE_MAX)
        return STR("");
    const char *p = header.p + at + 3;
    while (at + 3 + n < header.n && name_char(p[n]))
        n++;
    return (struct str){p, n};
}

enum step channel_step(struct toolcall_parser *p)
{
    if (p->u.named.state == NAMED_ARGUMENTS)
        return read_arguments(p);
    struct str header = {p->in.p + p->from, p->in.n - p->from}, message = STR("<|message|>");
    size_t end = str_find(header, message);
    if (end == SIZE_MAX)
        return header.n > CHANNEL_MAX_HEADER_BYTES + message.n ? STEP_BAD : STEP_MORE;
    p->at = p->from + end + message.n;
    header.n = end;
    if (end > CHANNEL_MAX_HEADER_BYTES || !keep_name(p, recipient(header)) || !begin_arguments(p, STR("")))
        return STEP_BAD;
    return read_arguments(p);
}
