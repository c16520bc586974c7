/* What an answer with tool calls may be, in the syntax of the model's family (text/toolcall.h): one call or several of
 * the given tools, or free text that may end in calls; arguments obey their tool's schema. What these rules admit the
 * family's parser takes for whole calls.
 *
 * Markers of some families are control tokens, which no text spells. A rule writes such a marker as its name between
 * two bytes VOCABULARY_MARK, which UTF-8 never holds, and whoever opens the vocabulary (grammar/constraint.h) spells
 * the token the same way; any other token with that byte is left out there. So the marker is matched by that token
 * alone, and no text, free or in a string, admits it. matcher_forced gives the mark and the name like other text: who
 * tokenises it takes the token. */
#ifndef RUNG_GRAMMAR_TOOLRULE_H
#define RUNG_GRAMMAR_TOOLRULE_H

#include "grammar/constraint.h"
#include "grammar/schema.h"
#include "text/toolcall.h"

#define TOOLRULE_MAX_TOOLS 512

enum toolrule_choice {
    TOOLRULE_AUTO,        /* free text, calls, or text and then calls */
    TOOLRULE_REQUIRED     /* calls and nothing else */
};

struct toolrule {
    const struct toolcall_syntax *syntax;   /* of the model */
    const json_t *tools;                    /* the API's shape: [{type, function: {name, parameters, strict}}] */
    enum toolrule_choice choice;
    struct str name;                        /* the one tool that may be called; empty: any of them */
    bool parallel;                          /* several calls, at most TOOLCALL_MAX_CALLS; else one */
    /* How the parameters' schemas are read. A tool that does not say strict: true is read relaxed, and where that
     * fails too its arguments are any JSON object. */
    struct schema_options options;
    /* The names of the vocabulary's control tokens for which toolcall_marker says yes. */
    const struct str *markers;
    int n_markers;
};

/* Finished rules. ERR_INVALID for a strict schema that schema_open refuses ("the parameters of 'f': ...") and for a
 * name that is no tool's; ERR_UNSUPPORTED for a family that writes calls in no form that a mask can follow. */
bool rule_tools(const struct toolrule *spec, struct rules **ret, struct err *err);
/* Whether arguments stand as JSON in the family's calls. Where not, a mask leaves more of their schemas to the check
 * than schema_needs_validation says. */
bool toolrule_in_json(const struct toolcall_syntax *syntax);
/* Whether the arguments of a call (the text of a JSON object) are what its tool's schema asks, mask or no mask. false,
 * with *err the first failure; true for a tool that is not strict and whose schema cannot be read. */
bool toolrule_check(const struct toolrule *spec, struct str name, struct str arguments, struct err *err);

#endif
