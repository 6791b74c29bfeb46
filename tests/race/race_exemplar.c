/* A writer, and a reader that must never see a part of one trace with a part of another. */
#include "gateway/observe/exemplar.h"

#include <pthread.h>
#include <string.h>

enum { TURNS = 400000 };

static struct exemplar exemplar;
static _Atomic bool over;

static void *write_turns(void *ctx)
{
    for (unsigned i = 1; i <= TURNS; i++) {
        struct exemplar_view view = {.value = i, .wall = i};
        memset(view.id, "0123456789abcdef"[i % 16], sizeof(view.id));
        exemplar_write(&exemplar, &view);
    }
    atomic_store(&over, true);
    return ctx;
}

static bool is_whole(const struct exemplar_view *view)
{
    char wanted[TRACE_ID_LEN];
    memset(wanted, "0123456789abcdef"[view->value % 16], sizeof(wanted));
    return view->wall == view->value && memcmp(view->id, wanted, sizeof(wanted)) == 0;
}

int main(void)
{
    pthread_t thread;
    struct exemplar_view view;
    bool whole = !exemplar_read(&exemplar, &view); /* there is none yet */
    usec_t newest = 0;
    if (pthread_create(&thread, NULL, write_turns, NULL) != 0) {
        return 2;
    }
    while (!atomic_load(&over)) {
        if (exemplar_read(&exemplar, &view)) {
            whole = whole && is_whole(&view) && view.wall >= newest;
            newest = view.wall;
        }
    }
    (void)pthread_join(thread, NULL);
    whole = whole && exemplar_read(&exemplar, &view) && view.value == TURNS;
    return whole ? 0 : 1;
}
