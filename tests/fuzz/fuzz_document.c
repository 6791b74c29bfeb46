/* fuzz_document: a config file, from its bytes to the snapshot. */
#include "base/memory.h"
#include "base/problems.h"
#include "config/snapshot.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    CLEANUP(problems_fini) struct problems problems = {0};
    struct snapshot *snapshot = NULL;
    struct slice text = slice_make((const char *)data, size);
    enum status status = snapshot_parse("fuzz.yaml", text, NULL, &problems, &snapshot);
    /* Refused with a reason, or accepted without any. */
    if ((status == STATUS_OK) == problems_any(&problems) ||
        (status == STATUS_OK) != (snapshot != NULL)) {
        abort();
    }
    for (unsigned i = 0; i < problems.count; i++) {
        char line[2048];
        problem_format(&problems.list[i], line, sizeof(line));
    }
    snapshot_unref(snapshot);
    return 0;
}
