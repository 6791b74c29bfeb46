#include "gateway/client/proxy_header.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

static enum proxy_header_result bad(const char **ret_why, const char *why)
{
    *ret_why = why;
    return PROXY_HEADER_BAD;
}

/* ---- version 1: one line of words ---- */

static const struct slice v1_begin = SLICE_INIT("PROXY ");

/* The text up to the next space, which goes with it. The last word has none behind it. */
static struct slice take_word(struct slice *rest)
{
    size_t len = slice_find(*rest, ' ');
    struct slice word = slice_make(rest->ptr, len);
    *rest = slice_skip(*rest, len + 1);
    return word;
}

/* Decimal, 0 to 65535, and no leading zero. */
static bool is_port(struct slice text)
{
    uint64_t number;
    return (text.len == 1 || (text.len > 1 && text.ptr[0] != '0')) && text.len <= 5 &&
           slice_number(text, UINT16_MAX, &number);
}

static bool read_address(int family, struct slice text, uint8_t ret[ADDRESS_BYTES])
{
    uint8_t ipv4[4];
    if (family == AF_INET6) {
        return address_parse(AF_INET6, text, ret);
    }
    if (!address_parse(AF_INET, text, ipv4)) {
        return false;
    }
    address_map_ipv4(ipv4, ret);
    return true;
}

/* `words`: the line behind "PROXY ", without its end. */
static enum proxy_header_result read_words(struct slice words, struct proxy_header *ret,
                                           const char **ret_why)
{
    struct slice rest = words;
    struct slice protocol = take_word(&rest);
    if (slice_equal(protocol, SLICE("UNKNOWN"))) { /* whatever follows is to be ignored */
        ret->source = PROXY_HEADER_OWN;
        return PROXY_HEADER_DONE;
    }
    bool ipv4 = slice_equal(protocol, SLICE("TCP4"));
    if (!ipv4 && !slice_equal(protocol, SLICE("TCP6"))) {
        return bad(ret_why, "it names no TCP4, TCP6 or UNKNOWN");
    }
    int family = ipv4 ? AF_INET : AF_INET6;
    uint8_t own[ADDRESS_BYTES];
    if (!read_address(family, take_word(&rest), ret->address) ||
        !read_address(family, take_word(&rest), own)) {
        return bad(ret_why, "its addresses are not of the family that it names");
    }
    if (!is_port(take_word(&rest))) {
        return bad(ret_why, "its first port is none");
    }
    if (!is_port(rest)) { /* to the line's end, so that nothing is behind it */
        return bad(ret_why, "its second port is none");
    }
    ret->source = PROXY_HEADER_ADDRESS;
    return PROXY_HEADER_DONE;
}

static enum proxy_header_result read_v1(struct slice bytes, struct proxy_header *ret,
                                        const char **ret_why)
{
    struct slice looked_at = bytes;
    if (looked_at.len > PROXY_HEADER_V1_BYTES) {
        looked_at.len = PROXY_HEADER_V1_BYTES;
    }
    size_t end = slice_find(looked_at, '\r');
    for (size_t i = 0; i < end; i++) {
        if (looked_at.ptr[i] < ' ' || looked_at.ptr[i] > '~') {
            return bad(ret_why, "its line has a byte that is no text");
        }
    }
    if (looked_at.len < end + 2) {
        return bytes.len >= PROXY_HEADER_V1_BYTES ? bad(ret_why, "its line is too long")
                                                  : PROXY_HEADER_PARTIAL;
    }
    if (looked_at.ptr[end + 1] != '\n') {
        return bad(ret_why, "its line ends with CR, but no LF");
    }
    ret->len = end + 2;
    return read_words(slice_skip(slice_make(bytes.ptr, end), v1_begin.len), ret, ret_why);
}

/* ---- version 2: 16 bytes, addresses, TLVs ---- */

static const struct slice v2_begin = SLICE_INIT("\r\n\r\n\0\r\nQUIT\n");

enum {
    V2_FIXED_BYTES = 16, /* v2_begin, version and command, family and protocol, length */
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    V2_UNSPEC = 0x00,
    V2_TCP4 = 0x11, /* family in the upper half, stream or datagram in the lower one */
    V2_UDP4 = 0x12,
    V2_TCP6 = 0x21,
    V2_UDP6 = 0x22,
    V2_UNIX_STREAM = 0x31,
    V2_UNIX_DATAGRAM = 0x32,
    V2_IPV4_BYTES = 12, /* of two addresses and two ports */
    V2_IPV6_BYTES = 36,
    V2_UNIX_BYTES = 216,
};

/* Bytes of the addresses, by family and protocol; false: there is no such. */
static bool find_address_bytes(uint8_t family, size_t *ret)
{
    switch (family) {
    case V2_UNSPEC:
        *ret = 0;
        return true;
    case V2_TCP4:
    case V2_UDP4:
        *ret = V2_IPV4_BYTES;
        return true;
    case V2_TCP6:
    case V2_UDP6:
        *ret = V2_IPV6_BYTES;
        return true;
    case V2_UNIX_STREAM:
    case V2_UNIX_DATAGRAM:
        *ret = V2_UNIX_BYTES;
        return true;
    default: /* a byte of a peer, no enum of ours */
        return false;
    }
}

static enum proxy_header_result read_v2(struct slice bytes, struct proxy_header *ret,
                                        const char **ret_why)
{
    uint8_t head[V2_FIXED_BYTES] = {0};
    memcpy(head, bytes.ptr, bytes.len < sizeof(head) ? bytes.len : sizeof(head));
    uint8_t command = head[12];
    if (bytes.len > 12 && command != V2_LOCAL && command != V2_PROXY) {
        return bad(ret_why, command >> 4 == 2 ? "its command is not LOCAL or PROXY"
                                              : "its version is not 2");
    }
    if (bytes.len < V2_FIXED_BYTES) {
        return PROXY_HEADER_PARTIAL;
    }
    size_t rest = (size_t)head[14] << 8 | head[15];
    if (rest > PROXY_HEADER_REST_BYTES) {
        return bad(ret_why, "it is longer than 4 KiB");
    }
    size_t needed = 0;
    /* Of LOCAL the family and whatever follows have to be ignored. */
    if (command == V2_PROXY && !find_address_bytes(head[13], &needed)) {
        return bad(ret_why, "its family or protocol is unknown");
    }
    if (rest < needed) {
        return bad(ret_why, "it is shorter than its addresses");
    }
    if (bytes.len < V2_FIXED_BYTES + rest) {
        return PROXY_HEADER_PARTIAL;
    }
    ret->len = V2_FIXED_BYTES + rest;
    ret->source = needed == 0               ? PROXY_HEADER_OWN
                  : needed == V2_UNIX_BYTES ? PROXY_HEADER_UNIX
                                            : PROXY_HEADER_ADDRESS;
    if (needed == V2_IPV4_BYTES) {
        address_map_ipv4(bytes.ptr + V2_FIXED_BYTES, ret->address);
    } else if (needed == V2_IPV6_BYTES) {
        memcpy(ret->address, bytes.ptr + V2_FIXED_BYTES, ADDRESS_BYTES);
    }
    return PROXY_HEADER_DONE;
}

/* Are the bytes what `begin` begins with, as far as they go? */
static bool fits(struct slice bytes, struct slice begin)
{
    return slice_starts_with(bytes, begin) || slice_starts_with(begin, bytes);
}

enum proxy_header_result proxy_header_read(struct slice bytes, struct proxy_header *ret,
                                           const char **ret_why)
{
    struct proxy_header header = {0};
    enum proxy_header_result result;
    if (slice_starts_with(bytes, v1_begin)) {
        result = read_v1(bytes, &header, ret_why);
    } else if (slice_starts_with(bytes, v2_begin)) {
        result = read_v2(bytes, &header, ret_why);
    } else if (fits(bytes, v1_begin) || fits(bytes, v2_begin)) {
        result = PROXY_HEADER_PARTIAL;
    } else {
        result = bad(ret_why, "it begins with no PROXY header");
    }
    if (result == PROXY_HEADER_DONE) {
        *ret = header;
    }
    return result;
}
