/* Heads that are refused: framing said twice or in other words than "chunked", hosts, keys and privacy classes said
 * twice, names that are no tokens, control characters, lines that end in less than CR LF or go on in the next, targets
 * that are no path. libmicrohttpd lets these pass (RFC 9112 asks for their refusal, or allows it). */
#include "net/head.h"

#include <strings.h>

/* Fields that mean two things where they are given twice; which of them a reader takes is anybody's guess. */
static const char *const once[] = {"Host",          "Content-Length", "Transfer-Encoding",
                                   "Authorization", "x-api-key",      "x-rung-privacy"};
enum { ONCE_LENGTH = 1, ONCE_ENCODING = 2, ONCE_COUNT = sizeof once / sizeof *once };

struct head {
    bool plain;
    int given[ONCE_COUNT];
    const char *end;                     /* of the line before, where its terminator begins */
};

bool head_is_token(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] >= 127 || strchr("()<>@,;:\\\"/[]?={}", name.p[i]))
            return false;
    return name.n > 0;
}

bool head_is_text(struct str value)
{
    for (size_t i = 0; i < value.n; i++)
        if (((unsigned char)value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 127)
            return false;
    return true;
}

/* Names and values are handed out where they arrived, so the byte count between two lines is that of what separates
 * them: one byte is a bare CR or LF. */
static bool follows_bare_end(const char *end, const char *next) { return end && next == end + 1; }

static enum MHD_Result look_at_field(void *ctx, enum MHD_ValueKind kind, const char *name, size_t name_n,
                                     const char *value, size_t value_n)
{
    struct head *h = ctx;
    struct str n = {name, name_n}, v = {value ? value : "", value ? value_n : 0};
    (void)kind;
    h->plain &= head_is_token(n) && head_is_text(v) && !follows_bare_end(h->end, name);
    h->end = value ? value + value_n : name + name_n;
    for (int i = 0; i < ONCE_COUNT; i++)
        if (str_eq_nocase(n, str_of(once[i])))
            h->plain &= h->given[i]++ == 0 && (i != ONCE_ENCODING || str_eq_nocase(v, STR("chunked")));
    return MHD_YES;
}

/* "http://a:80/b" -> "a:80"; p NULL where the target is no URL. */
static struct str authority_of(const char *target)
{
    size_t scheme = strncasecmp(target, "http://", 7) == 0 ? 7 : strncasecmp(target, "https://", 8) == 0 ? 8 : 0;
    return scheme ? (struct str){target + scheme, strcspn(target + scheme, "/")} : (struct str){NULL, 0};
}

const char *head_path(struct MHD_Connection *conn, const char *target)
{
    struct str host = authority_of(target);
    const char *field = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    if (!host.p)
        return target;
    if (host.n == 0 || !field || !str_eq_nocase(host, str_of(field)))
        return NULL;
    return host.p[host.n] ? host.p + host.n : "/";
}

static bool is_target(const char *method, const char *target)
{
    if (!target)
        return false;
    if (strcmp(target, "*") == 0)
        return strcmp(method, "OPTIONS") == 0;
    return target[0] == '/' && head_is_text(str_of(target));
}

bool head_is_plain(struct MHD_Connection *conn, const char *method, const char *target, const char *version,
                   bool *ret_closes)
{
    struct head h = {.plain = head_is_token(str_of(method)) && is_target(method, target),
                     .end = version + strlen(version)};
    MHD_get_connection_values_n(conn, MHD_HEADER_KIND, look_at_field, &h);
    bool old = strcmp(version, "HTTP/1.0") == 0;
    int lengths = h.given[ONCE_LENGTH], encodings = h.given[ONCE_ENCODING];
    *ret_closes = encodings > 0;
    return h.plain && lengths + encodings <= 1 && !(old && encodings);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f')
        return (c | 32) - 'a' + 10;
    return -1;
}

size_t head_unescape(void *ctx, struct MHD_Connection *conn, char *text)
{
    char *out = text;
    (void)ctx;
    (void)conn;
    struct str host = authority_of(text);
    if (*text == '%')
        return strlen(text);             /* a target begins with its slash, not with a slash in disguise, */
    if (host.n && memchr(host.p, '%', host.n)) {
        *text = 0;                       /* nor does the path behind a host */
        return 0;
    }
    for (const char *in = text; *in; in++) {
        int high = *in == '%' ? hex(in[1]) : -1, low = high >= 0 ? hex(in[2]) : -1, byte = high * 16 + low;
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        if (low < 0 || byte < ' ' || byte == 127) {
            *text = 0;
            return 0;
        }
        *out++ = (char)byte;
        in += 2;
    }
    *out = 0;
    return (size_t)(out - text);
}
