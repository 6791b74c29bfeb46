#include "auth/inbound/webhook_cert_url.h"

enum { LABEL_MIN = 3 };

/* The label "*" stands for one of LABEL_MIN or more letters, digits and hyphens. */
static bool label_fits(struct slice pattern, struct slice label)
{
    if (!slice_equal(pattern, SLICE("*"))) {
        return slice_equal(pattern, label);
    }
    for (size_t i = 0; i < label.len; i++) {
        if (!ascii_is_alphanumeric(label.ptr[i]) && label.ptr[i] != '-') {
            return false;
        }
    }
    return label.len >= LABEL_MIN;
}

static bool host_fits(struct slice pattern, struct slice host)
{
    while (pattern.len > 0 && host.len > 0) {
        struct slice wanted = slice_make(pattern.ptr, slice_find(pattern, '.'));
        struct slice label = slice_make(host.ptr, slice_find(host, '.'));
        bool last = wanted.len == pattern.len;
        if (!label_fits(wanted, label) || last != (label.len == host.len)) {
            return false;
        }
        pattern = slice_skip(pattern, wanted.len + 1);
        host = slice_skip(host, label.len + 1);
    }
    return pattern.len == 0 && host.len == 0;
}

static bool path_is_plain(struct slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        char byte = path.ptr[i];
        if (!ascii_is_unreserved(byte) && byte != '/') {
            return false;
        }
        if (byte == '.' && i + 1 < path.len && path.ptr[i + 1] == '.') {
            return false;
        }
    }
    return path.len > 1;
}

/* Takes "https://HOST" off. False: it is none of the scheme's. */
static bool take_host(const struct webhook_scheme *scheme, struct slice *url)
{
    static const struct slice https = SLICE_INIT("https://");
    if (url->len > WEBHOOK_CERT_URL_BYTES || !slice_starts_with(*url, https)) {
        return false;
    }
    struct slice rest = slice_skip(*url, https.len);
    struct slice host = slice_make(rest.ptr, slice_find(rest, '/'));
    *url = slice_skip(rest, host.len);
    bool fits = false;
    for (unsigned i = 0; i < scheme->key_hosts.count; i++) {
        fits = fits || host_fits(scheme->key_hosts.text[i], host);
    }
    return fits;
}

bool webhook_cert_url_allowed(const struct webhook_scheme *scheme, struct slice url)
{
    struct slice end = scheme->key_path_end;
    struct slice path = url;
    if (!take_host(scheme, &path)) {
        return false;
    }
    bool ends = path.len > end.len && slice_equal(slice_skip(path, path.len - end.len), end);
    return ends && path_is_plain(path);
}

bool webhook_confirm_url_allowed(const struct webhook_scheme *scheme, struct slice url)
{
    struct slice path = url;
    if (!take_host(scheme, &path) || path.len == 0) {
        return false;
    }
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] <= ' ' || path.ptr[i] > '~' || path.ptr[i] == '#') {
            return false;
        }
    }
    return true;
}
