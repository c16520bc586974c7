/* Talking to the server that runs: address and key from the configuration, one HTTP call, JSON or the server's sentence
 * back. */
#include "cli/server.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/json.h"
#include "gateway/config.h"
#include "net/client.h"
#include "net/url.h"

#define REPLY_MAX_BYTES (8u << 20)
#define CONNECT_TIMEOUT_MS 3000
#define TOTAL_TIMEOUT_MS 60000
#define URL_MAX 600
#define KEY_HEADER_MAX 600
#define PIN_MAX 64
#define OWN_KEY "RUNG_API_KEY"

struct raw_reply {
    int status;
    struct buf body;
};

/* "http://127.0.0.1:11434/api/ps". A server that listens on every address is asked on loopback. */
static void make_url(const struct cli_server *server, const struct config *c, const char *path, char *url, size_t size)
{
    if (server->url) {
        size_t n = strlen(server->url);
        while (n > 0 && server->url[n - 1] == '/')
            n--;
        snprintf(url, size, "%.*s%s", (int)(n < 500 ? n : 500), server->url, path);
        return;
    }
    bool any = strcmp(c->listen_host, "0.0.0.0") == 0 || strcmp(c->listen_host, "::") == 0;
    const char *host = any ? "127.0.0.1" : c->listen_host;
    bool v6 = strchr(host, ':') != NULL;
    snprintf(url, size, "%s://%s%s%s:%u%s", c->tls_cert ? "https" : "http", v6 ? "[" : "", host, v6 ? "]" : "",
             c->listen_port, path);
}

static bool take_reply(struct http_call *call, struct raw_reply *ret, struct err *err)
{
    struct http_event ev;
    while (http_call_next(call, 2 * TOTAL_TIMEOUT_MS, &ev)) {
        if (ev.kind == HTTP_HEAD)
            ret->status = ev.status;
        else if (ev.kind == HTTP_DATA)
            buf_str(&ret->body, ev.data);
        else if (!ev.ok && err)
            *err = ev.err;
        if (ev.kind == HTTP_DONE)
            return ev.ok;
    }
    return err_set(err, ERR_IO, "the server's reply ended early");
}

/* The public key of the certificate that the configuration's server shows, as libcurl takes it. The server is asked on
 * its address, which its certificate hardly ever names. */
static bool make_pin(const char *cert, char pin[PIN_MAX], struct err *err)
{
    unsigned char *key = NULL, digest[EVP_MAX_MD_SIZE], text[48];
    unsigned n_digest = 0;
    FILE *f = fopen(cert, "re");
    if (!f)
        return err_errno(err, ERR_IO, "cannot read %s", cert);
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    int n = x ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &key) : -1;
    bool ok = n > 0 && EVP_Digest(key, (size_t)n, digest, &n_digest, EVP_sha256(), NULL) == 1 &&
              EVP_EncodeBlock(text, digest, (int)n_digest) > 0;
    OPENSSL_free(key);
    X509_free(x);
    fclose(f);
    if (!ok)
        return err_set(err, ERR_INVALID, "%s holds no certificate", cert);
    snprintf(pin, PIN_MAX, "sha256//%s", (const char *)text);
    return true;
}

/* What the environment gives, else the first of the configuration. It is this configuration's server's: an address
 * from elsewhere gets it on this machine only, or where the configuration was named with it. */
static const char *key_for(const struct cli_server *server, const struct config *c)
{
    struct url_origin origin;
    const char *own = getenv(OWN_KEY);
    if (server->url && !server->config_path &&
        !(url_origin(server->url, &origin, NULL) && url_origin_is_loopback(&origin)))
        return NULL;
    return own && own[0] ? own : c->n_api_keys > 0 ? c->api_keys[0] : NULL;
}

static bool exchange(const char *api_key, const char *pin, const char *url, const char *body, struct raw_reply *ret,
                     struct err *err)
{
    char key[KEY_HEADER_MAX];
    const char *headers[] = {"Content-Type: application/json", NULL, NULL};
    struct http_client *client;
    struct http_call *call = NULL;
    struct http_call_request req = {.method = body ? "POST" : "GET", .url = url, .headers = headers,
                                    .body = str_of(body), .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                    .total_timeout_ms = TOTAL_TIMEOUT_MS,
                                    .pinned_key = pin,
                                    .max_body_bytes = REPLY_MAX_BYTES};
    if (api_key) {
        snprintf(key, sizeof key, "Authorization: Bearer %s", api_key);
        headers[1] = key;
    }
    if (!http_client_open(&client, err))
        return false;
    bool ok = http_call_start(client, &req, &call, err) && take_reply(call, ret, err);
    http_call_close(call);
    http_client_close(client);
    return ok;
}

/* {"error": "text"} or {"error": {"message": "text"}}, or something that is no Rung at all. */
static bool refused(const char *url, int status, const json_t *reply, struct err *err)
{
    const json_t *error = json_object_get(reply, "error");
    const char *text = json_string_value(json_is_object(error) ? json_object_get(error, "message") : error);
    if (text)
        return err_set(err, status == 404 ? ERR_NOT_FOUND : ERR_INVALID, "%s", text);
    return err_set(err, ERR_INVALID, "what answers at %s (status %d) is no Rung of this version", url, status);
}

static bool understand(const char *url, const struct raw_reply *r, json_t **ret, struct err *err)
{
    json_t *json = NULL;
    if (!json_parse_object(buf_view(&r->body), "the server's reply", &json, NULL) || r->status != 200) {
        refused(url, r->status, json, err);
        json_decref(json);
        return false;
    }
    *ret = json;
    return true;
}

bool cli_server_call(const struct cli_server *server, const char *path, const char *body, json_t **ret,
                     struct err *err)
{
    struct config *c;
    struct raw_reply reply = {.body = BUF_INIT(REPLY_MAX_BYTES)};
    char url[URL_MAX], pin[PIN_MAX];
    struct err why = ERR_INIT;
    if (!config_load(server->config_path, &c, err))
        return false;
    bool pinned = !server->url && c->tls_cert;
    if (pinned && !make_pin(c->tls_cert, pin, err)) {
        config_free(c);
        return false;
    }
    make_url(server, c, path, url, sizeof url);
    bool ok = exchange(key_for(server, c), pinned ? pin : NULL, url, body, &reply, &why);
    if (!ok)
        err_set(err, ERR_IO, "no server answers at %s (%s); start one with rung serve, or say where it is with --url",
                url, why.msg);
    ok = ok && understand(url, &reply, ret, err);
    buf_free(&reply.body);
    config_free(c);
    return ok;
}
