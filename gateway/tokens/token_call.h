/*
 * token_call: the call, or one of several, by which a grant has its token: as it is sent, and where
 * it may go. Where a secret goes is for the config to say; where the secret itself names a place,
 * as Google's external accounts do, that is one of Google's, or where the config's URL leads.
 * Belongs to the tokens' thread.
 */
#pragma once

#include "auth/outbound/token_plan.h"
#include "base/buffer.h"
#include "base/http1.h"
#include "base/memory.h"
#include "routes/origin.h"

struct scrubber;
struct secret;
struct token_rule;

/* Where a call goes. */
struct token_goal {
    struct origin origin;
    struct slice target;
};

/* Zero-initialized, it holds nothing. */
struct token_called {
    struct token_step step;
    struct buffer where, member; /* of the step */
    struct buffer head, body;    /* wiped */
    enum http1_method method;
    struct token_goal goal;
    struct arena arena; /* of what that says */
};

/* What is to be sent; of TOKEN_IN_FILE the path alone, in `where`, with NUL behind it. Errors are
 * sentences about the endpoint, or the secret, of which they quote nothing. */
MUST_USE enum status token_called_make(struct token_called *it, const struct token_rule *rule,
                                       const struct token_input *input, struct error *err);
/* Empty memory for a call, or for a token that is signed. */
MUST_USE enum status token_called_room(struct buffer *buffer);
void token_called_fini(struct token_called *it); /* twice does no harm */

/* Where a step's URL leads; `rule` says what is trusted there. What it says lies in the arena. */
MUST_USE enum status token_called_find(const struct token_rule *rule, enum token_place place,
                                       struct slice url, struct arena *arena,
                                       struct token_goal *ret, struct error *err);
/* The subject's token, in what a file or a source answered: all of it, less the blanks around it,
 * or a member of the object that it is. */
MUST_USE enum status token_called_read(struct slice text, struct slice member, struct secret **ret,
                                       struct error *err);

/* What finds the token in answers; NULL: it is too short for that. */
struct scrubber *token_scrubber(const struct token_grant *grant, struct slice token);
