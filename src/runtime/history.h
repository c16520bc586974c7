/* Whether a conversation's tool calls and results make sense, before a template sees them. */
#ifndef RUNG_RUNTIME_HISTORY_H
#define RUNG_RUNTIME_HISTORY_H

#include "runtime/generate.h"

#define HISTORY_MAX_TOOLS 512
#define HISTORY_MAX_CALLS 256          /* of one message */
#define HISTORY_MAX_ID_BYTES 16384     /* some upstreams' signatures travel in it */

/* ERR_INVALID begins with what is wrong as 'messages[i].tool_calls[j]...'. A call needs an id, a name and arguments
 * that are a JSON object written as a string (an empty string is none); a tool's result must follow the assistant's
 * message that called it. */
bool history_check(const struct chat_message *messages, int n, struct err *err);
/* The list of tools: functions with names of their own. Errors begin with 'tools[i]...'. */
bool history_check_tools(const json_t *tools, struct err *err);

/* The name of the function that a tool's result messages[i] answers; empty when no call before it has its id. */
struct str history_called_name(const struct chat_message *messages, int i);

#endif
