#include "gateway/sample_event_body.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/memory.h"

#include <cjson/cJSON.h>

/* ---- what is usual ---- */

/* Only so much that a receiver sees whom it is from. Names of the providers' documentation, and
 * nobody's data. */
static const struct sample {
    const char *provider;
    const char *type, *id_prefix;
    const char *body; /* JSON, or what a form begins with */
} samples[] = {
    {"stripe", "invoice.paid", "evt_test_",
     "{\"object\":\"event\",\"livemode\":false,\"data\":{\"object\":{\"id\":\"in_test\",\"object\":"
     "\"invoice\",\"amount_paid\":1234,\"currency\":\"usd\",\"status\":\"paid\"}}}"},
    {"github", "ping", "", "{\"zen\":\"Keep it logically awesome.\",\"hook_id\":1}"},
    {"gitlab", "Push Hook", "", "{\"object_kind\":\"push\",\"ref\":\"refs/heads/main\"}"},
    {"gitlab-signing", "Push Hook", "msg_test_",
     "{\"object_kind\":\"push\",\"ref\":\"refs/heads/main\"}"},
    {"shopify", "orders/create", "", "{\"id\":1,\"test\":true,\"total_price\":\"12.34\"}"},
    {"slack", "app_mention", "Ev",
     "{\"type\":\"event_callback\",\"team_id\":\"T0TEST\",\"event\":{\"text\":\"hello\"}}"},
    {"paddle", "transaction.completed", "evt_test_",
     "{\"data\":{\"id\":\"txn_test\",\"status\":\"completed\"}}"},
    {"square", "payment.updated", "",
     "{\"data\":{\"type\":\"payment\",\"id\":\"test\",\"object\":{\"payment\":{\"status\":"
     "\"COMPLETED\"}}}}"},
    {"intercom", "conversation.user.created", "notif_", "{\"type\":\"notification_event\"}"},
    {"linear", "Issue", "",
     "{\"action\":\"create\",\"type\":\"Issue\",\"data\":{\"id\":\"test\"}}"},
    {"zoom", "meeting.started", "", "{\"payload\":{\"object\":{\"topic\":\"test\"}}}"},
    {"meta", "page", "", "{\"entry\":[{\"id\":\"0\",\"changes\":[{\"field\":\"feed\"}]}]}"},
    {"pagerduty", "incident.triggered", "",
     "{\"event\":{\"resource_type\":\"incident\",\"data\":{\"title\":\"test\"}}}"},
    {"sentry", "issue", "", "{\"action\":\"created\",\"data\":{\"issue\":{\"title\":\"test\"}}}"},
    {"hubspot", "contact.creation", "", "[{\"eventId\":1,\"objectId\":1}]"},
    {"hubspot-v2", "contact.creation", "", "[{\"eventId\":1,\"objectId\":1}]"},
    {"hubspot-v1", "contact.creation", "", "[{\"eventId\":1,\"objectId\":1}]"},
    {"okta", "user.lifecycle.create", "", "{\"eventType\":\"com.okta.event_hook\"}"},
    {"xero", "UPDATE", "", "{\"events\":[{\"eventCategory\":\"INVOICE\"}]}"},
    {"razorpay", "payment.captured", "", "{\"entity\":\"event\",\"contains\":[\"payment\"]}"},
    {"docusign", "envelope-completed", "", "{\"data\":{\"envelopeId\":\"test\"}}"},
    {"openai", "response.completed", "evt_test_",
     "{\"object\":\"event\",\"data\":{\"id\":\"resp_test\"}}"},
    {"supabase-auth-hooks", "", "msg_test_",
     "{\"user\":{\"email\":\"test@example.com\"},\"email_data\":{\"email_action_type\":"
     "\"signup\"}}"},
    {"twilio", "", "SM", "MessageStatus=delivered&From=%2B15005550006&To=%2B15005550009"},
    {"twilio-json", "", "", "{\"message\":\"test\"}"},
};

static const struct sample other = {"", "test.event", "evt_test_", "{\"test\":true}"};

static const struct sample *sample_of(struct slice provider)
{
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        if (slice_equal(provider, slice_from(samples[i].provider))) {
            return &samples[i];
        }
    }
    return &other;
}

struct slice sample_event_id_prefix(struct slice provider)
{
    return slice_from(sample_of(provider)->id_prefix);
}

struct slice sample_event_type(struct slice provider)
{
    return slice_from(sample_of(provider)->type);
}

/* ---- JSON ---- */

/* The item of that name, or of that index of an array; made if it is not there. The next name tells
 * what it is to be. */
static cJSON *step(cJSON *at, const char *name, cJSON *take_new)
{
    cJSON *there =
        cJSON_IsArray(at) ? cJSON_GetArrayItem(at, 0) : cJSON_GetObjectItemCaseSensitive(at, name);
    if (there != NULL) {
        cJSON_Delete(take_new);
        return there;
    }
    if (cJSON_IsArray(at)) {
        (void)cJSON_AddItemToArray(at, take_new);
    } else {
        (void)cJSON_AddItemToObject(at, name, take_new);
    }
    return take_new;
}

static cJSON *value_of(const struct sample_event_member *member, struct arena *arena)
{
    return member->text.len > 0 ? cJSON_CreateString(arena_copy(arena, member->text).ptr)
                                : cJSON_CreateNumber((double)member->number);
}

/* Arrays have one item here, and pointers no escapes. */
static bool put_member(cJSON *root, const struct sample_event_member *member, struct arena *arena)
{
    struct slice rest = slice_skip(member->name, 1);
    cJSON *at = root;
    for (;;) {
        size_t len = slice_find(rest, '/');
        const char *name = arena_copy(arena, slice_make(rest.ptr, len)).ptr;
        struct slice after = slice_skip(rest, len + 1);
        if (!cJSON_IsObject(at) && !cJSON_IsArray(at)) {
            return false;
        }
        if (len == rest.len) {
            cJSON *value = value_of(member, arena);
            cJSON *before = step(at, name, value);
            if (before != value) { /* the sample's own gives way */
                (void)cJSON_ReplaceItemViaPointer(at, before, value_of(member, arena));
            }
            return true;
        }
        bool array = after.len > 0 && ascii_is_digit(after.ptr[0]);
        at = step(at, name, array ? cJSON_CreateArray() : cJSON_CreateObject());
        rest = after;
    }
}

enum { BODY_MAX_BYTES = 65536 };

static enum status write_json(const struct sample_event_content *content, struct arena *arena,
                              struct buffer *out, struct error *err)
{
    static const struct json_limits limits = {.bytes = BODY_MAX_BYTES, .depth = 16};
    struct cJSON *root CLEANUP(json_free_at) = NULL;
    TRY(json_parse(slice_from(sample_of(content->provider)->body), &limits, &root, err));
    for (unsigned i = 0; i < content->member_count; i++) {
        if (!put_member(root, &content->members[i], arena)) {
            FAIL(err, STATUS_INVALID, "%.*s: there is no place for %.*s in a body made here",
                 SLICE_ARG(content->provider), SLICE_ARG(content->members[i].name));
        }
    }
    return json_write(root, out);
}

/* ---- forms ---- */

static enum status write_form(const struct sample_event_content *content, struct buffer *out)
{
    const char *begin = sample_of(content->provider)->body;
    TRY(buffer_append(out, begin[0] == '{' ? SLICE("test=true") : slice_from(begin)));
    for (unsigned i = 0; i < content->member_count; i++) {
        TRY(buffer_append(out, SLICE("&")));
        TRY(encode_percent(content->members[i].name, out));
        TRY(buffer_append(out, SLICE("=")));
        TRY(encode_percent(content->members[i].text, out));
    }
    return STATUS_OK;
}

enum status sample_event_body(const struct sample_event_content *content, struct arena *arena,
                              struct slice *ret, struct error *err)
{
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, BODY_MAX_BYTES);
    enum status status =
        content->form ? write_form(content, &out) : write_json(content, arena, &out, err);
    if (status == STATUS_TOO_LARGE) {
        FAIL(err, STATUS_TOO_LARGE, "that is too long for a body made here");
    }
    TRY(status);
    *ret = arena_copy(arena, buffer_bytes(&out));
    return STATUS_OK;
}
