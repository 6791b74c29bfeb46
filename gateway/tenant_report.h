/*
 * tenant_report: tenants as JSON, for the admin API: which ways in each has, and what it may call.
 * Of a key a piece of its hash, and nothing of any secret.
 */
#pragma once

#include "auth/inbound/tenant.h"
#include "base/clock.h"
#include "base/status.h"

struct buffer;
struct snapshot;

/* {"tenants":[{"tenant","keys":[...],"jwt":[{"issuer","audience","claims":{POINTER: TEXT},
 * "algorithms":[...],"jwks"}],"mtls":[NAME, ...],"allow":[...],"deny":{"rules","refused"},
 * "quotas":[...],"max_in_flight"}]}. `jwks` is a URL without its query, or "file". */
MUST_USE enum status tenant_report_write(const struct snapshot *snapshot, usec_t wall,
                                         struct buffer *out);

/* "good", "not yet good", "expired". */
const char *tenant_report_state(enum tenant_key_state state);
/* {"hash","state"} and, where they are set, "not_before", "expires" and "label". */
enum tenant_hash { TENANT_HASH_WHOLE, TENANT_HASH_SHORT };
MUST_USE enum status tenant_report_key(const struct tenant_key *key, enum tenant_hash hash,
                                       usec_t wall, struct buffer *out);
