/*
 * link: makes the snapshot from bound sections: checks what values mean together, resolves names,
 * compiles tables. Internal to config/; a file a topic. All report and go on.
 */
#pragma once

#include "base/table.h"
#include "config/sections.h"
#include "config/snapshot.h"

struct link {
    struct snapshot *snapshot;
    struct arena *arena; /* the snapshot's: what stays */
    struct problems *problems;
    const struct tree *root;
    const struct config_sections *sections; /* its nodes and strings do not stay */
    struct table routes;                    /* name -> struct route */
};

/* A copy that stays. NULL stays NULL. */
const char *link_keep(const struct link *link, const char *text);
struct slice link_keep_slice(const struct link *link, struct slice text);

/* Reports what a parser said of a node's text. It may quote the text, so it is only shown if that
 * was written there. `what` for when it is not: "a network". */
void link_report(const struct link *link, const struct tree *node, const char *what,
                 const struct error *err);

/* The scalars of a FIELD_TEXTS node, of which some may be faulty; NULL has none. */
unsigned link_text_count(const struct tree *texts);
const struct tree *link_text(const struct tree *texts, unsigned index);

/* Those that are built in, and the operator's own. False: there are none; reported. */
bool link_profiles(const struct link *link);

/* The profile of no provider in particular (`http`): nothing about the upstream is known, so the
 * route has to say it. */
bool link_generic(const struct profile *profile);

/* The route that `node` names, as a part of its text; NULL: reported. */
const struct route *link_find_route(const struct link *link, const struct tree *node,
                                    struct slice name);

/* Those that can be read; the others are reported. */
const struct egress_network *link_networks(const struct link *link, const struct tree *texts,
                                           unsigned *ret_count);
/* What "sqlite:PATH" names; NULL: it is not of that form. */
const char *link_sqlite_path(const struct link *link, const struct tree *url);
/* `ca` NULL: the system's. */
struct url;
struct origin link_make_origin(const struct link *link, const struct url *url, const char *ca,
                               const struct outbound_proxy *proxy);
/* What `proxy` says, with the secret's name next to it: that one, or `usual` where it says none.
 * NULL: none is used. */
const struct outbound_proxy *link_proxy(const struct link *link, const struct tree *url,
                                        const struct tree *secret,
                                        const struct outbound_proxy *usual);
/* References to the slots of the proxies' secrets; and back. */
void link_proxies_take_slots(struct snapshot *snapshot, struct secret_store *store);
void link_proxies_drop_slots(struct snapshot *snapshot);
/* What a circuit's numbers mean together; `node` NULL: all are the defaults. */
void link_breaker(const struct link *link, const struct tree *node,
                  const struct breaker_policy *policy);

/* References to the slots of the headers' secrets; and back. `store` NULL: none. */
void link_otlp_take_slots(struct otlp_settings *otlp, struct secret_store *store);
void link_otlp_drop_slots(struct otlp_settings *otlp);

/* The same for all hooks' secrets. */
void link_hooks_take_slots(struct snapshot *snapshot, struct secret_store *store);
void link_hooks_drop_slots(struct snapshot *snapshot);

void link_gateway(struct link *link);
void link_admin(struct link *link);
void link_store(struct link *link);
void link_ledger(struct link *link);
void link_otlp(struct link *link);
void link_secrets(struct link *link);
void link_egress(struct link *link);
void link_routes(struct link *link);
void link_fallbacks(struct link *link); /* after routes */
void link_tenants(struct link *link);
void link_jwt(struct link *link);  /* after tenants */
void link_mtls(struct link *link); /* after tenants and gateway */
void link_jwt_drop(struct snapshot *snapshot);
void link_shared_keys(struct link *link); /* after tenants; warnings alone */
void link_quotas(struct link *link);      /* after tenants, routes, store, ledger and gateway */
void link_hooks(struct link *link);       /* after routes and ledger */

/* Of one quota; limit->tenant is set. False: it is of no use, which was reported. */
bool link_quota(const struct link *link, const struct quota_section *section, struct limit *limit);

/* Of one source that is asked over the network, at its place in the list. NULL: it is of no use,
 * which was reported. */
struct remote_store;
const struct remote_store *link_remote_store(const struct link *link,
                                             const struct secret_source_section *section,
                                             unsigned index);

/* Of one tenant. `seen`: hash -> the node that lists it, of all tenants so far. */
void link_keys(const struct link *link, const struct tenant_section *section, struct table *seen,
               struct tenant *tenant);
void link_deny(const struct link *link, const struct tenant_section *section,
               struct tenant *tenant); /* after routes */
/* When keys expire, of all tenants. */
void link_key_expiries(const struct link *link);

/* Is it a secret's name, and is there a source that could have it? */
void link_check_secret(const struct link *link, const struct tree *secret);

/* Whether some SDK sends a key in this header. */
bool link_header_is_slot(const struct link *link, struct slice name);

/* "credential: none". */
bool link_credential_none(const struct route_section *section);

/* Of one route. */
void link_origin(const struct link *link, const struct route_section *section,
                 struct route *route); /* after its profile */
/* The same settings at another place. */
struct origin link_origin_like(const struct link *link, const struct origin *like,
                               const struct url *url);
/* Does it lead to several hosts: by its own word or its profile's? */
bool link_has_hosts(const struct route_section *section, const struct profile *profile);
/* Its entries, and where the first is. False: there are none; reported. */
bool link_hosts_begin(const struct link *link, const struct route_section *section,
                      struct route *route, struct url *ret_first);
void link_route_hosts(const struct link *link, const struct route_section *section,
                      struct route *route); /* after all else of the route */
void link_credentials(const struct link *link, const struct route_section *section,
                      struct route *route); /* before the injection */
void link_resilience(const struct link *link, const struct route_section *section,
                     struct route *route); /* after its profile and origin */
void link_prices(const struct link *link, const struct route_section *section,
                 struct route *route); /* after its profile */
/* Does it sign: by its own word or its profile's? */
bool link_signs(const struct route_section *section, const struct profile *profile);
/* The profile's base URL for the region that the route says; empty: there is none. */
struct slice link_sign_base_url(const struct link *link, const struct route_section *section,
                                const struct profile *profile);
void link_sign(const struct link *link, const struct route_section *section,
               struct route *route); /* after its origin and credentials */
/* The header fields that the signature brings, into `names`; at most SIGN_FIELDS_MAX. */
enum { SIGN_FIELDS_MAX = 16 };
unsigned link_sign_fields(const struct route *route, struct slice *names);
void link_injection(const struct link *link, const struct route_section *section,
                    struct route *route); /* after its signature */
void link_headers(const struct link *link, const struct route_section *section,
                  struct route *route);
void link_validate(const struct link *link, const struct route_section *section,
                   struct route *route);
void link_token(const struct link *link, const struct route_section *section,
                struct route *route); /* after its credentials and origin */
/* The rule of a route with several hosts, for one of them. NULL stays NULL. */
const struct token_rule *link_token_for(const struct link *link, const struct token_rule *rule,
                                        const struct route *host);

/* Of one hook, whose place is known. */
void link_hook_proof(const struct link *link, const struct hook_section *section,
                     struct hook *hook);
void link_hook_scheme(const struct link *link, const struct hook_section *section,
                      struct hook *hook);
void link_hook_settles(const struct link *link, const struct hook_section *section,
                       struct hook *hook);
void link_hook_targets(const struct link *link, const struct hook_section *section,
                       struct hook *hook);
/* At most `most`; how many there are. */
unsigned link_hook_secrets(const struct link *link, const struct tree *texts,
                           struct hook_secret *secrets, unsigned most);
/* What a list of events takes. */
struct hook_patterns link_hook_patterns(const struct link *link, const struct tree *texts);
