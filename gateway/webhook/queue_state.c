/* The states of deliveries by name. */
#include "gateway/webhook/queue.h"

static const char *const names[QUEUE_STATES] = {
    [QUEUE_STATE_WAITING] = "waiting",
    [QUEUE_STATE_HELD_BACK] = "held_back",
    [QUEUE_STATE_DELIVERED] = "delivered",
    [QUEUE_STATE_DEAD] = "dead",
};

const char *queue_state_name(enum queue_state state)
{
    return names[state];
}

bool queue_state_find(struct slice name, enum queue_state *ret)
{
    for (unsigned i = 0; i < QUEUE_STATES; i++) {
        if (slice_equal(name, slice_from(names[i]))) {
            *ret = (enum queue_state)i;
            return true;
        }
    }
    return false;
}
