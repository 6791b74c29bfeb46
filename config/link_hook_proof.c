/* By what a hook's events are proved to be from who they say: scheme, secrets, pins. What would
 * prove less than it seems to is refused. */
#include "auth/inbound/webhook_scheme.h"
#include "config/link.h"
#include "config/url.h"

enum { PIN_BYTES_MAX = 512 };

/* ---- what its scheme needs ---- */

static void check_secrets(const struct link *link, const struct hook_section *section,
                          const struct hook *hook)
{
    const struct tree *node = tree_get(section->node, "secrets");
    bool needed = webhook_scheme_wants_secret(hook->scheme);
    if (needed && (node == NULL || link_text_count(section->secrets) == 0)) {
        tree_report_key(link->problems, node != NULL ? node : section->node,
                        "secrets is missing, by which %.*s is verified; write secrets: [NAME]",
                        SLICE_ARG(hook->scheme->name));
    } else if (!needed && node != NULL) {
        tree_report_key(link->problems, node,
                        "%.*s signs with keys that are published, and has no secret; take this out",
                        SLICE_ARG(hook->scheme->name));
    }
}

static void link_url(const struct link *link, const struct hook_section *section, struct hook *hook)
{
    struct error err;
    struct url url;
    const struct tree *given = section->public_url;
    if (given == NULL) {
        return;
    }
    hook->public_url = link_keep_slice(link, given->text); /* to the byte, as it is signed */
    if (url_parse(link->arena, given->text, &url, &err) != STATUS_OK) {
        link_report(link, given, "a URL", &err);
    }
}

static void check_url(const struct link *link, const struct hook_section *section,
                      const struct hook *hook)
{
    if (webhook_scheme_signs_url(hook->scheme) && tree_get(section->node, "public_url") == NULL) {
        tree_report_key(link->problems, section->node,
                        "public_url is missing, which %.*s signs; write public_url: "
                        "https://hooks.example.com%.*s, as the provider has it",
                        SLICE_ARG(hook->scheme->name), SLICE_ARG(hook->shown_path));
    }
}

static void check_verify_token(const struct link *link, const struct hook_section *section,
                               const struct hook *hook)
{
    const struct tree *given = section->verify_token;
    bool sends = hook->scheme->challenge_token.kind != WEBHOOK_NOWHERE;
    if (given != NULL && !sends) {
        tree_warn(link->problems, given, "ignored: the handshake of %.*s sends no token",
                  SLICE_ARG(hook->scheme->name));
    } else if (sends && tree_get(section->node, "verify_token") == NULL) {
        tree_warn(link->problems, section->node,
                  "verify_token is missing, so that the provider's handshake is refused; write "
                  "verify_token: NAME");
    }
}

/* ---- pins ---- */

/* "arn:aws:sns:eu-west-1:123456789012:orders" */
static bool is_topic(struct slice text)
{
    unsigned colons = 0;
    for (size_t i = 0; i < text.len; i++) {
        colons += text.ptr[i] == ':';
    }
    return slice_starts_with(text, SLICE("arn:")) && colons >= 5 && text.len <= PIN_BYTES_MAX &&
           text.ptr[text.len - 1] != ':';
}

static void link_topics(const struct link *link, const struct tree *texts, struct hook *hook)
{
    if (link_text_count(texts) > HOOK_TOPICS_MAX) {
        tree_report(link->problems, texts, "%u topics, and %d are the most", texts->count,
                    HOOK_TOPICS_MAX);
        return;
    }
    for (unsigned i = 0; i < link_text_count(texts); i++) {
        const struct tree *node = link_text(texts, i);
        if (!node->faulty && !is_topic(node->text)) {
            tree_report(link->problems, node,
                        "this is no topic; write its ARN, such as "
                        "arn:aws:sns:eu-west-1:123456789012:orders");
        }
        hook->topics[hook->topic_count++] = link_keep_slice(link, node->text);
    }
}

static struct slice pin_text(const struct link *link, const struct tree *node)
{
    if (node == NULL) {
        return (struct slice){0};
    }
    if (node->text.len > PIN_BYTES_MAX) {
        tree_report(link->problems, node, "this is longer than %d bytes", PIN_BYTES_MAX);
    }
    return link_keep_slice(link, node->text);
}

struct pin {
    const char *key;
    enum webhook_pin of;
    const char *example;
};

static const struct pin pins[] = {
    {"topics", WEBHOOK_PIN_TOPIC, "[\"arn:aws:sns:eu-west-1:123456789012:orders\"]"},
    {"audience", WEBHOOK_PIN_AUDIENCE, "https://hooks.example.com/pubsub"},
    {"service_account", WEBHOOK_PIN_AUDIENCE, "push@project.iam.gserviceaccount.com"},
};

/* Such a scheme proves only the platform: anyone can send through an account of their own. And a
 * pin that nothing is compared with would promise what it does not hold. */
static void check_pins(const struct link *link, const struct hook_section *section,
                       const struct hook *hook)
{
    for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
        const struct tree *node = tree_get(section->node, pins[i].key);
        bool wanted = hook->scheme->pin == pins[i].of;
        bool empty = node == NULL || (node->kind == TREE_LIST && node->count == 0) ||
                     (node->kind == TREE_SCALAR && node->text.len == 0);
        if (wanted && empty) {
            tree_report_key(link->problems, node != NULL ? node : section->node,
                            "%s is missing: %.*s proves only the platform, which anyone can use; "
                            "write %s: %s",
                            pins[i].key, SLICE_ARG(hook->scheme->name), pins[i].key,
                            pins[i].example);
        } else if (!wanted && node != NULL) {
            tree_report_key(link->problems, node,
                            "%.*s has nothing that is compared with this; take it out",
                            SLICE_ARG(hook->scheme->name));
        }
    }
}

void link_hook_proof(const struct link *link, const struct hook_section *section, struct hook *hook)
{
    link_hook_scheme(link, section, hook);
    link_url(link, section, hook);
    hook->secret_count = link_hook_secrets(link, section->secrets, hook->secrets, HOOK_SECRETS_MAX);
    if (section->verify_token != NULL) {
        link_check_secret(link, section->verify_token);
        hook->verify_token.name = link_keep_slice(link, section->verify_token->text).ptr;
    }
    link_topics(link, section->topics, hook);
    hook->audience = pin_text(link, section->audience);
    hook->service_account = pin_text(link, section->service_account);
    if (hook->scheme != NULL) {
        check_url(link, section, hook);
        check_secrets(link, section, hook);
        check_verify_token(link, section, hook);
        check_pins(link, section, hook);
    }
}
