#include "gateway/otlp/otlp_lane.h"

#include "base/digest.h"
#include "gateway/observe/log.h"
#include "gateway/otlp/otlp_post.h"

enum { DOUBLINGS_MAX = 5 }; /* of the wait */

static const usec_t first_wait = SEC; /* before what failed is sent again */
static const usec_t complaint_interval = 60 * SEC;

void lane_init(struct lane *lane, const char *path, const char *what)
{
    *lane = (struct lane){.path = path, .what = what};
    buffer_init(&lane->body, LANE_BODY_MAX_BYTES);
}

void lane_fini(struct lane *lane)
{
    buffer_fini(&lane->body);
}

void lane_empty(struct lane *lane)
{
    lane->spans = 0;
    if (lane->body.size > LANE_KEEP_BYTES) {
        buffer_reset(&lane->body);
    } else {
        buffer_consume(&lane->body, buffer_len(&lane->body));
    }
}

static void complain(struct lane *lane, const struct otlp_answer *answer, const char *then)
{
    usec_t now = clock_now();
    if (lane->complained == 0 || now - lane->complained >= complaint_interval) {
        lane->complained = now;
        log_warn("otlp: the collector does not take %s: %s; %s", lane->what, answer->why, then);
    }
}

/* Doubles, and is spread over its upper half, so that gateways do not come all at once. */
static usec_t next_wait(const struct lane *lane, usec_t retry_after)
{
    uint32_t dice;
    unsigned doublings = lane->failures < DOUBLINGS_MAX ? lane->failures : DOUBLINGS_MAX;
    usec_t wait = first_wait << doublings;
    random_bytes(&dice, sizeof(dice));
    wait = wait / 2 + (usec_t)dice % (wait / 2);
    return wait > retry_after ? wait : retry_after;
}

static uint64_t taken(struct lane *lane, const struct otlp_answer *answer)
{
    uint64_t lost = answer->rejected < lane->spans ? answer->rejected : lane->spans;
    if (answer->why[0] != '\0') {
        complain(lane, answer, "they are lost");
    }
    if (lane->failures > 0) {
        log_info("otlp: the collector takes %s again", lane->what);
    }
    lane->failures = 0;
    lane_empty(lane);
    return lost;
}

uint64_t lane_send(struct lane *lane, struct otlp_post *post, const struct otlp_settings *settings,
                   usec_t most)
{
    struct otlp_answer answer;
    uint64_t lost = 0;
    otlp_post_send(post, settings, lane->path, buffer_bytes(&lane->body), most, &answer);
    switch (answer.end) {
    case OTLP_TAKEN:
        lost = taken(lane, &answer);
        break;
    case OTLP_AGAIN:
        complain(lane, &answer, "they are sent again later");
        lane->due = clock_now() + next_wait(lane, answer.retry_after);
        lane->failures++;
        break;
    case OTLP_REFUSED:
        complain(lane, &answer, "they are lost");
        lost = lane->spans;
        lane_empty(lane);
        break;
    }
    return lost;
}
