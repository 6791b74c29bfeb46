/*
 * What stores answer, to each kind of call: the first byte chooses the kind and the status, the
 * rest is the body. Whatever it is, a value has no control characters but line ends and tabs, and
 * an error no bytes of it.
 */
#include "auth/outbound/token_plan.h"
#include "auth/secrets/store_plan.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct store_kind *const kinds[] = {
    &store_vault,           &store_aws_secrets_manager, &store_aws_ssm, &store_gcp_secret_manager,
    &store_azure_key_vault,
};
static const unsigned statuses[] = {200, 404, 400, 403, 503, 307};

enum {
    KINDS = sizeof(kinds) / sizeof(kinds[0]),
    STATUSES = sizeof(statuses) / sizeof(statuses[0])
};

static void require(bool claim)
{
    if (!claim) {
        abort();
    }
}

static void check_value(const struct secret *secret)
{
    struct slice text = secret_reveal(secret);
    require(text.len > 0 && text.len <= STORE_VALUE_MAX);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        require(byte >= 0x20 || byte == '\n' || byte == '\r' || byte == '\t');
    }
}

static void read_answer(const struct store_input *input, const struct store_answer *answer)
{
    struct store_value value = {0};
    struct error err = {0};
    enum status status = input->plan->kind->read_answer(input, answer, &value, &err);
    require((status == STATUS_OK) == (value.secret != NULL));
    require(status != STATUS_OK || answer->status == 200);
    if (status == STATUS_OK) {
        check_value(value.secret);
    }
    require(strlen(value.version) < sizeof(value.version));
    secret_free(value.secret);
}

static void log_in(const struct store_input *input, const struct store_answer *answer)
{
    struct store_session session = {0};
    struct error err = {0};
    enum status status = input->plan->kind->login_answer(input, answer, &session, &err);
    require(status != STATUS_OK || session.token != NULL);
    if (status == STATUS_OK) {
        require(http1_valid_field_value(secret_reveal(session.token)));
    }
    require(session.life >= 0);
    secret_free(session.token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > STORE_ANSWER_MAX) {
        return 0;
    }
    struct token_plan token = {.grant = token_grant_find(SLICE("google_service_account")),
                               .lifetime = SEC};
    struct store_plan plan = {
        .kind = kinds[data[0] % KINDS],
        .authority = "store",
        .field = (data[0] & 0x80) != 0 || data[0] % KINDS == 0 ? SLICE("value") : SLICE(""),
        .version = (data[0] & 0x40) != 0 ? 1 : 2,
        .auth = STORE_AUTH_APPROLE,
        .token = &token,
        .token_authority = "token",
    };
    const struct store_input input = {.plan = &plan, .credential = SLICE("c"), .name = "name"};
    const struct store_answer answer = {.status = statuses[data[0] / KINDS % STATUSES],
                                        .body = slice_make((const char *)data + 1, size - 1)};
    read_answer(&input, &answer);
    if (plan.kind->login_answer != NULL) {
        log_in(&input, &answer);
    }
    return 0;
}
