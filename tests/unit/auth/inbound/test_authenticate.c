#include "auth/inbound/authenticate.h"
#include "auth/inbound/tenant.h"
#include "base/encode.h"
#include "base/memory.h"

#include <stdio.h>

#include <criterion/criterion.h>

enum { TENANTS = 2 };

struct world {
    struct arena arena;
    struct tenant tenants[TENANTS];
    struct tenant_key hashes[TENANTS];
    char keys[TENANTS + 1][API_KEY_LEN + 1]; /* the last one is nobody's */
    struct tenant_table table;
    struct authentication auth;
};

static struct world world;

static void set_up(void)
{
    struct tenant *pointers[TENANTS];
    for (unsigned i = 0; i <= TENANTS; i++) {
        api_key_new(world.keys[i]);
    }
    for (unsigned i = 0; i < TENANTS; i++) {
        api_key_hash(slice_from(world.keys[i]), &world.hashes[i].hash);
        world.tenants[i] = (struct tenant){.name = "t", .keys = &world.hashes[i], .key_count = 1};
        pointers[i] = &world.tenants[i];
    }
    cr_assert_eq(tenant_table_build(&world.arena, pointers, TENANTS, &world.table, NULL),
                 STATUS_OK);
}

static void tear_down(void)
{
    arena_fini(&world.arena);
}

TestSuite(authenticate, .init = set_up, .fini = tear_down);

/* Each @ in `form` is the key of tenant `which`. */
static struct slice with_key(const char *form, unsigned which)
{
    static char text[1024];
    size_t len = 0;
    for (; *form != '\0'; form++) {
        if (*form == '@') {
            memcpy(text + len, world.keys[which], API_KEY_LEN);
            len += API_KEY_LEN;
        } else {
            text[len++] = *form;
        }
    }
    return slice_make(text, len);
}

static bool look(enum credential_form form, struct slice value, const char *prefix)
{
    return authenticate_value(&world.auth, &world.table, form, value, slice_from(prefix));
}

static struct slice basic(const char *form, unsigned which)
{
    static char text[2048];
    memcpy(text, "Basic ", 6);
    return slice_make(text, 6 + encode_base64(with_key(form, which), text + 6));
}

static void expect_verdict(enum authenticate_verdict verdict, const char *why)
{
    cr_expect_eq(authenticate_verdict(&world.auth), verdict, "%s", why);
    world.auth = (struct authentication){0};
}

Test(authenticate, plain_values_with_and_without_a_prefix)
{
    static const struct {
        const char *value, *prefix;
        enum authenticate_verdict verdict;
    } cases[] = {
        {"@", "", AUTHENTICATE_TENANT},
        {"Bearer @", "Bearer ", AUTHENTICATE_TENANT},
        {"bearer @", "Bearer ", AUTHENTICATE_TENANT},
        {"BEARER   @", "Bearer ", AUTHENTICATE_TENANT},
        {"token @", "token ", AUTHENTICATE_TENANT},
        {"@", "Bearer ", AUTHENTICATE_MISSING},
        {"Basic @", "Bearer ", AUTHENTICATE_MISSING},
        {"", "", AUTHENTICATE_MISSING},
        {"Bearer ", "Bearer ", AUTHENTICATE_MISSING},
        {"Bearer @", "", AUTHENTICATE_NOT_A_KEY},
        {"Bearer @x", "Bearer ", AUTHENTICATE_NOT_A_KEY},
        {"Bearer @ @", "Bearer ", AUTHENTICATE_NOT_A_KEY},
        {"Bearer sk-proj-1234", "Bearer ", AUTHENTICATE_NOT_A_KEY},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        look(CREDENTIAL_PLAIN, with_key(cases[i].value, 0), cases[i].prefix);
        expect_verdict(cases[i].verdict, cases[i].value);
    }
}

Test(authenticate, finds_the_tenant_whose_key_it_is)
{
    cr_expect(look(CREDENTIAL_PLAIN, with_key("@", 1), ""));
    cr_expect_eq(world.auth.tenant, &world.tenants[1]);
}

Test(authenticate, basic_user_and_password)
{
    static const struct {
        enum credential_form form;
        const char *pair;
        enum authenticate_verdict verdict;
    } cases[] = {
        {CREDENTIAL_BASIC_USER, "@:", AUTHENTICATE_TENANT},
        {CREDENTIAL_BASIC_USER, "@", AUTHENTICATE_TENANT},
        {CREDENTIAL_BASIC_USER, "@:any:thing", AUTHENTICATE_TENANT},
        {CREDENTIAL_BASIC_USER, "user:@", AUTHENTICATE_NOT_A_KEY},
        {CREDENTIAL_BASIC_PASSWORD, "user:@", AUTHENTICATE_TENANT},
        {CREDENTIAL_BASIC_PASSWORD, ":@", AUTHENTICATE_TENANT},
        {CREDENTIAL_BASIC_PASSWORD, "@", AUTHENTICATE_MISSING},
        {CREDENTIAL_BASIC_PASSWORD, "@:", AUTHENTICATE_MISSING},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        look(cases[i].form, basic(cases[i].pair, 0), "");
        expect_verdict(cases[i].verdict, cases[i].pair);
    }
}

Test(authenticate, basic_that_is_no_base64_or_too_long_holds_no_key)
{
    char value[2048];
    memset(value, 'A', sizeof(value));
    memcpy(value, "Basic ", 6);
    look(CREDENTIAL_BASIC_USER, slice_make(value, sizeof(value)), "");
    expect_verdict(AUTHENTICATE_NOT_A_KEY, "too long");
    look(CREDENTIAL_BASIC_USER, with_key("Basic @:", 0), "");
    expect_verdict(AUTHENTICATE_NOT_A_KEY, "not encoded");
    look(CREDENTIAL_BASIC_USER, SLICE("Basic "), "");
    expect_verdict(AUTHENTICATE_MISSING, "empty");
    look(CREDENTIAL_BASIC_USER, with_key("Bearer @", 0), "");
    expect_verdict(AUTHENTICATE_MISSING, "another scheme");
}

Test(authenticate, query_value_is_percent_decoded)
{
    char value[4 * API_KEY_LEN];
    size_t len = 0;
    for (size_t i = 0; i < API_KEY_LEN; i++) { /* every character encoded */
        len += (size_t)snprintf(value + len, sizeof(value) - len, "%%%02x",
                                (unsigned)world.keys[0][i]);
    }
    look(CREDENTIAL_QUERY, slice_make(value, len), "");
    expect_verdict(AUTHENTICATE_TENANT, "encoded");
    look(CREDENTIAL_QUERY, with_key("@", 0), "");
    expect_verdict(AUTHENTICATE_TENANT, "as it is");
    look(CREDENTIAL_QUERY, slice_make(value, len - 1), "");
    expect_verdict(AUTHENTICATE_NOT_A_KEY, "broken encoding");
    look(CREDENTIAL_QUERY, SLICE(""), "");
    expect_verdict(AUTHENTICATE_MISSING, "empty");
}

Test(authenticate, well_formed_key_of_nobody_is_unknown)
{
    cr_expect(look(CREDENTIAL_PLAIN, with_key("@", TENANTS), ""));
    expect_verdict(AUTHENTICATE_UNKNOWN, "nobody's");
}

Test(authenticate, same_key_in_two_places_is_one_tenant)
{
    look(CREDENTIAL_PLAIN, with_key("Bearer @", 1), "Bearer ");
    look(CREDENTIAL_PLAIN, with_key("@", 1), "");
    cr_expect_eq(world.auth.tenant, &world.tenants[1]);
    expect_verdict(AUTHENTICATE_TENANT, "twice");
}

Test(authenticate, two_tenants_are_a_conflict)
{
    look(CREDENTIAL_PLAIN, with_key("Bearer @", 0), "Bearer ");
    look(CREDENTIAL_PLAIN, with_key("@", 1), "");
    look(CREDENTIAL_PLAIN, with_key("@", 0), "");
    expect_verdict(AUTHENTICATE_CONFLICT, "two tenants");
}

Test(authenticate, good_key_beside_something_else_is_enough)
{
    cr_expect_not(look(CREDENTIAL_PLAIN, SLICE("Bearer dummy"), "Bearer "));
    cr_expect(look(CREDENTIAL_PLAIN, with_key("@", 0), ""));
    expect_verdict(AUTHENTICATE_TENANT, "dummy first");
}

Test(authenticate, good_key_beside_an_unknown_one_is_not_enough)
{
    look(CREDENTIAL_PLAIN, with_key("@", 0), "");
    look(CREDENTIAL_PLAIN, with_key("@", TENANTS), "");
    expect_verdict(AUTHENTICATE_UNKNOWN, "one is unknown");
}

Test(authenticate, nothing_is_missing)
{
    expect_verdict(AUTHENTICATE_MISSING, "no place looked at");
}

Test(authenticate, key_out_of_its_time_is_told_as_such)
{
    static const struct {
        usec_t not_before, expires;
        enum authenticate_verdict verdict;
    } cases[] = {
        {0, 100, AUTHENTICATE_EXPIRED},
        {101, 0, AUTHENTICATE_EARLY},
        {100, 101, AUTHENTICATE_TENANT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        world.hashes[0].not_before = cases[i].not_before;
        world.hashes[0].expires = cases[i].expires;
        world.auth.wall = 100;
        look(CREDENTIAL_PLAIN, with_key("@", 0), "");
        expect_verdict(cases[i].verdict, "alone");
    }
}

/* Else a stolen old key would pass with any new one, and nobody would find out that it is used. */
Test(authenticate, good_key_beside_an_expired_one_is_not_enough)
{
    for (unsigned first = 0; first < 2; first++) {
        world.hashes[0].expires = 100;
        world.auth.wall = 100;
        look(CREDENTIAL_PLAIN, with_key("@", first), "");
        look(CREDENTIAL_PLAIN, with_key("@", 1 - first), "");
        cr_expect_neq(authenticate_verdict(&world.auth), AUTHENTICATE_TENANT);
        world.auth = (struct authentication){0};
    }
}
