#include "gateway/breaker_report.h"

#include "base/buffer.h"
#include "gateway/observe/audit_log.h"
#include "gateway/upstream/standing.h"

enum status breaker_report_list(struct standings *standings, const struct snapshot *snapshot,
                                struct buffer *out, struct error *err)
{
    if (!standings_show(standings, snapshot, clock_now(), out)) {
        FAIL(err, STATUS_INVALID, "these are too many for one answer");
    }
    return STATUS_OK;
}

enum status breaker_report_reset(struct standings *standings, const struct snapshot *snapshot,
                                 const char *route, const char *peer, struct buffer *out,
                                 struct error *err)
{
    breaker_report_news(standings); /* what was before comes before it in the log */
    unsigned count = standings_reset(standings, snapshot, route, clock_now());
    if (count == 0 && route != NULL) {
        FAIL(err, STATUS_NOT_FOUND, "no route of the config in force is called \"%s\"", route);
    }
    const struct audit_event event = {.kind = AUDIT_ADMIN_BREAKER, .route = route, .peer = peer};
    audit(LOG_LEVEL_WARN, &event, "breaker: reset by admin: %s%s",
          route == NULL ? "all routes" : "route ", route == NULL ? "" : route);
    return buffer_print(out, "{\"reset\":%u}\n", count);
}

static void tell(void *ctx, const struct standing_news *news)
{
    (void)ctx;
    const struct audit_event event = {
        .kind = AUDIT_CIRCUIT, .route = news->route, .secret = news->secret};
    if (news->secret == NULL) {
        audit(LOG_LEVEL_INFO, &event, "breaker: route %s: %s", news->route, news->text);
    } else {
        audit(LOG_LEVEL_INFO, &event, "breaker: route %s, secret %s: %s", news->route, news->secret,
              news->text);
    }
}

void breaker_report_news(struct standings *standings)
{
    unsigned lost = 0;
    standings_news(standings, NULL, tell, &lost);
    if (lost > 0) {
        const struct audit_event event = {.kind = AUDIT_CIRCUITS_LEFT_OUT, .count = lost};
        audit(LOG_LEVEL_WARN, &event, "breaker: %u more changes came too fast to be told", lost);
    }
}
