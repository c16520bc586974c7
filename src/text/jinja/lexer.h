/* Template text to tokens, white-space control done: `-` and `+` marks, trim_blocks and lstrip_blocks as model
 * publishers assume them, one newline at the end of the file dropped, \r\n and \r read as \n. */
#ifndef RUNG_TEXT_JINJA_LEXER_H
#define RUNG_TEXT_JINJA_LEXER_H

#include "text/jinja/value.h"

enum token_kind {
    TOKEN_TEXT,
    TOKEN_PRINT_BEGIN,
    TOKEN_PRINT_END,
    TOKEN_BLOCK_BEGIN,
    TOKEN_BLOCK_END,
    TOKEN_NAME,
    TOKEN_STRING, /* text: the value, escapes resolved */
    TOKEN_INT,
    TOKEN_FLOAT,
    TOKEN_OP,     /* text: the operator */
    TOKEN_END,
};

struct token {
    enum token_kind kind;
    struct str text;
    int line, col;
    union {
        int64_t i;
        double f;
    };
};

/* All tokens, the last one TOKEN_END, in *arena. Their text points into the arena or into source, which is already
 * normalised (jinja_normalise). */
bool jinja_lex(struct str source, struct arena *arena, struct token **ret_tokens, size_t *ret_n, struct err *err);
/* A copy in the arena with newlines as \n and the one at the end dropped. false when out of memory. */
bool jinja_normalise(struct str source, struct arena *arena, struct str *ret);

#endif
