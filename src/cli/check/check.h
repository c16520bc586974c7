/* Between the files of `rung check`: what was found out about a rule, and how it is shown. */
#ifndef RUNG_CLI_CHECK_CHECK_H
#define RUNG_CLI_CHECK_CHECK_H

#include "cli/rule/rule.h"

#define CHECK_MAX_NOTES 4096

/* A rule beside a model's vocabulary. */
struct check_model {
    const char *name;                /* NULL: none was asked for */
    int64_t n_tokens, n_first;       /* all of them, and those that may begin an answer */
    int missing_bytes;               /* that stand in text, and no token has alone */
    double compile_ms;               /* of the rule, beside the vocabulary, to the first mask */
};

struct check_result {
    const char *what, *from;         /* "a JSON Schema", its file; from NULL: it stood on the command line */
    struct schema_note *notes;       /* [n_notes] of a schema's keywords */
    int n_notes, n_left_out;         /* the latter: keywords past CHECK_MAX_NOTES */
    bool usable, validated;          /* answers can be held to it; something is left to the finished answer */
    struct err refused;              /* why it is not usable */
    double compile_ms;
    struct check_model model;
};

void check_print(const struct check_result *r);
bool check_print_json(const struct check_result *r, struct err *err);

#endif
