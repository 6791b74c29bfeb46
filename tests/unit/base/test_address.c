#include "base/address.h"

#include <netinet/in.h>

#include <criterion/criterion.h>

Test(address, reads_both_families)
{
    unsigned char ipv4[4] = {0};
    unsigned char ipv6[16] = {0};
    cr_assert(address_parse(AF_INET, SLICE("10.1.2.3"), ipv4));
    cr_expect_eq(memcmp(ipv4, "\x0a\x01\x02\x03", 4), 0);
    cr_assert(address_parse(AF_INET6, SLICE("2001:db8::1"), ipv6));
    cr_expect_eq(ipv6[0], 0x20);
    cr_expect_eq(ipv6[15], 1);
    cr_expect(
        address_parse(AF_INET6, SLICE("0000:0000:0000:0000:0000:ffff:255.255.255.255"), ipv6));
}

Test(address, refuses_what_is_more_or_less_than_an_address)
{
    static const struct slice bad[] = {
        SLICE_INIT(""),          SLICE_INIT("127.1"),     SLICE_INIT("1.2.3.4 "),
        SLICE_INIT("1.2.3.4\0"), SLICE_INIT("[::1]"),     SLICE_INIT("::1%lo"),
        SLICE_INIT("::1/64"),    SLICE_INIT("localhost"), SLICE_INIT("1.2.3.4:80"),
    };
    unsigned char out[16];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_not(address_parse(AF_INET, bad[i], out), "%s", bad[i].ptr);
        cr_expect_not(address_parse(AF_INET6, bad[i], out), "%s", bad[i].ptr);
    }
    cr_expect_not(address_parse(AF_INET6, slice_make(NULL, 0), out));
}

Test(address, any_family_is_kept_in_one_form_and_printed_as_it_is_written)
{
    static const struct {
        struct slice text;
        const char *printed;
    } cases[] = {
        {SLICE_INIT("10.1.2.3"), "10.1.2.3"},
        {SLICE_INIT("::ffff:10.1.2.3"), "10.1.2.3"},
        {SLICE_INIT("2001:DB8:0::1"), "2001:db8::1"},
        {SLICE_INIT("::"), "::"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t address[ADDRESS_BYTES];
        char text[ADDRESS_TEXT_BYTES];
        cr_assert(address_parse_any(cases[i].text, address));
        address_print(address, text);
        cr_expect_str_eq(text, cases[i].printed);
    }
    uint8_t none[ADDRESS_BYTES] = {7};
    cr_expect_not(address_parse_any(SLICE("localhost"), none));
    cr_expect_eq(none[0], 7);
}

Test(address, of_a_socket_it_is_the_same_in_both_families)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a010203)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    uint8_t first[ADDRESS_BYTES];
    uint8_t second[ADDRESS_BYTES];
    cr_assert(address_parse(AF_INET6, SLICE("::ffff:10.1.2.3"), &ipv6.sin6_addr));
    cr_assert(address_of((struct sockaddr *)&ipv4, first));
    cr_assert(address_of((struct sockaddr *)&ipv6, second));
    cr_expect_eq(memcmp(first, second, sizeof(first)), 0);
    cr_expect_not(address_of(&(struct sockaddr){.sa_family = AF_UNIX}, first));
}
