/* The `traces` section: the collector that spans are sent to. */
#include "gateway/config/config_parse.h"
#include "net/url.h"

static bool is_loopback_url(const char *url)
{
    struct url_origin origin;
    return url_origin(url, &origin, NULL) && url_origin_is_loopback(&origin);
}

bool config_read_traces(struct config_reader *r, const struct yaml_node *n)
{
    static const char *const keys[] = {"endpoint", "authorization", "private", NULL};
    const struct yaml_node *endpoint = yaml_get(n, "endpoint"), *key = yaml_get(n, "authorization"),
                           *own = yaml_get(n, "private");
    struct config *c = r->c;
    const char *where;
    if (!yaml_only_keys(n, r->name, keys, r->err))
        return false;
    if (!endpoint)
        return yaml_fail(n, r->name, r->err, "'traces' needs 'endpoint', such as http://127.0.0.1:4318/v1/traces");
    if (!config_read_string(r, endpoint, "endpoint", &c->traces_endpoint))
        return false;
    if (!config_is_base_url(c->traces_endpoint))
        return yaml_fail(endpoint, r->name, r->err,
                         "'endpoint' must begin with http:// or https:// and name a host, without a user or password");
    if (key && !config_read_secret(r, key, "authorization", &where, &c->traces_authorization))
        return false;
    if (key && !c->traces_authorization)
        return yaml_fail(key, r->name, r->err, "'authorization' names %s, which is not set or empty", where);
    c->traces_own_machine = is_loopback_url(c->traces_endpoint);
    return !own || yaml_to_bool(own, r->name, "private", &c->traces_own_machine, r->err);
}
