/* Where strings meet the engine: loaded models, and the engine thread that serves all live generations of all models
 * in turns. Threads: every call may come from any thread; the engine thread alone touches engines and sessions. */
#ifndef RUNG_RUNTIME_RUNTIME_H
#define RUNG_RUNTIME_RUNTIME_H

#include "base/err.h"
#include "base/filemap.h"
#include "base/str.h"
#include "engine/engine.h"

struct runtime;
struct local_model;

bool runtime_open(int threads, struct runtime **ret, struct err *err);   /* threads 0: one per CPU */
void runtime_close(struct runtime *rt);                                  /* cancels what runs, then frees the models */

struct local_model_options {
    int64_t context;          /* 0: the model's own, at most 8192 */
};
/* Loads a model and keeps it until runtime_close. name is copied. Takes the map (closed also on failure). */
bool runtime_load(struct runtime *rt, const char *name, struct filemap *map, const struct local_model_options *options,
                  struct local_model **ret, struct err *err);

struct local_model_info {
    const char *name, *path;
    const char *display_name;        /* general.name, or "" */
    struct engine_info engine;
    int64_t context;
    bool has_template, thinks;       /* thinks: the template knows a reasoning section */
};
const struct local_model_info *local_model_info(const struct local_model *m);
/* Tokens of a text with this model's tokenizer, no template; -1 on failure. */
int64_t local_model_count_tokens(const struct local_model *m, struct str text);
struct str local_model_piece(const struct local_model *m, int32_t id);   /* the bytes of a token */

#endif
