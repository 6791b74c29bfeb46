/* Where upstreams are, how they are trusted, and by which proxy they are reached. */
#include "auth/secrets/secret_store.h"
#include "base/encode.h"
#include "base/tls_identity.h"
#include "config/link.h"
#include "config/url.h"
#include "routes/outbound_proxy.h"

#include <string.h>

enum { PIN_BYTES = 32, PIN_TEXT_BYTES = 44, PINS_MAX = 16 };

static const struct slice pin_prefix = SLICE_INIT("sha256/");

/* ---- the key ---- */

/* What two origins differ in, their connections may not be shared for. */
static void name_origin(const struct link *link, struct origin *origin)
{
    const struct outbound_proxy *proxy = origin->proxy;
    const char *const parts[][2] = {
        {" ca=", origin->ca_file},
        {" cert=", origin->cert_file},
        {" key=", origin->key_file},
        {" pin=", origin->pins},
        {" http=", origin->http2 ? "2" : NULL},
        {" proxy=", proxy == NULL ? NULL : proxy->authority},
        {" as=", proxy == NULL ? NULL : proxy->user},
        {" secret=", proxy == NULL ? NULL : proxy->secret_name},
    };
    const char *key = arena_print(link->arena, "%s://%s:%u", origin->tls ? "https" : "http",
                                  origin->host, origin->port);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i][1] != NULL) {
            key = arena_print(link->arena, "%s%s%s", key, parts[i][0], parts[i][1]);
        }
    }
    origin->key = key;
}

struct origin link_make_origin(const struct link *link, const struct url *url, const char *ca,
                               const struct outbound_proxy *proxy)
{
    struct origin origin = {
        .tls = url->tls,
        .host = url->host,
        .port = url->port,
        .authority = url->authority,
        .ca_file = ca,
        .proxy = proxy,
    };
    name_origin(link, &origin);
    return origin;
}

struct origin link_origin_like(const struct link *link, const struct origin *like,
                               const struct url *url)
{
    struct origin origin = *like;
    origin.tls = url->tls;
    origin.host = url->host;
    origin.port = url->port;
    origin.authority = url->authority;
    name_origin(link, &origin);
    return origin;
}

/* ---- proxies ---- */

static const char *decode(const struct link *link, struct slice text, struct error *err)
{
    char *out = arena_reserve(link->arena, text.len + 1);
    size_t len = 0;
    if (decode_percent(text, out, &len) != STATUS_OK || memchr(out, '\0', len) != NULL) {
        (void)error_set(err, STATUS_INVALID, __FILE__, __LINE__,
                        "the proxy's user or password is not percent-encoded well; write %%25 for "
                        "a '%%', %%40 for a '@'");
        return NULL;
    }
    out[len] = '\0';
    return out;
}

/* "http://user:password@host:port" taken apart. */
static enum status read_proxy(const struct link *link, struct slice text,
                              struct outbound_proxy *proxy, struct error *err)
{
    static const struct slice scheme = SLICE_INIT("http://");
    struct url url;
    if (!slice_starts_with(text, scheme)) {
        FAIL(err, STATUS_INVALID, "a proxy is reached over http; write http://HOST:PORT");
    }
    struct slice rest = slice_skip(text, scheme.len);
    size_t at = rest.len;
    while (at > 0 && rest.ptr[at - 1] != '@') {
        at--;
    }
    struct slice user = slice_make(rest.ptr, at > 0 ? at - 1 : 0);
    size_t colon = slice_find(user, ':');
    if (at > 0 && (colon == 0 || colon + 1 >= user.len)) {
        FAIL(err, STATUS_INVALID, "before the '@' stands USER:PASSWORD");
    }
    const char *place = arena_print(link->arena, "http://%.*s", SLICE_ARG(slice_skip(rest, at)));
    TRY(url_parse(link->arena, slice_from(place), &url, err));
    if (url.path.len > 0) {
        FAIL(err, STATUS_INVALID, "a proxy has no path; write http://HOST:PORT");
    }
    proxy->host = url.host;
    proxy->port = url.port;
    proxy->authority = strchr(url.host, ':') != NULL
                           ? arena_print(link->arena, "[%s]:%u", url.host, url.port)
                           : arena_print(link->arena, "%s:%u", url.host, url.port);
    if (at > 0) {
        proxy->user = decode(link, slice_make(user.ptr, colon), err);
        proxy->password = decode(link, slice_skip(user, colon + 1), err);
    }
    return at > 0 && (proxy->user == NULL || proxy->password == NULL) ? STATUS_INVALID : STATUS_OK;
}

static const struct outbound_proxy *make_proxy(const struct link *link, const struct tree *url,
                                               const struct tree *secret)
{
    struct error err;
    struct outbound_proxy *proxy = ARENA_NEW(link->arena, struct outbound_proxy);
    if (read_proxy(link, url->text, proxy, &err) != STATUS_OK) {
        link_report(link, url, "a proxy's URL", &err);
        return NULL;
    }
    if (secret != NULL && proxy->user != NULL) {
        tree_report(link->problems, secret,
                    "the proxy's URL has a user and a password already; take one of the two out");
    } else if (secret != NULL) {
        link_check_secret(link, secret);
        proxy->secret_name = link_keep_slice(link, secret->text).ptr;
    }
    proxy->next = link->snapshot->proxies;
    link->snapshot->proxies = proxy;
    return proxy;
}

const struct outbound_proxy *link_proxy(const struct link *link, const struct tree *url,
                                        const struct tree *secret,
                                        const struct outbound_proxy *usual)
{
    bool none = url != NULL && slice_equal(url->text, SLICE("none"));
    if (secret != NULL && (url == NULL || none)) {
        tree_report(link->problems, secret,
                    "there is no proxy to send it to; write proxy: http://HOST:PORT next to it, or "
                    "take this out");
    }
    if (url == NULL || url->faulty) {
        return usual;
    }
    return none ? NULL : make_proxy(link, url, secret);
}

void link_proxies_take_slots(struct snapshot *snapshot, struct secret_store *store)
{
    for (struct outbound_proxy *it = snapshot->proxies; store != NULL && it != NULL;
         it = it->next) {
        it->slot = it->secret_name == NULL ? NULL : secret_slot_ref(store, it->secret_name);
    }
}

void link_proxies_drop_slots(struct snapshot *snapshot)
{
    for (struct outbound_proxy *it = snapshot->proxies; it != NULL; it = it->next) {
        if (it->slot != NULL) {
            secret_slot_unref(it->slot);
        }
    }
}

/* ---- a route's TLS ---- */

static bool is_pin(struct slice text)
{
    unsigned char bytes[PIN_TEXT_BYTES];
    size_t len = 0;
    struct slice digest = slice_skip(text, pin_prefix.len);
    return slice_starts_with(text, pin_prefix) && digest.len == PIN_TEXT_BYTES &&
           decode_base64(digest, bytes, &len) == STATUS_OK && len == PIN_BYTES;
}

/* As libcurl has them: CURLOPT_PINNEDPUBLICKEY. */
static const char *make_pins(const struct link *link, const struct tree *texts)
{
    const char *pins = NULL;
    unsigned count = link_text_count(texts);
    if (texts != NULL && (count == 0 || count > PINS_MAX)) {
        tree_report(link->problems, texts, "there are %u pins; write 1 to %d, or take this out",
                    count, PINS_MAX);
    }
    for (unsigned i = 0; i < count; i++) {
        const struct tree *node = link_text(texts, i);
        if (node->faulty) {
            continue;
        }
        if (!is_pin(node->text)) {
            tree_report(link->problems, node,
                        "\"%s\" is no pin; write sha256/ and the SHA-256 of the public key "
                        "(SubjectPublicKeyInfo) in base64, 44 characters",
                        QUOTE(node->source));
            continue;
        }
        pins =
            arena_print(link->arena, "%s%ssha256//%.*s", pins == NULL ? "" : pins,
                        pins == NULL ? "" : ";", SLICE_ARG(slice_skip(node->text, pin_prefix.len)));
    }
    return pins;
}

static void check_identity(const struct link *link, const struct tree *tls,
                           const struct origin *origin)
{
    struct error err;
    bool cert = tree_get(tls, "cert") != NULL;
    bool key = tree_get(tls, "key") != NULL;
    if (cert != key) {
        tree_report_key(link->problems, tree_get(tls, cert ? "cert" : "key"),
                        "a certificate is shown with the private key to it; write %s: FILE, too",
                        cert ? "key" : "cert");
    }
    if (origin->cert_file == NULL || origin->key_file == NULL) {
        return; /* or one of them was reported by fields */
    }
    if (tls_identity_check(origin->cert_file, origin->key_file, &err) != STATUS_OK) {
        tree_report(link->problems, tree_get(tls, "cert"), "%s", err.message);
    }
}

static void link_tls(const struct link *link, const struct route_section *section,
                     struct origin *origin)
{
    static const char *const names[] = {"ca", "pin", "cert", "key"};
    const struct tree *tls = tree_get(section->node, "tls");
    for (size_t i = 0; !origin->tls && i < sizeof(names) / sizeof(names[0]); i++) {
        const struct tree *given = tree_get(tls, names[i]);
        if (given != NULL) {
            tree_report_key(link->problems, given,
                            "base_url is plain http; write https://, or take this out");
        }
    }
    origin->ca_file = link_keep(link, section->tls.ca);
    origin->cert_file = link_keep(link, section->tls.cert);
    origin->key_file = link_keep(link, section->tls.key);
    origin->pins = make_pins(link, section->tls.pin);
    check_identity(link, tls, origin);
}

/* ---- a route's origin ---- */

/* The profile's, for the region that the route says, if it has one for each. */
static struct slice base_url_of(const struct link *link, const struct route_section *section,
                                const struct route *route)
{
    const struct profile *profile = route->profile;
    if (profile == NULL || profile->base_url.len > 0) {
        return profile == NULL ? slice_make("", 0) : profile->base_url;
    }
    return link_sign_base_url(link, section, profile);
}

/* False: reported; there is none. */
static bool find_base(const struct link *link, const struct route_section *section,
                      const struct route *route, struct url *url)
{
    struct error err;
    struct slice of_profile = base_url_of(link, section, route);
    const struct tree *given = section->base_url;
    bool reported = given == NULL && tree_get(section->node, "base_url") != NULL;
    if (given != NULL) {
        if (url_parse(link->arena, given->text, url, &err) != STATUS_OK) {
            link_report(link, given, "a URL", &err);
        }
    } else if (route->profile != NULL && of_profile.len > 0) {
        if (url_parse(link->arena, of_profile, url, &err) != STATUS_OK) {
            tree_report_key(link->problems, section->node, "the base URL of provider %s: %s",
                            route->profile->name, err.message);
        }
    } else if (route->profile != NULL && !reported) {
        bool by_region = route->profile->sign.base_url.len > 0;
        struct slice form = route->profile->base_url_form;
        const char *example = by_region ? "sign: {region: eu-central-1}, or base_url"
                              : form.len > 0
                                  ? arena_print(link->arena, "base_url: %.*s", SLICE_ARG(form))
                                  : "base_url: https://api.example.com";
        tree_report_key(link->problems, section->node,
                        "base_url is missing, which provider %s does not know; write %s",
                        route->profile->name, example);
    }
    return url->host != NULL;
}

/* As it is to be written below egress.allow_private. */
static const char *network_of(const struct link *link, const struct tree *base_url,
                              const char *host)
{
    if (base_url == NULL || tree_expanded(base_url)) {
        return "NETWORK";
    }
    if (strcmp(host, "localhost") == 0) {
        return "127.0.0.1, \"::1\"";
    }
    return strchr(host, ':') == NULL ? host : arena_print(link->arena, "\"%s\"", host);
}

/* Names have their addresses looked up at each connect; one that is written here is known now. */
static void warn_of_egress(const struct link *link, const struct route_section *section,
                           const struct url *url)
{
    if (egress_allows_host(&link->snapshot->egress, url->host)) {
        return;
    }
    const struct tree *node = section->base_url;
    tree_warn(link->problems, node != NULL ? node : section->node,
              "this is no public address, so each call will be 502 egress_refused; if it is meant "
              "write egress: {allow_private: [%s]}",
              network_of(link, section->base_url, url->host));
}

void link_origin(const struct link *link, const struct route_section *section, struct route *route)
{
    struct url url = {0};
    const struct outbound_proxy *proxy = link_proxy(
        link, section->proxy, section->proxy_credential.secret, link->snapshot->egress_proxy);
    bool has_hosts = link_has_hosts(section, route->profile);
    bool found = has_hosts ? link_hosts_begin(link, section, route, &url)
                           : find_base(link, section, route, &url);
    if (!found) {
        return;
    }
    if (!has_hosts) {
        warn_of_egress(link, section, &url);
    }
    struct origin *origin = &route->origin;
    *origin = link_make_origin(link, &url, NULL, proxy);
    link_tls(link, section, origin);
    origin->http2 = section->http == HTTP_AS_PROFILE
                        ? route->profile != NULL && route->profile->http2
                        : section->http == HTTP_2;
    name_origin(link, origin);
    route->base_path = url.path;
}
