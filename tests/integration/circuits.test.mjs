// Circuits: what opens one, what never does, that an open one makes no connection, probes, recovery,
// resets by hand, and that it is one for all workers.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { breaker, call, many, series, tally, untilState } from '../support/call.mjs';
import { answer, cutHead, faultyFor, hang, reset } from '../support/faulty.mjs';
import { gatewayFor, sallyport, sleep, until } from '../support/gateway.mjs';

const policy = { window: '30s', min_requests: 10, failure_rate: '50%', consecutive: 4, open: '60s', max_open: '120s', probes: 2 };
const soon = { ...policy, open: '500ms', max_open: '4s' };

async function start(t, { script, breaker: set = policy, route = {}, routes = {}, gateway: more = {}, provider = 'http', ...options } = {}) {
  const upstream = await faultyFor(t, script);
  const gateway = await gatewayFor(t, {
    routes: {
      api: { provider, credential: 'none', upstream: upstream.port, retry: { attempts: 1 }, breaker: set, ...route },
      ...routes,
    },
    gateway: more,
    ...options,
  });
  return { upstream, gateway };
}

const open = (gateway, count = policy.min_requests) => series(count, () => call(gateway, '/api/x'));

// Refused by the circuit, with all that a caller needs.
function assertRefused(lost) {
  assert.equal(lost.status, 503, lost.body);
  assert.equal(lost.code, 'circuit_open');
  assert.match(lost.headers['retry-after'], /^[1-9]\d*$/);
}

async function assertShut(gateway, upstream, count = 5) {
  const [arrived, made] = [upstream.requests.length, upstream.connections];
  for (const lost of await many(count, () => call(gateway, '/api/x'))) assertRefused(lost);
  assert.equal(upstream.requests.length, arrived, 'nothing arrives while it is open');
  assert.equal(upstream.connections, made, 'no connection is made while it is open');
}

for (const [name, script, status] of [
  ['500', answer(500), 500], ['503', answer(503), 503], ['resets', reset(), 502], ['broken heads', cutHead(), 502],
]) {
  test(`${name} open it at the rate, not before min_requests, and then nothing arrives`, async (t) => {
    const { gateway, upstream } = await start(t, { script });
    const before = await open(gateway, policy.min_requests - 1);
    assert.deepEqual(tally(before.map((one) => one.status)), { [status]: policy.min_requests - 1 });
    assert.equal(breaker(gateway, 'api').state, 'closed');
    await gateway.metricIs(0, 'breaker_state', { route: 'api' });
    assert.equal((await call(gateway, '/api/x')).status, status);
    await assertShut(gateway, upstream);
    assert.equal(breaker(gateway, 'api').state, 'open');
    await gateway.metricIs(2, 'breaker_state', { route: 'api' });
    await gateway.metricIs(1, 'breaker_transitions_total', { route: 'api', to: 'open' });
    await until('it is said', () => /api.*opened|opened.*api/.test(gateway.stderr));
  });
}

test('answers that do not come in time open it', async (t) => {
  const { gateway, upstream } = await start(t, { script: hang(), route: { timeouts: { first_byte: '300ms' } } });
  const lost = await many(policy.min_requests, () => call(gateway, '/api/x'));
  assert.deepEqual(tally(lost.map((one) => one.status)), { 504: policy.min_requests });
  await assertShut(gateway, upstream);
});

test('a request whose time as a whole is over, waiting for the answer, counts; a caller’s own deadline does not', async (t) => {
  const { gateway, upstream } = await start(t, { script: hang(), route: { timeouts: { total: '300ms' } } });
  const hasty = await many(2 * policy.min_requests, () => call(gateway, '/api/x', { headers: { 'X-Request-Timeout': '0.1' } }));
  assert.deepEqual(tally(hasty.map((one) => one.status)), { 504: 2 * policy.min_requests });
  assert.equal(breaker(gateway, 'api').state, 'closed');
  const lost = await many(policy.min_requests, () => call(gateway, '/api/x'));
  assert.deepEqual(tally(lost.map((one) => one.status)), { 504: policy.min_requests });
  await assertShut(gateway, upstream);
});

test('a rate below the mark does not open it', async (t) => {
  let n = 0;
  const { gateway, upstream } = await start(t, { script: () => answer(n++ % 5 > 2 ? 500 : 200) });
  const all = await series(40, () => call(gateway, '/api/x'));
  assert.deepEqual(tally(all.map((one) => one.status)), { 200: 24, 500: 16 });
  assert.equal(upstream.requests.length, 40);
});

for (const status of [400, 401, 403, 404, 409, 422, 429, 301]) {
  test(`${status} never opens it`, async (t) => {
    const { gateway, upstream } = await start(t, { script: answer(status) });
    const all = await series(3 * policy.min_requests, () => call(gateway, '/api/x'));
    assert.deepEqual(tally(all.map((one) => one.status)), { [status]: 3 * policy.min_requests });
    assert.equal(upstream.requests.length, 3 * policy.min_requests);
    assert.equal(breaker(gateway, 'api').state, 'closed');
  });
}

test('callers that leave do not open it', async (t) => {
  const { gateway, upstream } = await start(t, { script: hang() });
  for (let i = 0; i < 2; i++) await many(policy.min_requests, () => call(gateway, '/api/x', { signal: AbortSignal.timeout(300) }));
  assert.ok(upstream.requests.length > policy.min_requests);
  upstream.play(answer(200));
  assert.equal((await call(gateway, '/api/x')).status, 200);
});

test('failed connects in a row open it, far below min_requests, and then none is made', async (t) => {
  const { gateway, upstream } = await start(t);
  await upstream.down();
  const lost = await open(gateway, policy.consecutive);
  assert.deepEqual(tally(lost.map((one) => one.code)), { upstream_unreachable: policy.consecutive });
  await upstream.up(); // now a connection would be seen
  await assertShut(gateway, upstream, 10);
  assert.equal(upstream.connections, 0);
});

test('retries of one request count, and stop when it opens', async (t) => {
  const { gateway, upstream } = await start(t, {
    script: answer(500), breaker: { ...policy, min_requests: 4 }, route: { retry: { attempts: 10, base: '10ms', cap: '10ms' } },
  });
  const lost = await call(gateway, '/api/x');
  assert.equal(upstream.requests.length, 4);
  assert.ok([500, 503].includes(lost.status), `${lost.status}`);
  await assertShut(gateway, upstream);
});

test('breaker: off', async (t) => {
  const { gateway, upstream } = await start(t, { script: answer(500), breaker: 'off' });
  await open(gateway, 40);
  assert.equal(upstream.requests.length, 40);
});

// ---- coming back ----

test('after the open time probes decide: well, and it closes', async (t) => {
  const { gateway, upstream } = await start(t, { script: answer(500), breaker: { ...soon, open: '3s' } });
  await open(gateway);
  await assertShut(gateway, upstream, 2);
  upstream.play(answer(200));
  await sleep(3900);
  const answers = await series(policy.probes, () => call(gateway, '/api/x'));
  assert.deepEqual(answers.map((one) => one.status), [200, 200]);
  await untilState(gateway, 'api', 'closed');
  assert.deepEqual(tally((await many(10, () => call(gateway, '/api/x'))).map((one) => one.status)), { 200: 10 });
});

test('no more probes at once than set, and one that fails opens it again for longer', async (t) => {
  const { gateway, upstream } = await start(t, { script: answer(500), breaker: { ...soon, open: '3s', max_open: '60s' } });
  await open(gateway);
  upstream.play(answer(500, {}, 'still ill', { delay: 700 }));
  await sleep(3900);
  const results = await many(20, () => call(gateway, '/api/x'));
  assert.deepEqual(tally(results.map((one) => one.status)), { 500: policy.probes, 503: 20 - policy.probes });
  assert.equal(upstream.requests.length, policy.probes);
  for (const one of results.filter((each) => each.status === 503)) assertRefused(one);
  upstream.play(answer(200));
  await sleep(2400); // the first time it would have been about over; twice that is not
  await assertShut(gateway, upstream, 2);
  await until('it is well again', async () => (await call(gateway, '/api/x')).status === 200, { every: 100 });
});

test('what was under way when it opened does not close or spoil it', async (t) => {
  const { gateway, upstream } = await start(t, { script: answer(200, {}, 'late', { delay: 1500 }) });
  const late = many(5, () => call(gateway, '/api/late'));
  await until('they are there', () => upstream.requests.length === 5);
  upstream.play(answer(500));
  await until('it is open', async () => (await call(gateway, '/api/x')).code === 'circuit_open');
  assert.deepEqual(tally((await late).map((one) => one.status)), { 200: 5 });
  await assertShut(gateway, upstream);
});

// ---- by hand ----

test('sallyport breakers shows it, and resets it', async (t) => {
  const { gateway, upstream } = await start(t, { script: answer(500) });
  await open(gateway);
  assert.match(sallyport(['breakers', '-c', gateway.file]), /api\s.*open/);
  upstream.play(answer(200));
  assertRefused(await call(gateway, '/api/x'));
  sallyport(['breakers', 'reset', 'api', '-c', gateway.file]);
  assert.equal(breaker(gateway, 'api').state, 'closed');
  assert.equal((await call(gateway, '/api/x')).status, 200);
  assert.throws(() => sallyport(['breakers', 'reset', 'nothing', '-c', gateway.file], { stdio: 'pipe' }), /nothing/);
});

test('the admin API resets it, with the token only', async (t) => {
  const { gateway, upstream } = await start(t, { script: answer(500) });
  await open(gateway);
  upstream.play(answer(200));
  const url = `http://127.0.0.1:${gateway.adminPort}/api/v1/breakers`;
  const shown = (await (await fetch(url)).json()).breakers.find((one) => one.route === 'api');
  assert.equal(shown.state, 'open');
  assert.ok(shown.open_for_ms > 0);
  const ask = (headers) => fetch(`${url}/reset?route=api`, { method: 'POST', headers });
  const refused = (await ask({})).status;
  assert.ok([401, 403].includes(refused), `${refused}`);
  assertRefused(await call(gateway, '/api/x'));
  const token = fs.readFileSync(path.join(gateway.folder, 'admin.token'), 'utf8').trim();
  assert.equal((await ask({ Authorization: `Bearer ${token}` })).status, 200);
  assert.equal((await call(gateway, '/api/x')).status, 200);
});

test('readyz?verbose names it', async (t) => {
  const { gateway } = await start(t, { script: answer(500) });
  await open(gateway);
  const ready = await fetch(`http://127.0.0.1:${gateway.adminPort}/readyz?verbose`);
  assert.equal(ready.status, 200, 'a provider that is down does not make the gateway unready');
  assert.match(await ready.text(), /circuit_open: route api/);
});

// ---- of the process ----

test('four workers are as one', async (t) => {
  const { gateway, upstream } = await start(t, { script: answer(500), gateway: { workers: 4 } });
  await open(gateway, policy.min_requests); // each on a connection of its own, so on any worker
  await assertShut(gateway, upstream, 40);
  assert.equal(upstream.requests.length, policy.min_requests);
});

test('a reload keeps it, and one with another upstream’s trouble is not touched', async (t) => {
  const good = await faultyFor(t);
  const { gateway, upstream } = await start(t, {
    script: answer(500), routes: { good: { provider: 'http', credential: 'none', upstream: good.port } },
  });
  await open(gateway);
  await gateway.reload((config) => (config.routes.good.timeouts = { total: '20s' }));
  await assertShut(gateway, upstream);
  assert.equal((await call(gateway, '/good/x')).status, 200);
});

// ---- slow calls and health checks ----

test('slow calls open it, if that is set', async (t) => {
  const { gateway, upstream } = await start(t, {
    script: answer(200, {}, 'slow', { delay: 400 }), breaker: { ...policy, slow: '100ms', slow_rate: '80%' },
  });
  const slow = await many(policy.min_requests, () => call(gateway, '/api/x'));
  assert.deepEqual(tally(slow.map((one) => one.status)), { 200: policy.min_requests });
  await assertShut(gateway, upstream);
});

test('slow calls alone do not open it, if not', async (t) => {
  const { gateway, upstream } = await start(t, { script: answer(200, {}, 'slow', { delay: 400 }) });
  await many(2 * policy.min_requests, () => call(gateway, '/api/x'));
  assert.equal((await call(gateway, '/api/x')).status, 200);
  assert.equal(upstream.requests.length, 2 * policy.min_requests + 1);
});

test('health checks open it without a call, and lead to probes long before its time', async (t) => {
  let health = 500;
  const { gateway, upstream } = await start(t, {
    script: (request) => answer(request.path === '/health' ? health : 200),
    route: { health: { path: '/health', every: '100ms' } }, breaker: { ...policy, min_requests: 1000 },
  });
  await until('it counts as ill', async () => (await gateway.metric('upstream_healthy', { route: 'api' })) === 0);
  await untilState(gateway, 'api', 'open');
  assertRefused(await call(gateway, '/api/x'));
  assert.equal(upstream.requests.filter((request) => request.path !== '/health').length, 0);
  assert.ok(upstream.requests.every((request) => request.method === 'GET'));
  health = 200;
  await until('a probe goes through', async () => (await call(gateway, '/api/x')).status === 200, { every: 100 });
  await call(gateway, '/api/x');
  await untilState(gateway, 'api', 'closed');
  await gateway.metricIs(1, 'upstream_healthy', { route: 'api' });
});

test('without a check there is none', async (t) => {
  const { gateway, upstream } = await start(t);
  await sleep(1000);
  assert.equal(upstream.connections, 0);
  assert.doesNotMatch(await gateway.metrics(), /upstream_healthy\{/);
});
