/* YAML: every tree that is built is walked as a reader would, aliases expanded, and must stay inside the declared bounds. */
#include <stdint.h>
#include <stdlib.h>

#include "data/yaml.h"

static int walk(const struct yaml_node *n, int depth)
{
    int64_t i64;
    double f64;
    bool flag;
    struct str text;
    if (depth > YAML_MAX_DEPTH || n->line < 1 || n->col < 1)
        abort();
    yaml_to_str(n, "fuzz", "value", &text, NULL);
    yaml_to_i64(n, "fuzz", "value", -5, 5, &i64, NULL);
    yaml_to_f64(n, "fuzz", "value", -5, 5, &f64, NULL);
    yaml_to_bool(n, "fuzz", "value", &flag, NULL);
    int nodes = 1;
    for (int i = 0; i < n->n; i++) {
        if (n->kind == YAML_MAPPING)
            nodes += walk(n->keys[i], depth + 1);
        nodes += walk(n->items[i], depth + 1);
    }
    return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const allowed[] = {"models", "routes", "threshold", NULL};
    struct arena arena = ARENA_INIT(64u << 20);
    struct err err = ERR_INIT;
    const struct yaml_node *root = NULL;
    bool ok = yaml_parse((struct str){(const char *)data, size}, "fuzz", &arena, &root, &err);
    if (!ok && (err.code == ERR_NONE || err.msg[0] == '\0'))
        abort();
    if (ok && walk(root, 0) > YAML_MAX_NODES)
        abort();
    if (ok)
        yaml_only_keys(root, "fuzz", allowed, &err);
    arena_free(&arena);
    return 0;
}
