#include "auth/outbound/token_answer.h"

#include "base/json.h"
#include "base/secret.h"

#include <string.h>
#include <time.h>

enum { ISO_DATE_MAX = 40 };

static const struct json_limits limits = {
    .bytes = TOKEN_ANSWER_MAX,
    .depth = 16,
    .names = JSON_NAMES_ONCE,
};

/* ---- dates ---- */

static bool read_date(struct slice text, const char *format, int64_t *ret)
{
    char copy[40];
    struct tm parts = {0};
    if (text.len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    const char *end = strptime(copy, format, &parts);
    if (end == NULL || *end != '\0') {
        return false;
    }
    *ret = timegm(&parts);
    return *ret > 0;
}

bool token_http_date(struct slice text, int64_t *ret)
{
    return read_date(text, "%a, %d %b %Y %H:%M:%S GMT", ret);
}

bool token_iso_date(struct slice text, int64_t *ret)
{
    char whole[ISO_DATE_MAX];
    size_t dot = slice_find(text, '.');
    if (dot < text.len && dot + 1 < ISO_DATE_MAX) { /* parts of a second are left out */
        struct slice parts = slice_skip(text, dot + 1);
        uint64_t ignored;
        if (parts.len < 2 || parts.ptr[parts.len - 1] != 'Z' ||
            !slice_number(slice_make(parts.ptr, parts.len - 1), UINT64_MAX, &ignored)) {
            return false;
        }
        memcpy(whole, text.ptr, dot);
        whole[dot] = 'Z';
        text = slice_make(whole, dot + 1);
    }
    return read_date(text, "%Y-%m-%dT%H:%M:%SZ", ret);
}

/* ---- what is wrong ---- */

/* The word that RFC 6749 has for it (section 5.2), if it looks like one. */
static bool error_code(const struct cJSON *document, struct slice *ret)
{
    if (!json_string(json_get(document, "error"), ret) || ret->len == 0 ||
        ret->len > TOKEN_ERROR_CODE_MAX) {
        return false;
    }
    for (size_t i = 0; i < ret->len; i++) {
        if (!ascii_is_alphanumeric(ret->ptr[i]) && strchr("_.-", ret->ptr[i]) == NULL) {
            return false;
        }
    }
    return true;
}

static enum status refused(unsigned status, const struct cJSON *document, struct error *err)
{
    struct slice code;
    if (error_code(document, &code)) {
        FAIL(err, STATUS_INVALID, "answered %u, error \"%.*s\"", status, SLICE_ARG(code));
    }
    FAIL(err, STATUS_INVALID, "answered %u", status);
}

/* ---- the members ---- */

/* What every place of a request can carry: no blank, no line end. */
static enum status read_token(const struct cJSON *document, const char *name, struct slice *ret,
                              struct error *err)
{
    if (json_get(document, name) == NULL) {
        return STATUS_OK;
    }
    if (!json_string(json_get(document, name), ret)) {
        FAIL(err, STATUS_INVALID, "answered with a %s that is no text", name);
    }
    if (ret->len > TOKEN_BYTES_MAX) {
        FAIL(err, STATUS_INVALID, "answered with a %s of more than %d bytes", name,
             TOKEN_BYTES_MAX);
    }
    for (size_t i = 0; i < ret->len; i++) {
        if (ret->ptr[i] <= ' ' || ret->ptr[i] > '~') {
            FAIL(err, STATUS_INVALID, "answered with a %s that has bytes no header can carry",
                 name);
        }
    }
    return STATUS_OK;
}

/* Some write the number as a text. */
static bool read_seconds(const struct cJSON *value, uint64_t *ret)
{
    struct slice text;
    return json_string(value, &text) ? slice_number(text, UINT32_MAX, ret) : json_uint(value, ret);
}

static enum status read_life(const struct token_plan *plan, const struct cJSON *document,
                             int64_t wall, usec_t *ret, struct error *err)
{
    const uint64_t longest = (uint64_t)(TOKEN_LIFE_LONGEST / SEC);
    const struct cJSON *within = json_get(document, "expires_in");
    const struct cJSON *at = json_get(document, "expires_at");
    at = at == NULL ? json_get(document, "expireTime") : at; /* as Google's IAM calls it */
    struct slice text;
    uint64_t seconds = 0;
    int64_t moment = 0;
    *ret = plan->lifetime;
    if (within != NULL) {
        if (!read_seconds(within, &seconds) || seconds == 0) {
            FAIL(err, STATUS_INVALID, "answered with an expires_in that is no time to come");
        }
    } else if (at != NULL) {
        if (!json_string(at, &text) || !token_iso_date(text, &moment) || moment <= wall) {
            FAIL(err, STATUS_INVALID, "answered with an expires_at that is no time to come");
        }
        seconds = (uint64_t)(moment - wall);
    } else {
        return STATUS_OK;
    }
    *ret = (usec_t)(seconds < longest ? seconds : longest) * SEC;
    return STATUS_OK;
}

/* Other kinds want a proof in each request, which is not made here (RFC 9449, for example). */
static enum status check_type(const struct cJSON *document, struct error *err)
{
    struct slice type;
    if (json_string(json_get(document, "token_type"), &type) &&
        !slice_starts_with_nocase(type, SLICE("bearer")) &&
        !slice_equal_nocase(type, SLICE("N_A"))) {
        FAIL(err, STATUS_INVALID, "answered with a token that is no bearer token");
    }
    return STATUS_OK;
}

enum status token_answer_read(const struct token_plan *plan, unsigned status, struct slice body,
                              int64_t wall, struct token_answer *ret, struct error *err)
{
    bool readable = json_parse(body, &limits, &ret->document, NULL) == STATUS_OK;
    if (status < 200 || status > 299) {
        return refused(status, ret->document, err);
    }
    if (!readable || !json_is_object(ret->document)) {
        FAIL(err, STATUS_INVALID, "answered %u with what is no JSON object", status);
    }
    TRY(read_token(ret->document, "access_token", &ret->token, err));
    if (ret->token.len == 0) { /* as GitHub calls it */
        TRY(read_token(ret->document, "token", &ret->token, err));
    }
    if (ret->token.len == 0) { /* as Google's IAM calls it */
        TRY(read_token(ret->document, "accessToken", &ret->token, err));
    }
    if (ret->token.len == 0) {
        return refused(status, ret->document, err);
    }
    TRY(check_type(ret->document, err));
    TRY(read_token(ret->document, "refresh_token", &ret->refresh_token, err));
    return read_life(plan, ret->document, wall, &ret->life, err);
}

/* The strings of a document are the C library's memory; those that are secret are wiped first. */
void token_answer_fini(struct token_answer *answer)
{
    static const char *const secret[] = {"access_token", "token", "accessToken", "refresh_token",
                                         "id_token"};
    struct slice text;
    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
        if (json_string(json_get(answer->document, secret[i]), &text)) {
            secret_wipe((char *)text.ptr, text.len);
        }
    }
    json_free(answer->document);
    *answer = (struct token_answer){0};
}
