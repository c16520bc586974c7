/* Between the files of the Ollama dialect: the state of one translation. Only ollama_*.c use it. */
#ifndef RUNG_GATEWAY_API_OLLAMA_INTERNAL_H
#define RUNG_GATEWAY_API_OLLAMA_INTERNAL_H

#include "data/json.h"
#include "gateway/api/fields.h"
#include "gateway/api/ollama/ollama.h"

struct ollama_parse {
    json_t *out;                  /* the chat-completions body */
    struct err *err;
    const json_t *prompt, *system, *images, *suffix;   /* of /api/generate */
    bool raw;
    bool has_last_n;              /* options.repeat_last_n says which tokens penalties look at */
    int64_t last_n;
    char image_field[96];         /* the first that holds images; empty: none does */
};

extern const struct field_name ollama_fields[];
/* Both as struct dialect's parse. */
bool ollama_parse_chat(struct str body, struct arena *arena, struct request *ret, struct err *err);
bool ollama_parse_generate(struct str body, struct arena *arena, struct request *ret, struct err *err);

/* ---- ollama_raw.c ---- */
bool ollama_is_raw(const struct ollama_parse *p);
/* The body for an upstream that takes text, from the prompt and what `out` holds beside; in the arena. */
bool ollama_raw_body(struct ollama_parse *p, struct arena *arena, struct str *ret);
/* The request goes on with text: what its parser did not know. */
bool ollama_raw_settle(const struct ollama_parse *p, struct str body, struct request *r, struct err *err);

/* Sets a member of the body; takes the value. */
bool ollama_put(struct ollama_parse *p, const char *key, json_t *value);
/* "'FIELD' must be WHAT, not a string". */
bool ollama_bad_type(struct ollama_parse *p, const char *field, const char *what, const json_t *value);

bool ollama_take_options(struct ollama_parse *p, const char *field, const json_t *value);
bool ollama_take_messages(struct ollama_parse *p, const char *field, const json_t *value);
/* A user's message with these images (NULL: none) as the API's parts. *ret is the caller's. */
bool ollama_content(struct ollama_parse *p, const char *message, const json_t *text, const json_t *images,
                    json_t **ret);

#endif
