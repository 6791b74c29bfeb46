#include "gateway/upstream/upstream_side.h"

#include "base/memory.h"
#include "gateway/upstream/connector.h"
#include "gateway/upstream/h2_pool.h"

#include <assert.h>

#include <curl/curl.h>

void upstream_global_init(void)
{
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    assert(code == CURLE_OK);
    (void)code;
}

struct upstream_side *upstream_side_new(struct loop *loop)
{
    struct upstream_side *side = MEMORY_NEW(struct upstream_side);
    side->loop = loop;
    side->connector = connector_new(loop);
    pool_init(&side->pool, loop);
    return side;
}

void upstream_side_count_held(struct upstream_side *side, atomic_size_t *held_bytes)
{
    assert(side->attempts == 0);
    side->held_bytes = held_bytes;
}

void upstream_side_free(struct upstream_side *side)
{
    assert(side->attempts == 0);
    h2_pool_close_idle(side);
    pool_fini(&side->pool);
    connector_free(side->connector);
    endpoint_table_fini(&side->endpoints);
    memory_free(side);
}

struct upstream_counts upstream_side_counts(const struct upstream_side *side)
{
    return (struct upstream_counts){
        .idle = side->pool.idle_count + side->idle_h2,
        .open = connector_open_links(side->connector),
        .connecting = connector_running(side->connector),
    };
}

void upstream_side_close_idle(struct upstream_side *side)
{
    side->generation++;
    pool_close_all(&side->pool);
    h2_pool_close_idle(side);
    connector_refresh(side->connector);
    endpoint_table_trim(&side->endpoints);
}
