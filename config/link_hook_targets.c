/* Whom a hook's events are delivered to, and how. */
#include "base/field_values.h"
#include "config/link.h"
#include "config/url.h"

#include <string.h>

enum { POINTER_MAX = 512, QUERY_MAX = 1024 };

#define WAIT_MAX (30 * 86400 * SEC)

static const usec_t usual_schedule[] = {
    0, 5 * SEC, 300 * SEC, 1800 * SEC, 7200 * SEC, 18000 * SEC, 36000 * SEC, 36000 * SEC,
};

/* ---- where ---- */

static bool query_valid(struct slice query)
{
    for (size_t i = 0; i < query.len; i++) {
        char byte = query.ptr[i];
        if (!ascii_is_alphanumeric(byte) &&
            (byte == '\0' || strchr("-._~!$&'()*+,;=:@/?%", byte) == NULL)) {
            return false;
        }
    }
    return query.len <= QUERY_MAX;
}

static enum status parse_target(const struct link *link, struct slice text, struct url *ret,
                                struct slice *ret_path, struct error *err)
{
    size_t mark = slice_find(text, '?');
    struct slice query = slice_skip(text, mark);
    TRY(url_parse(link->arena, slice_make(text.ptr, mark), ret, err));
    if (!query_valid(query)) {
        FAIL(err, STATUS_INVALID,
             "the query has a byte that must be percent-encoded, or is longer than %d bytes",
             QUERY_MAX);
    }
    /* As it was written: a '/' at its end may mean something to the receiver. */
    struct slice rest = slice_skip(text, slice_find(text, ':') + strlen("://"));
    rest.len -= query.len;
    struct slice path = slice_skip(rest, slice_find(rest, '/'));
    *ret_path = slice_from(arena_print(link->arena, "%s%.*s%.*s", path.len == 0 ? "/" : "",
                                       SLICE_ARG(path), SLICE_ARG(query)));
    return STATUS_OK;
}

static void link_to(const struct link *link, const struct target_section *section,
                    struct hook_target *target)
{
    struct error err;
    struct url url;
    const char *ca = link_keep(link, section->tls.ca);
    if (section->to == NULL) {
        return;
    }
    if (parse_target(link, section->to->text, &url, &target->path, &err) != STATUS_OK) {
        link_report(link, section->to, "a URL", &err);
        return;
    }
    if (ca != NULL && !url.tls) {
        tree_report_key(link->problems, tree_get(tree_get(section->node, "tls"), "ca"),
                        "the target is plain http; write https://, or take this out");
    }
    target->origin = link_make_origin(
        link, &url, ca, link_proxy(link, section->proxy, section->proxy_credential.secret, NULL));
}

/* ---- when ---- */

static void read_wait(const struct link *link, const struct tree *node, struct hook_target *target)
{
    struct error err;
    int64_t wait = 0;
    if (field_number_parse(FIELD_KIND_DURATION, node->text, &wait, &err) != STATUS_OK) {
        tree_report(link->problems, node, "\"%s\": %s", QUOTE(node->source), err.message);
    } else if (wait > WAIT_MAX) {
        tree_report(link->problems, node, "\"%s\" is too large; the most is %s",
                    QUOTE(node->source), FIELD_NUMBER(FIELD_KIND_DURATION, WAIT_MAX));
    } else {
        target->schedule[target->schedule_count++] = wait;
    }
}

/* What comes after the queue's `max_age` never comes. */
static void check_span(const struct link *link, const struct target_section *section,
                       const struct hook_target *target)
{
    usec_t span = 0;
    usec_t max_age = link->sections->webhook_queue.max_age;
    for (unsigned i = 0; i < target->schedule_count; i++) {
        span += target->schedule[i];
    }
    if (span > max_age) {
        tree_warn(link->problems, section->node,
                  "the waits of its schedule are longer in all than webhook_queue.max_age (%s), at "
                  "which an event is a dead letter",
                  FIELD_NUMBER(FIELD_KIND_DURATION, max_age));
    }
}

static void link_schedule(const struct link *link, const struct target_section *section,
                          struct hook_target *target)
{
    const struct tree *given = section->schedule;
    unsigned count = link_text_count(given);
    if (given == NULL) {
        target->schedule_count = sizeof(usual_schedule) / sizeof(usual_schedule[0]);
        memcpy(target->schedule, usual_schedule, sizeof(usual_schedule));
    } else if (count == 0 || count > HOOK_SCHEDULE_MAX) {
        tree_report(link->problems, given,
                    "%u attempts; write 1 to %d of them, such as [0s, 5s, 5m, 30m]", count,
                    HOOK_SCHEDULE_MAX);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        const struct tree *node = link_text(given, i);
        if (!node->faulty) {
            read_wait(link, node, target);
        }
    }
    check_span(link, section, target);
}

/* ---- pointers ---- */

static bool check_pointer(const struct link *link, const struct tree *node, struct slice text,
                          bool is_key)
{
    bool valid = text.len > 0 && text.len <= POINTER_MAX && text.ptr[0] == '/';
    for (size_t i = 0; valid && i < text.len; i++) {
        if (text.ptr[i] == '~') {
            valid = i + 1 < text.len && (text.ptr[i + 1] == '0' || text.ptr[i + 1] == '1');
        }
    }
    if (valid) {
        return true;
    }
    static const char advice[] =
        "this is no JSON pointer; write one such as /data/object/id ('~' is ~0 in it, '/' in a "
        "name ~1)";
    if (is_key) {
        tree_report_key(link->problems, node, "%s", advice);
    } else {
        tree_report(link->problems, node, "%s", advice);
    }
    return false;
}

static void link_order(const struct link *link, const struct target_section *section,
                       struct hook_target *target)
{
    const struct tree *order = tree_get(section->node, "order");
    const struct tree *key = tree_get(section->node, "order_key");
    target->order = (enum hook_order)section->order;
    if (section->order_key != NULL &&
        check_pointer(link, section->order_key, section->order_key->text, false)) {
        target->order_key = link_keep_slice(link, section->order_key->text);
    }
    if (target->order == HOOK_ORDER_OBJECT && key == NULL) {
        tree_report(link->problems, order,
                    "order_key is missing, which tells objects apart; write order_key: "
                    "/data/object/id");
    } else if (target->order == HOOK_ORDER_NONE && key != NULL) {
        tree_report_key(link->problems, key,
                        "belongs to order: object; write that, or take this out");
    }
}

/* Is `inner` at `outer`, or below it? */
static bool lies_in(struct slice inner, struct slice outer)
{
    return slice_starts_with(inner, outer) &&
           (inner.len == outer.len || inner.ptr[outer.len] == '/');
}

static void add_rename(const struct link *link, const struct tree *node, struct hook_target *target)
{
    if (node->faulty || !check_pointer(link, node, node->key->text, true) ||
        !check_pointer(link, node, node->text, false)) {
        return;
    }
    if (lies_in(node->text, node->key->text)) {
        tree_report(link->problems, node,
                    "a member cannot be moved to where it is, or into itself; write another place");
        return;
    }
    target->edits[target->edit_count++] = (struct hook_edit){
        .kind = HOOK_RENAME,
        .from = link_keep_slice(link, node->key->text),
        .to = link_keep_slice(link, node->text),
    };
}

static void link_transform(const struct link *link, const struct target_section *section,
                           struct hook_target *target)
{
    const struct tree *drop = section->transform.drop;
    const struct tree *rename = section->transform.rename;
    unsigned drops = link_text_count(drop);
    unsigned renames = rename == NULL ? 0 : rename->count;
    if (drops + renames > HOOK_EDITS_MAX) {
        tree_report_key(link->problems, tree_get(section->node, "transform"),
                        "%u changes, and %d are the most", drops + renames, HOOK_EDITS_MAX);
        return;
    }
    target->edits = ARENA_ARRAY(link->arena, struct hook_edit, drops + renames + 1);
    for (unsigned i = 0; i < drops; i++) {
        const struct tree *node = link_text(drop, i);
        if (!node->faulty && check_pointer(link, node, node->text, false)) {
            target->edits[target->edit_count++] =
                (struct hook_edit){.kind = HOOK_DROP, .from = link_keep_slice(link, node->text)};
        }
    }
    for (unsigned i = 0; i < renames; i++) {
        add_rename(link, rename->items[i], target);
    }
}

/* ---- by what name, and how signed ---- */

static void link_target_secrets(const struct link *link, const struct target_section *section,
                                struct hook_target *target)
{
    const struct tree *one = section->secret;
    const struct tree *list = section->secrets;
    bool reported = (one == NULL && tree_get(section->node, "secret") != NULL) ||
                    (list == NULL && tree_get(section->node, "secrets") != NULL);
    if (one != NULL && list != NULL) {
        tree_report(link->problems, one, "there are secrets, too; take one of them out");
        return;
    }
    target->secret_count =
        link_hook_secrets(link, one != NULL ? one : list, target->secrets, HOOK_TARGET_SECRETS_MAX);
    if (target->secret_count == 0 && !reported) {
        tree_warn(link->problems, section->node,
                  "what is sent is not signed, so its receiver cannot tell it from anybody's; "
                  "write secret: NAME");
    }
}

static void link_target_name(const struct link *link, const struct target_section *section,
                             const struct hook *hook, struct hook_target *target)
{
    const struct tree *given = section->name;
    target->name = "default";
    if (given == NULL && hook->target_count > 1 && tree_get(section->node, "name") == NULL) {
        tree_report(link->problems, section->node,
                    "name is missing, which tells the hook's targets apart; write name: billing");
    }
    if (given == NULL) {
        return;
    }
    target->name = link_keep_slice(link, given->text).ptr;
    if (!field_name_valid(given->text)) {
        tree_report(link->problems, given,
                    "a name has only a-z, 0-9, '.', '_' and '-', begins with a letter or digit, "
                    "and is 64 bytes long at most");
    }
    for (unsigned i = 0; i < target->index; i++) {
        if (strcmp(hook->targets[i].name, target->name) == 0) {
            tree_report(link->problems, given,
                        "another target of this hook has this name; write another one");
            return;
        }
    }
}

static void link_target(const struct link *link, const struct target_section *section,
                        const struct hook *hook, struct hook_target *target)
{
    if (section->node->faulty) {
        return;
    }
    link_target_name(link, section, hook, target);
    link_to(link, section, target);
    link_schedule(link, section, target);
    link_order(link, section, target);
    link_target_secrets(link, section, target);
    link_transform(link, section, target);
    target->events = link_hook_patterns(link, section->events);
    target->timeout = section->timeout;
    target->concurrency = section->concurrency;
    target->rate = (struct hook_rate){section->rate.requests, section->rate.per};
    target->breaker = section->breaker;
    link_breaker(link, tree_get(section->node, "breaker"), &target->breaker);
}

void link_hook_targets(const struct link *link, const struct hook_section *section,
                       struct hook *hook)
{
    const struct tree *node = tree_get(section->node, "deliver");
    const struct target_section *sections = section->deliver.items;
    unsigned count = section->deliver.count;
    bool is_empty = node != NULL && (node->kind == TREE_LIST || tree_is_null(node)) && count == 0;
    if (is_empty) {
        tree_report(link->problems, node,
                    "there is nobody to deliver to; write {to: http://billing.internal/stripe}");
    }
    if (count > HOOK_TARGETS_MAX) {
        tree_report(link->problems, node, "%u targets, and %d are the most of a hook", count,
                    HOOK_TARGETS_MAX);
        return;
    }
    hook->targets = ARENA_ARRAY(link->arena, struct hook_target, count + 1);
    hook->target_count = count;
    for (unsigned i = 0; i < count; i++) {
        hook->targets[i].index = i;
        link_target(link, &sections[i], hook, &hook->targets[i]);
    }
}
