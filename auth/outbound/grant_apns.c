/* grant_apns: Apple's provider token: the JWT that is signed is the token. Apple takes one for an
 * hour, and refuses a new one more often than every 20 minutes. */
#include "auth/outbound/jwt_sign.h"
#include "auth/outbound/token_form.h"
#include "base/buffer.h"
#include "base/json.h"

#include <openssl/evp.h>

#define APNS_LIFE (50 * 60 * SEC)

enum { PART_MAX = 1024 };

static enum status put_token(const struct token_input *input, struct slice team, struct slice id,
                             struct slice pem, struct buffer *ret, struct error *err)
{
    EVP_PKEY *key = NULL;
    struct buffer header CLEANUP(buffer_fini);
    struct buffer claims CLEANUP(buffer_fini);
    buffer_init(&header, PART_MAX);
    buffer_init(&claims, PART_MAX);
    TRY(jwt_put_text(&header, "kid", id));
    TRY(jwt_put_text(&claims, "iss", team));
    TRY(jwt_put_number(&claims, "iat", input->wall));
    TRY(jwt_key_read(pem, JWT_ES256, &key, err));
    const struct jwt_request request = {
        .key = key,
        .algorithm = JWT_ES256,
        .header = buffer_bytes(&header),
        .claims = buffer_bytes(&claims),
    };
    enum status status = jwt_sign(&request, ret, err);
    EVP_PKEY_free(key);
    return status;
}

enum status grant_apns_sign(const struct token_input *input, struct buffer *ret, usec_t *ret_life,
                            struct error *err)
{
    struct cJSON *json CLEANUP(json_free_at) = NULL;
    struct slice team, id, pem;
    if (token_is_json(input->secret)) {
        TRY(token_json(input->secret, &json, err));
        TRY(token_member(json, "team_id", &team, err));
        TRY(token_member(json, "key_id", &id, err));
        TRY(token_member(json, "private_key", &pem, err));
    } else if (!token_split(input->secret, &team, &id) || !token_split(id, &id, &pem)) {
        FAIL(err, STATUS_INVALID, "the secret is not of the form TEAM_ID:KEY_ID:PEM");
    }
    *ret_life = APNS_LIFE;
    return put_token(input, team, id, pem, ret, err);
}
