/* A file mapped read-only. Should the file shrink under the map, touching the lost pages does not kill the process:
 * the first such fault maps zero pages there and marks the map broken; whoever computes from it asks filemap_broken
 * afterwards and fails with an error. (One process-wide SIGBUS handler; faults outside registered maps go to the
 * previous handler.) */
#ifndef RUNG_BASE_FILEMAP_H
#define RUNG_BASE_FILEMAP_H

#include "base/err.h"
#include "base/str.h"

struct filemap;

/* Thread-safe. path is copied. An empty file, a directory or a device is an error. */
bool filemap_open(const char *path, struct filemap **ret_map, struct err *err);
/* The same face over bytes that live as long as the process (the embedded model). */
bool filemap_memory(const char *name, const void *bytes, size_t n, struct filemap **ret_map, struct err *err);
/* The first bytes of a larger file, the rest of its size as zeros that take no memory: for reading headers of files
 * that are elsewhere. The bytes are copied. */
bool filemap_start(const char *name, struct str first, size_t size, struct filemap **ret_map, struct err *err);
void filemap_close(struct filemap *map);               /* NULL allowed; no thread may still read the bytes */
struct str filemap_bytes(const struct filemap *map);   /* good until filemap_close */
const char *filemap_path(const struct filemap *map);
/* Lost pages were touched, or the file is shorter than its map now. */
bool filemap_broken(const struct filemap *map);

/* A whole small file into memory (malloc'd, NUL after the end, to free()); an error past max_bytes. */
bool file_read(const char *path, size_t max_bytes, char **ret_bytes, size_t *ret_n, struct err *err);

#endif
