/* What people call models, as one shape:
 *
 *   qwen3:4b                     Ollama's library                     (host registry.ollama.ai, namespace library)
 *   someone/model:tag            a namespace there
 *   HOST[:PORT]/NS/MODEL:TAG     another registry that speaks the protocol
 *   hf.co/ORG/REPO:QUANT         Hugging Face; huggingface.co likewise; QUANT also a file name, default Q4_K_M
 *                                https://huggingface.co/ORG/REPO[/blob/main/x.gguf] as browsers show it likewise
 *   https://HOST/path/x.gguf     a URL: whatever is no HOST/NS/MODEL[:TAG]
 *   ./x.gguf, /x.gguf, x.gguf    a file
 * Each may end in @sha256:HEX, the digest that the weights must have.
 *
 * Invariants of a parsed name: parts hold [A-Za-z0-9._-] only, start with none of ".-", and are at most
 * MODEL_NAME_MAX_PART bytes, so they are safe as path components; a host may end in :PORT. Locations hold no control
 * characters; URLs no spaces and no user names or passwords. */
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
    bool plain_http;                     /* a registry on this machine, unless https:// stood before its host */
    char location[MODEL_NAME_MAX];       /* SOURCE_URL, SOURCE_FILE: the URL or path */
    char digest[DIGEST_HEX + 1];         /* lower-case hex, or "" */
};

bool model_name_parse(const char *text, struct model_name *ret, struct err *err);
#define MODEL_NAME_HOST "registry.ollama.ai"
#define MODEL_NAME_SPACE "library"
#define MODEL_NAME_TAG "latest"
#define MODEL_NAME_QUANT "Q4_K_M"
#define MODEL_NAME_LOCAL "local"   /* the namespace of imported files; nothing is pulled from it */

/* The shortest text that parses to the same, without the digest: "qwen3:4b", "hf.co/org/repo:Q4_K_M". */
const char *model_name_show(const struct model_name *n, char *buf, size_t size);
/* Where a URL is kept in a store: a registry name made from its host, file name and digest. */
bool model_name_of_url(const struct model_name *url, struct model_name *ret, struct err *err);
/* Where a file is kept when it is imported: local/ and its file name without .gguf. */
void model_name_of_file(const struct model_name *file, struct model_name *ret);
/* "HOST" or "HOST:PORT" of this machine itself: localhost or 127.* */
bool model_host_is_loopback(struct str host);
/* One part of a name, as the invariants say. */
bool model_part_is_valid(struct str part);
/* Exactly 64 hex digits, made lower-case. */
bool digest_parse(struct str hex, char ret[DIGEST_HEX + 1]);

#endif
