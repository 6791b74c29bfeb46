#include "gateway/admin_client.h"

#include "base/buffer.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/secret.h"
#include "config/listen_address.h"
#include "config/snapshot.h"
#include "gateway/admin_token.h"
#include "gateway/config_secret.h"

#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

enum {
    CONNECT_SECONDS = 3,
    TOTAL_SECONDS = 30,
    URL_SIZE = 2048,
    AUTHORIZATION_SIZE = 66 * 1024, /* a secret of a file may be so long */
};

/* ---- where ---- */

/* How the listener is reached from this machine. */
struct place {
    bool is_unix;
    bool local;             /* it takes us for somebody of this machine, who may read */
    struct slice unix_path; /* of a unix socket */
    struct slice port;      /* else */
    char host[256];         /* what is dialled: without brackets */
    const char *name;       /* what is in the Host field, and in the certificate */
    bool name_is_v6;        /* it needs brackets */
};

static bool is_any(struct slice host)
{
    return slice_equal(host, SLICE("0.0.0.0")) || slice_equal(host, SLICE("::"));
}

/* What listens on all addresses is reached over loopback. */
static enum status find_place(const struct admin_settings *admin, struct place *ret,
                              struct error *err)
{
    struct slice listen = slice_from(admin->listen);
    struct slice host;
    *ret = (struct place){.name = "localhost"};
    TRY(listen_address_check(listen, &host, err)); /* `check` has looked at it */
    if (host.len == 0) {
        ret->is_unix = true;
        ret->local = true;
        ret->unix_path = slice_skip(listen, slice_find(listen, ':') + 1);
        return STATUS_OK;
    }
    struct slice dialled = !is_any(host)                       ? host
                           : slice_find(host, ':') == host.len ? SLICE("127.0.0.1")
                                                               : SLICE("::1");
    size_t len = strlen(admin->listen);
    while (admin->listen[len - 1] != ':') {
        len--;
    }
    ret->port = slice_skip(listen, len);
    ret->local = listen_address_is_loopback(dialled);
    (void)snprintf(ret->host, sizeof(ret->host), "%.*s", SLICE_ARG(dialled));
    ret->name = admin->tls_cert != NULL && admin->host_count > 0 ? admin->hosts[0] : ret->host;
    ret->name_is_v6 = strchr(ret->name, ':') != NULL;
    return STATUS_OK;
}

/* ---- the token ---- */

/* As the gateway reads it, from the sources of this config. */
static enum status read_secret(const struct snapshot *snapshot, const char *name,
                               struct secret **ret, struct error *err)
{
    enum status status = config_secret_read(snapshot, name, ret, err);
    if (status != STATUS_OK) {
        error_prefix(err, "the admin token");
    }
    return status;
}

static enum status read_token(const struct snapshot *snapshot, enum admin_call call,
                              struct secret **ret, struct error *err)
{
    const struct admin_settings *admin = &snapshot->admin;
    enum status status = admin->token_secret != NULL
                             ? read_secret(snapshot, admin->token_secret, ret, err)
                             : admin_token_read(admin->token_file, ret, err);
    if (status != STATUS_OK && call == ADMIN_CALL_GET && admin->read_token_secret != NULL) {
        return read_secret(snapshot, admin->read_token_secret, ret, err);
    }
    return status;
}

static enum status add_token(const struct snapshot *snapshot, enum admin_call call,
                             struct curl_slist **headers, struct error *err)
{
    CLEANUP(secret_free_at) struct secret *token = NULL;
    TRY(read_token(snapshot, call, &token, err));
    char *line = memory_alloc(AUTHORIZATION_SIZE);
    struct slice text = secret_reveal(token);
    (void)snprintf(line, AUTHORIZATION_SIZE, "Authorization: Bearer %.*s", SLICE_ARG(text));
    *headers = curl_slist_append(NULL, line);
    secret_wipe(line, AUTHORIZATION_SIZE);
    memory_free(line);
    return STATUS_OK;
}

/* ---- the call ---- */

static size_t on_bytes(char *bytes, size_t size, size_t count, void *out)
{
    (void)size; /* is 1 */
    return buffer_append(out, slice_make(bytes, count)) == STATUS_OK ? count : 0;
}

/* What is kept as long as the transfer. */
struct transfer {
    CURL *curl;
    struct curl_slist *headers;
    struct curl_slist *connect_to;
    char url[URL_SIZE];
};

static void set_place(struct transfer *transfer, const struct admin_settings *admin,
                      const struct place *place, const char *target)
{
    char text[URL_SIZE];
    const char *scheme = admin->tls_cert != NULL && !place->is_unix ? "https" : "http";
    (void)curl_easy_setopt(transfer->curl, CURLOPT_PROTOCOLS_STR, scheme);
    if (place->is_unix) {
        (void)snprintf(transfer->url, sizeof(transfer->url), "http://localhost%s", target);
        (void)snprintf(text, sizeof(text), "%.*s", SLICE_ARG(place->unix_path));
        (void)curl_easy_setopt(transfer->curl, CURLOPT_UNIX_SOCKET_PATH, text);
    } else {
        (void)snprintf(transfer->url, sizeof(transfer->url), "%s://%s%s%s:%.*s%s", scheme,
                       place->name_is_v6 ? "[" : "", place->name, place->name_is_v6 ? "]" : "",
                       SLICE_ARG(place->port), target);
        bool v6 = strchr(place->host, ':') != NULL;
        (void)snprintf(text, sizeof(text), "::%s%s%s:%.*s", v6 ? "[" : "", place->host,
                       v6 ? "]" : "", SLICE_ARG(place->port));
        transfer->connect_to = curl_slist_append(NULL, text);
        (void)curl_easy_setopt(transfer->curl, CURLOPT_CONNECT_TO, transfer->connect_to);
    }
    (void)curl_easy_setopt(transfer->curl, CURLOPT_URL, transfer->url);
    if (admin->tls_ca != NULL) {
        (void)curl_easy_setopt(transfer->curl, CURLOPT_CAINFO, admin->tls_ca);
        (void)curl_easy_setopt(transfer->curl, CURLOPT_CAPATH, NULL);
    }
}

static void set_rest(struct transfer *transfer, enum admin_call kind, struct buffer *out)
{
    (void)curl_easy_setopt(transfer->curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(transfer->curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)curl_easy_setopt(transfer->curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(transfer->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    (void)curl_easy_setopt(transfer->curl, CURLOPT_TIMEOUT, (long)TOTAL_SECONDS);
    (void)curl_easy_setopt(transfer->curl, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(transfer->curl, CURLOPT_WRITEDATA, out);
    (void)curl_easy_setopt(transfer->curl, CURLOPT_HTTPHEADER, transfer->headers);
    if (kind == ADMIN_CALL_POST) {
        (void)curl_easy_setopt(transfer->curl, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(transfer->curl, CURLOPT_POSTFIELDSIZE, 0L);
    }
}

/* The gateway's own words: {"error": "..."}, or plain text. */
static enum status refused(long code, struct slice body, struct error *err)
{
    static const struct json_limits limits = {.bytes = 65536, .depth = 8};
    struct cJSON *parsed CLEANUP(json_free_at) = NULL;
    struct slice text;
    if (json_parse(body, &limits, &parsed, NULL) != STATUS_OK ||
        !json_string(json_get(parsed, "error"), &text)) {
        text = slice_trim(slice_make(body.ptr, slice_find(body, '\n')));
    }
    FAIL(err, code == 404 ? STATUS_NOT_FOUND : STATUS_DENIED, "the gateway says (%ld): %.*s%s",
         code, SLICE_ARG(text),
         code == 401 ? "; the one that this config leads to is not that of the gateway that runs"
                     : "");
}

static enum status perform(const struct transfer *transfer, const char *listen, struct buffer *out,
                           struct error *err)
{
    long code = 0;
    size_t before = buffer_len(out);
    CURLcode result = curl_easy_perform(transfer->curl);
    if (result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE) {
        FAIL(err, STATUS_UNAVAILABLE,
             "the certificate on admin.listen (%s) is not trusted: %s; name its authority in "
             "admin.tls.ca, and its name first in admin.hosts",
             listen, curl_easy_strerror(result));
    }
    if (result != CURLE_OK) {
        FAIL(
            err, STATUS_UNAVAILABLE,
            "the gateway does not answer on admin.listen (%s): %s; is it running with this config?",
            listen, curl_easy_strerror(result));
    }
    (void)curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &code);
    return code == 200 ? STATUS_OK : refused(code, slice_skip(buffer_bytes(out), before), err);
}

enum status admin_client_call(const struct snapshot *snapshot, enum admin_call kind,
                              const char *target, struct buffer *out, struct error *err)
{
    const struct admin_settings *admin = &snapshot->admin;
    struct place place;
    struct transfer transfer = {0};
    if (admin->listen == NULL) {
        FAIL(err, STATUS_UNAVAILABLE,
             "admin.listen is off in this config, so the gateway cannot be asked");
    }
    TRY(find_place(admin, &place, err));
    if (kind != ADMIN_CALL_GET || !place.local) {
        TRY(add_token(snapshot, kind, &transfer.headers, err));
    }
    transfer.curl = curl_easy_init();
    set_place(&transfer, admin, &place, target);
    set_rest(&transfer, kind, out);
    enum status status = perform(&transfer, admin->listen, out, err);
    curl_easy_cleanup(transfer.curl);
    curl_slist_free_all(transfer.headers);
    curl_slist_free_all(transfer.connect_to);
    return status;
}
