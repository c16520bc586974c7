/* Reading an upstream's vectors: as lists of numbers, or as 32-bit floats in base64 where that was asked for. Each text
 * has one, they are equally long, and every number is one. */
#include <math.h>
#include <stdlib.h>

#include "gateway/embed.h"
#include "gateway/provider/openai.h"

#define MAX_DIMENSIONS 65536

static int base64_value(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* Little-endian floats; returns how many, at most `room`; -1: it is none. */
static int64_t read_base64(struct str text, float *ret, int64_t room)
{
    uint32_t bits = 0;
    int n_bits = 0;
    int64_t n_bytes = 0;
    unsigned char bytes[4];
    while (text.n && text.p[text.n - 1] == '=')
        text.n--;
    for (size_t i = 0; i < text.n; i++) {
        int v = base64_value(text.p[i]);
        if (v < 0 || n_bytes / 4 >= room)
            return -1;
        bits = bits << 6 | (uint32_t)v;
        n_bits += 6;
        if (n_bits < 8)
            continue;
        n_bits -= 8;
        bytes[n_bytes % 4] = (unsigned char)(bits >> n_bits);
        if (++n_bytes % 4 == 0)
            memcpy(&ret[n_bytes / 4 - 1], bytes, sizeof *ret);
    }
    return n_bytes % 4 ? -1 : n_bytes / 4;
}

static int64_t read_vector(const json_t *value, float *ret, int64_t room)
{
    int64_t n = (int64_t)json_array_size(value);
    if (json_is_string(value))
        n = read_base64(upstream_text(value), ret, room);
    else if (n > room)
        return -1;
    for (int64_t i = 0; i < n; i++) {
        const json_t *number = json_array_get(value, (size_t)i);
        if (!json_is_string(value) && !json_is_number(number))
            return -1;
        if (number)
            ret[i] = (float)json_number_value(number);
        if (!isfinite(ret[i]))
            return -1;
    }
    return n;
}

/* The length of the first one, which all must have; 0: it has none to believe. */
static int64_t dimensions_of(const json_t *value)
{
    int64_t n = json_is_string(value) ? (int64_t)(json_string_length(value) / 4 * 3 / 4)
                                      : (int64_t)json_array_size(value);
    return n <= MAX_DIMENSIONS ? n : 0;
}

static bool read_one(const json_t *entry, int n, float *vectors, int64_t room, int64_t *dimensions, bool *seen,
                     struct err *err)
{
    const json_t *index = json_object_get(entry, "index");
    json_int_t at = json_is_integer(index) ? json_integer_value(index) : -1;
    if (at < 0 || at >= n || seen[at])
        return err_set(err, ERR_IO, "its answer has a vector with a wrong index");
    int64_t has = read_vector(json_object_get(entry, "embedding"), vectors + at * room, room);
    if (has <= 0 || (*dimensions && has != *dimensions))
        return err_set(err, ERR_IO, "its answer has a vector that is none, or of another length than the others");
    *dimensions = has;
    seen[at] = true;
    return true;
}

bool embed_read_reply(const struct request *req, const json_t *object, struct reply *ret, struct err *err)
{
    const json_t *data = json_object_get(object, "data");
    int n = req->embed->n;
    int64_t room = dimensions_of(json_object_get(json_array_get(data, 0), "embedding")), dimensions = 0;
    if (json_array_size(data) != (size_t)n || room == 0)
        return err_set(err, ERR_IO, "its answer does not hold %d vectors", n);
    float *vectors = reallocarray(NULL, (size_t)n, (size_t)room * sizeof *vectors);
    bool *seen = calloc((size_t)n, sizeof *seen), ok = (vectors && seen) || err_nomem(err, "the vectors");
    for (int i = 0; i < n && ok; i++)
        ok = read_one(json_array_get(data, (size_t)i), n, vectors, room, &dimensions, seen, err);
    if (ok && dimensions != room)
        ok = err_set(err, ERR_IO, "its answer has vectors of no whole number of floats");
    if (ok && req->embed->dimensions && dimensions != req->embed->dimensions)
        ok = err_set(err, ERR_IO, "it answered with %lld dimensions where %lld were asked for", (long long)dimensions,
                     (long long)req->embed->dimensions);
    free(seen);
    if (!ok) {
        free(vectors);
        return false;
    }
    free(ret->vectors);
    ret->vectors = vectors;
    ret->dimensions = dimensions;
    return true;
}
