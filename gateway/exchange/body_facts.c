#include "gateway/exchange/body_facts.h"

#include "base/encode.h"
#include "gateway/exchange/exchange.h"
#include "gateway/meter/request_facts.h"
#include "routes/call.h"
#include "routes/deny.h"
#include "routes/profile.h"
#include "routes/target.h"

#include <string.h>

_Static_assert((int)BODY_MODEL_MAX == (int)MODEL_NAME_MAX, "a name fits");

enum { PATH_MAX_BYTES = 256 }; /* longer ones are no call that a profile knows */

static struct slice skip_blanks(struct slice text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text = slice_skip(text, 1);
    }
    return text;
}

/* Behind "charset": '=' and a name, with blanks where some readers take them; "*=" is RFC 8187's.
 */
static bool is_other(struct slice rest)
{
    rest = skip_blanks(rest);
    if (!slice_starts_with(rest, SLICE("=")) && !slice_starts_with(rest, SLICE("*"))) {
        return false;
    }
    struct slice name = slice_skip(rest, 1);
    name.len = slice_find(name, ';');
    name = slice_trim(name);
    return !slice_equal_nocase(name, SLICE("utf-8")) &&
           !slice_equal_nocase(name, SLICE("\"utf-8\""));
}

/* Most say no more than this. */
static bool is_bare(struct slice type)
{
    return slice_equal(type, SLICE("application/json"));
}

/* A media type may say a charset; JSON's is UTF-8 (RFC 8259, section 8.1). Of several any may be
 * the one that counts. */
static bool other_charset(struct slice type)
{
    static const struct slice charset = SLICE_INIT("charset");
    for (size_t i = 0; i < type.len; i++) {
        struct slice rest = slice_skip(type, i);
        if (slice_starts_with_nocase(rest, charset) && is_other(slice_skip(rest, charset.len))) {
            return true;
        }
    }
    return false;
}

enum status body_facts_check(const struct http1_request *request, const char *reader,
                             struct error *err)
{
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];
        if (http1_field_encodes(field)) {
            FAIL(err, STATUS_INVALID,
                 "%s has to read the body, so it cannot be encoded: send it without "
                 "Content-Encoding",
                 reader);
        }
        if (field->id == HTTP1_CONTENT_TYPE && !is_bare(field->value) &&
            other_charset(field->value)) {
            FAIL(err, STATUS_INVALID, "%s has to read the body, so its charset must be UTF-8",
                 reader);
        }
    }
    return STATUS_OK;
}

const struct call *body_facts_call(const struct exchange *exchange, const struct route *route,
                                   struct slice rest)
{
    char normal[PATH_MAX_BYTES];
    if (rest.len > sizeof(normal)) {
        return NULL;
    }
    return call_find(route->profile, exchange->request->method_text,
                     target_normalize(rest, normal));
}

bool body_facts_path_model(const struct call *call, struct slice rest, char *out, size_t size)
{
    char normal[PATH_MAX_BYTES];
    char name[MODEL_NAME_MAX];
    size_t len = 0;
    struct slice model = call_path_model(call, target_normalize(rest, normal)); /* it fits */
    if (model.len == 0 || model.len > sizeof(name) || model.len >= size ||
        decode_percent(model, name, &len) != STATUS_OK || memchr(name, '\0', len) != NULL) {
        return false;
    }
    memcpy(out, name, len);
    out[len] = '\0';
    return len > 0;
}

/* A path that is none of the profile's calls, but may be taken for one that names a model: an
 * upstream may read slashes, cases and parameters as it likes. */
static bool names_model_otherwise(const struct route *route, struct slice rest)
{
    const struct profile *profile = route->profile;
    char folded[PATH_MAX_BYTES + 1];
    char call_folded[PATH_MAX_BYTES + 1];
    if (rest.len > PATH_MAX_BYTES) {
        return profile->call_count > 0; /* nobody has looked at it */
    }
    struct slice path = deny_fold(rest, folded);
    for (unsigned i = 0; i < profile->call_count; i++) {
        struct call call = profile->calls[i];
        if (call.path.len <= PATH_MAX_BYTES) {
            call.path = deny_fold(call.path, call_folded);
            if (call_path_model(&call, path).len > 0) {
                return true;
            }
        }
    }
    return false;
}

enum status body_facts_models(const struct exchange *exchange, const struct route *route,
                              struct slice rest, struct body_models *ret, struct error *err)
{
    struct request_facts facts;
    const struct call *call = body_facts_call(exchange, route, rest);
    if (call == NULL && names_model_otherwise(route, rest)) {
        FAIL(err, STATUS_INVALID, "the path is not written as the provider has it");
    }
    TRY(request_facts_read(call, exchange->body_slice, &facts, err));
    ret->count = 0;
    if (facts.model[0] != '\0') {
        memcpy(ret->text[ret->count++], facts.model, sizeof(facts.model));
    }
    if (call != NULL &&
        body_facts_path_model(call, rest, ret->text[ret->count], sizeof(ret->text[0]))) {
        ret->count++;
    }
    if (ret->count == 0) {
        FAIL(err, STATUS_INVALID, "the body does not say which: send JSON with a \"model\"");
    }
    return STATUS_OK;
}
