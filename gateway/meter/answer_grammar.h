/*
 * answer_grammar: what the members of an answer's JSON are to the meter, by where they stand: which
 * text was generated, and what ends a stream. (Where its figures are says the usage table.) Only
 * members on the way to something that counts are known; all else is ANSWER_OTHER.
 */
#pragma once

#include "base/slice.h"
#include "routes/call.h"

#include <stdbool.h>

enum answer_part {
    ANSWER_OTHER,
    ANSWER_TOP,
    ANSWER_ID,
    ANSWER_MODEL,
    ANSWER_CREATED,
    ANSWER_OBJECT,
    ANSWER_TYPE,
    ANSWER_SEQUENCE,
    ANSWER_INDEX,
    ANSWER_STOP, /* why it stopped */
    ANSWER_CHOICES,
    ANSWER_CHOICE,
    ANSWER_GENERATED, /* an array or object in which generated texts lie, at any depth */
    ANSWER_TEXT,      /* a generated text; of an array or object, ANSWER_GENERATED */
    ANSWER_ALL,       /* an array or object in which all texts are generated */
    ANSWER_RESPONSE,
    ANSWER_PARTS
};

struct answer_grammar;

/* Of a whole answer, or of the data of an event. */
const struct answer_grammar *answer_grammar_of(enum usage_dialect dialect, bool event);

/* What the member `name` is in an object that is `outer`. */
enum answer_part answer_member(const struct answer_grammar *grammar, enum answer_part outer,
                               struct slice name);
/* What the items of an array are that is `outer`. */
enum answer_part answer_item(const struct answer_grammar *grammar, enum answer_part outer);
