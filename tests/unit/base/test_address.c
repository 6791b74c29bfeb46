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
