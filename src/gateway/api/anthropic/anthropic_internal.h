/* Between the files of the Anthropic dialect: the state of one translation. Only anthropic_*.c use it. */
#ifndef RUNG_GATEWAY_API_ANTHROPIC_INTERNAL_H
#define RUNG_GATEWAY_API_ANTHROPIC_INTERNAL_H

#include "data/json.h"
#include "gateway/api/anthropic/anthropic.h"

#define ANTHROPIC_FIELD_BYTES 160

struct anthropic_parse {
    json_t *chat;                        /* the chat-completions body */
    json_t *messages;                    /* of it; the body's */
    const json_t *system, *turns;        /* `system` and `messages`: the one comes first, whatever their order */
    const json_t *thinking, *effort;     /* looked at together, once both are known */
    /* What the body asks for that this API alone has, or that its names say better; NULL: nothing. */
    const char *needs[NEED_COUNT];
    int *origin;                         /* [number of chat messages] the message each came from; -1: none */
    size_t n_origin;
    struct arena *arena;
    struct err *err;
};

/* Sets a member of the body; takes the value. */
bool anthropic_put(struct anthropic_parse *p, const char *key, json_t *value);
/* "'FIELD' must be WHAT, not a string". */
bool anthropic_bad_type(struct anthropic_parse *p, const char *field, const char *what, const json_t *value);
/* "'FIELD' is missing" and the like. */
bool anthropic_need_str(struct anthropic_parse *p, const char *field, const json_t *object, const char *key,
                        struct str *ret);
/* All members of an object are among `keys` (NULL-terminated). */
bool anthropic_only_keys(struct anthropic_parse *p, const char *field, const json_t *object, const char *const *keys);
/* The first field that asks for it. */
void anthropic_needs(struct anthropic_parse *p, enum need need, const char *field);

/* ---- anthropic_messages.c: what is said ---- */
bool anthropic_take_conversation(struct anthropic_parse *p);

/* ---- anthropic_tools.c ---- */
bool anthropic_take_tools(struct anthropic_parse *p, const char *field, const json_t *value);
bool anthropic_take_tool_choice(struct anthropic_parse *p, const char *field, const json_t *value);

#endif
