#include "routes/egress.h"

#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum verdict {
    REFUSED,
    REACHABLE,
    IPV4_AT_12, /* the last four bytes are an IPv4 address, which decides */
    IPV4_AT_2,  /* the four bytes behind 2002: */
};

struct block {
    const char *text; /* for the reader */
    uint8_t address[16];
    unsigned prefix;
    enum verdict verdict;
};

/* IANA IPv4 Special-Purpose Address Registry (RFC 6890), multicast, and one address that clouds use
 * inside. The first block that fits decides. Everything else is global. */
/* clang-format off */
static const struct block ipv4_blocks[] = {
    {"this network, RFC 791",           {0},                8, REFUSED},
    {"private, RFC 1918",               {10},               8, REFUSED},
    {"shared, RFC 6598",                {100, 64},         10, REFUSED},
    {"loopback, RFC 1122",              {127},              8, REFUSED},
    {"Azure's host, inside its cloud",  {168, 63, 129, 16},32, REFUSED},
    {"link-local, RFC 3927; metadata",  {169, 254},        16, REFUSED},
    {"private, RFC 1918",               {172, 16},         12, REFUSED},
    {"PCP anycast, RFC 7723",           {192, 0, 0, 9},    32, REACHABLE},
    {"TURN anycast, RFC 8155",          {192, 0, 0, 10},   32, REACHABLE},
    {"protocol assignments, RFC 6890",  {192, 0, 0},       24, REFUSED},
    {"documentation, RFC 5737",         {192, 0, 2},       24, REFUSED},
    {"6to4 relays, RFC 7526",           {192, 88, 99},     24, REFUSED},
    {"private, RFC 1918",               {192, 168},        16, REFUSED},
    {"benchmarking, RFC 2544",          {198, 18},         15, REFUSED},
    {"documentation, RFC 5737",         {198, 51, 100},    24, REFUSED},
    {"documentation, RFC 5737",         {203, 0, 113},     24, REFUSED},
    {"multicast, RFC 5771",             {224},              4, REFUSED},
    {"reserved and broadcast, RFC 1112",{240},              4, REFUSED},
};

/* IANA IPv6 Special-Purpose Address Registry. Only 2000::/3 is given out as global unicast at all
 * (RFC 4291, section 2.4), so what no block names is refused: ::, ::1, 100::/64, 64:ff9b:1::/48,
 * 5f00::/16, fc00::/7, fe80::/10, ff00::/8 and whatever comes. */
static const struct block ipv6_blocks[] = {
    {"IPv4-mapped, RFC 4291",         {[10] = 0xff, 0xff},                                96, IPV4_AT_12},
    {"IPv4 translated, RFC 6052",     {0x00, 0x64, 0xff, 0x9b},                           96, IPV4_AT_12},
    {"PCP anycast, RFC 7723",         {0x20, 0x01, 0x00, 0x01, [15] = 1},                128, REACHABLE},
    {"TURN anycast, RFC 8155",        {0x20, 0x01, 0x00, 0x01, [15] = 2},                128, REACHABLE},
    {"DNS-SD anycast, RFC 9665",      {0x20, 0x01, 0x00, 0x01, [15] = 3},                128, REACHABLE},
    {"AMT, RFC 7450",                 {0x20, 0x01, 0x00, 0x03},                           32, REACHABLE},
    {"AS112, RFC 7535",               {0x20, 0x01, 0x00, 0x04, 0x01, 0x12},               48, REACHABLE},
    {"ORCHIDv2, RFC 7343",            {0x20, 0x01, 0x00, 0x20},                           28, REACHABLE},
    {"drone tags, RFC 9374",          {0x20, 0x01, 0x00, 0x30},                           28, REACHABLE},
    {"assignments and Teredo",        {0x20, 0x01},                                       23, REFUSED},
    {"documentation, RFC 3849",       {0x20, 0x01, 0x0d, 0xb8},                           32, REFUSED},
    {"6to4, RFC 3056",                {0x20, 0x02},                                       16, IPV4_AT_2},
    {"documentation, RFC 9637",       {0x3f, 0xff},                                       20, REFUSED},
    {"global unicast, RFC 4291",      {0x20},                                              3, REACHABLE},
};
/* clang-format on */

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool in_network(const uint8_t *address, const uint8_t *network, unsigned prefix)
{
    unsigned whole = prefix / 8;
    unsigned bits = prefix % 8;
    if (memcmp(address, network, whole) != 0) {
        return false;
    }
    return bits == 0 || ((address[whole] ^ network[whole]) >> (8 - bits)) == 0;
}

static enum verdict judge(const struct block *blocks, size_t count, const uint8_t *address,
                          enum verdict otherwise)
{
    for (size_t i = 0; i < count; i++) {
        if (in_network(address, blocks[i].address, blocks[i].prefix)) {
            return blocks[i].verdict;
        }
    }
    return otherwise;
}

static bool ipv4_is_global(const uint8_t *address)
{
    return judge(ipv4_blocks, COUNT_OF(ipv4_blocks), address, REACHABLE) == REACHABLE;
}

static bool is_global(const uint8_t address[16])
{
    switch (judge(ipv6_blocks, COUNT_OF(ipv6_blocks), address, REFUSED)) {
    case REFUSED:
        return false;
    case REACHABLE:
        return true;
    case IPV4_AT_12:
        return ipv4_is_global(address + 12);
    case IPV4_AT_2:
        return ipv4_is_global(address + 2);
    }
    return false;
}

/* Sets what is behind the prefix to 0; false if it was not. */
static bool clear_host_bits(uint8_t address[16], unsigned prefix)
{
    bool clear = true;
    for (unsigned i = prefix / 8; i < 16; i++) {
        unsigned kept = i == prefix / 8 ? 0xffU << (8 - prefix % 8) : 0;
        uint8_t masked = (uint8_t)(address[i] & kept);
        clear = clear && masked == address[i];
        address[i] = masked;
    }
    return clear;
}

static bool parse_address(struct slice text, struct egress_network *ret, bool *ret_ipv4)
{
    uint8_t ipv4[4];
    *ret_ipv4 = address_parse(AF_INET, text, ipv4);
    if (*ret_ipv4) {
        address_map_ipv4(ipv4, ret->address);
        return true;
    }
    return address_parse(AF_INET6, text, ret->address);
}

enum status egress_network_parse(struct slice text, struct egress_network *ret, struct error *err)
{
    size_t slash = slice_find(text, '/');
    struct egress_network network = {0};
    bool ipv4 = false;
    if (!parse_address(slice_make(text.ptr, slash), &network, &ipv4)) {
        FAIL(err, STATUS_INVALID,
             "\"%.*s\" is no network; write one such as 10.1.0.0/16, fd00::/8 or 10.1.2.3",
             SLICE_ARG(text));
    }
    unsigned most = ipv4 ? 32 : 128;
    uint64_t number = most;
    struct slice digits = slice_skip(text, slash + 1);
    if (slash < text.len && (digits.len > 3 || !slice_number(digits, most, &number))) {
        FAIL(err, STATUS_INVALID, "\"%.*s\": write a number from 0 to %u behind the /",
             SLICE_ARG(text), most);
    }
    unsigned prefix = (unsigned)number;
    network.prefix = prefix + 128 - most;
    if (!clear_host_bits(network.address, network.prefix)) {
        char name[INET6_ADDRSTRLEN] = "";
        (void)inet_ntop(ipv4 ? AF_INET : AF_INET6, network.address + (ipv4 ? 12 : 0), name,
                        sizeof(name));
        FAIL(err, STATUS_INVALID, "\"%.*s\" has bits behind its prefix; write %s/%u",
             SLICE_ARG(text), name, prefix);
    }
    *ret = network;
    return STATUS_OK;
}

bool egress_networks_contain(const struct egress_network *networks, unsigned count,
                             const uint8_t address[16])
{
    for (unsigned i = 0; i < count; i++) {
        if (in_network(address, networks[i].address, networks[i].prefix)) {
            return true;
        }
    }
    return false;
}

bool egress_allows(const struct egress_policy *policy, const struct sockaddr *address)
{
    uint8_t bytes[16];
    if (!address_of(address, bytes)) { /* unix sockets and whatever else */
        return false;
    }
    return egress_networks_contain(policy->allowed, policy->allowed_count, bytes) ||
           is_global(bytes);
}

static bool is_localhost(struct slice host)
{
    static const struct slice name = SLICE_INIT("localhost");
    if (host.len < name.len || (host.len > name.len && host.ptr[host.len - name.len - 1] != '.')) {
        return false;
    }
    return slice_equal_nocase(slice_skip(host, host.len - name.len), name); /* RFC 6761, 6.3 */
}

bool egress_allows_host(const struct egress_policy *policy, const char *host)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    if (is_localhost(slice_from(host))) {
        ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return egress_allows(policy, (const struct sockaddr *)&ipv4);
    }
    if (inet_pton(AF_INET, host, &ipv4.sin_addr) == 1) {
        return egress_allows(policy, (const struct sockaddr *)&ipv4);
    }
    if (inet_pton(AF_INET6, host, &ipv6.sin6_addr) == 1) {
        return egress_allows(policy, (const struct sockaddr *)&ipv6);
    }
    return true;
}

const struct egress_policy *egress_everywhere(void)
{
    static const struct egress_network all = {.prefix = 0};
    static const struct egress_policy everywhere = {.allowed = &all, .allowed_count = 1};
    return &everywhere;
}
