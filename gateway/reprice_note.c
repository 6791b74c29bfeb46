#include "gateway/reprice_note.h"

#include "gateway/admin/admin_server.h"
#include "gateway/ledger/ledger_format.h"
#include "gateway/observe/audit_log.h"
#include "gateway/observe/timestamp.h"

#include <inttypes.h>
#include <stdio.h>

enum { TEXT_MAX = 512, DECIMALS = 9 };

static const char *or_none(const char *name)
{
    return name == NULL || name[0] == '\0' ? NULL : name;
}

static void write_text(const struct usage_repriced *it, char out[TEXT_MAX])
{
    char since[TIMESTAMP_LEN];
    char until[TIMESTAMP_LEN];
    char before[LEDGER_COST_TEXT_MAX];
    char after[LEDGER_COST_TEXT_MAX];
    (void)timestamp_write(it->since * SEC, since);
    (void)timestamp_write(it->until * SEC, until);
    int len = snprintf(out, TEXT_MAX, "usage from %.*s to %.*s%s%.96s ", TIMESTAMP_LEN, since,
                       TIMESTAMP_LEN, until, or_none(it->model) == NULL ? "" : " of model ",
                       or_none(it->model) == NULL ? "" : it->model);
    if (it->done) {
        (void)snprintf(out + len, TEXT_MAX - (size_t)len,
                       "was priced anew: %" PRIu64 " requests changed; %s USD became %s USD",
                       it->rows, ledger_cost_text(it->before, DECIMALS, before),
                       ledger_cost_text(it->after, DECIMALS, after));
    } else {
        (void)snprintf(out + len, TEXT_MAX - (size_t)len, "is about to be priced anew");
    }
}

void reprice_note(const struct usage_repriced *repriced, enum reprice_noted by)
{
    char text[TEXT_MAX];
    const struct audit_event event = {.kind = AUDIT_USAGE_REPRICED,
                                      .tenant = or_none(repriced->tenant),
                                      .route = or_none(repriced->route),
                                      .peer = repriced->peer,
                                      .count = repriced->rows};
    write_text(repriced, text);
    if (by == REPRICE_NOTED_BY_GATEWAY) {
        audit(LOG_LEVEL_WARN, &event, "admin: %s", text);
    } else {
        audit_note(&event, "%s", text);
    }
}
