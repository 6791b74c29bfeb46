#include "config/sections.h"

#define HOUR (3600 * SEC)
#define DAY  (24 * HOUR)
#define MIB  ((int64_t)1024 * 1024)
#define GIB  (1024 * MIB)

/* clang-format off */
const struct field ledger_fields[] = {
    FIELD_TEXT(struct ledger_section, url, .fallback_text = "none", .example = "\"sqlite:usage.db\"",
        .pattern = "none|sqlite:/?[^/](.*[^/])?",
        .help = "`sqlite:PATH`: a file that is made; a relative path starts from the folder of the config "
                "file. Beside it lie `PATH.ring-N`, what is on its way there. `none`: nothing is kept."),
    FIELD_DURATION(struct ledger_section, keep, .min = HOUR, .max = 3660 * DAY, .fallback = 30 * DAY,
        .help = "How long each request's row is kept. Sums by minute are kept 400 days."),
    FIELD_SIZE(struct ledger_section, max_size, .min = 16 * MIB, .max = 1024 * GIB, .fallback = 10 * GIB,
        .help = "The largest that the file becomes; beyond it the oldest rows go before their time."),
    FIELD_END,
};
/* clang-format on */
