#include "auth/inbound/authenticate.h"

#include "auth/inbound/api_key.h"
#include "auth/inbound/aws_authorization.h"
#include "auth/inbound/jwt_issuer.h"
#include "auth/inbound/tenant.h"
#include "base/encode.h"
#include "base/secret.h"

/* Room for "user:password" with a key as either of them. A longer value is no tenant key. */
enum { BASIC_MAX = 512, QUERY_MAX = 3 * API_KEY_LEN };

static const struct slice basic_scheme = SLICE_INIT("Basic ");

/* A key's characters, copied, so that encoded forms can be decoded. */
struct candidate {
    bool present; /* the place held something */
    size_t len;   /* 0: nothing of a key's length */
    char bytes[API_KEY_LEN];
};

static void keep(struct candidate *candidate, struct slice text)
{
    candidate->present = text.len > 0;
    if (text.len == API_KEY_LEN) {
        memcpy(candidate->bytes, text.ptr, text.len);
        candidate->len = text.len;
    }
}

static void read_plain(struct candidate *candidate, struct slice value, struct slice prefix)
{
    if (slice_starts_with_nocase(value, prefix)) {
        keep(candidate, slice_trim(slice_skip(value, prefix.len)));
    }
}

static void read_basic(struct candidate *candidate, struct slice value, enum credential_form form)
{
    unsigned char decoded[BASIC_MAX / 4 * 3];
    size_t len = 0;
    if (!slice_starts_with_nocase(value, basic_scheme)) {
        return;
    }
    struct slice encoded = slice_trim(slice_skip(value, basic_scheme.len));
    candidate->present = true;
    if (encoded.len > BASIC_MAX || decode_base64(encoded, decoded, &len) != STATUS_OK) {
        return;
    }
    struct slice pair = slice_make((const char *)decoded, len);
    size_t colon = slice_find(pair, ':');
    keep(candidate,
         form == CREDENTIAL_BASIC_USER ? slice_make(pair.ptr, colon) : slice_skip(pair, colon + 1));
    secret_wipe(decoded, sizeof(decoded));
}

static void read_query(struct candidate *candidate, struct slice value)
{
    char decoded[QUERY_MAX];
    size_t len = 0;
    candidate->present = value.len > 0;
    if (value.len <= sizeof(decoded) && decode_percent(value, decoded, &len) == STATUS_OK) {
        keep(candidate, slice_make(decoded, len));
        secret_wipe(decoded, sizeof(decoded));
    }
}

static void read_aws(struct candidate *candidate, struct slice value)
{
    struct slice id = {NULL, 0};
    enum aws_authorization is = aws_authorization_read(value, &id);
    candidate->present = is != AWS_OTHER;
    if (is == AWS_SIGV4) {
        keep(candidate, id);
    }
}

static void read_candidate(struct candidate *candidate, enum credential_form form,
                           struct slice value, struct slice prefix)
{
    switch (form) {
    case CREDENTIAL_PLAIN:
        read_plain(candidate, value, prefix);
        return;
    case CREDENTIAL_BASIC_USER:
    case CREDENTIAL_BASIC_PASSWORD:
        read_basic(candidate, value, form);
        return;
    case CREDENTIAL_AWS:
        read_aws(candidate, value);
        return;
    case CREDENTIAL_QUERY:
        read_query(candidate, value);
        return;
    }
}

static void look_up(struct authentication *auth, const struct tenant_table *table, struct slice key)
{
    struct api_key_hash hash;
    api_key_hash(key, &hash);
    const struct tenant_key_entry *entry = tenant_table_find(table, &hash);
    if (entry == NULL) {
        auth->unknown_seen = true;
    } else if (tenant_key_state(entry->key, auth->wall) != TENANT_KEY_GOOD) {
        auth->out_of_time = entry;
    } else {
        authenticate_add(auth, entry->tenant);
    }
}

/* Tokens are not encoded further in any place that has them: base64url and dots need none. */
static void note_token(struct authentication *auth, enum credential_form form, struct slice value,
                       struct slice prefix)
{
    struct slice text = slice_trim(slice_skip(value, form == CREDENTIAL_PLAIN ? prefix.len : 0));
    bool has_prefix = form == CREDENTIAL_QUERY || slice_starts_with_nocase(value, prefix);
    if ((form != CREDENTIAL_PLAIN && form != CREDENTIAL_QUERY) || !has_prefix ||
        !token_like(text)) {
        return;
    }
    for (unsigned i = 0; i < auth->token_count; i++) {
        if (slice_equal(auth->tokens[i], text)) {
            return;
        }
    }
    if (auth->token_count == AUTHENTICATE_TOKENS_MAX) {
        auth->conflict_seen = true;
    } else {
        auth->tokens[auth->token_count++] = text;
    }
}

void authenticate_add(struct authentication *auth, const struct tenant *tenant)
{
    if (auth->tenant != NULL && auth->tenant != tenant) {
        auth->conflict_seen = true;
    } else {
        auth->tenant = tenant;
    }
}

bool authenticate_value(struct authentication *auth, const struct tenant_table *table,
                        enum credential_form form, struct slice value, struct slice prefix)
{
    struct candidate candidate = {.len = 0};
    read_candidate(&candidate, form, value, prefix);
    if (candidate.present) {
        auth->value_seen = true;
    }
    struct slice key = slice_make(candidate.bytes, candidate.len);
    bool valid = api_key_valid(key);
    if (valid) {
        look_up(auth, table, key);
    }
    secret_wipe(candidate.bytes, sizeof(candidate.bytes));
    if (!valid && auth->takes_tokens) {
        note_token(auth, form, value, prefix);
    }
    return valid;
}

enum authenticate_verdict authenticate_verdict(const struct authentication *auth)
{
    if (auth->conflict_seen) {
        return AUTHENTICATE_CONFLICT;
    }
    if (auth->refused_seen) {
        return AUTHENTICATE_REFUSED;
    }
    if (auth->unknown_seen) {
        return AUTHENTICATE_UNKNOWN;
    }
    if (auth->out_of_time != NULL) {
        bool early = tenant_key_state(auth->out_of_time->key, auth->wall) == TENANT_KEY_EARLY;
        return early ? AUTHENTICATE_EARLY : AUTHENTICATE_EXPIRED;
    }
    if (auth->tenant != NULL) {
        return AUTHENTICATE_TENANT;
    }
    return auth->value_seen ? AUTHENTICATE_NOT_A_KEY : AUTHENTICATE_MISSING;
}
