#include "gateway/client/forwarded.h"

#include "base/http1.h"

#include <string.h>
#include <sys/socket.h>

/* The text behind the last comma, which is taken off with it. */
static struct slice take_last(struct slice *list)
{
    size_t begin = list->len;
    while (begin > 0 && list->ptr[begin - 1] != ',') {
        begin--;
    }
    struct slice last = slice_trim(slice_skip(*list, begin));
    list->len = begin > 0 ? begin - 1 : 0;
    return last;
}

/* Without the port that some proxies append: "192.0.2.7:4711", "[2001:db8::7]:4711". */
static bool read_address(struct slice text, uint8_t ret[ADDRESS_BYTES])
{
    if (slice_starts_with(text, SLICE("["))) {
        size_t end = slice_find(text, ']');
        struct slice behind = slice_skip(text, end + 1);
        return end < text.len && (behind.len == 0 || behind.ptr[0] == ':') &&
               address_parse(AF_INET6, slice_make(text.ptr + 1, end - 1), ret);
    }
    size_t colon = slice_find(text, ':');
    bool one_colon = slice_find(slice_skip(text, colon + 1), ':') + colon + 1 == text.len;
    return address_parse_any(colon < text.len && one_colon ? slice_make(text.ptr, colon) : text,
                             ret);
}

bool forwarded_source(const struct http1_request *request, const struct trusted_proxies *proxies,
                      const uint8_t peer[ADDRESS_BYTES], uint8_t ret[ADDRESS_BYTES])
{
    static const struct slice name = SLICE_INIT("X-Forwarded-For");
    uint8_t at[ADDRESS_BYTES];
    bool found = false;
    if (!trusted_proxies_have(proxies, peer)) {
        return false;
    }
    uint32_t hash = http1_name_hash(name);
    for (unsigned i = request->field_count; i > 0; i--) {
        struct slice list = request->fields[i - 1].value;
        if (!http1_field_is(&request->fields[i - 1], name, hash)) {
            continue;
        }
        while (list.len > 0) {
            if (!read_address(take_last(&list), at)) {
                return found;
            }
            memcpy(ret, at, ADDRESS_BYTES);
            found = true;
            if (!trusted_proxies_have(proxies, at)) {
                return true;
            }
        }
    }
    return found;
}
