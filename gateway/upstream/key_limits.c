/* key_limits: what is known of a credential's limits, by quota domain; see standing_state.h. */
#include "gateway/upstream/credential_pool.h"
#include "gateway/upstream/standing_state.h"

#include <string.h>

enum {
    PACED_BELOW = 100, /* thousandths of a limit that are left */
    LEAST_SHARE = 1,   /* in thousandths: also one with nothing left is thinkable */
};

/* What is left of a limit says little when nobody knows of a reset, and it was heard long ago. */
#define LIMIT_REMEMBERED (60 * SEC)

uint64_t key_domain_hash(struct slice domain)
{
    return domain.len == 0 ? 0 : table_hash(domain) | 1;
}

struct key_domain *key_domain_find(struct key_standing *key, uint64_t hash)
{
    if (hash == 0) {
        return &key->domains[0];
    }
    for (unsigned i = 1; i < KEY_DOMAINS; i++) {
        if (key->domains[i].hash == hash) {
            return &key->domains[i];
        }
    }
    return NULL;
}

/* Names of domains come from requests: one that nobody heard of must not push out one that cools,
 * unless all do. */
static bool goes_before(const struct key_domain *a, const struct key_domain *b, usec_t now)
{
    bool a_cools = a->cools_until > now;
    bool b_cools = b->cools_until > now;
    return a_cools != b_cools ? b_cools : a->used_at < b->used_at;
}

struct key_domain *key_domain_have(struct key_standing *key, struct slice domain, uint64_t hash,
                                   usec_t now)
{
    struct key_domain *found = key_domain_find(key, hash);
    if (found == NULL) {
        found = &key->domains[1];
        for (unsigned i = 2; i < KEY_DOMAINS; i++) {
            if (goes_before(&key->domains[i], found, now)) {
                found = &key->domains[i];
            }
        }
        *found = (struct key_domain){.hash = hash};
        size_t len = domain.len < KEY_DOMAIN_SHOWN ? domain.len : KEY_DOMAIN_SHOWN - 1;
        memcpy(found->shown, domain.ptr, len);
    }
    found->used_at = now;
    return found;
}

usec_t key_cools_until(struct key_standing *key, uint64_t hash)
{
    usec_t until = key->domains[0].cools_until;
    const struct key_domain *domain = key_domain_find(key, hash);
    return domain != NULL && domain->cools_until > until ? domain->cools_until : until;
}

static unsigned share_of(const struct key_domain *domain, usec_t now)
{
    if (!domain->has_limit || domain->limit == 0 || now >= domain->limit_until ||
        domain->remaining >= domain->limit) {
        return 1000;
    }
    /* Numbers of a provider: they may be of any size. */
    uint64_t thousandth = domain->limit / 1000;
    uint64_t share =
        thousandth > 0 ? domain->remaining / thousandth : domain->remaining * 1000 / domain->limit;
    return share < LEAST_SHARE ? LEAST_SHARE : share > 1000 ? 1000 : (unsigned)share;
}

unsigned key_share_left(struct key_standing *key, uint64_t hash, usec_t now)
{
    const struct key_domain *domain = key_domain_find(key, hash);
    return domain == NULL ? 1000 : share_of(domain, now);
}

void key_note_limit(struct key_domain *domain, const struct advice *advice, usec_t now)
{
    if (!advice->has_limit) {
        return;
    }
    domain->has_limit = true;
    domain->limit = advice->limit;
    domain->remaining = advice->remaining;
    domain->reset_at = advice->reset_after >= 0 ? now + advice->reset_after : 0;
    domain->limit_until = domain->reset_at > 0 ? domain->reset_at : now + LIMIT_REMEMBERED;
}

usec_t key_take_pace(struct key_standing *key, uint64_t hash, usec_t now)
{
    struct key_domain *domain = key_domain_find(key, hash);
    if (domain == NULL || domain->reset_at <= now || share_of(domain, now) > PACED_BELOW) {
        return 0;
    }
    usec_t rest = domain->reset_at - now;
    usec_t gap = domain->remaining < (uint64_t)rest ? rest / (usec_t)(domain->remaining + 1)
                                                    : 0; /* below a microsecond */
    usec_t place = domain->next_at > now ? domain->next_at : now;
    if (place > now + PACE_LONGEST) {
        place = now + PACE_LONGEST;
    }
    domain->used_at = now;
    domain->next_at = place + (gap < PACE_LONGEST ? gap : PACE_LONGEST);
    return place - now;
}
