/* What Ollama's pages say of a model, wherever it is: here, in the store, or at an upstream. */
#ifndef RUNG_GATEWAY_API_OLLAMA_DETAILS_H
#define RUNG_GATEWAY_API_OLLAMA_DETAILS_H

#include "data/json.h"
#include "gateway/models.h"

#define DETAILS_TEXT 160

struct ollama_details {
    char family[DETAILS_TEXT], parameters[DETAILS_TEXT], type[DETAILS_TEXT];   /* "qwen3", "4.0B", "Q4_K_M"; or "" */
    bool file;                       /* it is a GGUF file */
    char digest[DIGEST_HEX + 1];     /* of its weights; of its name where they have none: clients cut it unasked */
    int64_t size, modified_ms;       /* modified_ms 0: not known */
};

/* Of an entry of the configuration; -1: of `auto`. */
void ollama_details_of(const struct gateway *g, int model, struct ollama_details *ret);
/* Of one that is loaded, whichever configuration named it. */
void ollama_details_loaded(const struct gateway *g, const struct local_model_info *info, struct ollama_details *ret);
/* Of one of the store, by its manifest alone: no weights are opened. */
void ollama_details_stored(const struct registry_model *m, struct ollama_details *ret);

/* Members of the object that is open. */
void ollama_write_details(struct json_writer *w, const struct ollama_details *d);   /* "details" */
/* "name" to "digest", and "modified_at" where it is known. */
void ollama_write_model(struct json_writer *w, const char *name, const struct ollama_details *d);

#endif
