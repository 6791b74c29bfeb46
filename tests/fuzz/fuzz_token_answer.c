/*
 * Fuzzes what token endpoints answer. The first byte says with which status.
 *
 * Checked is that a token is what a header can carry, lives for a time that makes sense, and that
 * what is said of a refused one has nothing in it that could break a line.
 */
#include "auth/outbound/token_answer.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool claim)
{
    if (!claim) {
        abort();
    }
}

static void check_text(struct slice text, size_t most)
{
    check(text.len <= most);
    for (size_t i = 0; i < text.len; i++) {
        check(text.ptr[i] > ' ' && text.ptr[i] <= '~');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned statuses[] = {200, 201, 302, 400, 401, 500};
    const struct token_plan plan = {.lifetime = 60 * SEC};
    struct token_answer answer = {0};
    struct error err = {0};
    if (size == 0) {
        return 0;
    }
    struct slice body = slice_make((const char *)data + 1, size - 1);
    enum status status =
        token_answer_read(&plan, statuses[data[0] % 6], body, 1700000000, &answer, &err);
    if (status == STATUS_OK) {
        check(answer.token.len > 0 && answer.life > 0 && answer.life <= TOKEN_LIFE_LONGEST);
        check_text(answer.token, TOKEN_BYTES_MAX);
        check_text(answer.refresh_token, TOKEN_BYTES_MAX);
    }
    for (const char *at = err.message; *at != '\0'; at++) {
        check(*at >= ' ' && *at <= '~');
    }
    token_answer_fini(&answer);
    return 0;
}
