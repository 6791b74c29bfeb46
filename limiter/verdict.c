#include "limiter/verdict.h"

static bool refuses(const struct demand *demand)
{
    return demand->limit->action == LIMIT_DENY;
}

/* The least output that makes sense: all, or a single token where it may be cut down. */
static uint64_t least_output(const struct reservation *reservation)
{
    return reservation->output_share == 0 || reservation->output_want == 0
               ? reservation->output_want
               : 1;
}

static bool all_fit(struct reservation *reservation, enum verdict_step step,
                    struct verdict *verdict)
{
    uint64_t least = least_output(reservation);
    bool fit = true;
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        const struct limit *limit = demand->limit;
        demand->whole = limit->span == LIMIT_RATE ? limit->burst : limit->amount;
        verdict->least[i] = verdict_concerns(demand, step) ? demand_amount(demand, least) : 0;
        bool over = verdict->least[i] > verdict->left[i];
        demand->crossed = false;
        demand->over = over && !refuses(demand);
        demand->refused = over && refuses(demand);
        fit = fit && !demand->refused;
    }
    return fit;
}

static uint64_t choose_output(const struct reservation *reservation, enum verdict_step step,
                              const struct verdict *verdict)
{
    uint64_t output = reservation->output_want;
    if (reservation->output_share == 0 || output == 0) {
        return output;
    }
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        if (refuses(demand) && verdict_concerns(demand, step)) {
            uint64_t room = demand_output_room(demand, verdict->left[i], reservation->output_share);
            output = room < output ? room : output;
        }
    }
    return output > 0 ? output : 1; /* that one fits, as was seen */
}

bool verdict_decide(struct reservation *reservation, enum verdict_step step,
                    struct verdict *verdict)
{
    if (!all_fit(reservation, step, verdict)) {
        return false;
    }
    uint64_t output = choose_output(reservation, step, verdict);
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        verdict->amount[i] = verdict_concerns(demand, step) ? demand_amount(demand, output) : 0;
        demand->over = demand->over || verdict->amount[i] > verdict->left[i];
    }
    reservation->output_granted += output;
    return true;
}

void verdict_note_crossing(struct demand *demand, uint64_t before, uint64_t after)
{
    const struct limit *limit = demand->limit;
    uint64_t line =
        demand->whole / 100 * limit->warn_percent + demand->whole % 100 * limit->warn_percent / 100;
    bool warned = limit->warn_percent > 0 && before < line && after >= line;
    bool passed = limit->action == LIMIT_WARN && before <= demand->whole && after > demand->whole;
    demand->crossed = warned || passed;
}
