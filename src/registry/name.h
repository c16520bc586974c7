/* What people call models, as one shape:
 *
 *   qwen3:4b                     Ollama's library                     (host registry.ollama.ai, namespace library)
 *   someone/model:tag            a namespace there
 *   HOST[:PORT]/NS/MODEL:TAG     another registry that speaks the protocol
 *   hf.co/ORG/REPO:QUANT         Hugging Face; huggingface.co likewise; QUANT also a file name, default Q4_K_M
 *   https://HOST/path/x.gguf     a URL
 *   ./x.gguf, /x.gguf, x.gguf    a file
 * Each may end in @sha256:HEX, the digest that the weights must have.
 *
 * Invariants of a parsed name: parts hold [A-Za-z0-9._-] only, never "." or "..", never start with a dot, and are at
 * most MODEL_NAME_MAX_PART bytes, so they are safe as path components. */
#ifndef RUNG_REGISTRY_NAME_H
#define RUNG_REGISTRY_NAME_H

#include "base/err.h"
#include "base/str.h"

#define MODEL_NAME_MAX_PART 128
#define MODEL_NAME_MAX 2048
#define DIGEST_HEX 64

enum model_source { SOURCE_OLLAMA, SOURCE_HUGGING_FACE, SOURCE_URL, SOURCE_FILE };

struct model_name {
    enum model_source source;
    /* SOURCE_OLLAMA and SOURCE_HUGGING_FACE; the tag's default is "latest", for Hugging Face "Q4_K_M" */
    char host[MODEL_NAME_MAX_PART + 1], space[MODEL_NAME_MAX_PART + 1], model[MODEL_NAME_MAX_PART + 1],
        tag[MODEL_NAME_MAX_PART + 1];
    bool tag_given;
    bool plain_http;                     /* http:// stood before a registry's host: loopback only */
    char location[MODEL_NAME_MAX];       /* SOURCE_URL, SOURCE_FILE: the URL or path */
    char digest[DIGEST_HEX + 1];         /* lower-case hex, or "" */
};

bool model_name_parse(const char *text, struct model_name *ret, struct err *err);
/* The shortest text that parses to the same, without the digest: "qwen3:4b", "hf.co/org/repo:Q4_K_M". */
const char *model_name_show(const struct model_name *n, char *buf, size_t size);
/* Exactly 64 hex digits, made lower-case. */
bool digest_parse(struct str hex, char ret[DIGEST_HEX + 1]);

#endif
