/* URI references as RFC 3986 has them, as far as schemas name each other by them: a reference against a base, and the
 * plain bytes behind percent signs. Nothing is fetched, so nothing is normalised but dot segments. */
#include "grammar/schema/read.h"

struct uri_parts {
    struct str scheme, authority, path, query;
    bool has_scheme, has_authority, has_query;
};

static bool is_scheme_char(char c, bool first)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (!first && ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'));
}

/* Bytes of s before the first of `stops`. */
static size_t span_until(struct str s, const char *stops)
{
    size_t n = 0;
    while (n < s.n && !(s.p[n] && strchr(stops, s.p[n])))
        n++;
    return n;
}

static struct str rest_of(struct str s, size_t from)
{
    return (struct str){s.p + from, s.n - from};
}

/* uri is without a fragment. */
static struct uri_parts uri_split(struct str uri)
{
    struct uri_parts u = {0};
    size_t n = 0;
    while (n < uri.n && is_scheme_char(uri.p[n], n == 0))
        n++;
    if (n > 0 && n < uri.n && uri.p[n] == ':') {
        u.has_scheme = true;
        u.scheme = (struct str){uri.p, n};
        uri = rest_of(uri, n + 1);
    }
    if (str_starts(uri, STR("//"))) {
        uri = rest_of(uri, 2);
        u.has_authority = true;
        u.authority = (struct str){uri.p, span_until(uri, "/?")};
        uri = rest_of(uri, u.authority.n);
    }
    u.path = (struct str){uri.p, span_until(uri, "?")};
    uri = rest_of(uri, u.path.n);
    u.has_query = uri.n > 0;
    if (u.has_query)
        u.query = rest_of(uri, 1);
    return u;
}

/* Takes "." and ".." out of the path that starts at out->p[from] (RFC 3986, 5.2.4). */
static void remove_dot_segments(struct buf *out, size_t from)
{
    if (!buf_ok(out) || out->n == from || out->p[from] != '/')
        return;
    size_t read = from, write = from;
    while (read < out->n) {
        struct str rest = {out->p + read + 1, out->n - read - 1};
        size_t n = span_until(rest, "/");
        struct str segment = {rest.p, n};
        bool last = read + 1 + n >= out->n, up = str_is(segment, "..");
        if (up || str_is(segment, ".")) {
            while (up && write > from && out->p[--write] != '/')
                ;
            if (last)
                out->p[write++] = '/';
        } else {
            memmove(out->p + write, out->p + read, n + 1);
            write += n + 1;
        }
        read += n + 1;
    }
    out->n = write;
    out->p[write] = '\0';
}

/* RFC 3986, 5.3 and 5.2.3. */
static void uri_join_path(const struct uri_parts *base, const struct uri_parts *ref, struct buf *out)
{
    if (ref->path.n > 0 && ref->path.p[0] == '/') {
        buf_str(out, ref->path);
        return;
    }
    if (base->has_authority && base->path.n == 0) {
        buf_char(out, '/');
    } else {
        size_t keep = base->path.n;
        while (keep > 0 && base->path.p[keep - 1] != '/')
            keep--;
        buf_str(out, (struct str){base->path.p, keep});
    }
    buf_str(out, ref->path);
}

void uri_resolve(struct str base_uri, struct str reference, struct buf *out)
{
    struct uri_parts base = uri_split(base_uri), ref = uri_split(reference);
    const struct uri_parts *from = ref.has_scheme ? &ref : &base;
    if (from->has_scheme) {
        buf_str(out, from->scheme);
        buf_char(out, ':');
    }
    if (!ref.has_scheme && !ref.has_authority)
        from = &base;
    else
        from = &ref;
    if (from->has_authority) {
        buf_puts(out, "//");
        buf_str(out, from->authority);
    }
    size_t path_at = out->n;
    bool same_path = from == &base && ref.path.n == 0;
    if (same_path) {
        buf_str(out, base.path);
    } else {
        if (from == &base)
            uri_join_path(&base, &ref, out);
        else
            buf_str(out, ref.path);
        remove_dot_segments(out, path_at);
    }
    const struct uri_parts *asks = same_path && !ref.has_query ? &base : &ref;
    if (asks->has_query) {
        buf_char(out, '?');
        buf_str(out, asks->query);
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

void uri_unescape(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        bool escape = s.p[i] == '%' && s.n - i > 2 && hex_value(s.p[i + 1]) >= 0 && hex_value(s.p[i + 2]) >= 0;
        if (!escape) {
            buf_char(out, s.p[i]);
            continue;
        }
        buf_char(out, (char)(hex_value(s.p[i + 1]) << 4 | hex_value(s.p[i + 2])));
        i += 2;
    }
}
