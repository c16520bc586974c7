/* What model hosts write in header fields and lists, from outside text to checked values. */
#ifndef RUNG_REGISTRY_REMOTE_PARSE_H
#define RUNG_REGISTRY_REMOTE_PARSE_H

#include "registry/remote.h"

#define CHALLENGE_MAX_PART 1024
#define LIST_MAX_FILES 8192

/* "bytes 0-99/1234"; a star for what is not said: total is -1, or the range (of a 416): from is -1. (RFC 9110, 14.4) */
bool parse_content_range(struct str text, int64_t *ret_from, int64_t *ret_end, int64_t *ret_total);

/* WWW-Authenticate: Bearer realm="https://...",service="...",scope="..." (RFC 6750; the registries' token scheme) */
struct challenge {
    char realm[CHALLENGE_MAX_PART], service[CHALLENGE_MAX_PART], scope[CHALLENGE_MAX_PART];
};
bool parse_challenge(struct str text, struct challenge *ret);
/* The target of rel="next" in a Link field; views into text. (RFC 8288) */
bool parse_link_next(struct str text, struct str *ret_url);

/* One GGUF file of a Hugging Face repository. */
struct listed_file {
    char *path;
    char digest[DIGEST_HEX + 1];    /* "" where the host gives none */
    int64_t size;
};
struct listing {
    struct listed_file *files;
    int n;
};
/* Adds the GGUF files of one page of the tree listing. */
bool listing_add_page(struct listing *l, struct str json, struct err *err);
void listing_free(struct listing *l);
/* The file that `quant` names: its name, or the quantisation in it. given: somebody asked for it by name; else the only
 * file there is will do. `where` stands in errors, which list what there is. */
bool listing_choose(const struct listing *l, const char *quant, bool given, const char *where,
                    const struct listed_file **ret, struct err *err);

#endif
