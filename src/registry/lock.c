/* Reads, changes and writes the text of a lockfile. Where it lies, and what a pinned name means for finding and
 * pulling, is registry.c's. */
#include "registry/lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "registry/manifest.h"

#define FIELDS 4
#define DIGEST_PREFIX "sha256:"

static void free_entry(struct lock_entry *e)
{
    free(e->name);
    free(e->source);
}

void lock_free(struct lock *l)
{
    for (int i = 0; i < l->n; i++)
        free_entry(&l->entries[i]);
    l->n = 0;
}

/* Words of a line between spaces; FIELDS + 1 when there are more. */
static int split_line(struct str line, struct str fields[FIELDS])
{
    int n = 0;
    for (line = str_trim(line); line.n > 0; line = str_trim(line)) {
        size_t end = 0;
        while (end < line.n && line.p[end] != ' ' && line.p[end] != '\t')
            end++;
        if (n == FIELDS)
            return FIELDS + 1;
        fields[n++] = (struct str){line.p, end};
        line = (struct str){line.p + end, line.n - end};
    }
    return n;
}

/* The name as lookups write it, whatever way a person typed it. */
static bool canonical_name(struct str text, char ret[MODEL_NAME_MAX], struct err *err)
{
    char name[MODEL_NAME_MAX];
    struct model_name n;
    if (text.n >= sizeof name || memchr(text.p, '\0', text.n))
        return err_set(err, ERR_INVALID, "it is too long, or holds a zero byte");
    snprintf(name, sizeof name, STR_FMT, STR_ARG(text));
    if (!model_name_parse(name, &n, err))
        return false;
    if (n.digest[0])
        return err_set(err, ERR_INVALID, "the digest stands after the name, apart");
    model_name_show(&n, ret, MODEL_NAME_MAX);
    return true;
}

static bool take_line(struct str line, const char *file, int number, struct lock *l, struct err *err)
{
    struct str f[FIELDS];
    char digest[DIGEST_HEX + 1], name[MODEL_NAME_MAX];
    int64_t size;
    struct err why = ERR_INIT;
    for (size_t i = 0; i < line.n; i++)
        if ((unsigned char)line.p[i] < ' ' && line.p[i] != '\t' && line.p[i] != '\r')
            return err_at_line(err, ERR_INVALID, file, number, (int)i + 1, "a control character cannot stand here");
    if (split_line(line, f) != FIELDS)
        return err_at_line(err, ERR_INVALID, file, number, 1, "a line is NAME sha256:HEX BYTES SOURCE");
    if (!canonical_name(f[0], name, &why))
        return err_at_line(err, ERR_INVALID, file, number, 1, "this is no name of a model: %.300s", why.msg);
    if (!str_starts(f[1], STR(DIGEST_PREFIX)) ||
        !digest_parse((struct str){f[1].p + strlen(DIGEST_PREFIX), f[1].n - strlen(DIGEST_PREFIX)}, digest))
        return err_at_line(err, ERR_INVALID, file, number, (int)(f[1].p - line.p) + 1,
                           "a digest is sha256: and %d hexadecimal digits", DIGEST_HEX);
    if (!str_to_i64(f[2], &size) || size < 0 || size > MANIFEST_MAX_SIZE)
        return err_at_line(err, ERR_INVALID, file, number, (int)(f[2].p - line.p) + 1, "this is no number of bytes");
    if (lock_find(l, name))
        return err_at_line(err, ERR_INVALID, file, number, 1, "'%.200s' is locked twice; keep one of its lines", name);
    char *source = str_dup(f[3]);
    bool ok = source ? lock_put(l, name, digest, size, source, err) : err_nomem(err, "a lockfile");
    free(source);
    return ok;
}

bool lock_parse(struct str text, const char *file, struct lock *ret, struct err *err)
{
    *ret = (struct lock){0};
    for (int number = 1; text.n > 0; number++) {
        size_t end = str_find(text, STR("\n"));
        struct str line = {text.p, end == SIZE_MAX ? text.n : end};
        size_t used = end == SIZE_MAX ? text.n : end + 1;
        text = (struct str){text.p + used, text.n - used};
        struct str words = str_trim(line);
        if (words.n == 0 || words.p[0] == '#')
            continue;
        if (!take_line(line, file, number, ret, err)) {
            lock_free(ret);
            return false;
        }
    }
    return true;
}

const struct lock_entry *lock_find(const struct lock *l, const char *name)
{
    for (int i = 0; i < l->n; i++) {
        if (strcmp(l->entries[i].name, name) == 0)
            return &l->entries[i];
    }
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct lock_entry *)a)->name, ((const struct lock_entry *)b)->name);
}

bool lock_put(struct lock *l, const char *name, const char *digest, int64_t size, const char *source, struct err *err)
{
    struct lock_entry *known = (struct lock_entry *)lock_find(l, name);
    if (strpbrk(name, " \t\r\n") || strpbrk(source, " \t\r\n"))
        return err_set(err, ERR_UNSUPPORTED, "'%.200s' cannot be locked: its name or source holds white space", name);
    if (!known && l->n == LOCK_MAX_ENTRIES)
        return err_set(err, ERR_LIMIT, "a lockfile holds at most %d models", LOCK_MAX_ENTRIES);
    struct lock_entry e = {.name = str_dup(str_of(name)), .source = str_dup(str_of(source)), .size = size};
    if (!e.name || !e.source) {
        free_entry(&e);
        return err_nomem(err, "a lockfile");
    }
    memcpy(e.digest, digest, sizeof e.digest);
    if (known)
        free_entry(known);
    else
        known = &l->entries[l->n++];
    *known = e;
    qsort(l->entries, (size_t)l->n, sizeof l->entries[0], by_name);
    return true;
}

void lock_write(const struct lock *l, struct buf *out)
{
    buf_puts(out, "# rung.lock: the weights that each name stands for here. Keep it with the project.\n"
                  "# `rung pull` fetches exactly these, `rung pull --update NAME` moves a name.\n"
                  "# NAME sha256:HEX BYTES SOURCE\n");
    for (int i = 0; i < l->n; i++) {
        const struct lock_entry *e = &l->entries[i];
        buf_printf(out, "%s " DIGEST_PREFIX "%s %" PRId64 " %s\n", e->name, e->digest, e->size, e->source);
    }
}
