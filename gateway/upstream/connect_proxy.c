#include "gateway/upstream/connect_proxy.h"

#include "auth/secrets/secret_store.h"
#include "base/memory.h"
#include "routes/outbound_proxy.h"

#include <stdio.h>
#include <string.h>

/* The whole of `text` as a string for libcurl, which copies it. */
static void set_text(CURL *easy, CURLoption option, struct slice text)
{
    char *copy = memory_copy(text);
    curl_easy_setopt(easy, option, copy);
    secret_wipe(copy, text.len);
    memory_free(copy);
}

static enum status set_login(CURL *easy, const struct outbound_proxy *proxy)
{
    if (proxy->secret_name == NULL) {
        curl_easy_setopt(easy, CURLOPT_PROXYUSERNAME, proxy->user);
        curl_easy_setopt(easy, CURLOPT_PROXYPASSWORD, proxy->password);
        return STATUS_OK;
    }
    struct credential *login = proxy->slot == NULL ? NULL : credential_acquire(proxy->slot);
    if (login == NULL) {
        return STATUS_UNAVAILABLE;
    }
    struct slice text = secret_reveal(login->secret);
    size_t colon = slice_find(text, ':');
    bool whole = colon < text.len && memchr(text.ptr, '\0', text.len) == NULL;
    if (whole) {
        set_text(easy, CURLOPT_PROXYUSERNAME, slice_make(text.ptr, colon));
        set_text(easy, CURLOPT_PROXYPASSWORD, slice_skip(text, colon + 1));
    }
    credential_unref(login);
    return whole ? STATUS_OK : STATUS_UNAVAILABLE;
}

enum status connect_proxy_set(CURL *easy, const struct outbound_proxy *proxy)
{
    char url[512] = "";
    if (proxy != NULL) {
        (void)snprintf(url, sizeof(url), "http://%s", proxy->authority);
        curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L); /* plain http goes through it, too */
        curl_easy_setopt(easy, CURLOPT_PROXYAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_PROXY, url);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    return proxy == NULL ? STATUS_OK : set_login(easy, proxy);
}
