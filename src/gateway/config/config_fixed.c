/* What of a configuration a running Rung cannot change: sockets, threads, files it has open. A new one takes it from
 * the old one, and whoever asked for the change is told. */
#include "gateway/config.h"

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool copy_text(struct config *c, const char *from, const char **ret)
{
    *ret = from ? arena_strdup(&c->arena, str_of(from)) : NULL;
    return *ret || !from;
}

static void note(struct buf *notes, bool same, const char *what)
{
    if (!same)
        buf_printf(notes, "'%s' cannot change while Rung runs; it stays as it was until a restart\n", what);
}

bool config_keep_fixed(struct config *c, const struct config *old, struct buf *notes, struct err *err)
{
    note(notes, c->listen_port == old->listen_port && same_text(c->listen_host, old->listen_host), "listen");
    note(notes, c->ledger_power == old->ledger_power && same_text(c->ledger_path, old->ledger_path), "ledger");
    note(notes, c->audit_sync == old->audit_sync && same_text(c->audit_path, old->audit_path), "audit");
    note(notes, c->threads == old->threads, "threads");
    note(notes, c->memory_bytes == old->memory_bytes, "memory");
    note(notes, c->load_timeout_ms == old->load_timeout_ms, "load_timeout_ms");
    note(notes, c->prefix_disk_bytes == old->prefix_disk_bytes && same_text(c->prefix_folder, old->prefix_folder),
         "prefix_disk");
    note(notes,
         c->max_body_bytes == old->max_body_bytes && c->max_queue == old->max_queue &&
             c->max_workers == old->max_workers,
         "limits");
    c->listen_port = old->listen_port;
    c->ledger_power = old->ledger_power;
    c->audit_sync = old->audit_sync;
    c->threads = old->threads;
    c->memory_bytes = old->memory_bytes;
    c->load_timeout_ms = old->load_timeout_ms;
    c->prefix_disk_bytes = old->prefix_disk_bytes;
    c->max_body_bytes = old->max_body_bytes;
    c->max_queue = old->max_queue;
    c->max_workers = old->max_workers;
    return (copy_text(c, old->listen_host, &c->listen_host) && copy_text(c, old->ledger_path, &c->ledger_path) &&
            copy_text(c, old->audit_path, &c->audit_path) &&
            copy_text(c, old->prefix_folder, &c->prefix_folder)) ||
           err_nomem(err, "the configuration");
}
