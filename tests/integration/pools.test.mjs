// Pools of credentials: rotation, cooling alone and by account, the last one, keys pinned to an account,
// and going slower when little is left.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { breaker, call, many, series, tally, triesOf } from '../support/call.mjs';
import { answer, faultyFor, json, reset } from '../support/faulty.mjs';
import { gatewayFor, sallyport, sleep, until } from '../support/gateway.mjs';

const keyOf = (name) => `sk-${name}-0123456789abcdefghij`;
const nameOf = (request) => /^Bearer sk-(\w+)-/.exec(request.headers.authorization)?.[1];
const quick = { attempts: 4, base: '10ms', cap: '20ms', budget: '100%' };

// `pool`: names of secrets, each of an account of its own, or [name, {account, weight}].
async function start(t, pool, { script, provider = 'openai', retry = quick, route = {}, routes = {}, ...more } = {}) {
  const upstream = await faultyFor(t, script);
  const secrets = {};
  const credential = pool.map((one) => {
    const [name, rest] = Array.isArray(one) ? one : [one, pool.length > 1 ? { account: one } : {}];
    secrets[name] = keyOf(name);
    return { secret: name, ...rest };
  });
  const gateway = await gatewayFor(t, {
    routes: { api: { provider, upstream: upstream.port, credential, retry, ...route }, ...routes }, secrets, ...more,
  });
  return { upstream, gateway };
}

const get = (gateway, more) => call(gateway, '/api/v1/models', more);
const used = (upstream) => tally(upstream.requests.map(nameOf));
// Answers by the credential's name; 200 where none is said.
const by = (answers) => (request) => answers[nameOf(request)] ?? json(200, {});

test('all are used; none is known to the caller', async (t) => {
  const { gateway, upstream } = await start(t, ['a', 'b', 'c']);
  await series(60, () => get(gateway));
  const counts = used(upstream);
  for (const name of ['a', 'b', 'c']) assert.ok(counts[name] >= 8, JSON.stringify(counts));
});

test('weights are shares', async (t) => {
  const { gateway, upstream } = await start(t, [['a', { weight: 9 }], ['b', { weight: 1 }]]);
  await series(100, () => get(gateway));
  const counts = used(upstream);
  assert.ok(counts.a >= 75 && counts.b >= 1, JSON.stringify(counts));
});

test('a 429 rotates to the next one and cools the first', async (t) => {
  const { gateway, upstream } = await start(t, ['a', 'b'], { script: by({ a: answer(429, { 'Retry-After': '20' }) }) });
  const answers = await series(30, () => get(gateway));
  assert.deepEqual(tally(answers.map((one) => one.status)), { 200: 30 });
  assert.equal(used(upstream).a, 1, 'it was asked once, then left alone');
  const rotated = answers.find((one) => one.attempts === 2);
  const tries = await triesOf(gateway, rotated);
  assert.deepEqual(tries.map((one) => one.credential), ['a', 'b']);
  assert.ok(rotated.ms < 5000, 'nobody waited for the Retry-After of a');
  await gateway.metricIs(1, 'credential_cooling', { secret: 'a' });
  await gateway.metricIs(0, 'credential_cooling', { secret: 'b' });
  assert.equal(breaker(gateway, 'api').state, 'closed');
});

test('keys without accounts rotate, too: each has limits of its own', async (t) => {
  const { gateway, upstream } = await start(t, [['a', {}], ['b', {}]], { script: by({ a: answer(429, { 'Retry-After': '20' }) }) });
  const answers = await series(30, () => get(gateway));
  assert.deepEqual(tally(answers.map((one) => one.status)), { 200: 30 });
  assert.equal(used(upstream).a, 1, 'it was asked once, then left alone');
});

test('it cools as long as Retry-After says, and is used again', async (t) => {
  const { gateway, upstream } = await start(t, ['a', 'b'], { script: by({ a: answer(429, { 'Retry-After': '6' }) }) });
  await until('a was asked', async () => (await get(gateway)) && used(upstream).a === 1);
  upstream.play(by({}));
  await series(10, () => get(gateway));
  assert.equal(used(upstream).a, undefined);
  await sleep(6300);
  await series(30, () => get(gateway));
  assert.ok(used(upstream).a > 0, JSON.stringify(used(upstream)));
});

test('a 429 cools all of its account', async (t) => {
  const pool = [['a1', { account: 'one' }], ['a2', { account: 'one' }], ['b1', { account: 'two' }]];
  const ill = answer(429, { 'Retry-After': '20' });
  const { gateway, upstream } = await start(t, pool, { script: by({ a1: ill, a2: ill }) });
  const answers = await series(30, () => get(gateway));
  assert.deepEqual(tally(answers.map((one) => one.status)), { 200: 30 });
  const counts = used(upstream);
  assert.equal((counts.a1 ?? 0) + (counts.a2 ?? 0), 1, JSON.stringify(counts));
});

test('where all cool, the caller hears the provider’s own 429', async (t) => {
  const { gateway, upstream } = await start(t, ['a', 'b'], { script: answer(429, { 'Retry-After': '40' }, 'too many') });
  const first = await get(gateway);
  assert.equal(first.status, 429);
  const later = await get(gateway);
  assert.equal(later.status, 429);
  assert.equal(later.code, undefined, 'the last one is never benched');
  assert.equal(later.headers['retry-after'], '40');
  assert.equal(later.body, 'too many');
  assert.ok(upstream.requests.length >= 2);
});

test('a single credential that cools is used all the same', async (t) => {
  const { gateway, upstream } = await start(t, ['a'], { script: answer(429, { 'Retry-After': '40' }) });
  for (let i = 0; i < 3; i++) assert.equal((await get(gateway)).status, 429);
  assert.equal(upstream.requests.length, 3);
  upstream.play(by({}));
  assert.equal((await get(gateway)).status, 200);
});

test('a 401 that tells that the key was refused rotates, and benches it', async (t) => {
  const refused = json(401, { error: { message: 'Incorrect API key provided', type: 'invalid_request_error', code: 'invalid_api_key' } });
  const { gateway, upstream } = await start(t, ['a', 'b'], { script: by({ a: refused }) });
  const answers = await series(30, () => get(gateway));
  assert.deepEqual(tally(answers.map((one) => one.status)), { 200: 30 });
  assert.equal(used(upstream).a, 1);
});

test('where all keys are refused, one of them is asked all the same', async (t) => {
  const refused = json(401, { error: { message: 'Incorrect API key provided', type: 'invalid_request_error', code: 'invalid_api_key' } });
  const spare = await faultyFor(t);
  const { gateway, upstream } = await start(t, ['a', 'b'], {
    script: by({ a: refused, b: refused }), route: { fallback: ['spare'] },
    routes: { spare: { provider: 'openai', upstream: spare.port, credential: { secret: 'a' } } },
  });
  await series(10, () => get(gateway));
  const before = upstream.requests.length;
  await get(gateway);
  assert.equal(upstream.requests.length, before + 1, 'and no other one for the same request');
  upstream.play(by({}));
  spare.play(answer(500));
  const answers = await series(20, () => get(gateway));
  assert.deepEqual(tally(answers.map((one) => one.status)), { 200: 20 });
});

test('a 401 of the only credential is the caller’s', async (t) => {
  const { gateway, upstream } = await start(t, ['a'], { script: json(401, { error: {} }) });
  assert.equal((await get(gateway)).status, 401);
  assert.equal((await get(gateway)).status, 401);
  assert.equal(upstream.requests.length, 2);
});

test('a reset by hand ends cooling', async (t) => {
  const { gateway, upstream } = await start(t, ['a', 'b'], { script: by({ a: answer(429, { 'Retry-After': '600' }) }) });
  await series(20, () => get(gateway));
  upstream.play(by({}));
  sallyport(['breakers', 'reset', 'api', '-c', gateway.file]);
  await series(30, () => get(gateway));
  assert.ok(used(upstream).a > 0, JSON.stringify(used(upstream)));
});

test('cooling is the process’s, and a reload keeps it', async (t) => {
  const { gateway, upstream } = await start(t, ['a', 'b'], {
    script: by({ a: answer(429, { 'Retry-After': '600' }) }), gateway: { workers: 4 },
  });
  await series(30, () => get(gateway));
  assert.equal(used(upstream).a, 1);
  await gateway.reload((config) => (config.routes.api.timeouts = { total: '50s' }));
  await series(30, () => get(gateway));
  assert.equal(used(upstream).a, 1);
});

test('a POST that may have been executed never changes account', async (t) => {
  const pool = [['a', { account: 'one' }], ['b', { account: 'two' }]];
  const { gateway, upstream } = await start(t, pool, { provider: 'stripe', route: { breaker: 'off' } });
  for (let i = 0; i < 12; i++) {
    upstream.play([reset(), reset(), json(200, {})]);
    const { status } = await call(gateway, '/api/v1/charges', { body: `amount=${i}` });
    assert.equal(status, 200, 'a key makes it harmless');
    assert.equal(upstream.requests.length, 3);
    assert.equal(new Set(upstream.requests.map(nameOf)).size, 1, JSON.stringify(used(upstream)));
  }
});

test('a key belongs to one account, whatever happens', async (t) => {
  const pool = ['a', 'b', 'c'].map((name) => [name, { account: name }]);
  const { gateway, upstream } = await start(t, pool, { provider: 'stripe', route: { breaker: 'off' } });
  const seen = new Set();
  for (let i = 0; i < 12; i++) {
    upstream.play(json(200, {}));
    const headers = { 'Idempotency-Key': `order-${i}` };
    for (let n = 0; n < 4; n++) await call(gateway, '/api/v1/charges', { body: `amount=${i}`, headers });
    assert.equal(new Set(upstream.requests.map(nameOf)).size, 1, JSON.stringify(used(upstream)));
    assert.equal(new Set(upstream.requests.map((one) => one.headers['idempotency-key'])).size, 1);
    seen.add(nameOf(upstream.requests[0]));
  }
  assert.ok(seen.size > 1, 'different keys are on different accounts');
});

test('where few requests remain before the reset, they are spread', async (t) => {
  const little = (remaining) => json(200, {}, {
    'x-ratelimit-limit-requests': '100', 'x-ratelimit-remaining-requests': String(remaining), 'x-ratelimit-reset-requests': '4s',
  });
  const { gateway, upstream } = await start(t, ['a'], { script: little(2) });
  await get(gateway);
  const began = performance.now();
  const answers = await many(3, () => get(gateway));
  assert.deepEqual(tally(answers.map((one) => one.status)), { 200: 3 });
  const took = performance.now() - began;
  assert.ok(took > 800, `three in ${took} ms where two remain for 4 s`);
  assert.ok(took < 16000, `${took} ms`);
  assert.equal(upstream.requests.length, 4);
});

test('where plenty remain nobody is held', async (t) => {
  const plenty = json(200, {}, {
    'x-ratelimit-limit-requests': '100', 'x-ratelimit-remaining-requests': '90', 'x-ratelimit-reset-requests': '4s',
  });
  const { gateway } = await start(t, ['a'], { script: plenty });
  const answers = await series(10, () => get(gateway));
  assert.ok(Math.max(...answers.map((one) => one.ms)) < 700, `${answers.map((one) => one.ms)}`);
});
