#include "gateway/admin_client.h"

#include "base/buffer.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/secret.h"
#include "config/snapshot.h"
#include "gateway/admin_token.h"

#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

enum { CONNECT_SECONDS = 3, TOTAL_SECONDS = 30, AUTHORIZATION_MAX = 1100 };

static size_t on_bytes(char *bytes, size_t size, size_t count, void *out)
{
    (void)size; /* is 1 */
    return buffer_append(out, slice_make(bytes, count)) == STATUS_OK ? count : 0;
}

static const char unix_prefix[] = "unix:";

/* What is set once and can fail for want of memory alone. */
static void set_up(CURL *curl, const char *listen, const char *target, char *url, size_t size)
{
    bool is_unix = strncmp(listen, unix_prefix, strlen(unix_prefix)) == 0;
    (void)snprintf(url, size, "http://%s%s", is_unix ? "localhost" : listen, target);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    if (is_unix) {
        (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, listen + strlen(unix_prefix));
    }
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TOTAL_SECONDS);
}

static enum status add_token(const struct snapshot *snapshot, struct curl_slist **headers,
                             struct error *err)
{
    CLEANUP(secret_free_at) struct secret *token = NULL;
    char line[AUTHORIZATION_MAX];
    TRY(admin_token_read(snapshot->admin.token_file, &token, err));
    struct slice text = secret_reveal(token);
    (void)snprintf(line, sizeof(line), "Authorization: Bearer %.*s", SLICE_ARG(text));
    *headers = curl_slist_append(NULL, line);
    secret_wipe(line, sizeof(line));
    return STATUS_OK;
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
    FAIL(err, code == 404 ? STATUS_NOT_FOUND : STATUS_DENIED, "the gateway says (%ld): %.*s", code,
         SLICE_ARG(text));
}

static enum status perform(CURL *curl, const char *listen, struct buffer *out, struct error *err)
{
    long code = 0;
    size_t before = buffer_len(out);
    CURLcode result = curl_easy_perform(curl);
    if (result != CURLE_OK) {
        FAIL(
            err, STATUS_UNAVAILABLE,
            "the gateway does not answer on admin.listen (%s): %s; is it running with this config?",
            listen, curl_easy_strerror(result));
    }
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    return code == 200 ? STATUS_OK : refused(code, slice_skip(buffer_bytes(out), before), err);
}

enum status admin_client_call(const struct snapshot *snapshot, enum admin_call call,
                              const char *target, struct buffer *out, struct error *err)
{
    char url[2048];
    struct curl_slist *headers = NULL;
    if (snapshot->admin.listen == NULL) {
        FAIL(err, STATUS_UNAVAILABLE,
             "admin.listen is off in this config, so the gateway cannot be asked");
    }
    if (call == ADMIN_CALL_POST) {
        TRY(add_token(snapshot, &headers, err));
    }
    CURL *curl = curl_easy_init();
    set_up(curl, snapshot->admin.listen, target, url, sizeof(url));
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    if (call == ADMIN_CALL_POST) {
        (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
    }
    enum status status = perform(curl, snapshot->admin.listen, out, err);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return status;
}
