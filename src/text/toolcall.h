/* Tool calls as model families write them: <tool_call>{json}</tool_call> of Qwen and Hermes, bare JSON and python tags
 * of Llama 3, [TOOL_CALLS] of Mistral, Gemma's, Phi's, and the channels of gpt-oss.
 *
 * A format is found in a model's chat template; a parser takes an answer's text as it is written and parts it into
 * text and calls. What is certain comes out at once, arguments as they grow; what only looks like a call stays text,
 * and nothing is lost. */
#ifndef RUNG_TEXT_TOOLCALL_H
#define RUNG_TEXT_TOOLCALL_H

#include "base/str.h"

/* A piece of a call: first one with id and name, then arguments in order. */
struct tool_call_delta {
    int index;                     /* of the call in the answer, from 0 */
    struct str id, name;           /* in the first delta of a call; empty afterwards */
    struct str arguments;          /* the next bytes of its JSON text */
};

#endif
