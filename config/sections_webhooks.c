/* sections_webhooks: the keys of `webhooks` and `webhook_queue`; see sections.h. */
#include "config/sections.h"

#define HOUR (3600 * SEC)
#define DAY  (24 * HOUR)
#define KIB  ((int64_t)1024)
#define MIB  (1024 * KIB)
#define GIB  (1024 * MIB)

#define LIKE_A_PLACE   .pattern = "(/([^~/]|~[01])*)+|[^/].*"
#define LIKE_A_POINTER .pattern = "(/([^~/]|~[01])*)+"

/* clang-format off */
const struct field queue_fields[] = {
    FIELD_TEXT(struct queue_section, url, .fallback_text = "sqlite:" DEFAULT_QUEUE_PATH,
        .example = "\"sqlite:/var/lib/sallyport/webhooks.db\"", .pattern = "sqlite:/?[^/](.*[^/])?",
        .help = "`sqlite:PATH`: a file that is made; a relative path starts from the folder of the config file."),
    FIELD_DURATION(struct queue_section, keep, .min = 0, .max = 366 * DAY, .fallback = 7 * DAY,
        .help = "How long what was delivered is kept, to be replayed."),
    FIELD_DURATION(struct queue_section, max_age, .min = 60 * SEC, .max = 366 * DAY, .fallback = 7 * DAY,
        .help = "An event that waits longer is a dead letter."),
    FIELD_UINT(struct queue_section, max_events, .min = 1, .max = 1000000000, .fallback = 1000000,
        .help = "The most events that wait or are dead; beyond it 503, so that the provider sends them again."),
    FIELD_SIZE(struct queue_section, max_size, .min = MIB, .max = 1024 * GIB, .fallback = 4 * GIB,
        .help = "Likewise for their bodies and headers."),
    FIELD_END,
};

static const char *const sources_of_rates[] = {"ip", NULL};

static const char *const countings[] = {
    [HOOK_COUNT_UNVERIFIED] = "unverified",
    [HOOK_COUNT_ALL] = "all",
    NULL,
};

static const struct field hook_rate_fields[] = {
    FIELD_UINT(struct hook_rate_section, requests, .min = 1, .max = 1000000, .fallback = 100,
        .help = "So many, then 429."),
    FIELD_DURATION(struct hook_rate_section, per, .min = SEC, .max = DAY, .fallback = 900 * SEC,
        .help = "In so long, refilled evenly."),
    FIELD_ENUM(struct hook_rate_section, each, .names = sources_of_rates, .fallback = 0, .fallback_text = "ip",
        .help = "What has a bucket of its own: the address that sends (see `gateway.trusted_proxies`)."),
    FIELD_ENUM(struct hook_rate_section, count, .names = countings, .fallback = HOOK_COUNT_UNVERIFIED,
        .fallback_text = "unverified",
        .help = "`unverified`: only what does not verify, so that no real event is refused. `all`: every "
                "request."),
    FIELD_END,
};

static const struct field target_rate_fields[] = {
    FIELD_UINT(struct target_rate_section, requests, .min = 1, .max = 1000000, .required = true, .example = "50",
        .help = "The most attempts; further ones wait."),
    FIELD_DURATION(struct target_rate_section, per, .min = SEC, .max = DAY, .fallback = SEC,
        .help = "In so long."),
    FIELD_END,
};

static const struct field transform_fields[] = {
    FIELD_TEXTS(struct transform_section, drop, .lone = true, .fallback_text = "none",
        .example = "[/data/card, /internal]", LIKE_A_POINTER,
        .help = "Members that are taken out, as JSON pointers. What is not there is passed over."),
    FIELD_TEXT_MAP(struct transform_section, rename, .fallback_text = "none",
        .example = "{/data/obj: /data/object}", LIKE_A_POINTER,
        .help = "Members that are moved, each from a JSON pointer to another one, whose parent is there. After "
                "`drop`, in this order."),
    FIELD_END,
};

static const char *const orders[] = {
    [HOOK_ORDER_NONE] = "none",
    [HOOK_ORDER_OBJECT] = "object",
    NULL,
};

const struct field target_fields[] = {
    FIELD_TEXT(struct target_section, to, .required = true, .example = "http://billing.internal/stripe",
        .help = "The URL that events are sent to by POST, `http` or `https`. Its host need not be in `egress`."),
    FIELD_TEXT(struct target_section, name, .fallback_text = "default, where there is one target",
        .example = "billing", LIKE_A_NAME,
        .help = "What waits in the queue finds its target by this name: a changed one is another target. Required "
                "where there are several."),
    FIELD_DURATION(struct target_section, timeout, .min = 100 * MSEC, .max = HOUR, .fallback = 15 * SEC,
        .help = "Of an attempt as a whole."),
    FIELD_TEXTS(struct target_section, schedule, .lone = true,
        .fallback_text = "[0s, 5s, 5m, 30m, 2h, 5h, 10h, 10h]", .example = "[0s, 5s, 5m]",
        .pattern = "[0-9]+(ms|s|m|h|d)",
        .help = "An attempt each: the wait before it, from the event or from the end of the attempt before, ±20 %. "
                "A Retry-After that is longer counts. After the last one the event is a dead letter. 20 at "
                "most."),
    FIELD_ENUM(struct target_section, order, .names = orders, .fallback = HOOK_ORDER_NONE, .fallback_text = "none",
        .help = "`object`: events with the same value at `order_key` are delivered one after the other, in the "
                "order in which they came; one that fails holds up the ones behind it until it is delivered or "
                "dead."),
    FIELD_TEXT(struct target_section, order_key, .example = "/data/object/id", LIKE_A_POINTER,
        .help = "A JSON pointer into the event's body. Required by `order: object`. An event that has nothing there "
                "goes unordered."),
    FIELD_TEXTS(struct target_section, events, .lone = true, .fallback_text = "all", .example = "[\"invoice.*\"]",
        .help = "The types that this target gets, of those that the hook takes; `*` stands for any text."),
    FIELD_TEXT(struct target_section, secret, .fallback_text = "none", .example = "billing-hook", LIKE_A_SECRET,
        .help = "The name of a secret (`whsec_...`) that what is sent is signed with, as Standard Webhooks has it. "
                "Without one it is not signed."),
    FIELD_TEXTS(struct target_section, secrets, .example = "[billing-hook, billing-hook-old]", LIKE_A_SECRET,
        .help = "In place of `secret`: two, while a secret is changed; signed with both."),
    FIELD_UINT(struct target_section, concurrency, .min = 1, .max = 1000, .fallback = 10,
        .help = "The most attempts at once."),
    FIELD_SECTION(struct target_section, rate, target_rate_fields, .example = "{requests: 50, per: 1s}",
        .help = "How often it is tried to deliver. Without it there is no bound."),
    FIELD_SECTION(struct target_section, breaker, breaker_fields, .word = "off",
        .word_offset = offsetof(struct breaker_policy, off), .see = "`routes.NAME.breaker`",
        .example = "{failure_rate: 50%}",
        .help = "The circuit: a target that fails is left alone for a while; that counts as no attempt."),
    FIELD_SECTION(struct target_section, transform, transform_fields, .example = "{drop: [/data/card]}",
        .help = "Changes of a JSON body before it is sent. The signature is made of the changed one."),
    FIELD_SECTION(struct target_section, tls, client_tls_fields,
        .example = "{ca: /etc/ssl/corp-ca.pem}", .help = "Certificates are always verified."),
    FIELD_TEXT(struct target_section, proxy, .fallback_text = "none", .example = "http://proxy.internal:3128",
        .help = "The proxy to this target, as `egress.proxy`, which does not count for it."),
    FIELD_SECTION(struct target_section, proxy_credential, proxy_credential_fields,
        .see = "`egress.proxy_credential`", .help = "For this `proxy`."),
    FIELD_END,
};

static const char *const moneys[] = {
    [HOOK_USD] = "usd",
    [HOOK_CENT] = "cent",
    NULL,
};

const struct field settle_fields[] = {
    FIELD_TEXTS(struct settle_section, types, .lone = true, .fallback_text = "all", .example = "[message.finalized]",
        .help = "The types of events that say it; `*` stands for any text. Of several rules the first one counts that "
                "fits and whose object is there."),
    FIELD_TEXT(struct settle_section, inside, .fallback_text = "none", .example = "/Message", .pattern = "/.*",
        .help = "A JSON pointer to a text that is JSON itself, where the event is in the envelope of another service, "
                "such as SES's in SNS's: the places are those in it."),
    FIELD_TEXT(struct settle_section, each, .fallback_text = "none", .example = "body", .pattern = "body|/.*",
        .help = "Of an event that is an array, such as SendGrid's: `body`; or a JSON pointer to the array in it. Each "
                "element says something of its own, 1,000 of them at most: the places are those in it."),
    FIELD_TEXT(struct settle_section, object, .required = true, .example = "/data/id", LIKE_A_PLACE,
        .help = "Where the id stands that the answer to the request named: a JSON pointer, or the name of a form's "
                "field."),
    FIELD_TEXT(struct settle_section, up_to, .fallback_text = "none: it is all of it", .example = "\".\"",
        .help = "Where the event says more than that id: it ends before this text, as SendGrid's `sg_message_id` does at "
                "its first point."),
    FIELD_TEXT(struct settle_section, cost, .fallback_text = "none", .example = "/data/cost/amount", LIKE_A_PLACE,
        .help = "Where it stands what the call cost: a number, or a text of one. A minus before it means nothing. An "
                "event that has nothing there settles no cost."),
    FIELD_TEXT(struct settle_section, currency, .fallback_text = "none: it is USD", .example = "/data/cost/currency",
        LIKE_A_PLACE,
        .help = "Where its currency stands. What is not `USD` there settles nothing."),
    FIELD_ENUM(struct settle_section, unit, .names = moneys, .fallback = HOOK_USD, .fallback_text = "usd",
        .help = "What the cost is counted in: `usd` or `cent`."),
    FIELD_TEXT(struct settle_section, status, .fallback_text = "none", .example = "MessageStatus", LIKE_A_PLACE,
        .help = "Where it stands what became of the object."),
    FIELD_TEXTS(struct settle_section, free, .lone = true, .fallback_text = "none", .example = "[canceled]",
        .help = "What stands at `status` where the call cost nothing after all, and no cost is told."),
    FIELD_TEXT(struct settle_section, provider, .fallback_text = "the hook's, if a profile is called so; else any",
        .example = "twilio",
        .help = "The profile of the routes whose requests are meant: objects of others are left alone."),
    FIELD_END,
};

static const char *const untyped[] = {
    [UNTYPED_DELIVER] = "deliver",
    [UNTYPED_DROP] = "drop",
    NULL,
};

static const char *const dedupes[] = {
    [HOOK_DEDUPE_NORMAL] = "normal",
    [HOOK_DEDUPE_STRICT] = "strict",
    NULL,
};

const struct field hook_fields[] = {
    FIELD_TEXT(struct hook_section, path, .fallback_text = "/hooks/NAME", .example = "/hooks/stripe",
        .help = "The path that the provider calls, exactly. No route may cover it on the same host."),
    FIELD_TEXT(struct hook_section, host, .fallback_text = "any", .example = "hooks.example.com",
        .help = "The host name that the provider calls, lower case and without a port. Such a hook goes before "
                "one without; on a route's host the route goes before a hook without."),
    FIELD_TEXT(struct hook_section, provider, .fallback_text = "NAME, if a scheme is called so",
        .example = "stripe",
        .help = "How it is signed: the name of a built-in scheme."),
    FIELD_SECTION(struct hook_section, scheme, scheme_fields,
        .example = "{algorithm: hmac-sha256, signature: header X-Signature, encoding: hex, signed: \"{body}\"}",
        .help = "In place of `provider`: a scheme of one's own, of what shares a secret or a token, or has keys "
                "that are published."),
    FIELD_TEXT(struct hook_section, public_url, .fallback_text = "the request's scheme, host and path",
        .example = "https://hooks.example.com/hooks/stripe",
        .help = "The URL as the provider has it, without a query. Required by schemes that sign the URL."),
    FIELD_TEXTS(struct hook_section, secrets, .lone = true, .example = "[stripe-hook, stripe-hook-old]",
        LIKE_A_SECRET,
        .help = "Names of the secrets that it may be signed with: 8 at most, several while one is changed. Public "
                "keys, too, where the provider gives one. Required but by schemes whose keys are published."),
    FIELD_TEXT(struct hook_section, verify_token, .fallback_text = "none", .example = "meta-verify", LIKE_A_SECRET,
        .help = "The name of a secret: the token that the provider's handshake sends."),
    FIELD_TEXTS(struct hook_section, topics, .lone = true,
        .example = "[\"arn:aws:sns:eu-west-1:123456789012:orders\"]",
        .help = "The SNS topics that are accepted, 64 at most. Required by schemes that prove only that Amazon "
                "sent it."),
    FIELD_TEXT(struct hook_section, audience, .example = "https://hooks.example.com/pubsub",
        .help = "The audience of the token that Pub/Sub sends. Required by schemes that prove only that Google "
                "sent it."),
    FIELD_TEXT(struct hook_section, service_account, .example = "push@project.iam.gserviceaccount.com",
        .help = "The service account that the push subscription uses. Required with `audience`."),
    FIELD_TEXTS(struct hook_section, events, .lone = true, .fallback_text = "all",
        .example = "[\"invoice.*\", charge.failed]",
        .help = "The types of events that are wanted; `*` stands for any text. Others are acknowledged and "
                "dropped."),
    FIELD_ENUM(struct hook_section, untyped, .names = untyped, .fallback = UNTYPED_DELIVER,
        .fallback_text = "deliver",
        .help = "Events that do not tell their type, where `events` is set."),
    FIELD_SIZE(struct hook_section, body_bytes, .min = KIB, .max = 64 * MIB, .fallback = 5 * MIB,
        .help = "The largest body; beyond it 413."),
    FIELD_SECTION(struct hook_section, rate, hook_rate_fields, .word = "off",
        .word_offset = offsetof(struct hook_rate_section, off), .example = "{requests: 100, per: 15m}",
        .help = "What one address may send."),
    FIELD_ENUM(struct hook_section, dedupe, .names = dedupes, .fallback = HOOK_DEDUPE_NORMAL,
        .fallback_text = "normal",
        .help = "Repeats within 72 hours are acknowledged and not delivered again. Where an event's id is not "
                "signed, the same body under another id is delivered and logged as suspect; `strict` takes it "
                "for a repeat."),
    FIELD_TEXTS(struct hook_section, sources, .lone = true, .fallback_text = "any", .example = "[54.187.174.169/32]",
        .help = "Networks that may send, besides the signature (see `gateway.trusted_proxies`)."),
    FIELD_LIST(struct hook_section, deliver, struct target_section, target_fields, .lone = true, .required = true,
        .example = "{to: http://billing.internal/stripe}",
        .help = "The services that get the events: one, or a list of up to 16."),
    FIELD_LIST(struct hook_section, settle, struct settle_section, settle_fields, .lone = true,
        .fallback_text = "none", .example = "{object: MessageSid, status: MessageStatus, free: [canceled]}",
        .help = "Events that say, later, what a request cost, or what became of what it made: the ledger's row, and "
                "what its quotas were charged, follow. A rule, or a list of up to 16."),
    FIELD_END,
};
/* clang-format on */
