/* The credential of a route, or its pool of several. */
#include "auth/secrets/secret_name.h"
#include "config/link.h"

bool link_credential_none(const struct route_section *section)
{
    const struct tree *node = tree_get(section->node, "credential");
    return node != NULL && node->kind == TREE_SCALAR && slice_equal(node->text, SLICE("none"));
}

static void check_presence(const struct link *link, const struct route_section *section,
                           const struct route *route)
{
    const struct tree *node = tree_get(section->node, "credential");
    bool injects = route->profile != NULL && !link_generic(route->profile) &&
                   route->profile->injections.count > 0 && tree_get(section->node, "sign") == NULL;
    if (node == NULL && injects) {
        tree_report_key(link->problems, section->node,
                        "credential is missing; write credential: {secret: NAME}, or "
                        "credential: none if this upstream needs none");
    } else if (node != NULL && node->kind == TREE_LIST && node->count == 0) {
        tree_report(
            link->problems, node,
            "the pool is empty; write [{secret: NAME}], or none if this upstream needs none");
    } else if (section->credential.count > ROUTE_CREDENTIALS_MAX) {
        tree_report(link->problems, node, "%u credentials, and %d are the most of a pool",
                    section->credential.count, ROUTE_CREDENTIALS_MAX);
    }
}

/* Random characters, as they stand in keys: a name's words are shorter, or have no digits. */
static bool has_random_run(struct slice name)
{
    const size_t long_run = 16;
    size_t run = 0;
    bool has_digit = false;
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.ptr[i];
        bool separates = byte == '-' || byte == '_' || byte == '.';
        run = separates ? 0 : run + 1;
        has_digit = !separates && (has_digit || ascii_is_digit(byte));
        if (run >= long_run && has_digit) {
            return true;
        }
    }
    return false;
}

/* What providers' keys begin with; a name may, too. */
static bool looks_like_a_credential(struct slice name)
{
    static const char *const beginnings[] = {"sk-",         "sk_",    "rk_",    "ghp_", "gho_",
                                             "ghs_",        "xoxb-",  "xoxp-",  "SG.",  "AKIA",
                                             "github_pat_", "glpat-", "whsec_", "sp_",  "AIza"};
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        if (slice_starts_with(name, slice_from(beginnings[i]))) {
            return has_random_run(name);
        }
    }
    return false;
}

void link_check_secret(const struct link *link, const struct tree *secret)
{
    if (!secret_name_valid(secret->text)) {
        tree_report(link->problems, secret,
                    "a secret's name has letters, digits, '-', '_' and '.', does not begin with "
                    "'.', and is 64 bytes long at most");
    } else if (looks_like_a_credential(secret->text)) {
        tree_report(link->problems, secret,
                    "this looks like a credential itself, which no config may hold; write the name "
                    "of a secret, whose value is in one of the secrets sources");
    } else if (link->sections->secrets.count == 0 && tree_get(link->root, "secrets") == NULL) {
        tree_report(link->problems, secret,
                    "there is no source that could have this secret; write secrets: [{type: env}], "
                    "or another source, at the top of the file");
    }
}

/* A twin would be counted as two that have room, and is one. */
static void check_twin(const struct link *link, const struct credential_section *sections,
                       unsigned index)
{
    const struct tree *secret = sections[index].secret;
    for (unsigned i = 0; i < index; i++) {
        const struct tree *other = sections[i].secret;
        if (other != NULL && slice_equal(other->text, secret->text)) {
            tree_report(link->problems, secret,
                        "this secret is in the pool already, at %s; take one out, and give the "
                        "other a weight",
                        TREE_PLACE(other, secret));
            return;
        }
    }
}

/* Where some say an account and some do not, nothing is known of the latter. */
static void check_account(const struct link *link, const struct credential_section *sections,
                          unsigned count, unsigned index)
{
    const struct tree *account = sections[index].account;
    if (account != NULL && !secret_name_valid(account->text)) {
        tree_report(link->problems, account,
                    "an account's name has letters, digits, '-', '_' and '.', does not begin with "
                    "'.', and is 64 bytes long at most");
    }
    if (account != NULL || tree_get(sections[index].node, "account") != NULL) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        if (sections[i].account != NULL) {
            tree_report(link->problems, sections[index].node,
                        "account is missing, which others of this pool say; write account: NAME "
                        "for each credential, or for none");
            return;
        }
    }
}

/* Counts an account that is new. */
static unsigned find_account(struct route *route, const char *account)
{
    for (unsigned i = 0; i < route->credential_count; i++) {
        if (slice_equal(slice_from(route->credentials[i].account), slice_from(account))) {
            return route->credentials[i].account_index;
        }
    }
    return route->account_count++;
}

void link_credentials(const struct link *link, const struct route_section *section,
                      struct route *route)
{
    const struct credential_section *sections = section->credential.items;
    unsigned count = section->credential.count;
    check_presence(link, section, route);
    route->credentials = ARENA_ARRAY(link->arena, struct route_credential, count + 1);
    for (unsigned i = 0; i < count; i++) {
        if (sections[i].secret == NULL) {
            continue;
        }
        link_check_secret(link, sections[i].secret);
        check_twin(link, sections, i);
        check_account(link, sections, count, i);
        struct route_credential *credential = &route->credentials[route->credential_count];
        const struct tree *account = sections[i].account;
        credential->secret_name = link_keep_slice(link, sections[i].secret->text).ptr;
        credential->account = account == NULL ? "" : link_keep_slice(link, account->text).ptr;
        credential->account_index = find_account(route, credential->account);
        credential->weight = sections[i].weight;
        route->credential_count++;
    }
}
