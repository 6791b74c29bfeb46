#include "routes/egress.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool allows(const struct egress_policy *policy, const char *text)
{
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } address = {0};
    if (inet_pton(AF_INET, text, &address.ipv4.sin_addr) == 1) {
        address.any.sa_family = AF_INET;
    } else {
        cr_assert_eq(inet_pton(AF_INET6, text, &address.ipv6.sin6_addr), 1, "%s", text);
        address.any.sa_family = AF_INET6;
    }
    return egress_allows(policy, &address.any);
}

static const struct egress_policy none = {0};

Test(egress, refuses_what_is_not_globally_reachable)
{
    static const char *const addresses[] = {
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "168.63.129.16",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.8",
        "192.0.0.170",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.255",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "::127.0.0.1",
        "::8.8.8.8", /* IPv4-compatible: deprecated, RFC 4291 */
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
        "::ffff:169.254.169.254",
        "::ffff:0:8.8.8.8", /* IPv4-translated, RFC 2765 */
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "64:ff9b:1:ffff::1",
        "100::1",
        "100:0:0:1::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:1::",
        "2001:1::4",
        "2001:2::1",
        "2001:2:0:ffff::",
        "2001:10::1",
        "2001:1ff:ffff::",
        "2001:db8::1",
        "2001:db8:ffff:ffff::",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2002:a9fe:a9fe::1",
        "2002:c0a8:101::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fdff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    };
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        cr_expect_not(allows(&none, addresses[i]), "%s", addresses[i]);
    }
}

Test(egress, lets_global_addresses_pass)
{
    static const char *const addresses[] = {
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.0.9",
        "192.0.0.10",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.101.0",
        "203.0.114.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2000::",
        "2001:1::1",
        "2001:1::2",
        "2001:1::3",
        "2001:3::1",
        "2001:4:112::1",
        "2001:20::1",
        "2001:3f:ffff::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db7:ffff::",
        "2001:db9::",
        "2002:808:808::1",
        "2606:4700::6810:84e5",
        "2a00:1450:4001::1",
        "3ffe:ffff::1",
        "3fff:1000::1",
    };
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        cr_expect(allows(&none, addresses[i]), "%s", addresses[i]);
    }
}

Test(egress, other_kinds_of_addresses_are_refused)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
    cr_expect_not(egress_allows(&none, (const struct sockaddr *)&address));
}

Test(egress, the_config_can_allow_networks)
{
    struct egress_network networks[4];
    const struct egress_policy policy = {.allowed = networks, .allowed_count = 4};
    cr_assert_eq(egress_network_parse(SLICE("10.1.0.0/16"), &networks[0], NULL), STATUS_OK);
    cr_assert_eq(egress_network_parse(SLICE("fd00::/9"), &networks[1], NULL), STATUS_OK);
    cr_assert_eq(egress_network_parse(SLICE("127.0.0.1"), &networks[2], NULL), STATUS_OK);
    cr_assert_eq(egress_network_parse(SLICE("::1"), &networks[3], NULL), STATUS_OK);

    cr_expect(allows(&policy, "10.1.0.0"));
    cr_expect(allows(&policy, "10.1.255.255"));
    cr_expect(allows(&policy, "::ffff:10.1.2.3"));
    cr_expect_not(allows(&policy, "10.0.255.255"));
    cr_expect_not(allows(&policy, "10.2.0.0"));
    cr_expect_not(allows(&policy, "64:ff9b::10.1.2.3"));
    cr_expect(allows(&policy, "fd7f::1"));
    cr_expect_not(allows(&policy, "fd80::1"));
    cr_expect_not(allows(&policy, "fc00::1"));
    cr_expect(allows(&policy, "127.0.0.1"));
    cr_expect_not(allows(&policy, "127.0.0.2"));
    cr_expect(allows(&policy, "::1"));
    cr_expect_not(allows(&policy, "::2"));
    cr_expect(allows(&policy, "8.8.8.8"));
}

Test(egress, hosts_that_a_proxy_looks_up_are_known_by_their_names)
{
    struct egress_network networks[2];
    const struct egress_policy policy = {.allowed = networks, .allowed_count = 2};
    cr_assert_eq(egress_network_parse(SLICE("10.1.0.0/16"), &networks[0], NULL), STATUS_OK);
    cr_assert_eq(egress_network_parse(SLICE("127.0.0.0/8"), &networks[1], NULL), STATUS_OK);
    static const char *const refused[] = {
        "127.0.0.1",       "10.1.2.3",  "169.254.169.254", "::1",           "fd00::1",
        "::ffff:10.1.2.3", "localhost", "LOCALHOST",       "api.localhost", "64:ff9b::a00:1",
    };
    static const char *const passed[] = {"api.example.com", "8.8.8.8", "2606:4700::1",
                                         "notlocalhost", "localhost.example.com"};
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        cr_expect_not(egress_allows_host(&none, refused[i]), "%s", refused[i]);
    }
    for (size_t i = 0; i < COUNT_OF(passed); i++) {
        cr_expect(egress_allows_host(&none, passed[i]), "%s", passed[i]);
    }
    cr_expect(egress_allows_host(&policy, "10.1.2.3"));
    cr_expect(egress_allows_host(&policy, "localhost"));
    cr_expect_not(egress_allows_host(&policy, "169.254.169.254"));
}

Test(egress, networks_are_read)
{
    static const struct {
        const char *text;
        unsigned prefix;
    } cases[] = {
        {"10.0.0.0/8", 104},   {"0.0.0.0/0", 96},   {"1.2.3.4/32", 128}, {"1.2.3.4", 128},
        {"10.128.0.0/9", 105}, {"::/0", 0},         {"fd00::/8", 8},     {"fe80::/10", 10},
        {"::1/128", 128},      {"2001:db8::", 128},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct egress_network network;
        struct error err = {0};
        cr_assert_eq(egress_network_parse(slice_from(cases[i].text), &network, &err), STATUS_OK,
                     "%s: %s", cases[i].text, err.message);
        cr_expect_eq(network.prefix, cases[i].prefix, "%s: %u", cases[i].text, network.prefix);
    }
}

Test(egress, bad_networks_are_refused_with_advice)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "no network"},
        {"/8", "no network"},
        {"10.0.0/8", "no network"},
        {"10.0.0.256/8", "no network"},
        {"localhost", "no network"},
        {"fd00::1::/8", "no network"},
        {"[fd00::]/8", "no network"},
        {"fe80::1%eth0", "no network"},
        {"10.0.0.0/", "0 to 32"},
        {"10.0.0.0/33", "0 to 32"},
        {"10.0.0.0/-1", "0 to 32"},
        {"10.0.0.0/+8", "0 to 32"},
        {"10.0.0.0/8x", "0 to 32"},
        {"10.0.0.0/8/8", "0 to 32"},
        {"10.0.0.0/4294967304", "0 to 32"},
        {"fd00::/129", "0 to 128"},
        {"10.1.2.3/16", "write 10.1.0.0/16"},
        {"10.1.2.3/0", "write 0.0.0.0/0"},
        {"10.192.0.0/9", "write 10.128.0.0/9"},
        {"fd12::1/8", "write fd00::/8"},
        {"fd12::1/127", "write fd12::/127"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct egress_network network;
        struct error err = {0};
        cr_assert_eq(egress_network_parse(slice_from(cases[i].text), &network, &err),
                     STATUS_INVALID, "%s", cases[i].text);
        cr_expect(strstr(err.message, cases[i].says) != NULL, "%s: %s", cases[i].text, err.message);
    }
}
