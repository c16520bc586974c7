/* Tool calls as model families write them: <tool_call>{json}</tool_call> of Qwen and Hermes, bare JSON and python tags
 * of Llama 3, [TOOL_CALLS] of Mistral, Gemma's, Phi's, and the channels of gpt-oss.
 *
 * A format is found in a model's chat template; a parser takes an answer's text as it is written and parts it into
 * text and calls. What is certain comes out at once, arguments as they grow; what only looks like a call stays text,
 * and nothing is lost: a call that breaks before its first delta (no JSON, a name that is no tool) is text of the
 * answer, marker included. A call that breaks later keeps its deltas, whose arguments then end early, and what is left
 * of it is text; toolcall_half says so at the end. What comes out does not depend on where the text was cut. A parser
 * belongs to one thread at a time. */
#ifndef RUNG_TEXT_TOOLCALL_H
#define RUNG_TEXT_TOOLCALL_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define TOOLCALL_MAX_CALLS 64                     /* in one answer; more stay text */
#define TOOLCALL_MAX_NAME_BYTES 128
#define TOOLCALL_MAX_ARGUMENT_BYTES (1u << 20)    /* of one call */
#define TOOLCALL_MAX_HELD_BYTES (64u << 10)       /* of a call whose name is not known yet */
#define TOOLCALL_MAX_NESTING 64
#define TOOLCALL_ID_BYTES 32                      /* of an id, the NUL included */

/* A piece of a call: first one with id and name, then arguments in order. */
struct tool_call_delta {
    int index;                     /* of the call in the answer, from 0 */
    struct str id, name;           /* in the first delta of a call; empty afterwards */
    struct str arguments;          /* the next bytes of its JSON text; may be empty in the first delta */
};

/* How a family writes its calls; NULL: a template that knows no tools. */
struct toolcall_syntax;
const struct toolcall_syntax *toolcall_detect(struct str template_source);
const char *toolcall_name(const struct toolcall_syntax *s);   /* "hermes", "mistral", ... */
/* The words that lead from text to a call, ended by NULL. */
const char *const *toolcall_leads(const struct toolcall_syntax *s);
/* Whether a control token of this name is part of the syntax, so that the parser must see it as text. */
bool toolcall_marker(const struct toolcall_syntax *s, struct str name);

/* The id of a call that got none from its model: "call_" and 24 hexadecimal digits, nine letters and digits where the
 * family wants that; the same for the same seed and index. */
void toolcall_make_id(const struct toolcall_syntax *s, uint64_t seed, int index, char ret[TOOLCALL_ID_BYTES]);
/* Whether an id of a conversation's earlier calls may be shown to the template; else *ret is one that stands for it. */
bool toolcall_id_fits(const struct toolcall_syntax *s, struct str id, char ret[TOOLCALL_ID_BYTES]);

struct toolcall_parser;
/* tools: in the API's shape, [{type, function: {name, parameters}}]; copied. */
bool toolcall_open(const struct toolcall_syntax *s, const json_t *tools, uint64_t seed, struct toolcall_parser **ret,
                   struct err *err);
void toolcall_close(struct toolcall_parser *p);

/* What one feed made certain; views are good until the next call on the parser. */
struct toolcall_output {
    struct str text;
    const struct tool_call_delta *deltas;   /* consecutive ones are of different calls */
    int n_deltas;
};
/* The next text of the answer, UTF-8, names of the syntax's control tokens included. false: out of memory. */
bool toolcall_feed(struct toolcall_parser *p, struct str text, struct toolcall_output *ret, struct err *err);
/* The answer has ended; what was held comes out. */
bool toolcall_end(struct toolcall_parser *p, struct toolcall_output *ret, struct err *err);
int toolcall_whole(const struct toolcall_parser *p);    /* calls that came whole */
bool toolcall_half(const struct toolcall_parser *p);    /* a call's arguments end early, or are still being written */

#endif
