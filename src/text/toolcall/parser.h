/* Inside the parser of tool calls: what a family's syntax is made of, and the calls between the rooms.
 *
 * Three states. In text the parser looks for a lead ("<tool_call>"). In the gap, after a lead or a call, it skips white
 * space, further leads, separators and closers until a start. In a body it reads one call; each body has its own file.
 * The input since `from` is not spoken for yet: where a body or gap fails, it becomes text. */
#ifndef RUNG_TEXT_TOOLCALL_PARSER_H
#define RUNG_TEXT_TOOLCALL_PARSER_H

#include "text/toolcall.h"
#include "text/toolcall/scan.h"

enum body_kind { BODY_NONE, BODY_OBJECT, BODY_NAMED, BODY_XML, BODY_GEMMA, BODY_CHANNEL };

#define SYNTAX_MAX_WORDS 6
#define SYNTAX_MAX_STARTS 3

/* What follows the name of a call whose name stands before its arguments. */
enum name_end {
    NAME_END_ARGUMENTS,
    NAME_END_ID,        /* an id, then the arguments */
    NAME_END_NAME,      /* it was no name yet */
};

/* The words of a call written as marked up parameters. */
struct xml_words {
    const char *name_open, *name_end;    /* name_end NULL: the name ends at white space or a tag */
    const char *key_open, *key_end;
    const char *value_open;              /* NULL: the value follows the key */
    const char *value_end, *call_end;
};

struct toolcall_syntax {
    const char *name;
    const char *leads[SYNTAX_MAX_WORDS + 1];    /* from text into the gap; ended by NULL */
    const char *separators[SYNTAX_MAX_WORDS];   /* skipped in the gap; text where no call follows */
    const char *closers[SYNTAX_MAX_WORDS];      /* skipped in the gap behind a call */
    struct {
        const char *word;                       /* not consumed; "": any character of a name, behind a lead */
        enum body_kind body;
    } starts[SYNTAX_MAX_STARTS];
    struct {
        const char *word;
        enum name_end end;
    } name_ends[3];                             /* of BODY_NAMED */
    const struct xml_words *xml;
    const char *quotes[2];                      /* of BODY_GEMMA: what stands around a string */
    bool bare;                                  /* a call may open the answer without a lead */
    bool short_ids;                             /* ids are nine letters and digits */
};

enum step { STEP_MORE /* wait for input */, STEP_DONE /* the call is whole */, STEP_BAD };

struct object_body {
    enum { OBJECT_OPEN, OBJECT_KEY_OR_END, OBJECT_KEY, OBJECT_COLON, OBJECT_START, OBJECT_VALUE, OBJECT_NEXT } state;
    enum { KEY_OTHER, KEY_NAME, KEY_ARGUMENTS } key;
    struct json_scan scan;
    bool live;                   /* the value is given as it is read */
    size_t word_at;              /* of the key or value being read, from `from` on */
    size_t held_at, held_n;      /* arguments that came before the name; held_n 0: none */
    char name[TOOLCALL_MAX_NAME_BYTES];
    size_t n_name;               /* 0: not known yet */
};

struct named_body {
    enum { NAMED_NAME, NAMED_ID, NAMED_ARGUMENTS } state;
    size_t word_at;
    char name[TOOLCALL_MAX_NAME_BYTES];
    size_t n_name;
    struct json_scan scan;
};

struct xml_body {
    enum { XML_OPEN, XML_NAME, XML_PARAMETERS, XML_KEY, XML_VALUE_OPEN, XML_VALUE } state;
    const json_t *schema;        /* of the tool's parameters, or NULL */
    size_t word_at, value_at, key_n;
    struct json_scan scan;       /* of the value */
    bool json;                   /* the value looks like JSON so far, whose strings may hold the tag that ends it */
    int n_parameters;
};

struct gemma_body {
    enum { GEMMA_CALL, GEMMA_NAME, GEMMA_KEY_OR_END, GEMMA_KEY, GEMMA_COLON, GEMMA_VALUE, GEMMA_VALUE_OR_END,
           GEMMA_STRING, GEMMA_QUOTED_KEY, GEMMA_PLAIN, GEMMA_NEXT } state;
    struct json_scan scan;       /* of what was given as JSON: the nesting */
    int quote;                   /* of the string being read */
    size_t word_at;
};

struct toolcall_parser {
    const struct toolcall_syntax *syntax;
    json_t *tools;
    uint64_t seed;
    enum { IN_TEXT, IN_GAP, IN_BODY } state;
    struct buf in;
    size_t from, at;             /* of in: what is not spoken for, what is read next */
    size_t lead_n;               /* bytes from `from` to behind the lead, given up as text when no call follows */
    bool lead;                   /* a lead was seen since the last call */
    bool fresh;                  /* no call was read since the text */
    bool first;                  /* nothing but white space was written yet */
    bool failed;                 /* out of memory */

    /* the call at hand */
    enum body_kind body;
    bool open;                   /* its first delta is out */
    bool complete;               /* its arguments are whole */
    size_t n_arguments;
    bool in_string, escaped;     /* in the arguments given so far */
    union {
        struct object_body object;
        struct named_body named;
        struct xml_body xml;
        struct gemma_body gemma;
    } u;

    int n_calls, n_whole;
    bool half;
    struct buf text, bytes;
    struct tool_call_delta deltas[TOOLCALL_MAX_CALLS + 1];
    struct {
        size_t id, name, arguments;   /* bytes of each, one after the other in `bytes` */
    } sizes[TOOLCALL_MAX_CALLS + 1];
    int n_deltas;
};

/* ---- parser.c, for the bodies ---- */
/* The first delta; id empty: one is made. false when the name is no tool's or there are too many calls. */
bool call_open(struct toolcall_parser *p, struct str name, struct str id);
/* The next bytes of the arguments, JSON but for control characters in strings, which are escaped here. false past the
 * limit. */
bool call_arguments(struct toolcall_parser *p, struct str bytes);
/* Everything read so far is spoken for. */
static inline void call_commit(struct toolcall_parser *p) { p->from = p->at; }
/* The tool of that name, NULL when there is none. */
const json_t *call_tool(const struct toolcall_parser *p, struct str name);

static inline bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c == ':' || c == '/';
}

static inline bool white(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/* What the input at p->at has of a word. */
enum match { MATCH_NONE, MATCH_PART /* ends inside the word */, MATCH_WHOLE };
enum match word_match(const struct toolcall_parser *p, const char *word);
/* The bytes from `at` (counted from p->from) up to p->at. */
struct str word_since(const struct toolcall_parser *p, size_t at);

/* ---- the bodies: each reads on from p->at ---- */
enum step object_step(struct toolcall_parser *p);
enum step named_step(struct toolcall_parser *p);
enum step channel_step(struct toolcall_parser *p);
enum step xml_step(struct toolcall_parser *p);
enum step gemma_step(struct toolcall_parser *p);

#endif
