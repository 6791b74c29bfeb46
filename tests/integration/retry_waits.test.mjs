// How long is waited between attempts: the schedule, what the provider asks for in each of its dialects,
// and the deadline. Moments are those at which the upstream got each request's first byte.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { call, many, series, triesOf } from '../support/call.mjs';
import { answer, faultyFor, hang } from '../support/faulty.mjs';
import { gatewayFor, sleep, temporaryFolder } from '../support/gateway.mjs';

const quick = { attempts: 3, base: '10ms', cap: '50ms', budget: '100%' };
const secret = 'sk-test-0123456789abcdefghij';
// Of a busy machine.
const LATE_MS = 900;
const EARLY_MS = 5;

async function start(t, { count = 1, provider = 'http', retry = quick, route = {}, ...more } = {}) {
  const upstream = await faultyFor(t);
  const routes = {};
  for (let i = 0; i < count; i++) {
    const credential = provider === 'http' ? 'none' : { secret: 'key' };
    routes[`r${i}`] = { provider, credential, upstream: upstream.port, retry, ...route };
  }
  return { upstream, gateway: await gatewayFor(t, { routes, secrets: { key: secret }, ...more }) };
}

function assertGaps(gaps, expected) {
  assert.equal(gaps.length, expected.length, `${gaps}`);
  expected.forEach((ms, i) => {
    assert.ok(gaps[i] >= ms - EARLY_MS && gaps[i] < ms + LATE_MS, `waited ${gaps}, not ${expected}`);
  });
}

// ---- the schedule ----

test('the classic loop is one line: 1 s, then 2 s', async (t) => {
  const retry = { attempts: 3, base: '1s', factor: 2, jitter: 'none', statuses: [429, 500, 502, 503, 504] };
  const { gateway, upstream } = await start(t, { count: 2, retry });
  upstream.play([answer(503), answer(500), answer(200)]);
  assert.equal((await call(gateway, '/r0/x')).status, 200);
  assertGaps(upstream.gaps, [1000, 2000]);
  upstream.play([answer(408), answer(200)]); // it does not list 408
  assert.equal((await call(gateway, '/r1/x')).status, 408);
  assert.equal(upstream.requests.length, 1);
});

test('the classic loop, faster; every status that it lists', async (t) => {
  const statuses = [429, 500, 502, 503, 504];
  const retry = { attempts: 3, base: '100ms', factor: 2, jitter: 'none', statuses };
  const { gateway, upstream } = await start(t, { count: statuses.length, retry });
  for (const [i, status] of statuses.entries()) {
    upstream.play(answer(status));
    const lost = await call(gateway, `/r${i}/x`);
    assert.equal(lost.status, status);
    assert.equal(lost.attempts, 3);
    assert.equal(lost.headers['x-should-retry'], 'false');
    assertGaps(upstream.gaps, [100, 200]);
  }
});

test('waits grow by the factor, up to the cap', async (t) => {
  const { gateway, upstream } = await start(t, { retry: { attempts: 5, base: '100ms', factor: 4, cap: '500ms', jitter: 'none' } });
  upstream.play(answer(503));
  assert.equal((await call(gateway, '/r0/x')).attempts, 5);
  assertGaps(upstream.gaps, [100, 400, 500, 500]);
});

test('full jitter spreads waits over the whole span', async (t) => {
  const { gateway, upstream } = await start(t, { count: 24, retry: { attempts: 2, base: '2s', cap: '2s' } });
  upstream.play((request) => (request.path.endsWith('again') ? answer(200) : answer(503)));
  const began = performance.now();
  const ends = await many(24, (i) => call(gateway, `/r${i}/x`));
  const waits = await Promise.all(ends.map(async (one) => (await triesOf(gateway, one))[0].wait_ms));
  assert.ok(performance.now() - began < 2000 + 3 * LATE_MS);
  assert.ok(waits.every((ms) => ms >= 0 && ms < 2000), `${waits}`);
  assert.ok(Math.max(...waits) > 1200 && Math.min(...waits) < 800, `not spread: ${waits}`); // 24 of one kind: 1 in 10^5
  const middle = waits.reduce((sum, ms) => sum + ms, 0) / waits.length;
  assert.ok(middle > 500 && middle < 1500, `on average ${middle}`);
});

// ---- what the provider asks for ----

const inSeconds = (seconds) => new Date(Date.now() + seconds * 1000);

for (const [name, provider, headers, least, most] of [
  ['Retry-After in seconds', 'http', () => ({ 'Retry-After': '1' }), 1000, 2100],
  ['Retry-After as a date', 'http', () => ({ 'Retry-After': inSeconds(3).toUTCString() }), 1900, 4100],
  ['retry-after-ms', 'openai', () => ({ 'retry-after-ms': '700' }), 700, 1500],
  ['retry-after-ms before Retry-After', 'openai', () => ({ 'Retry-After': '20', 'retry-after-ms': '700' }), 700, 1500],
  ['x-ratelimit-reset-requests', 'openai', () => ({ 'x-ratelimit-limit-requests': '60', 'x-ratelimit-remaining-requests': '0',
    'x-ratelimit-reset-requests': '1s' }), 1000, 2100],
  ['x-ratelimit-reset-tokens', 'openai', () => ({ 'x-ratelimit-limit-tokens': '6000', 'x-ratelimit-remaining-tokens': '0',
    'x-ratelimit-reset-tokens': '1.2s' }), 1200, 2300],
]) {
  for (const status of name.startsWith('Retry') ? [429, 503] : [429]) {
    test(`a ${status} with ${name}: not before it, and not long after it`, async (t) => {
      const { gateway, upstream } = await start(t, { provider });
      upstream.play([answer(status, headers()), answer(200)]);
      const got = await call(gateway, '/r0/v1/models');
      assert.equal(got.status, 200);
      const [gap] = upstream.gaps;
      assert.ok(gap >= least - EARLY_MS && gap < most + LATE_MS, `waited ${gap} ms`);
    });
  }
}

test('a wait above 30 s is the caller’s: the answer goes on at once, with its header', async (t) => {
  const { gateway, upstream } = await start(t, { count: 3 });
  upstream.play([answer(429, { 'Retry-After': '1' }), answer(200)]);
  assert.equal((await call(gateway, '/r2/x')).attempts, 2, 'a shorter one is waited for');
  for (const [i, value] of ['31', inSeconds(600).toUTCString()].entries()) {
    upstream.play(answer(429, { 'Retry-After': value }, 'slow down'));
    const told = await call(gateway, `/r${i}/x`);
    assert.equal(told.status, 429);
    assert.equal(told.headers['retry-after'], value);
    assert.equal(told.body, 'slow down');
    assert.equal(told.code, undefined, 'it is the provider’s own');
    assert.ok(told.ms < LATE_MS, `after ${told.ms} ms`);
    assert.equal(upstream.requests.length, 1);
  }
});

test('a wait past the deadline goes to the caller at once', async (t) => {
  const { gateway, upstream } = await start(t, { route: { timeouts: { total: '3s' } } });
  upstream.play([answer(503, { 'Retry-After': '1' }), answer(200)]);
  assert.equal((await call(gateway, '/r0/x')).attempts, 2, 'one before it is waited for');
  upstream.play([answer(503, { 'Retry-After': '5' }), answer(200)]);
  const told = await call(gateway, '/r0/x');
  assert.equal(told.status, 503);
  assert.equal(told.headers['retry-after'], '5');
  assert.ok(told.ms < LATE_MS, `after ${told.ms} ms`);
  assert.equal(upstream.requests.length, 1);
});

test('a Retry-After that makes no sense is as none', async (t) => {
  const values = ['-5', '1e18', '1000000000000000000', 'Thu, 01 Jan 1970 00:00:00 GMT', 'soon', '', '0', 'NaN', '5 minutes',
    '99999999999999999999999999', 'Mon, 99 Foo 2999 77:00:00 GMT', '\t-1\t'];
  const { gateway, upstream } = await start(t, { count: values.length });
  for (const [i, value] of values.entries()) {
    upstream.play([answer(503, { 'Retry-After': value }), answer(200)]);
    const got = await call(gateway, `/r${i}/x`);
    assert.equal(got.status, 200, value);
    assert.equal(upstream.requests.length, 2, value);
    assert.ok(upstream.gaps[0] < LATE_MS, `${value}: waited ${upstream.gaps[0]} ms`);
  }
});

// ---- deadlines ----

test('total bounds the request with its waits', async (t) => {
  const retry = { attempts: 10, base: '400ms', factor: 1, jitter: 'none', budget: '100%' };
  const { gateway, upstream } = await start(t, { retry, route: { timeouts: { total: '1500ms' } } });
  upstream.play(answer(503));
  const lost = await call(gateway, '/r0/x');
  assert.equal(lost.status, 503);
  assert.ok(lost.ms < 1500 + LATE_MS, `after ${lost.ms} ms`);
  assert.ok(upstream.requests.length >= 2 && upstream.requests.length <= 4, `${upstream.requests.length} attempts`);
});

test('total bounds attempts that hang, too', async (t) => {
  const { gateway, upstream } = await start(t, { retry: { ...quick, attempts: 10 }, route: { timeouts: { first_byte: '500ms', total: '1200ms' } } });
  upstream.play(hang());
  const lost = await call(gateway, '/r0/x');
  assert.equal(lost.status, 504);
  assert.equal(lost.code, 'upstream_timeout');
  assert.ok(lost.ms > 1200 - 250 && lost.ms < 1200 + LATE_MS, `after ${lost.ms} ms`);
  assert.ok(upstream.requests.length >= 2);
});

test('a caller that leaves during a wait ends it', async (t) => {
  const { gateway, upstream } = await start(t, { retry: { attempts: 2, base: '1s', jitter: 'none' } });
  upstream.play(answer(503));
  await call(gateway, '/r0/x');
  assert.equal(upstream.requests.length, 2, 'one that stays is waited for');
  upstream.play(answer(503));
  await call(gateway, '/r0/x', { signal: AbortSignal.timeout(300) });
  await sleep(1500);
  assert.equal(upstream.requests.length, 1);
  await gateway.metricIs(0, 'exchanges');
});

test('a reload and a drain do not lose who waits', async (t) => {
  const { gateway, upstream } = await start(t, { retry: { attempts: 2, base: '1500ms', jitter: 'none' } });
  upstream.play([answer(503), answer(200)]);
  const answered = call(gateway, '/r0/x');
  await sleep(300);
  await gateway.reload((config) => (config.routes.r0.headers = { set: { 'X-New': '1' } }));
  const got = await answered;
  assert.equal(got.status, 200);
  assert.equal(upstream.requests[1].headers['x-new'], undefined, 'it ends under the config it began with');
});

// ---- credentials and budgets ----

test('each attempt has the credential of its moment', async (t) => {
  const upstream = await faultyFor(t);
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const write = (value) => {
    fs.writeFileSync(path.join(folder, 'new'), value, { mode: 0o600 });
    fs.renameSync(path.join(folder, 'new'), path.join(folder, 'key'));
  };
  write('sk-first-0123456789abcdef');
  const gateway = await gatewayFor(t, {
    routes: { r0: { provider: 'openai', upstream: upstream.port, credential: { secret: 'key' }, retry: { ...quick, attempts: 2 } } },
    extra: { secrets: [{ type: 'directory', path: folder }] },
  });
  upstream.play([answer(503, { 'Retry-After': '4' }), answer(200)]);
  const answered = call(gateway, '/r0/v1/models');
  await sleep(500);
  write('sk-second-0123456789abcdef');
  assert.equal((await answered).status, 200);
  assert.deepEqual(upstream.requests.map((request) => request.headers.authorization),
    ['Bearer sk-first-0123456789abcdef', 'Bearer sk-second-0123456789abcdef']);
});

test('the budget of retries is spent once, then grows by its share', async (t) => {
  const { gateway, upstream } = await start(t, { retry: { attempts: 2, base: '10ms', cap: '10ms', budget: '20%' }, route: { breaker: { min_requests: 1000 } } });
  upstream.play(answer(503));
  const count = 60;
  const began = performance.now();
  const lost = await series(count, () => call(gateway, '/r0/x'));
  const minutes = (performance.now() - began) / 60000;
  const retries = upstream.requests.length - count;
  assert.ok(retries >= 20, `${retries} retries: a full bucket`);
  assert.ok(retries <= 20 + count * 0.2 + 3 * minutes + 1, `${retries} retries`);
  const refused = lost.filter((one) => one.attempts === 1);
  assert.ok(refused.length > 0);
  assert.equal((await triesOf(gateway, refused[0]))[0].then, 'budget');
  assert.equal(refused[0].headers['x-should-retry'], 'false');
});

for (const [header, value] of [['x-stainless-retry-count', '1'], ['amz-sdk-request', 'ttl=20261127T120000Z; attempt=2; max=3'], ['amz-sdk-request', 'attempt=3; max=3']]) {
  test(`a caller’s own retries take from the budget, and are not refused: ${header}: ${value}`, async (t) => {
    const { gateway, upstream } = await start(t, { provider: 'openai', count: 2, retry: { attempts: 2, base: '10ms', cap: '10ms' },
      route: { breaker: { min_requests: 1000 } } });
    upstream.play(answer(503));
    assert.equal((await call(gateway, '/r1/v1/models')).attempts, 2, 'a budget that nobody took from');
    upstream.play(answer(404));
    for (let i = 0; i < 30; i++) {
      const told = await call(gateway, '/r0/v1/models', { headers: { [header]: value } });
      assert.equal(told.status, 404);
    }
    upstream.play(answer(503));
    const spent = await call(gateway, '/r0/v1/models');
    assert.equal(spent.attempts, 1, 'nothing is left of the budget');
  });
}

test('a first attempt of AWS’s SDKs is none of their retries', async (t) => {
  const { gateway, upstream } = await start(t, { provider: 'openai', count: 1, retry: { attempts: 2, base: '10ms', cap: '10ms' },
    route: { breaker: { min_requests: 1000 } } });
  upstream.play(answer(404));
  for (let i = 0; i < 30; i++) await call(gateway, '/r0/v1/models', { headers: { 'amz-sdk-request': 'attempt=1; max=3' } });
  upstream.play(answer(503));
  assert.equal((await call(gateway, '/r0/v1/models')).attempts, 2);
});
