#include "gateway/exchange/identify_certificate.h"

#include "auth/inbound/authenticate.h"
#include "config/snapshot.h"
#include "gateway/client/peer_certificate.h"
#include "gateway/exchange/exchange.h"

/* What the names of a certificate are looked up for. */
struct look_up {
    const struct table *sans;
    struct authentication *auth;
    bool found;
};

static void on_name(void *ctx, bool is_uri, struct slice text)
{
    struct look_up *look_up = ctx;
    char bytes[SAN_KEY_MAX];
    struct slice key;
    const struct tenant *tenant =
        snapshot_san_key(is_uri, text, bytes, &key) ? table_get(look_up->sans, key) : NULL;
    if (tenant != NULL) {
        look_up->found = true;
        authenticate_add(look_up->auth, tenant);
    }
}

enum certificate_answer identify_certificate(const struct exchange *exchange,
                                             struct authentication *auth, const char **ret_why)
{
    struct look_up look_up = {.sans = &exchange->snapshot->sans, .auth = auth};
    if (look_up.sans->count == 0) {
        return CERTIFICATE_NONE;
    }
    switch (peer_certificate_state(exchange->connection, exchange->facts.started_wall, ret_why)) {
    case PEER_CERTIFICATE_NONE:
        return CERTIFICATE_NONE;
    case PEER_CERTIFICATE_BAD:
        return CERTIFICATE_REFUSED;
    case PEER_CERTIFICATE_GOOD:
        break;
    }
    peer_certificate_names(exchange->connection, on_name, &look_up);
    return look_up.found ? CERTIFICATE_TAKEN : CERTIFICATE_STRANGER;
}
