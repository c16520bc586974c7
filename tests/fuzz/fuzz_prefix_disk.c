/* Fuzzes files of the prefix cache: bytes as they come must be refused or be sound, and so must the same bytes with a
 * true mac, which an attacker who knows the folder's secret could write: their tokens then go into a tree, their
 * snapshot into a session of the starter model. */
#include <stdint.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "runtime/schedule/prefix_file.h"
#include "runtime/schedule/prefix_tree.h"
#include "tests/fuzz/starter_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAC_AT 8
#define VERSION_AT 16
#define SIGNED_AT 16
#define N_TOKENS_AT 40

static const uint64_t secret[2] = {3, 5};

/* As if the folder's owner had written these numbers, with this version of Rung. */
static void sign(char *bytes, size_t size)
{
    uint64_t n_tokens, mac, version = str_hash(STR(RUNG_VERSION));
    memcpy(bytes + VERSION_AT, &version, sizeof version);
    memcpy(&n_tokens, bytes + N_TOKENS_AT, sizeof n_tokens);
    if (n_tokens > (size - PREFIX_FILE_HEADER_BYTES) / sizeof(int32_t))
        return;
    size_t end = PREFIX_FILE_HEADER_BYTES + (size_t)n_tokens * sizeof(int32_t);
    mac = siphash(secret, (struct str){bytes + SIGNED_AT, end - SIGNED_AT});
    memcpy(bytes + MAC_AT, &mac, sizeof mac);
}

static void use_tokens(const struct prefix_file *f)
{
    struct prefix_forest forest = {0};
    struct prefix_root *root = prefix_root_make(&forest, f->state, f->salt);
    struct prefix_node *node = root ? prefix_insert(&forest, root, f->tokens, f->n) : NULL, *found;
    if (!node || prefix_walk(root, f->tokens, f->n, &found) != f->n || found != node)
        abort();
    prefix_prune(&forest, node);
    if (forest.roots || forest.n_nodes != 0 || forest.n_tokens != 0)
        abort();
}

static void use_snapshot(struct engine *e, const struct prefix_file *f)
{
    struct err err = ERR_INIT;
    struct session *s;
    if (!session_open(e, 100, TENSOR_F16, &s, &err))
        abort();
    if (!session_restore(s, f->snapshot, &err) && (err.code == ERR_NONE || session_length(s) != 0))
        abort();
    session_close(s);
}

static void parse(struct engine *e, const char *bytes, size_t size)
{
    struct err err = ERR_INIT;
    struct prefix_file f;
    if (prefix_file_parse((struct str){bytes, size}, secret, &f, &err)) {
        if (f.n < 1 || (const char *)(f.tokens + f.n) != f.snapshot.p || f.snapshot.p + f.snapshot.n != bytes + size)
            abort();
        use_tokens(&f);
        use_snapshot(e, &f);
    } else if (err.code != ERR_CORRUPT) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct engine *e;
    if (!e)
        e = open_engine();
    char *bytes = malloc(size + 1);   /* aligned */
    if (!bytes)
        abort();
    memcpy(bytes, data, size);
    parse(e, bytes, size);
    if (size >= PREFIX_FILE_HEADER_BYTES) {
        sign(bytes, size);
        parse(e, bytes, size);
    }
    free(bytes);
    return 0;
}
