/* grant_google: what the files of its grant share, which is Google's. Only for auth/outbound. */
#pragma once

#include "auth/outbound/token_plan.h"

struct cJSON;

/* Wide enough to ask for an account's token with (https://google.aip.dev/auth/4117). */
#define GOOGLE_WIDE_SCOPE SLICE("https://www.googleapis.com/auth/cloud-platform")

/* A call for the token of these credentials themselves: service_account and authorized_user. */
MUST_USE enum status google_own_call(const struct token_input *input, const struct cJSON *json,
                                     struct slice scope, struct token_call *ret, struct error *err);
/* The next of the calls of external_account. */
MUST_USE enum status google_external_call(const struct token_input *input, const struct cJSON *json,
                                          struct token_call *ret, struct error *err);
/* The call for the token of the account that `json` names in service_account_impersonation_url,
 * with the one that was had before. */
MUST_USE enum status google_impersonate(const struct token_input *input, const struct cJSON *json,
                                        struct token_call *ret, struct error *err);
