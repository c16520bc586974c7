/* LoRA adapters beside a model (Hu et al. 2021): y += scale * B (A x) after the products they adapt, the base
 * untouched.
 *
 * Files: GGUF (general.type adapter, adapter.type lora, adapter.lora.alpha; tensors NAME.lora_a and NAME.lora_b), or a
 * folder as PEFT saves it (adapter_config.json and adapter_model.safetensors). Both are checked against the model: each
 * tensor must belong to a matrix of a layer, in its shape. DoRA, biases, embeddings, experts and other methods are
 * refused by name.
 *
 * Invariants: one arithmetic: A and scale * B as floats, x as the floats that the product's input was made from, so a
 * token's result depends on its own session alone; sessions with other adapters, or none, may share a step. Read-only
 * once open, but for scratch that belongs to the engine's thread. */
#ifndef RUNG_ENGINE_ADAPTER_H
#define RUNG_ENGINE_ADAPTER_H

#include "engine/engine.h"

#define ADAPTER_MAX_RANK 1024
#define ADAPTER_MAX_CONFIG_BYTES (1u << 20)

struct adapter;

/* path: the GGUF file, or PEFT's folder. Everything is read now; the file may go. e must outlive the adapter. */
bool adapter_open(struct engine *e, const char *path, struct adapter **ret, struct err *err);
void adapter_close(struct adapter *a);   /* after its sessions; NULL allowed */
int64_t adapter_bytes(const struct adapter *a);

/* The session's tokens pass through the adapter from now on; NULL: the base alone. Only while it is empty: what is in
 * its state was made with what it had. Forks keep it. */
bool session_set_adapter(struct session *s, const struct adapter *a, struct err *err);

#endif
