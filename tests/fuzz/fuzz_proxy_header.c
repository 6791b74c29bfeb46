/*
 * fuzz_proxy_header: a header is as long as it says and within its bound, bytes behind it change
 * nothing, fewer bytes are partial or as bad, and of version 1 only what is written is read.
 */
#include "gateway/client/proxy_header.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of its own size, so that a byte too many is seen. */
static enum proxy_header_result read_exactly(const uint8_t *data, size_t size,
                                             struct proxy_header *ret, const char **ret_why)
{
    char *copy = malloc(size + 1);
    assert(copy != NULL);
    char *from = copy + 1;
    if (size > 0) {
        memcpy(from, data, size);
    }
    enum proxy_header_result result = proxy_header_read(slice_make(from, size), ret, ret_why);
    free(copy);
    return result;
}

static void expect_same(const struct proxy_header *a, const struct proxy_header *b)
{
    assert(a->source == b->source && a->len == b->len);
    assert(memcmp(a->address, b->address, sizeof(a->address)) == 0);
}

static void check_done(const uint8_t *data, size_t size, const struct proxy_header *header)
{
    struct proxy_header again;
    const char *why = NULL;
    assert(header->len <= size && header->len <= PROXY_HEADER_BYTES && header->len >= 15);
    assert(read_exactly(data, header->len, &again, &why) == PROXY_HEADER_DONE);
    expect_same(header, &again);
    for (size_t part = 0; part < header->len; part++) {
        assert(read_exactly(data, part, &again, &why) == PROXY_HEADER_PARTIAL);
    }
    if (data[0] == 'P') {
        assert(header->len <= PROXY_HEADER_V1_BYTES && header->source != PROXY_HEADER_UNIX);
        assert(data[header->len - 2] == '\r' && data[header->len - 1] == '\n');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header header;
    struct proxy_header again;
    const char *why = NULL;
    switch (read_exactly(data, size, &header, &why)) {
    case PROXY_HEADER_DONE:
        check_done(data, size, &header);
        break;
    case PROXY_HEADER_PARTIAL:
        assert(size < PROXY_HEADER_BYTES);
        for (size_t part = 0; part < size; part++) {
            assert(read_exactly(data, part, &again, &why) == PROXY_HEADER_PARTIAL);
        }
        break;
    case PROXY_HEADER_BAD:
        assert(why != NULL && strlen(why) > 0);
        break;
    }
    return 0;
}
