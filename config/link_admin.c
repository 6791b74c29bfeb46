/* The admin listener: where it is, by which names, and who may ask. */
#include "config/link.h"
#include "config/listen_address.h"
#include "config/url.h"

static bool takes_a_free_port(struct slice address)
{
    return slice_equal(slice_skip(address, address.len > 2 ? address.len - 2 : 0), SLICE(":0"));
}

static void check_apart(const struct link *link, const struct tree *node)
{
    const struct gateway_settings *gateway = &link->snapshot->gateway;
    unsigned count = gateway->listen_count + gateway->webhook_listen_count;
    for (unsigned i = 0; i < count && !takes_a_free_port(node->text); i++) {
        if (slice_equal(slice_from(gateway->listen[i]), node->text)) {
            tree_report(link->problems, node,
                        "clients are served at this address; write another port, such "
                        "as " DEFAULT_ADMIN_LISTEN);
        }
    }
}

static void link_admin_listen(struct link *link)
{
    struct error err;
    struct slice host = {0};
    const struct tree *node = link->sections->admin.listen;
    struct admin_settings *admin = &link->snapshot->admin;
    admin->listen = DEFAULT_ADMIN_LISTEN;
    if (node == NULL) {
        return;
    }
    if (slice_equal(node->text, SLICE("off"))) {
        admin->listen = NULL;
        return;
    }
    admin->listen = link_keep_slice(link, node->text).ptr;
    if (listen_address_check(node->text, &host, &err) != STATUS_OK) {
        link_report(link, node, "an address to listen on", &err);
        return;
    }
    check_apart(link, node);
    bool is_unix = host.len == 0;
    const struct tree *tls = tree_get(tree_get(link->root, "admin"), "tls");
    if (is_unix && tls != NULL) {
        tree_report_key(link->problems, tls, "a unix socket has no use for TLS; take it out");
    } else if (!is_unix && !listen_address_is_loopback(host) && tls == NULL) {
        tree_report(link->problems, node,
                    "elsewhere than on loopback tokens need TLS: write admin.tls: {cert: FILE, "
                    "key: FILE}, or a loopback address such as " DEFAULT_ADMIN_LISTEN);
    }
}

static void link_hosts(struct link *link)
{
    struct error err;
    const struct tree *texts = link->sections->admin.hosts;
    struct admin_settings *admin = &link->snapshot->admin;
    unsigned count = link_text_count(texts);
    const char **hosts = ARENA_ARRAY(link->arena, const char *, count + 1);
    for (unsigned i = 0; i < count; i++) {
        const struct tree *node = link_text(texts, i);
        if (node->faulty) {
            continue;
        }
        if (url_host_check(node->text, &err) != STATUS_OK) {
            link_report(link, node, "a host name", &err);
            continue;
        }
        hosts[admin->host_count++] = link_keep_slice(link, node->text).ptr;
    }
    admin->hosts = hosts;
}

/* NULL: none is named. */
static const char *token_secret(const struct link *link, const struct tree *name)
{
    if (name == NULL) {
        return NULL;
    }
    link_check_secret(link, name);
    return link_keep_slice(link, name->text).ptr;
}

static void link_tokens(struct link *link)
{
    const struct admin_section *section = &link->sections->admin;
    struct admin_settings *admin = &link->snapshot->admin;
    const struct tree *token = section->token.secret;
    const struct tree *read_token = section->read_token.secret;
    admin->token_secret = token_secret(link, token);
    admin->read_token_secret = token_secret(link, read_token);
    if (token != NULL && section->token_file != NULL) {
        tree_report(link->problems, token,
                    "there is a token_file, too; take one of them out, for one token may do all");
    }
    if (token != NULL && read_token != NULL && slice_equal(token->text, read_token->text)) {
        tree_report(link->problems, read_token,
                    "this secret is the token that may do all; name another one");
    }
    if (token == NULL) {
        admin->token_file =
            section->token_file != NULL
                ? link_keep(link, section->token_file)
                : tree_resolve(link->root->document, SLICE(DEFAULT_TOKEN_FILE), link->arena);
    }
}

void link_admin(struct link *link)
{
    const struct admin_section *section = &link->sections->admin;
    struct admin_settings *admin = &link->snapshot->admin;
    link_admin_listen(link);
    admin->tls_cert = link_keep(link, section->tls.cert);
    admin->tls_key = link_keep(link, section->tls.key);
    admin->tls_ca = link_keep(link, section->tls.ca);
    link_hosts(link);
    link_tokens(link);
}
