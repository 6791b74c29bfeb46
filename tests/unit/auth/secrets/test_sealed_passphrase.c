#include "auth/secrets/sealed_passphrase.h"
#include "base/encode.h"
#include "base/secret.h"

#include <string.h>

#include <criterion/criterion.h>

static const char lead[SEALED_LEAD_BYTES] = {
    'S', 'L', 'Y', 'S', 'E', 'A', 'L', 2, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static enum status key_of(const char *its_lead, const char *text, struct secret **ret)
{
    struct error err = {0};
    return sealed_passphrase_key(its_lead, slice_from(text), ret, &err);
}

/* By another implementation: hashlib.scrypt(..., n=2**15, r=8, p=3, dklen=32). */
Test(sealed_passphrase, key_is_what_scrypt_makes_with_or_without_a_line_end)
{
    static const char *const texts[] = {"correct horse battery staple",
                                        "correct horse battery staple\n"};
    for (size_t i = 0; i < 2; i++) {
        struct secret *key = NULL;
        char hex[64];
        cr_assert_eq(key_of(lead, texts[i], &key), STATUS_OK);
        encode_hex(secret_reveal(key), hex);
        cr_expect_arr_eq(hex, "6705dba046cafbaba8de989bca88e0038ce03542d0c0cd96a8f956a72f86ee67",
                         64);
        secret_free(key);
    }
}

Test(sealed_passphrase, another_salt_makes_another_key)
{
    char other[SEALED_LEAD_BYTES];
    struct secret *key = NULL;
    struct secret *other_key = NULL;
    memcpy(other, lead, sizeof(other));
    other[SEALED_LEAD_BYTES - 1] ^= 1;
    cr_assert_eq(key_of(lead, "correct horse battery staple", &key), STATUS_OK);
    cr_assert_eq(key_of(other, "correct horse battery staple", &other_key), STATUS_OK);
    cr_expect_not(secret_equal(secret_reveal(key), secret_reveal(other_key)));
    secret_free(key);
    secret_free(other_key);
}

Test(sealed_passphrase, new_leads_differ_and_are_known_as_such)
{
    char one[SEALED_LEAD_BYTES];
    char other[SEALED_LEAD_BYTES];
    sealed_lead_new(one);
    sealed_lead_new(other);
    cr_expect(sealed_lead_is(slice_make(one, sizeof(one))));
    cr_expect_neq(memcmp(one, other, sizeof(one)), 0);
    cr_expect_not(sealed_lead_is(slice_make(one, sizeof(one) - 1)));
    cr_expect_not(sealed_lead_is(SLICE("SLYSEAL\1 and so on, as long as it takes")));
}

Test(sealed_passphrase, refuses_what_is_too_short_too_long_or_too_much_work)
{
    char longest[1100];
    char greedy[SEALED_LEAD_BYTES];
    struct secret *key = NULL;
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    memcpy(greedy, lead, sizeof(greedy));
    cr_expect_eq(key_of(lead, "eleven byte\n", &key), STATUS_INVALID);
    cr_expect_eq(key_of(lead, longest, &key), STATUS_INVALID);
    greedy[8] = 18;
    cr_expect_eq(key_of(greedy, "correct horse battery staple", &key), STATUS_INVALID);
    greedy[8] = 1;
    cr_expect_eq(key_of(greedy, "correct horse battery staple", &key), STATUS_INVALID);
    greedy[8] = (char)0xff;
    cr_expect_eq(key_of(greedy, "correct horse battery staple", &key), STATUS_INVALID);
    cr_expect_null(key);
}
