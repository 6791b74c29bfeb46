/* Where usage is kept. */
#include "config/link.h"

static const char forms[] =
    "write sqlite:PATH, such as sqlite:usage.db or sqlite:/var/lib/sallyport/usage.db, or none";

/* What says nothing where there is no ledger. */
static void check_idle(const struct link *link)
{
    const struct tree *section = tree_get(link->root, "ledger");
    static const char *const keys[] = {"keep", "max_size"};
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const struct tree *node = tree_get(section, keys[i]);
        if (node != NULL) {
            tree_warn(link->problems, node,
                      "ignored: there is no ledger; write ledger: {url: \"sqlite:usage.db\"}");
        }
    }
}

/* Two slashes are a host's in a URL, and "relative" to some and "absolute" to others. */
const char *link_sqlite_path(const struct link *link, const struct tree *url)
{
    struct slice path = slice_skip(url->text, strlen("sqlite:"));
    if (!slice_starts_with(url->text, SLICE("sqlite:")) || path.len == 0 ||
        path.ptr[path.len - 1] == '/' || slice_starts_with(path, SLICE("//"))) {
        return NULL;
    }
    return tree_resolve(url->document, path, link->arena);
}

void link_ledger(struct link *link)
{
    struct error err;
    const struct ledger_section *section = &link->sections->ledger;
    struct ledger_config *ledger = &link->snapshot->ledger;
    struct slice url = section->url != NULL ? section->url->text : SLICE("none");
    ledger->keep = section->keep;
    ledger->max_bytes = section->max_size;
    if (section->off || slice_equal(url, SLICE("none"))) {
        check_idle(link);
        return;
    }
    ledger->path = link_sqlite_path(link, section->url);
    if (ledger->path != NULL) {
        return;
    }
    (void)error_set(&err, STATUS_INVALID, __FILE__, __LINE__, "%s", forms);
    link_report(link, section->url, "the URL of a ledger", &err);
}
