/* What a hook's events say, later, of requests: see struct hook_settle. */
#include "auth/inbound/webhook_scheme.h"
#include "config/link.h"

enum { PLACE_MAX = 512 };

static void check_place(const struct link *link, const struct tree *node)
{
    if (node == NULL || node->faulty) {
        return;
    }
    if (node->text.len == 0 || node->text.len > PLACE_MAX) {
        tree_report(link->problems, node,
                    "write a JSON pointer such as /data/id, or the name of a form's field, of 1 to "
                    "%d bytes",
                    PLACE_MAX);
    }
}

static struct slice link_place(const struct link *link, const struct tree *node)
{
    check_place(link, node);
    return node == NULL ? slice_make("", 0) : link_keep_slice(link, node->text);
}

static struct slice link_inside(const struct link *link, const struct tree *node)
{
    if (node != NULL && !node->faulty && !slice_starts_with(node->text, SLICE("/"))) {
        tree_report(link->problems, node, "write a JSON pointer, such as /Message");
    }
    return link_place(link, node);
}

/* "body" is no place: it points to nothing in it. */
static void link_each(const struct link *link, const struct tree *node, struct hook_settle *settle)
{
    settle->is_array = node != NULL;
    if (node == NULL || node->faulty) {
        return;
    }
    if (slice_starts_with(node->text, SLICE("/"))) {
        settle->each = link_place(link, node);
    } else if (!slice_equal(node->text, SLICE("body"))) {
        tree_report(link->problems, node, "write body, or a JSON pointer, such as /events");
    }
}

/* All places of a rule with `each` are in JSON. */
static void check_pointer(const struct link *link, const struct settle_section *section,
                          const struct tree *node)
{
    if (section->each != NULL && node != NULL && !node->faulty && node->text.len > 0 &&
        !slice_starts_with(node->text, SLICE("/"))) {
        tree_report(link->problems, node,
                    "the elements of an array are no forms; write a JSON pointer, such as /id");
    }
}

/* A scheme may be called otherwise than the profile: then the rule has to say it, or means any. */
static const char *link_provider(const struct link *link, const struct settle_section *section,
                                 const struct hook *hook)
{
    const struct profile_set *set = &link->snapshot->profiles;
    const struct profile *profile = NULL;
    if (section->provider == NULL) {
        profile = hook->scheme == NULL ? NULL : profile_find(set, hook->scheme->name);
    } else if (!section->provider->faulty) {
        profile = profile_find(set, section->provider->text);
        if (profile == NULL) {
            tree_report(link->problems, section->provider,
                        "there is no provider of this name; `sallyport providers` lists them");
        }
    }
    return profile == NULL ? "" : profile->name;
}

static void check_use(const struct link *link, const struct settle_section *section)
{
    bool has_cost = tree_get(section->node, "cost") != NULL;
    bool has_status = tree_get(section->node, "status") != NULL;
    if (!has_cost && !has_status) {
        tree_report(link->problems, section->node,
                    "it says neither what a call cost nor what became of it; write cost: PLACE, or "
                    "status: PLACE");
    }
    if (section->free != NULL && !has_status) {
        tree_report(link->problems, section->free,
                    "there is no status that this could be; write status: PLACE");
    }
    if (section->currency != NULL && !has_cost) {
        tree_report(link->problems, section->currency, "there is no cost; write cost: PLACE");
    }
}

static void link_one(const struct link *link, const struct settle_section *section,
                     const struct hook *hook, struct hook_settle *settle)
{
    settle->provider = "";
    if (section->node->faulty) {
        return;
    }
    check_use(link, section);
    settle->types = link_hook_patterns(link, section->types);
    settle->inside = link_inside(link, section->inside);
    link_each(link, section->each, settle);
    check_pointer(link, section, section->object);
    check_pointer(link, section, section->cost);
    check_pointer(link, section, section->currency);
    check_pointer(link, section, section->status);
    settle->object = link_place(link, section->object);
    settle->up_to = link_place(link, section->up_to);
    settle->cost = link_place(link, section->cost);
    settle->currency = link_place(link, section->currency);
    settle->status = link_place(link, section->status);
    settle->free = link_hook_patterns(link, section->free);
    settle->unit = (enum hook_money)section->unit;
    settle->provider = link_provider(link, section, hook);
}

void link_hook_settles(const struct link *link, const struct hook_section *section,
                       struct hook *hook)
{
    const struct tree *node = tree_get(section->node, "settle");
    const struct settle_section *sections = section->settle.items;
    unsigned count = section->settle.count;
    if (count > HOOK_SETTLES_MAX) {
        tree_report(link->problems, node, "%u rules, and %d are the most of a hook", count,
                    HOOK_SETTLES_MAX);
        return;
    }
    if (count > 0 && link->snapshot->ledger.path == NULL) {
        tree_report(link->problems, node,
                    "there is no ledger whose rows could be settled; write ledger: {url: "
                    "\"sqlite:usage.db\"}");
    }
    struct hook_settle *settles = ARENA_ARRAY(link->arena, struct hook_settle, count + 1);
    for (unsigned i = 0; i < count; i++) {
        link_one(link, &sections[i], hook, &settles[i]);
    }
    hook->settles = settles;
    hook->settle_count = count;
}
