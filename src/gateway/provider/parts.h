/* What adapters to APIs other than OpenAI's need of a chat-completions body: its parts, taken apart. */
#ifndef RUNG_GATEWAY_PROVIDER_PARTS_H
#define RUNG_GATEWAY_PROVIDER_PARTS_H

#include "data/json.h"
#include "gateway/provider/provider.h"

/* Behind the id of a call: what an API signed it with, so that it comes back with the history (see
 * parts_signed_id). */
#define PARTS_SIGNATURE "__sig_"

/* The chat-completions body of the request that is asked, to json_decref. */
bool parts_chat(const struct provider_call *call, json_t **ret, struct err *err);
/* "data:image/png;base64,..." to type and data; false for any other address. */
bool parts_data_url(struct str url, struct str *ret_type, struct str *ret_base64);
/* Letters and digits of base64 as its file-name-safe kind has them, and back. */
void parts_add_safe(struct buf *out, struct str base64);
void parts_add_plain(struct buf *out, struct str safe);
/* The id of a call without its signature; the signature in *ret_signature (NULL allowed), empty when there is none. */
struct str parts_call_id(struct str id, struct str *ret_signature);
/* The arguments of a call, a JSON object: as it stands in the history, {} for an empty text. */
void parts_arguments(struct json_writer *w, const json_t *call);
/* The schema of what a function takes; that of no arguments where none is given. */
void parts_parameters(struct json_writer *w, const json_t *function);
/* What a form asks of the answer as a JSON Schema; call it only where parts_has_schema. */
bool parts_has_schema(const struct form *form);
void parts_schema(struct json_writer *w, const struct form *form);
/* "claude-sonnet-4-5-20250929" to 4, 5; 0, 0 where a name says no version. */
void parts_version(struct str model, int *ret_major, int *ret_minor);
/* Whether the conversation stands in the middle of calls: their results are its end. */
bool parts_in_calls(const struct request *req);

#endif
