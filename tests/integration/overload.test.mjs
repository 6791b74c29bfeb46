// Bounds on what is in flight, callers' own deadlines, hedging, and that what hangs holds up nobody else.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { call, many, series, tally, triesOf } from '../support/call.mjs';
import { answer, faultyFor, hang } from '../support/faulty.mjs';
import { gatewayFor, isSanitized, binary, sleep, until } from '../support/gateway.mjs';
import { describe, latencies, longestTurn } from '../support/latency.mjs';
import { preloaded } from '../support/preload.mjs';

// Of a busy machine; what is not as it should be takes longer.
const LATE_MS = 2500;
const ANSWER_MS = 3500;
const HANGS_S = 6;
const PROMPT_MS = 4500;
const TURN_MS = 1500;

async function start(t, { script = answer(200, {}, 'ok', { delay: ANSWER_MS }), route = {}, routes = {}, ...more } = {}) {
  const upstream = await faultyFor(t, script);
  const gateway = await gatewayFor(t, {
    routes: { api: { provider: 'http', credential: 'none', upstream: upstream.port, retry: { attempts: 1 }, ...route }, ...routes },
    ...more,
  });
  return { upstream, gateway };
}

async function untilBusy(gateway, count) {
  await until(`${count} are in flight`, async () => (await gateway.metric('exchanges')) === count);
}

// ---- bounds ----

function assertOverloaded(refused, name) {
  assert.equal(refused.status, 503, refused.body);
  assert.equal(refused.code, 'overloaded');
  assert.match(refused.headers['retry-after'], /^[1-9]\d*$/);
  assert.match(refused.body, name);
  assert.ok(refused.ms < LATE_MS, `at once, not after ${refused.ms} ms`);
}

test('gateway.limits.exchanges bounds each worker', async (t) => {
  const { gateway, upstream } = await start(t, { gateway: { workers: 1, limits: { exchanges: 5 } } });
  const running = many(5, () => call(gateway, '/api/x'));
  await untilBusy(gateway, 5);
  assertOverloaded(await call(gateway, '/api/x'), /./);
  assert.deepEqual(tally((await running).map((one) => one.status)), { 200: 5 });
  assert.equal((await call(gateway, '/api/x')).status, 200, 'there is room again');
  assert.equal(upstream.requests.length, 6);
});

test('routes.X.max_in_flight bounds a route, over all workers, and no other', async (t) => {
  const other = await faultyFor(t);
  const { gateway, upstream } = await start(t, {
    route: { max_in_flight: 4 }, gateway: { workers: 4 },
    routes: { other: { provider: 'http', credential: 'none', upstream: other.port } },
  });
  const running = many(20, () => call(gateway, '/api/x'));
  await until('four are there', () => upstream.requests.length === 4);
  assert.equal((await call(gateway, '/other/x')).status, 200);
  const results = await running;
  assert.deepEqual(tally(results.map((one) => one.status)), { 200: 4, 503: 16 });
  for (const one of results.filter((each) => each.status === 503)) assertOverloaded(one, /api/);
  assert.equal(upstream.requests.length, 4);
  assert.equal((await call(gateway, '/api/x')).status, 200);
  await until('none is in flight', async () => (await gateway.metric('route_in_flight', { route: 'api' })) === 0);
});

test('tenants.X.max_in_flight bounds a tenant, and no other', async (t) => {
  const { gateway, upstream } = await start(t, {
    tenants: { app: { allow: ['api'], max_in_flight: 3 }, free: { allow: ['api'] } }, gateway: { workers: 4 },
  });
  const running = many(12, () => call(gateway, '/api/x'));
  await until('three are there', () => upstream.requests.length === 3);
  assert.equal((await call(gateway, '/api/x', { key: gateway.keys.free })).status, 200);
  const results = await running;
  assert.deepEqual(tally(results.map((one) => one.status)), { 200: 3, 503: 9 });
  for (const one of results.filter((each) => each.status === 503)) assertOverloaded(one, /app/);
  await until('none is in flight', async () => (await gateway.metric('tenant_in_flight', { tenant: 'app' })) === 0);
});

test('who leaves, and who fails, gives its place back', async (t) => {
  const { gateway, upstream } = await start(t, { script: hang(), route: { max_in_flight: 3, timeouts: { first_byte: '1500ms' }, breaker: 'off' } });
  await many(3, () => call(gateway, '/api/x', { signal: AbortSignal.timeout(300) }));
  await untilBusy(gateway, 0);
  assert.deepEqual(tally((await many(3, () => call(gateway, '/api/x'))).map((one) => one.status)), { 504: 3 });
  upstream.play(answer(200));
  assert.deepEqual(tally((await many(3, () => call(gateway, '/api/x'))).map((one) => one.status)), { 200: 3 });
  assert.equal(await gateway.metric('route_in_flight', { route: 'api' }), 0);
});

test('who has all of the answer finds the place free, at every worker', async (t) => {
  const { gateway, upstream } = await start(t, {
    script: answer(200), route: { max_in_flight: 1 }, tenants: { app: { allow: ['api'], max_in_flight: 1 } }, gateway: { workers: 4 },
  });
  assert.deepEqual(tally((await series(400, () => call(gateway, '/api/x'))).map((one) => one.status)), { 200: 400 });
  upstream.play(answer(500));
  assert.deepEqual(tally((await series(400, () => call(gateway, '/api/x'))).map((one) => one.status)), { 500: 400 });
});

// ---- what hangs holds up nobody else ----

test('one upstream that hangs and one whose name hangs, beside three that are well', async (t) => {
  const hanging = await faultyFor(t, hang());
  const good = [];
  for (let i = 0; i < 3; i++) good.push(await faultyFor(t));
  const routes = {
    mute: { provider: 'http', credential: 'none', upstream: hanging.port, timeouts: { first_byte: `${HANGS_S}s` } },
    nameless: { provider: 'http', credential: 'none', base_url: 'http://h.hang.test', timeouts: { connect: `${HANGS_S}s` } },
  };
  good.forEach((one, i) => (routes[`good${i}`] = { provider: 'http', credential: 'none', upstream: one.port }));
  const env = { ...preloaded('hanging_resolver'), SSL_CERT_FILE: undefined, SSL_CERT_DIR: undefined };
  const gateway = await gatewayFor(t, { routes, env, gateway: { workers: 1 } });
  const stuck = Promise.all([many(40, () => call(gateway, '/mute/x')), many(40, () => call(gateway, '/nameless/x'))]);
  const found = await Promise.all(good.map((_, i) => latencies(gateway, `/good${i}/x`, { busy: stuck })));
  found.forEach((values, i) => {
    t.diagnostic(`good${i}: ${describe(values)}`);
    assert.ok(Math.max(...values) < PROMPT_MS);
    assert.ok(values.length > 20, 'it was called meanwhile');
  });
  const codes = (await stuck).map((results) => results.map((one) => one.status));
  assert.ok(codes[0].every((status) => status === 504 || status === 503), `${codes[0]}`);
  assert.ok(codes[1].every((status) => status === 504 || status === 503), `${codes[1]}`);
  const turn = await longestTurn(gateway);
  t.diagnostic(`longest turn: ${turn.toFixed(2)} ms`);
  assert.ok(turn < (isSanitized(binary) ? TURN_MS : 50), `a turn took ${turn} ms`);
});

// ---- the caller's own deadline ----

for (const [header, value, ms] of [
  ['X-Request-Timeout', '1', 1000], ['X-Request-Timeout', '0.7', 700], ['X-Request-Timeout', '800ms', 800],
  ['X-Request-Timeout', '1s', 1000], ['grpc-timeout', '700m', 700], ['grpc-timeout', '1S', 1000], ['grpc-timeout', '900000u', 900],
]) {
  test(`${header}: ${value} shortens total`, async (t) => {
    const { gateway, upstream } = await start(t, { script: hang() });
    const late = await call(gateway, '/api/x', { headers: { [header]: value } });
    assert.equal(late.status, 504);
    assert.equal(late.code, 'upstream_timeout');
    assert.ok(late.ms > ms - 250 && late.ms < ms + LATE_MS, `after ${late.ms} ms`);
    assert.equal(upstream.requests.length, 1);
  });
}

test('a deadline of the caller’s never lengthens total', async (t) => {
  const { gateway } = await start(t, { script: hang(), route: { timeouts: { total: '700ms' } } });
  for (const headers of [{ 'X-Request-Timeout': '60' }, { 'grpc-timeout': '1H' }]) {
    const late = await call(gateway, '/api/x', { headers });
    assert.equal(late.status, 504);
    assert.ok(late.ms < 700 + LATE_MS, `${late.ms} ms`);
  }
});

test('a deadline that is none is as none', async (t) => {
  const { gateway } = await start(t, { script: answer(200, {}, 'ok', { delay: 300 }) });
  for (const value of ['soon', '-1', '1e99', '', '0x5', '5 parsecs', '99999999999999999999']) {
    const got = await call(gateway, '/api/x', { headers: { 'X-Request-Timeout': value } });
    assert.ok([200, 400].includes(got.status), `${value}: ${got.status}`);
  }
});

test('a caller’s deadline covers waits between attempts', async (t) => {
  const { gateway, upstream } = await start(t, {
    script: answer(503), route: { retry: { attempts: 10, base: '300ms', factor: 1, jitter: 'none', budget: '100%' } },
  });
  const late = await call(gateway, '/api/x', { headers: { 'X-Request-Timeout': '1' } });
  assert.ok([503, 504].includes(late.status));
  assert.ok(late.ms < 1000 + LATE_MS, `${late.ms} ms`);
  assert.ok(upstream.requests.length >= 2 && upstream.requests.length <= 4, `${upstream.requests.length}`);
});

// ---- hedging ----

test('a GET that is slow gets a second attempt, and the first answer counts', async (t) => {
  const { gateway, upstream } = await start(t, { route: { hedge: { after: '300ms' } } });
  upstream.play([hang(), answer(200, {}, 'second')]);
  const got = await call(gateway, '/api/x');
  assert.equal(got.status, 200);
  assert.equal(got.body, 'second');
  assert.ok(got.ms > 250 && got.ms < 300 + LATE_MS, `${got.ms} ms`);
  assert.equal(upstream.requests.length, 2);
  const gap = upstream.gaps[0];
  assert.ok(gap > 250, `${gap} ms`);
  await until('the first is given up', () => upstream.sockets.size <= 1);
});

test('the first answers after all: the second is given up', async (t) => {
  const { gateway, upstream } = await start(t, { route: { hedge: { after: '300ms' } } });
  upstream.play([answer(200, {}, 'first', { delay: 900 }), hang()]);
  const got = await call(gateway, '/api/x');
  assert.equal(got.body, 'first');
  assert.equal(upstream.requests.length, 2);
  await until('the second is given up', () => upstream.sockets.size <= 1);
});

test('one that answers in time gets none', async (t) => {
  const { gateway, upstream } = await start(t, { script: answer(200), route: { hedge: { after: '2s' } } });
  await series(5, () => call(gateway, '/api/x'));
  await sleep(2300);
  assert.equal(upstream.requests.length, 5);
});

test('no more than one beside the first', async (t) => {
  const { gateway, upstream } = await start(t, { route: { hedge: { after: '200ms' }, timeouts: { total: '1500ms' } } });
  upstream.play(hang());
  assert.equal((await call(gateway, '/api/x')).status, 504);
  assert.equal(upstream.requests.length, 2);
});

test('POST is never sent beside itself', async (t) => {
  const { gateway, upstream } = await start(t, { route: { hedge: { after: '200ms' } }, script: answer(200, {}, 'ok', { delay: 1200 }) });
  for (const method of ['POST', 'PATCH']) {
    upstream.play(answer(200, {}, 'ok', { delay: 1200 }));
    assert.equal((await call(gateway, '/api/x', { method, body: 'pay' })).status, 200);
    assert.equal(upstream.requests.length, 1, method);
  }
});

test('a first that fails while the second runs waits for it', async (t) => {
  const { gateway, upstream } = await start(t, { route: { hedge: { after: '200ms' }, retry: { attempts: 1 } } });
  upstream.play([answer(503, {}, 'ill', { delay: 600 }), answer(200, {}, 'well', { delay: 900 })]);
  const got = await call(gateway, '/api/x');
  assert.ok([200, 503].includes(got.status));
  assert.equal(upstream.requests.length, 2);
  assert.ok((await triesOf(gateway, got) ?? []).length <= 2);
});
