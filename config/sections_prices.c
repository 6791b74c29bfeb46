#include "config/sections.h"

/* clang-format off */
#define MONEY "[0-9]+([.][0-9]{1,9})? USD"
#define PRICE(member, example_, help_)                                                             \
    FIELD_TEXT(struct price_section, member, .pattern = MONEY, .example = (example_), .help = (help_))

const struct field price_fields[] = {
    FIELD_TEXT(struct price_section, model, .example = "\"gpt-4o*\"", .fallback_text = "all that have no other",
        .help = "The model as callers name it; with a `*` at its end all that begin like that, of which the "
                "longest counts."),
    PRICE(input, "2.50 USD", "For 1,000,000 tokens read. Where tokens cost something, `output` is there, too."),
    PRICE(output, "10 USD", "For 1,000,000 tokens generated."),
    PRICE(cache_read, "1.25 USD", "For 1,000,000 tokens of the prompt from the provider's cache; by default as `input`."),
    PRICE(cache_write, "3.125 USD", "For those written to it; by default as `input`."),
    PRICE(audio_input, "40 USD", "For those that stand for sound; by default as `input`."),
    PRICE(audio_output, "80 USD", "By default as `output`."),
    PRICE(image_input, "10 USD", "For those that stand for images; by default as `input`."),
    PRICE(image_output, "40 USD", "By default as `output`."),
    PRICE(reasoning, "10 USD", "For those that the model thinks in; by default as `output`."),
    PRICE(per_image, "0.04 USD", "For an image, where the answer tells no tokens."),
    PRICE(per_second, "0.0001 USD", "For a second of sound, likewise."),
    PRICE(per_character, "0.000015 USD", "For a character, likewise."),
    PRICE(per_message, "0.0079 USD", "For a mail or an SMS."),
    PRICE(per_segment, "0.0083 USD", "For a segment of an SMS."),
    PRICE(per_search, "0.01 USD", "For a search that the provider makes, or ranks."),
    PRICE(per_request, "0.01 USD", "For each call that is answered with less than 400, whatever it tells: of "
        "those that the profile knows; where it knows none, of all."),
    FIELD_UINT(struct price_section, context, .min = 1, .max = 100000000, .fallback = 0,
        .fallback_text = "the model's, else the provider's largest",
        .help = "The most tokens that the model reads."),
    FIELD_UINT(struct price_section, max_output, .min = 1, .max = 100000000, .fallback = 0,
        .fallback_text = "the model's, else the provider's largest",
        .help = "The most that it generates."),
    FIELD_END,
};
/* clang-format on */
