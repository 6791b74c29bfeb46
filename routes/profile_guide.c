#include "routes/profile_guide.h"

#include "base/json.h"
#include "base/memory.h"
#include "routes/members.h"
#include "routes/profile.h"

static enum status read_sdk(struct arena *arena, const struct cJSON *root, struct profile_sdk *ret,
                            struct error *err)
{
    static const char *const known[] = {"language", "package", "lines", NULL};
    const struct cJSON *sdk = json_get(root, "sdk");
    if (sdk == NULL) {
        return STATUS_OK;
    }
    TRY(members_check(sdk, known, err));
    TRY(members_need_text(arena, sdk, "language", &ret->language, err));
    TRY(members_text(arena, sdk, "package", &ret->package, err));
    TRY(members_texts(arena, sdk, "lines", &ret->lines, &ret->line_count, err));
    if (ret->line_count == 0 || ret->line_count > PROFILE_SDK_LINES_MAX) {
        FAIL(err, STATUS_INVALID, "lines: one to %d are expected", PROFILE_SDK_LINES_MAX);
    }
    return STATUS_OK;
}

enum status profile_read_guide(struct arena *arena, const struct cJSON *root, struct profile *ret,
                               struct error *err)
{
    TRY(members_text(arena, root, "base_url_form", &ret->base_url_form, err));
    if (ret->base_url_form.len > 0 && ret->base_url.len > 0) {
        FAIL(err, STATUS_INVALID, "base_url_form: there is a base_url, which holds for all");
    }
    TRY(members_text(arena, root, "secret", &ret->secret, err));
    if (read_sdk(arena, root, &ret->sdk, err) != STATUS_OK) {
        error_prefix(err, "sdk");
        return STATUS_INVALID;
    }
    TRY(members_flag(root, "replaces", &ret->replaces, err));
    return members_texts(arena, root, "notes", &ret->notes, &ret->note_count, err);
}
