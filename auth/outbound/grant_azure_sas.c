/* grant_azure_sas: a shared access signature of Azure Service Bus and Event Hubs, which is signed
 * here: "sr=RESOURCE&sig=SIGNATURE&se=EXPIRY&skn=KEY_NAME", to be sent behind
 * "SharedAccessSignature ". The key is the text of it, not what its base64 means.
 * https://learn.microsoft.com/rest/api/eventhub/generate-sas-token */
#include "auth/outbound/token_form.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "base/hmac.h"
#include "base/secret.h"

#define SAS_LIFE (3600 * SEC)

enum { MESSAGE_MAX = 4096, MAC_TEXT = (SHA256_BYTES + 2) / 3 * 4 };

/* "Endpoint=sb://...;SharedAccessKeyName=NAME;SharedAccessKey=KEY": where it leads is not followed.
 */
static bool connection_part(struct slice text, struct slice name, struct slice *ret)
{
    while (text.len > 0) {
        struct slice part = slice_make(text.ptr, slice_find(text, ';'));
        size_t equals = slice_find(part, '=');
        text = slice_skip(text, part.len + 1);
        if (slice_equal_nocase(slice_trim(slice_make(part.ptr, equals)), name)) {
            *ret = slice_trim(slice_skip(part, equals + 1));
            return ret->len > 0;
        }
    }
    return false;
}

static enum status read_secret(struct slice secret, struct slice *name, struct slice *key,
                               struct error *err)
{
    struct slice text = token_trim(secret);
    bool valid = slice_find(text, ';') < text.len
                     ? connection_part(text, SLICE("SharedAccessKeyName"), name) &&
                           connection_part(text, SLICE("SharedAccessKey"), key)
                     : token_split(text, name, key);
    if (!valid) {
        FAIL(err, STATUS_INVALID,
             "the secret is neither of the form KEY_NAME:KEY nor a connection string with "
             "SharedAccessKeyName and SharedAccessKey");
    }
    return STATUS_OK;
}

/* The encoded resource, a line break, and the time: its HMAC in base64. */
static enum status sign(struct slice resource, struct slice expiry, struct slice key,
                        char out[MAC_TEXT])
{
    unsigned char mac[SHA256_BYTES];
    struct hmac_key prepared;
    struct buffer message CLEANUP(buffer_fini);
    buffer_init(&message, MESSAGE_MAX);
    TRY(encode_percent(resource, &message));
    TRY(buffer_append(&message, SLICE("\n")));
    TRY(buffer_append(&message, expiry));
    hmac_key_init(&prepared, key);
    hmac_sha256(&prepared, buffer_bytes(&message), mac);
    secret_wipe(&prepared, sizeof(prepared));
    (void)encode_base64(slice_make((const char *)mac, sizeof(mac)), out);
    return STATUS_OK;
}

enum status grant_azure_sas_sign(const struct token_input *input, struct buffer *ret,
                                 usec_t *ret_life, struct error *err)
{
    struct slice name, key;
    struct slice resource = input->plan->values[TOKEN_AUDIENCE].len > 0
                                ? input->plan->values[TOKEN_AUDIENCE]
                                : input->subject;
    struct buffer expiry CLEANUP(buffer_fini);
    char mac[MAC_TEXT];
    buffer_init(&expiry, sizeof("9223372036854775807"));
    TRY(read_secret(input->secret, &name, &key, err));
    TRY(buffer_append_number(&expiry, (uint64_t)(input->wall + SAS_LIFE / SEC)));
    TRY(sign(resource, buffer_bytes(&expiry), key, mac));
    TRY(buffer_append(ret, SLICE("sr=")));
    TRY(encode_percent(resource, ret));
    TRY(buffer_append(ret, SLICE("&sig=")));
    TRY(encode_percent(slice_make(mac, MAC_TEXT), ret));
    TRY(buffer_append(ret, SLICE("&se=")));
    TRY(buffer_append(ret, buffer_bytes(&expiry)));
    TRY(buffer_append(ret, SLICE("&skn=")));
    TRY(encode_percent(name, ret));
    *ret_life = SAS_LIFE;
    return STATUS_OK;
}
