/* Residency: which privacy classes a request is in, and which upstreams may take what is in them.
 *
 * A class says what an upstream must have: the owner's own machine, a region, a way of retention, a tier. All rules of
 * the configuration that match a request set their class, and an upstream must satisfy every class that was set; so the
 * strictest holds, and nothing a request says makes it looser. What cannot be looked at (images, files, tokens) counts
 * as found by every rule that looks for something, unless a rule of its own says what it is.
 *
 * Immutable once configured, any thread. */
#ifndef RUNG_GATEWAY_RESIDENCY_RESIDENCY_H
#define RUNG_GATEWAY_RESIDENCY_RESIDENCY_H

#include "gateway/config.h"
#include "scan/detectors.h"
#include "scan/pii.h"

#define RESIDENCY_MAX_CLASSES 16
#define RESIDENCY_MAX_RULES 64
#define RESIDENCY_MAX_WORDS 8            /* regions, or retentions, of a class */

struct residency_class {
    const char *name;
    bool own_machine;                    /* only here and on machines of the owner's */
    const char *regions[RESIDENCY_MAX_WORDS], *retentions[RESIDENCY_MAX_WORDS];
    int n_regions, n_retentions;         /* 0: any */
    unsigned tiers;                      /* bits; 0: any */
};

struct residency_rule {                  /* all given conditions must hold */
    const char *name;
    const char *metadata_key, *metadata_value;
    const char *key;                     /* name or id of the API key */
    unsigned kinds;                      /* bits of enum task_kind; 0: any */
    bool detects;                        /* one of these was found: */
    uint32_t forms;                      /* bits of enum pii_kind */
    uint64_t patterns;                   /* bits of the owner's patterns */
    bool unread;                         /* there is something that cannot be looked at */
    int class;
};

struct residency {
    struct residency_class classes[RESIDENCY_MAX_CLASSES];
    int n_classes;
    struct residency_rule rules[RESIDENCY_MAX_RULES];
    int n_rules;
    struct detectors *patterns;           /* the owner's; NULL: none */
    const char *pattern_names[DETECTORS_MAX];
    int default_class;                   /* of every request; -1: none */
    bool looks, has_unread, has_kinds;   /* some rule detects, speaks of the unread, of kinds */
};

/* What was decided for one request; in its arena. */
struct residency_verdict {
    const struct residency_class *classes[RESIDENCY_MAX_CLASSES];
    int n_classes;
    const char *rules[RESIDENCY_MAX_CLASSES];   /* the first rule that set each; NULL: the request, its key or the
                                                 * default did */
    bool looked;                         /* the texts were gone through: */
    struct pii_found found;
    uint32_t patterns[DETECTORS_MAX];
    bool unread;
};

/* Sets req->residency (NULL: nothing was set) and makes a request private whose class is. kind: what the request is
 * taken for. ERR_INVALID where it names a class that there is none of. */
bool residency_judge(const struct config *c, struct request *req, enum task_kind kind, struct err *err);
/* One more class, which the route of this name sets. */
bool residency_add(const struct config *c, struct request *req, int class, const char *route, struct err *err);
/* Does the upstream, or the tier, satisfy every class of the request? */
bool residency_allows(const struct request *req, const struct config_upstream *u);
bool residency_allows_tier(const struct request *req, int tier);
/* "local, eu_only (rule 'personal')", for people; empty text where there is no class. */
void residency_describe(const struct request *req, char *text, size_t size);

/* ---- look.c ---- */
/* Goes through all texts of the request that may leave with it. */
void residency_look(const struct residency *r, const struct request *req, struct residency_verdict *v);

#endif
