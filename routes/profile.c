#include "routes/profile.h"

#include "base/embedded.h"
#include "base/memory.h"
#include "base/nearest.h"

#include <stdlib.h>

extern const struct embedded_file profiles_data[];
extern const struct embedded_file schemas_data[]; /* one */

struct slice profile_schema(void)
{
    return slice_make(schemas_data[0].bytes, schemas_data[0].len);
}

/* "openai.json": the name without its ending. */
static struct slice name_of(const struct embedded_file *file)
{
    struct slice name = slice_from(file->name);
    return slice_make(name.ptr, slice_find(name, '.'));
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct profile *)a)->name, ((const struct profile *)b)->name);
}

static bool has_slot(const struct profile_set *set, struct slice name)
{
    for (unsigned i = 0; i < set->header_slot_count; i++) {
        if (slice_equal(set->header_slots[i], name)) {
            return true;
        }
    }
    return false;
}

static void gather_header_slots(struct arena *arena, struct profile_set *set)
{
    unsigned most = 0;
    for (unsigned i = 0; i < set->count; i++) {
        most += set->profiles[i].slot_count + 1; /* and an end user's */
    }
    struct slice *names = ARENA_ARRAY(arena, struct slice, most);
    set->header_slots = names;
    for (unsigned i = 0; i < set->count; i++) {
        struct slice users = set->profiles[i].user_token.name;
        if (users.len > 0 && !has_slot(set, users)) {
            names[set->header_slot_count++] = users;
        }
        for (unsigned j = 0; j < set->profiles[i].slot_count; j++) {
            const struct slot *slot = &set->profiles[i].slots[j];
            bool header = slot->kind != SLOT_QUERY && slot->kind != SLOT_PATH;
            if (header && !has_slot(set, slot->name)) {
                names[set->header_slot_count++] = slot->name;
            }
        }
    }
}

enum status profile_set_load(struct arena *arena, struct profile_set *ret, struct error *err)
{
    unsigned count = 0;
    while (profiles_data[count].name != NULL) {
        count++;
    }
    struct profile *profiles = ARENA_ARRAY(arena, struct profile, count);
    for (unsigned i = 0; i < count; i++) {
        const struct embedded_file *file = &profiles_data[i];
        TRY(profile_read(arena, name_of(file), slice_make(file->bytes, file->len), &profiles[i],
                         err));
    }
    qsort(profiles, count, sizeof(*profiles), compare_names);
    *ret = (struct profile_set){.profiles = profiles, .count = count};
    gather_header_slots(arena, ret);
    return STATUS_OK;
}

void profile_set_add(struct arena *arena, struct profile_set *set, const struct profile *own,
                     unsigned count)
{
    struct profile *profiles = ARENA_ARRAY(arena, struct profile, set->count + count);
    unsigned used = set->count;
    memcpy(profiles, set->profiles, set->count * sizeof(*profiles));
    for (unsigned i = 0; i < count; i++) {
        struct profile *place = &profiles[used];
        for (unsigned k = 0; k < set->count; k++) {
            place = strcmp(profiles[k].name, own[i].name) == 0 ? &profiles[k] : place;
        }
        used += place == &profiles[used] ? 1 : 0;
        *place = own[i];
    }
    qsort(profiles, used, sizeof(*profiles), compare_names);
    *set = (struct profile_set){.profiles = profiles, .count = used};
    gather_header_slots(arena, set);
}

const struct profile *profile_find(const struct profile_set *set, struct slice name)
{
    for (unsigned i = 0; i < set->count; i++) {
        if (slice_equal(slice_from(set->profiles[i].name), name)) {
            return &set->profiles[i];
        }
    }
    return NULL;
}

const char *profile_nearest(const struct profile_set *set, struct slice name)
{
    struct nearest nearest;
    nearest_init(&nearest, name);
    for (unsigned i = 0; i < set->count; i++) {
        nearest_offer(&nearest, set->profiles[i].name);
    }
    return nearest.best;
}

const struct error_type *profile_error_type(const struct profile *profile, unsigned status,
                                            struct slice error)
{
    for (unsigned i = 0; i < profile->error_type_count; i++) {
        const struct error_type *type = &profile->error_types[i];
        bool of_status = type->status == status || type->status == 0;
        if (of_status && (type->error.len == 0 || slice_equal(type->error, error))) {
            return type; /* the one for any other is the last */
        }
    }
    return NULL;
}
