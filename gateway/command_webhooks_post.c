#include "gateway/command_webhooks_post.h"

#include "base/buffer.h"
#include "base/clock.h"

#include <stdio.h>

#include <curl/curl.h>

enum {
    CONNECT_SECONDS = 5,
    TOTAL_SECONDS = 30,
    LINE_MAX_BYTES = 8192,
};

struct answer {
    struct buffer *out;
    bool cut;
};

/* What does not fit is read and forgotten: the status is what counts. */
static size_t on_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    (void)size; /* is 1 */
    struct answer *answer = ctx;
    size_t room = buffer_room(answer->out);
    size_t taken = count < room ? count : room;
    if (buffer_append(answer->out, slice_make(bytes, taken)) != STATUS_OK || taken < count) {
        answer->cut = true;
    }
    return count;
}

static enum status add_line(struct curl_slist **list, struct slice name, struct slice value,
                            struct error *err)
{
    char line[LINE_MAX_BYTES];
    /* "Name;" is how an empty value is written. */
    int len = snprintf(line, sizeof(line), value.len > 0 ? "%.*s: %.*s" : "%.*s;", SLICE_ARG(name),
                       SLICE_ARG(value));
    if (len < 0 || (size_t)len >= sizeof(line)) {
        FAIL(err, STATUS_TOO_LARGE, "the header %.*s would be too long", SLICE_ARG(name));
    }
    *list = curl_slist_append(*list, line);
    return STATUS_OK;
}

static enum status add_lines(const struct webhooks_post *post, struct curl_slist **list,
                             struct error *err)
{
    *list = curl_slist_append(NULL, "Expect:"); /* none: it is said at once */
    if (post->host != NULL) {
        TRY(add_line(list, SLICE("Host"), slice_from(post->host), err));
    }
    for (unsigned i = 0; i < post->field_count; i++) {
        TRY(add_line(list, post->fields[i].name, post->fields[i].value, err));
    }
    return STATUS_OK;
}

static void set_options(CURL *easy, const struct webhooks_post *post, struct curl_slist *list,
                        struct answer *answer)
{
    (void)curl_easy_setopt(easy, CURLOPT_URL, post->url);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not the environment's either */
    (void)curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "sallyport-webhooks-send/" SALLYPORT_VERSION);
    (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, post->body.ptr);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->body.len);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)TOTAL_SECONDS);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
}

enum status webhooks_post(const struct webhooks_post *post, struct webhooks_posted *ret,
                          struct buffer *out, struct error *err)
{
    struct curl_slist *list = NULL;
    struct answer answer = {.out = out};
    long status = 0;
    enum status added = add_lines(post, &list, err);
    if (added != STATUS_OK) {
        curl_slist_free_all(list);
        return added;
    }
    CURL *easy = curl_easy_init();
    set_options(easy, post, list, &answer);
    usec_t began = clock_now();
    CURLcode code = curl_easy_perform(easy);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    curl_slist_free_all(list);
    if (code != CURLE_OK) {
        FAIL(err, STATUS_UNAVAILABLE, "%s does not answer: %s", post->url,
             curl_easy_strerror(code));
    }
    *ret = (struct webhooks_posted){.status = (unsigned)status,
                                    .took_ms = (uint64_t)(clock_now() - began) / 1000,
                                    .cut = answer.cut};
    return STATUS_OK;
}
