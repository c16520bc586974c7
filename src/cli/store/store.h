/* Between the commands over the store of models: fetching with a progress bar, and what they show of a model. */
#ifndef RUNG_CLI_STORE_STORE_H
#define RUNG_CLI_STORE_STORE_H

#include "engine/fit.h"
#include "registry/pull.h"

#define SHOW_MAX_BYTES (64u << 20)

/* Fetches with a progress bar on stderr unless quiet. */
bool store_pull(struct registry *r, const char *name, const struct pull_options *o, bool quiet,
                struct pull_result *ret, struct err *err);
/* Asks whether to fetch what is not here; true when it was fetched. Only where a person is at the terminal. */
bool store_offer_pull(const char *config_path, const char *name);
/* Why this Rung cannot run the file; false when it can. */
bool store_cannot_run(const char *path, char why[512]);

/* ---- what is said of a model (describe.c): text a terminal may see, except the JSON ---- */
enum show_what { SHOW_SUMMARY, SHOW_TEMPLATE, SHOW_METADATA, SHOW_LICENSE, SHOW_JSON };
bool show_model(const struct registry_model *m, const struct gguf *g, enum show_what what, struct buf *out,
                struct err *err);

#endif
