/* Between the files of tool rules: a tool as its schema describes it, and the ways in which families write its
 * arguments. */
#ifndef RUNG_GRAMMAR_RULE_TOOLS_H
#define RUNG_GRAMMAR_RULE_TOOLS_H

#include "grammar/toolrule.h"

/* What the rules of one request are written with. Nodes and terms that fail are RULES_NONE and EXPR_NONE, which
 * rules_check explains at the end. */
struct tool_writer {
    const struct toolrule *spec;
    struct rules *rules;
    uint32_t space;               /* node: white space between the parts of a call */
};

struct tool {
    struct str name;
    bool strict;
    json_t *parameters;           /* a schema of objects, ours */
    struct schema *schema;
};

/* ---- tools.c ---- */
/* The words to the letter, markers as the tokens that they are. */
uint32_t tool_words_term(struct tool_writer *w, struct str words);
uint32_t tool_words(struct tool_writer *w, struct str words);
/* Words in which a blank is white space. */
uint32_t tool_spaced(struct tool_writer *w, const char *words);
/* Term: any text in which `word` does not stand. */
uint32_t tool_text_without(struct tool_writer *w, struct str word);

/* ---- tool_schema.c ---- */
bool tool_open(const struct toolrule *spec, const json_t *function, struct tool *ret, struct err *err);
void tool_close(struct tool *t);
/* Arguments as JSON. */
bool tool_json(struct tool_writer *w, const struct tool *t, uint32_t *ret, struct err *err);
/* JSON of the property `key`; any JSON where the tool is not strict and its schema is no help. */
bool tool_json_property(struct tool_writer *w, const struct tool *t, struct str key, uint32_t *ret, struct err *err);
/* JSON under a schema without references. */
bool tool_json_value(struct tool_writer *w, const struct tool *t, json_t *schema, uint32_t *ret, struct err *err);
/* Term: a string under its schema as plain text in front of `end`: enum, const, pattern and length. */
uint32_t tool_string(struct tool_writer *w, const json_t *schema, const char *end);
bool tool_requires(const json_t *schema, const char *key);

/* ---- tool_xml.c: arguments as marked up parameters ---- */
struct tool_markup {
    const char *key_open, *key_close;
    const char *value_open, *value_close;     /* a blank in value_open is white space */
    const char *end;                          /* what no value holds */
};
bool tool_xml(struct tool_writer *w, const struct tool *t, const struct tool_markup *markup, uint32_t *ret,
              struct err *err);

/* ---- tool_gemma.c: {key:<|"|>text<|"|>,other:1} ---- */
bool tool_gemma(struct tool_writer *w, const struct tool *t, const char *quote, uint32_t *ret, struct err *err);

#endif
