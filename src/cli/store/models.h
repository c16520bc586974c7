/* A model by the name a person types: `starter`, a name of the configuration, a name of the store, or a path. */
#ifndef RUNG_CLI_STORE_MODELS_H
#define RUNG_CLI_STORE_MODELS_H

#include "registry/registry.h"
#include "runtime/runtime.h"

#define CLI_STARTER "starter"   /* names the embedded model */

struct cli_model_options {
    const char *config_path;   /* NULL: where config_load looks */
    int threads;               /* 0: the configuration's, else one per CPU */
    int64_t context;           /* 0: the configuration's, else the model's own, at most 8192 */
    bool has_kv_cache, kv_q8;  /* not has: the configuration's, else F16 */
    int64_t kv_bytes;          /* 0: the configuration's, else the runtime's choice */
    bool no_speculation;       /* or the configuration's `speculation: off` */
};

/* The arguments of --kv-cache and --kv-memory; false after telling of a wrong one. */
bool cli_take_kv_cache(const char *command, const char *text, struct cli_model_options *o);
bool cli_take_kv_memory(const char *command, const char *text, struct cli_model_options *o);

struct cli_model {
    struct runtime *rt;
    struct local_model *model;
    bool starter;              /* the embedded model */
};

/* Opens a runtime with this one model, proved to be what its pins and its store say. ERR_NOT_FOUND says what names
 * there are; an upstream is ERR_UNSUPPORTED. */
bool cli_open_model(const char *name, const struct cli_model_options *options, struct cli_model *ret, struct err *err);
void cli_close_model(struct cli_model *m);
/* The bytes of such a model's file alone, proved in the same way; the caller's to close. */
bool cli_map_model(const char *name, const struct cli_model_options *options, struct filemap **ret, struct err *err);

/* The embedded model's file. */
bool cli_open_starter(struct gguf **ret, struct err *err);

/* The store, with the rung.lock beside the configuration (NULL: where config_load looks), else in the working
 * directory. */
bool cli_open_registry(const char *config_path, struct registry **ret, struct err *err);

#endif
