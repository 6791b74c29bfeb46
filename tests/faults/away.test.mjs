// Redis stops for a while under load: with on_failure: local no request fails, none waits longer than
// the store's timeout, none waits at all once the circuit is open, and no more is admitted than the
// shares allow. When it is back, what was counted alone is handed over.
import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';

import { ask, fleet, items, provider, settled, sleep, until } from './fleet.mjs';

const SECONDS = Number(process.env.FAULT_SECONDS ?? 3);
const RATE = 500;
const TIMEOUT_MS = 25;
// What a busy machine, the proxy and node itself may add to a request's time.
const SLACK_MS = Number(process.env.FAULT_SLACK_MS ?? 250);

async function load(state, seconds) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 200 });
  const end = Date.now() + seconds * 1000;
  const calls = [];
  let due = Date.now();
  while (Date.now() < end) {
    for (; due <= Date.now(); due += 1000 / RATE) {
      const member = state.members[calls.length % state.members.length];
      const began = performance.now();
      calls.push(ask(agent, member.gateway, state.key).then((status) => ({ status, ms: performance.now() - began })));
    }
    await sleep(1);
  }
  const results = await Promise.all(calls);
  agent.destroy();
  return results;
}

const count = (results, status) => results.filter((result) => result.status === status).length;

for (const how of ['paused', 'killed']) {
  test(`Redis is ${how} for ${SECONDS} s under ${RATE} requests/s: all go on by local shares`, async (t) => {
    const upstream = await provider();
    const limit = 1000000;
    const crew = await fleet({
      count: 2, quotas: [{ name: 'daily', requests: limit, per: 'day' }],
      store: { on_failure: 'local', timeout: `${TIMEOUT_MS}ms` }, upstream: upstream.port,
    });
    try {
      for (const { gateway } of crew.members) { // both have heard of what is left
        await until('it is answered by the store', async () => (await ask(undefined, gateway, crew.key)) === 200);
      }
      const seen = (await items(crew.members[0].gateway))[0].used;
      const before = await load(crew, 1);
      assert.equal(count(before, 200), before.length, JSON.stringify(before.find((one) => one.status !== 200)));
      const running = load(crew, SECONDS + 1);
      if (how === 'paused') crew.redis.pause();
      else await crew.redis.kill();
      await sleep(SECONDS * 1000);
      if (how === 'paused') crew.redis.resume();
      else await crew.redis.restart();
      const during = await running;
      assert.equal(count(during, 200), during.length, 'none fails');
      const slowest = Math.max(...during.map((result) => result.ms));
      t.diagnostic(`${during.length} requests, the slowest took ${slowest.toFixed(1)} ms`);
      assert.ok(slowest < TIMEOUT_MS + SLACK_MS, `the slowest took ${slowest} ms`);
      for (const { gateway } of crew.members) await settled(gateway);
      assert.ok(await crew.members[0].gateway.metric('store_local_total') > 0);
      if (how === 'paused') {
        await until('all is handed over', async () => (await items(crew.members[0].gateway))[0].used === seen + before.length + during.length);
      }
    } finally {
      await crew.stop();
      upstream.close();
    }
  });
}

test('alone, a gateway admits no more than its share of what was left', async () => {
  const upstream = await provider();
  const crew = await fleet({
    count: 2, quotas: [{ name: 'daily', requests: 100, per: 'day' }], store: { on_failure: 'local' },
    upstream: upstream.port,
  });
  const agent = new http.Agent({ keepAlive: true });
  try {
    const [one, two] = crew.members.map((member) => member.gateway);
    for (let i = 0; i < 10; i++) assert.equal(await ask(agent, i % 2 ? one : two, crew.key), 200);
    // Both know that two are alive after a heartbeat of each.
    await sleep(5500);
    assert.equal(await ask(agent, one, crew.key), 200);
    assert.equal(await ask(agent, two, crew.key), 200);
    await crew.redis.kill();
    const answered = async (gateway) => {
      let n = 0;
      while (await ask(agent, gateway, crew.key) === 200) n++;
      return n;
    };
    const [a, b] = await Promise.all([answered(one), answered(two)]);
    // 12 of 100 are used; the one that asked last knew of 88, the other of 89.
    assert.ok(a + b <= 88, `${a} + ${b} were admitted alone`);
    assert.ok(a >= 43 && b >= 43, `${a} and ${b}: each has its share`);
    assert.ok(await one.metric('quota_overshoot_bound') >= 0);
  } finally {
    agent.destroy();
    await crew.stop();
    upstream.close();
  }
});

test('on_failure: deny answers 503, allow lets through and says so', async () => {
  const upstream = await provider();
  const crew = await fleet({
    count: 1, quotas: [{ name: 'daily', requests: 100, per: 'day', on_failure: 'deny' }], upstream: upstream.port,
  });
  const soft = await fleet({
    count: 1, quotas: [{ name: 'daily', requests: 100, per: 'day', on_failure: 'allow' }], upstream: upstream.port,
  });
  try {
    await crew.redis.kill();
    await soft.redis.kill();
    const call = (member, key) => fetch(`${member.gateway.url}/api/x`, { headers: { 'X-Sallyport-Key': key } });
    const denied = await call(crew.members[0], crew.key);
    assert.equal(denied.status, 503);
    assert.equal(denied.headers.get('x-sallyport-error'), 'store_unavailable');
    assert.equal(denied.headers.get('retry-after'), '1');
    const allowed = await call(soft.members[0], soft.key);
    assert.equal(allowed.status, 200);
    assert.equal(allowed.headers.get('x-sallyport-store'), 'degraded');
    assert.equal(await soft.members[0].gateway.metric('store_up'), 0);
  } finally {
    await crew.stop();
    await soft.stop();
    upstream.close();
  }
});

test('flushed: it is noticed and said, and without a ledger counting begins anew', async () => {
  const upstream = await provider();
  const crew = await fleet({ count: 1, quotas: [{ name: 'daily', requests: 5, per: 'day' }], upstream: upstream.port });
  const agent = new http.Agent({ keepAlive: true });
  try {
    const { gateway } = crew.members[0];
    for (let i = 0; i < 5; i++) assert.equal(await ask(agent, gateway, crew.key), 200);
    assert.equal(await ask(agent, gateway, crew.key), 429);
    await crew.redis.cli('FLUSHALL');
    assert.equal(await ask(agent, gateway, crew.key), 429, 'at first by what it knew itself');
    await until('it is said', () => /audit: store: .*lost/.test(gateway.stderr));
    await until('nobody has anything to hand in', async () => (await ask(agent, gateway, crew.key)) === 200);
  } finally {
    agent.destroy();
    await crew.stop();
    upstream.close();
  }
});
