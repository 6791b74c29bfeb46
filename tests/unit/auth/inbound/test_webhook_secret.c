#include "auth/inbound/webhook_secret.h"
#include "base/status.h"

#include <criterion/criterion.h>

Test(webhook_secret, is_usable_if_it_is_written_as_the_scheme_has_it)
{
    static const struct {
        const char *scheme, *secret;
        bool usable;
    } cases[] = {
        {"stripe", "anything at all", true},
        {"stripe", "", false},
        {"standard-webhooks", "whsec_c2VjcmV0", true},
        {"standard-webhooks", "c2VjcmV0", true},
        {"standard-webhooks", "whsec_", false},
        {"standard-webhooks", "whsec_secret", false},
        {"standard-webhooks", "whsec_c2VjcmV0\n", false},
        {"supabase-auth-hooks", "v1,whsec_c2VjcmV0", true},
        {"supabase-auth-hooks", "v1,whsec_c2VjcmV0|v1,whsec_secret", false},
        {"adyen", "00ff", true},
        {"adyen", "00FF0", false},
        {"adyen", "not hex", false},
    };
    struct webhook_schemes *schemes = NULL;
    cr_assert_eq(webhook_schemes_new(&schemes, NULL), STATUS_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct webhook_scheme *scheme =
            webhook_schemes_find(schemes, slice_from(cases[i].scheme));
        cr_expect_eq(webhook_secret_usable(scheme, slice_from(cases[i].secret)), cases[i].usable,
                     "%s %s", cases[i].scheme, cases[i].secret);
    }
    webhook_schemes_free(schemes);
}
