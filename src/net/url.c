/* Takes URLs apart with libcurl's own parser. What may be connected to is for the callers to say. */
#include "net/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>

static bool read_port(const char *text, uint16_t *ret)
{
    int64_t port;
    if (!str_to_i64(str_of(text), &port) || port < 1 || port > UINT16_MAX)
        return false;
    *ret = (uint16_t)port;
    return true;
}

static bool fill_origin(const char *scheme, const char *host, const char *port, struct url_origin *ret,
                        struct err *err)
{
    struct url_origin o = {.https = strcmp(scheme, "https") == 0};
    size_t n = strlen(host);
    if (n == 0 || n > URL_MAX_HOST || !read_port(port, &o.port))
        return err_set(err, ERR_INVALID, "the URL names no host");
    for (size_t i = 0; i < n; i++)
        o.host[i] = (char)tolower((unsigned char)host[i]);
    *ret = o;
    return true;
}

bool url_origin(const char *url, struct url_origin *ret, struct err *err)
{
    char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL;
    bool ok = false;
    CURLU *parts = curl_url();
    if (!parts)
        return err_nomem(err, "a URL");
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, url, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
    if (code != CURLUE_OK)
        err_set(err, ERR_INVALID, "the URL is not one: %s", curl_url_strerror(code));
    else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        err_set(err, ERR_INVALID, "the URL must begin with http:// or https://, not %.32s://", scheme);
    else if (curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
             curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
        err_set(err, ERR_INVALID, "the URL names no host");
    else if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK)
        err_set(err, ERR_INVALID, "the URL of %.200s holds a user name; give the key as a header instead", host);
    else
        ok = fill_origin(scheme, host, port, ret, err);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(user);
    curl_url_cleanup(parts);
    return ok;
}

bool url_origin_equal(const struct url_origin *a, const struct url_origin *b)
{
    return a->https == b->https && a->port == b->port && strcmp(a->host, b->host) == 0;
}

bool url_origin_is_loopback(const struct url_origin *o)
{
    struct in_addr v4;
    if (strcmp(o->host, "localhost") == 0 || strcmp(o->host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, o->host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
}

bool url_join(const char *base, struct str location, char **ret, struct err *err)
{
    char *text = NULL, *joined = NULL;
    bool ok = false;
    CURLU *parts = curl_url();
    if (location.n == 0 || location.n > URL_MAX_BYTES || memchr(location.p, '\0', location.n)) {
        err_set(err, ERR_INVALID, "a redirect leads to no URL");
        goto out;
    }
    text = str_dup(location);
    if (!parts || !text) {
        err_nomem(err, "a URL");
        goto out;
    }
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, base, 0);
    if (code == CURLUE_OK)
        code = curl_url_set(parts, CURLUPART_URL, text, CURLU_URLENCODE);
    if (code == CURLUE_OK)
        code = curl_url_get(parts, CURLUPART_URL, &joined, 0);
    if (code != CURLUE_OK) {
        err_set(err, ERR_INVALID, "a redirect leads to no http:// or https:// URL: %s", curl_url_strerror(code));
        goto out;
    }
    *ret = str_dup(str_of(joined));
    ok = *ret || err_nomem(err, "a URL");
out:
    curl_free(joined);
    curl_url_cleanup(parts);
    free(text);
    return ok;
}

void url_escape(struct str text, const char *keep, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c != '\0' && (isalnum(c) || strchr("-._~", c) || strchr(keep, c)))
            buf_char(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}
