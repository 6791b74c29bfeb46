#include "gateway/otlp/otlp_post.h"

#include "auth/secrets/secret_store.h"
#include "base/buffer.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/secret.h"
#include "config/snapshot.h"

#include <stdio.h>

#include <curl/curl.h>

enum {
    ANSWER_MAX_BYTES = 64 * 1024,
    URL_MAX_BYTES = 2048,
    HEADER_MAX_BYTES = 16 * 1024,
    SHOWN_MAX = 120, /* of what a collector says, in a log line */
};

#define CONNECT_MAX     (5 * SEC)
#define RETRY_AFTER_MAX (300 * SEC)

struct otlp_post {
    CURL *easy; /* keeps its connection */
    otlp_post_over *over;
    void *ctx;
    struct buffer answer;
};

struct otlp_post *otlp_post_new(otlp_post_over *over, void *ctx)
{
    struct otlp_post *post = MEMORY_NEW(struct otlp_post);
    post->easy = curl_easy_init();
    post->over = over;
    post->ctx = ctx;
    buffer_init(&post->answer, ANSWER_MAX_BYTES);
    return post;
}

void otlp_post_free(struct otlp_post *post)
{
    curl_easy_cleanup(post->easy);
    buffer_fini(&post->answer);
    memory_free(post);
}

/* ---- what libcurl asks ---- */

/* More than an answer may have ends the transfer. */
static size_t on_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    struct otlp_post *post = ctx;
    bool fits = buffer_append(&post->answer, slice_make(bytes, size * count)) == STATUS_OK;
    return fits ? size * count : 0;
}

static int on_progress(void *ctx, curl_off_t total_down, curl_off_t down, curl_off_t total_up,
                       curl_off_t up)
{
    const struct otlp_post *post = ctx;
    (void)total_down;
    (void)down;
    (void)total_up;
    (void)up;
    return post->over(post->ctx) ? 1 : 0;
}

/* ---- the request ---- */

/* "Name: value". False: its secret is not to be had, or cannot be a header's value. */
static bool write_header(const struct otlp_header *header, struct buffer *out)
{
    struct credential *credential = header->slot == NULL ? NULL : credential_acquire(header->slot);
    bool missing = header->secret_name != NULL && credential == NULL;
    struct slice secret =
        credential == NULL ? slice_make("", 0) : secret_reveal(credential->secret);
    bool written = !missing && http1_valid_field_value(secret) &&
                   buffer_append(out, slice_from(header->name)) == STATUS_OK &&
                   buffer_append(out, SLICE(": ")) == STATUS_OK &&
                   buffer_append(out, header->before) == STATUS_OK &&
                   buffer_append(out, secret) == STATUS_OK &&
                   buffer_append(out, header->after) == STATUS_OK &&
                   buffer_append(out, slice_make("", 1)) == STATUS_OK; /* a NUL */
    credential_unref(credential);
    return written;
}

static bool add_header(const struct otlp_header *header, struct curl_slist **list)
{
    struct buffer line CLEANUP(buffer_wipe);
    buffer_init(&line, HEADER_MAX_BYTES);
    if (buffer_reserve(&line, HEADER_MAX_BYTES) != STATUS_OK || !write_header(header, &line)) {
        return false;
    }
    *list = curl_slist_append(*list, buffer_bytes(&line).ptr);
    return true;
}

/* The lines have secrets in them. */
static void drop_headers(struct curl_slist *list)
{
    for (struct curl_slist *line = list; line != NULL; line = line->next) {
        secret_wipe(line->data, strlen(line->data));
    }
    curl_slist_free_all(list);
}

/* False: *ret_missing is the secret that is not to be had. */
static bool add_headers(const struct otlp_settings *settings, struct curl_slist **list,
                        const char **ret_missing)
{
    *list = curl_slist_append(*list, "Content-Type: application/json");
    *list = curl_slist_append(*list, "Expect:");
    for (unsigned i = 0; i < settings->header_count; i++) {
        if (!add_header(&settings->headers[i], list)) {
            *ret_missing = settings->headers[i].secret_name;
            return false;
        }
    }
    return true;
}

static void set_up(struct otlp_post *post, const char *url, struct slice body, usec_t most)
{
    CURL *easy = post->easy;
    usec_t connect = most < CONNECT_MAX ? most : CONNECT_MAX;
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not the environment's either */
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* the end does not wait for getaddrinfo() */
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "sallyport/" SALLYPORT_VERSION);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.ptr);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect / MSEC));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(most / MSEC));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, post);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, post);
}

/* ---- the answer ---- */

/* {"partialSuccess":{"rejectedSpans":"3","errorMessage":"..."}}; the number may be a text. */
static void read_partial(struct slice body, struct otlp_answer *answer)
{
    static const struct json_limits limits = {.bytes = ANSWER_MAX_BYTES, .depth = 16};
    static const char *const names[] = {"rejectedSpans", "rejectedDataPoints"};
    struct cJSON *parsed CLEANUP(json_free_at) = NULL;
    struct slice text = slice_make("", 0);
    if (json_parse(body, &limits, &parsed, NULL) != STATUS_OK) {
        return; /* it is taken, whatever it says */
    }
    const struct cJSON *partial = json_get(parsed, "partialSuccess");
    for (unsigned i = 0; i < 2; i++) {
        uint64_t count = 0;
        const struct cJSON *value = json_get(partial, names[i]);
        if ((json_string(value, &text) && slice_number(text, UINT32_MAX, &count)) ||
            json_uint(value, &count)) {
            answer->rejected += count;
        }
    }
    if (answer->rejected > 0) {
        text = slice_make("", 0);
        (void)json_string(json_get(partial, "errorMessage"), &text);
        text.len = text.len < SHOWN_MAX ? text.len : SHOWN_MAX;
        (void)snprintf(answer->why, sizeof(answer->why), "it rejected some items: %.*s",
                       SLICE_ARG(text));
    }
}

static usec_t read_retry_after(CURL *easy)
{
    curl_off_t seconds = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
    return seconds <= 0                                    ? 0
           : seconds > (curl_off_t)(RETRY_AFTER_MAX / SEC) ? RETRY_AFTER_MAX
                                                           : seconds * SEC;
}

/* OTLP 1.x, "OTLP/HTTP Response". */
static void judge(struct otlp_post *post, long status, struct otlp_answer *answer)
{
    if (status >= 200 && status < 300) {
        answer->end = OTLP_TAKEN;
        read_partial(buffer_bytes(&post->answer), answer);
        return;
    }
    bool later = status == 429 || status == 502 || status == 503 || status == 504;
    answer->end = later ? OTLP_AGAIN : OTLP_REFUSED;
    answer->retry_after = later ? read_retry_after(post->easy) : 0;
    (void)snprintf(answer->why, sizeof(answer->why), "it answered %ld%s", status,
                   status >= 300 && status < 400 ? ", and redirects are not followed" : "");
}

static void perform(struct otlp_post *post, struct otlp_answer *answer)
{
    long status = 0;
    CURLcode result = curl_easy_perform(post->easy);
    (void)curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
    bool answered = result == CURLE_OK || (result == CURLE_WRITE_ERROR && status >= 200);
    if (answered) { /* also with more than is read of it */
        judge(post, status, answer);
        return;
    }
    answer->end = OTLP_AGAIN;
    (void)snprintf(answer->why, sizeof(answer->why), "%s", curl_easy_strerror(result));
}

void otlp_post_send(struct otlp_post *post, const struct otlp_settings *settings, const char *path,
                    struct slice body, usec_t most, struct otlp_answer *ret)
{
    char url[URL_MAX_BYTES];
    const char *missing = NULL;
    struct curl_slist *headers = NULL;
    *ret = (struct otlp_answer){.end = OTLP_AGAIN};
    (void)snprintf(url, sizeof(url), "%s%s", settings->url, path);
    buffer_consume(&post->answer, buffer_len(&post->answer));
    if (add_headers(settings, &headers, &missing)) {
        set_up(post, url, body, most);
        curl_easy_setopt(post->easy, CURLOPT_HTTPHEADER, headers);
        perform(post, ret);
        curl_easy_setopt(post->easy, CURLOPT_HTTPHEADER, NULL);
    } else {
        (void)snprintf(ret->why, sizeof(ret->why), "the secret \"%s\" cannot be used",
                       missing == NULL ? "" : missing);
    }
    drop_headers(headers);
}
