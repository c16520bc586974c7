/* Between the files of the OpenAI parser: the state of one parse. Only openai_*.c use it. */
#ifndef RUNG_GATEWAY_API_OPENAI_INTERNAL_H
#define RUNG_GATEWAY_API_OPENAI_INTERNAL_H

#include <strings.h>

#include "data/json.h"
#include "gateway/api/openai/openai.h"

struct openai_parse {
    const json_t *body;
    bool no_tools;               /* tool_choice is none */
    bool other_calls;            /* the history calls something that is no function */
    bool other_tools;            /* so do the tools, or tool_choice is none that is known here */
    bool tools_required;         /* tool_choice: a call must come */
    struct str tool_name;        /* of this tool; empty: of any */
    const char *form_field;      /* the field that gives the answer its form; NULL: none so far */
    struct rule_spec rule;       /* what it says */
    bool any_order;
    int n_media;                 /* parts that are no text */
    struct request *r;
    struct arena *arena;
    struct err *err;
};

/* A string copied into the arena; ERR_INVALID naming the field for another type. */
bool openai_text(struct openai_parse *p, const char *field, const json_t *value, struct str *ret);
bool openai_parse_messages(struct openai_parse *p, const char *field, const json_t *value);

/* One part of messages[message].content: text is added to *text, all else noted in the request's needs. */
bool openai_parse_part(struct openai_parse *p, size_t message, size_t i, const json_t *part, struct buf *text);

/* ---- openai_extra.c: what only OpenAI's own API honours, and what nobody does ---- */
bool openai_parse_extra(struct openai_parse *p, const char *field, const json_t *value);

/* ---- openai_tools.c; what it keeps are views into the body ---- */
bool openai_parse_tools(struct openai_parse *p, const char *field, const json_t *value);
bool openai_parse_tool_choice(struct openai_parse *p, const char *field, const json_t *value);
/* The calls of an assistant's message, not checked yet. */
void openai_take_tool_calls(struct openai_parse *p, size_t message, const json_t *calls, struct chat_message *ret);
/* All calls and results, once the messages are known. */
bool openai_check_history(struct openai_parse *p);

/* ---- openai_allowed.c: a choice of allowed_tools becomes one among those tools alone ---- */
bool openai_narrow_tools(json_t *body, bool *ret_narrowed, struct err *err);

/* ---- openai_form.c ---- */
bool openai_parse_response_format(struct openai_parse *p, const char *field, const json_t *value);
bool openai_parse_format(struct openai_parse *p, const char *field, const json_t *value);
bool openai_parse_grammar(struct openai_parse *p, const char *field, const json_t *value);
bool openai_parse_choices(struct openai_parse *p, const char *field, const json_t *value);
bool openai_parse_property_order(struct openai_parse *p, const char *field, const json_t *value);
/* Once all fields are read: whether they go together, and the form they ask for. */
bool openai_settle_form(struct openai_parse *p);

#endif
