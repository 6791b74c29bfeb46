/*
 * store_aws: AWS Secrets Manager (GetSecretValue) and Systems Manager Parameter Store
 * (GetParameter), by their JSON protocols, each call signed with SigV4. The credential is ID:SECRET
 * or ID:SECRET:TOKEN.
 */
#include "auth/outbound/signer.h"
#include "auth/secrets/store_json.h"
#include "base/buffer.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HASH_TEXT = 2 * SHA256_BYTES, TYPE_MAX = 64 };

/* ---- calls ---- */

static enum status sign(const struct store_input *input, struct slice service,
                        struct store_call *ret, struct error *err)
{
    char hash[HASH_TEXT];
    unsigned char digest[SHA256_BYTES];
    const struct signing_rule rule = {
        .scheme = SIGNER_AWS_SIGV4, .region = input->plan->region, .service = service};
    struct signing_field *fields CLEANUP(memory_free_at) =
        memory_alloc(SIGNING_FIELDS_MAX * sizeof(*fields));
    struct signing_request request = {0};
    struct buffer lines CLEANUP(buffer_wipe);
    digest_sha256(buffer_bytes(ret->body), digest);
    encode_hex(slice_make((const char *)digest, sizeof(digest)), hash);
    TRY(signer_check_secret(&rule, input->credential, err));
    TRY(signer_read_head(buffer_bytes(ret->head), fields, &request));
    request.payload = slice_make(hash, sizeof(hash));
    request.now = input->wall;
    buffer_init(&lines, STORE_CALL_MAX);
    TRY(buffer_reserve(&lines, STORE_CALL_MAX));
    struct signing_keys *keys = signing_keys_new();
    enum status status = signer_sign(&rule, input->credential, keys, &request, &lines, NULL);
    signing_keys_free(keys);
    TRY(status);
    return buffer_append(ret->head, buffer_bytes(&lines));
}

static enum status begin(const struct store_input *input, const char *target, const char *member,
                         struct store_call *ret)
{
    ret->method = HTTP1_POST;
    TRY(store_head_begin(input, "POST", ret->head));
    TRY(buffer_append(ret->head, SLICE("/")));
    TRY(store_head_end_line(ret->head, input->plan));
    TRY(buffer_print(ret->head, "Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: %s\r\n",
                     target));
    TRY(buffer_print(ret->body, "{\"%s\":\"", member));
    struct store_place place = store_place_of(input->plan, input->name);
    TRY(encode_json(place.path, ret->body));
    TRY(encode_json(place.last, ret->body));
    return buffer_append(ret->body, SLICE("\""));
}

static enum status read_secret(const struct store_input *input, struct store_call *ret,
                               struct error *err)
{
    TRY(begin(input, "secretsmanager.GetSecretValue", "SecretId", ret));
    TRY(buffer_append(ret->body, SLICE("}")));
    return sign(input, SLICE("secretsmanager"), ret, err);
}

static enum status read_parameter(const struct store_input *input, struct store_call *ret,
                                  struct error *err)
{
    TRY(begin(input, "AmazonSSM.GetParameter", "Name", ret));
    TRY(buffer_append(ret->body, SLICE(",\"WithDecryption\":true}")));
    return sign(input, SLICE("ssm"), ret, err);
}

/* ---- answers ---- */

/* "com.amazonaws.x#AccessDeniedException" is AccessDeniedException; what is no such word is "". */
static void error_type(const struct cJSON *document, char out[TYPE_MAX])
{
    struct slice text = {NULL, 0};
    out[0] = '\0';
    if (!json_string(json_get(document, "__type"), &text)) {
        return;
    }
    size_t at = slice_find(text, '#');
    text = at < text.len ? slice_skip(text, at + 1) : text;
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_alphanumeric(text.ptr[i])) {
            return;
        }
    }
    if (text.len < TYPE_MAX) {
        (void)snprintf(out, TYPE_MAX, "%.*s", SLICE_ARG(text));
    }
}

static enum status take_error(const struct store_answer *answer, const char *absent,
                              struct error *err)
{
    struct cJSON *document CLEANUP(store_free_document) = NULL;
    struct error why;
    char type[TYPE_MAX] = "";
    if (store_parse(answer, &document, &why) == STATUS_OK) {
        error_type(document, type);
    }
    if (answer->status == 400 && strcmp(type, absent) == 0) {
        FAIL(err, STATUS_NOT_FOUND, "has no such secret");
    }
    FAIL(err, STATUS_UNAVAILABLE, "answered %u%s%s", answer->status, type[0] == '\0' ? "" : ": ",
         type);
}

static enum status secret_answer(const struct store_input *input, const struct store_answer *answer,
                                 struct store_value *ret, struct error *err)
{
    struct cJSON *document CLEANUP(store_free_document) = NULL;
    struct slice text;
    struct slice version = {NULL, 0};
    if (answer->status != 200) {
        return take_error(answer, "ResourceNotFoundException", err);
    }
    TRY(store_parse(answer, &document, err));
    if (!json_string(json_get(document, "SecretString"), &text)) {
        FAIL(err, STATUS_INVALID, "has no SecretString there");
    }
    if (json_string(json_get(document, "VersionId"), &version)) {
        store_take_version(version, ret);
    }
    return store_take_text(input, text, &ret->secret, err);
}

static enum status parameter_answer(const struct store_input *input,
                                    const struct store_answer *answer, struct store_value *ret,
                                    struct error *err)
{
    struct cJSON *document CLEANUP(store_free_document) = NULL;
    struct slice text;
    uint64_t version = 0;
    if (answer->status != 200) {
        return take_error(answer, "ParameterNotFound", err);
    }
    TRY(store_parse(answer, &document, err));
    const struct cJSON *parameter = json_get(document, "Parameter");
    if (!json_string(json_get(parameter, "Value"), &text)) {
        FAIL(err, STATUS_INVALID, "has no Value there");
    }
    if (json_uint(json_get(parameter, "Version"), &version)) {
        (void)snprintf(ret->version, sizeof(ret->version), "%" PRIu64, version);
    }
    return store_take_text(input, text, &ret->secret, err);
}

const struct store_kind store_aws_secrets_manager = {
    .name = "aws-secrets-manager",
    .read = read_secret,
    .read_answer = secret_answer,
};

const struct store_kind store_aws_ssm = {
    .name = "aws-ssm",
    .read = read_parameter,
    .read_answer = parameter_answer,
};
