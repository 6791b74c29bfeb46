// Idempotency keys: made where there is none, the same over all attempts, apart by tenant, and a repeat
// waits for the first.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';

import { call, many } from '../support/call.mjs';
import { answer, faultyFor, json, reset } from '../support/faulty.mjs';
import { gatewayFor, sleep, until } from '../support/gateway.mjs';

const quick = { attempts: 3, base: '10ms', cap: '20ms', budget: '100%' };
const secret = 'sk-test-0123456789abcdefghij';

async function start(t, { provider = 'stripe', route = {}, script = json(200, {}), ...more } = {}) {
  const upstream = await faultyFor(t, script);
  const gateway = await gatewayFor(t, {
    routes: { pay: { provider, upstream: upstream.port, credential: { secret: 'key' }, retry: quick, ...route } },
    tenants: { app: { allow: ['pay'] }, other: { allow: ['pay'] } },
    secrets: { key: secret },
    gateway: { workers: 2 },
    ...more,
  });
  return { upstream, gateway };
}

const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
const charge = (gateway, key, { body = 'amount=1', path = '/pay/v1/charges', headers = {}, ...more } = {}) =>
  call(gateway, path, { body, headers: { ...form, ...(key === undefined ? {} : { 'Idempotency-Key': key }), ...headers }, ...more });
const keysOf = (upstream) => upstream.requests.map((request) => request.headers['idempotency-key']);

// As the contract has it: base62(SHA-256(tenant, 0, key)).
const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
function hashed(tenant, key) {
  let value = BigInt(`0x${crypto.createHash('sha256').update(`${tenant}\0${key}`).digest('hex')}`);
  let text = '';
  for (; value > 0n; value /= 62n) text = digits[Number(value % 62n)] + text;
  return text.padStart(43, digits[0]);
}

test('a request without a key gets one, the same over all its attempts, another for each request', async (t) => {
  const { gateway, upstream } = await start(t);
  const seen = new Set();
  for (const play of [reset(), answer(500), answer(429)]) {
    upstream.play([play, play, json(200, {})]);
    const got = await charge(gateway);
    assert.equal(got.status, 200);
    const keys = keysOf(upstream);
    assert.equal(keys.length, 3);
    assert.match(keys[0], /^[0-9A-Za-z]{20,64}$/);
    assert.equal(new Set(keys).size, 1, `${keys}`);
    seen.add(keys[0]);
  }
  assert.equal(seen.size, 3);
});

test('none is made for what takes none', async (t) => {
  const { gateway, upstream } = await start(t);
  await call(gateway, '/pay/v1/charges');
  assert.deepEqual(keysOf(upstream), [undefined]);
});

test('a caller’s key goes up hashed with its tenant, and comes back as it was', async (t) => {
  const echo = (request) => json(200, {}, { 'Idempotency-Key': request.headers['idempotency-key'] }); // as Stripe does
  const { gateway, upstream } = await start(t, { script: [reset(), echo] });
  const got = await charge(gateway, 'order 17/a');
  assert.equal(got.status, 200);
  assert.equal(got.headers['idempotency-key'], 'order 17/a');
  const keys = keysOf(upstream);
  assert.equal(keys.length, 2);
  assert.equal(keys[0], keys[1]);
  assert.match(keys[0], /^[0-9A-Za-z]+$/);
  assert.ok(!keys[0].includes('order'));
  assert.equal(keys[0], hashed('app', 'order 17/a'));
});

test('the same key is the same upstream key, over requests and workers', async (t) => {
  const { gateway, upstream } = await start(t);
  for (let i = 0; i < 6; i++) assert.equal((await charge(gateway, 'k1')).status, 200);
  await charge(gateway, 'k2');
  const keys = keysOf(upstream);
  assert.equal(new Set(keys.slice(0, 6)).size, 1);
  assert.notEqual(keys[6], keys[0]);
});

test('two tenants with the same key do not meet', async (t) => {
  const { gateway, upstream } = await start(t, { script: json(200, {}, {}, { delay: 500 }) });
  const answers = await Promise.all([charge(gateway, 'same', { body: 'amount=1' }),
    charge(gateway, 'same', { body: 'amount=2', key: gateway.keys.other })]);
  assert.deepEqual(answers.map((one) => one.status), [200, 200]);
  assert.equal(new Set(keysOf(upstream)).size, 2);
});

test('as_is leaves it as it is', async (t) => {
  const { gateway, upstream } = await start(t, { route: { idempotency: 'as_is' } });
  const got = await charge(gateway, 'order-17');
  assert.equal(got.status, 200);
  assert.deepEqual(keysOf(upstream), ['order-17']);
});

test('an answer’s head says the key of the gateway’s own, too', async (t) => {
  const { gateway, upstream } = await start(t);
  const got = await charge(gateway);
  const said = got.headers['idempotency-key'];
  assert.ok(said === undefined || said === keysOf(upstream)[0], said);
});

// ---- repeats while the first runs ----

test('a repeat waits for the first, and goes up behind it under the same key', async (t) => {
  const { gateway, upstream } = await start(t, { script: json(200, {}, {}, { delay: 1000 }) });
  const first = charge(gateway, 'k');
  await until('the first is up there', () => upstream.requests.length === 1);
  const repeats = many(3, () => charge(gateway, 'k'));
  await sleep(500);
  assert.equal(upstream.requests.length, 1, 'they wait');
  const all = await Promise.all([first, repeats.then((list) => list)]);
  assert.equal(all[0].status, 200);
  assert.ok(all[1].every((one) => one.status === 200));
  assert.equal(upstream.requests.length, 4);
  assert.equal(new Set(keysOf(upstream)).size, 1);
  const starts = upstream.requests.map((request) => request.at);
  for (let i = 1; i < 4; i++) assert.ok(starts[i] - starts[i - 1] > 900, `never two at once: ${starts}`);
});

test('a repeat waits over the first’s retries, too', async (t) => {
  const { gateway, upstream } = await start(t, { route: { retry: { attempts: 3, base: '500ms', factor: 1, jitter: 'none' } } });
  upstream.play([answer(503), answer(503), json(200, { n: 1 }), json(200, { n: 2 })]);
  const first = charge(gateway, 'k');
  await until('the first is up there', () => upstream.requests.length === 1);
  const repeat = charge(gateway, 'k');
  assert.equal((await first).body, '{"n":1}');
  assert.equal((await repeat).body, '{"n":2}');
});

for (const [name, other] of [
  ['body', { body: 'amount=2' }], ['target', { path: '/pay/v1/refunds' }], ['query', { path: '/pay/v1/charges?expand=x' }],
]) {
  test(`another ${name} under a key that runs is a conflict`, async (t) => {
    const { gateway, upstream } = await start(t, { script: json(200, {}, {}, { delay: 1000 }) });
    const first = charge(gateway, 'k');
    await until('the first is up there', () => upstream.requests.length === 1);
    const conflict = await charge(gateway, 'k', other);
    assert.equal(conflict.status, 409);
    assert.equal(conflict.code, 'idempotency_conflict');
    assert.equal(JSON.parse(conflict.body).error.type, 'idempotency_error', 'in Stripe’s own shape');
    assert.equal((await first).status, 200);
    assert.equal(upstream.requests.length, 1);
  });
}

test('a repeat that leaves while it waits, and a first that leaves, hold nobody up', async (t) => {
  const { gateway, upstream } = await start(t, { script: json(200, {}, {}, { delay: 1500 }) });
  const first = charge(gateway, 'k', { signal: AbortSignal.timeout(800) });
  await until('the first is up there', () => upstream.requests.length === 1);
  const gone = charge(gateway, 'k', { signal: AbortSignal.timeout(300) });
  const last = charge(gateway, 'k');
  assert.equal((await gone).status, 0);
  assert.equal((await first).status, 0);
  const { status, ms } = await last;
  assert.equal(status, 200);
  assert.ok(ms < 5000);
  assert.equal(upstream.requests.length, 2);
});

test('a waiting repeat has its deadline', async (t) => {
  const { gateway, upstream } = await start(t, {
    script: json(200, {}, {}, { delay: 4000 }), route: { timeouts: { total: '10s' } },
  });
  const first = charge(gateway, 'k');
  await until('the first is up there', () => upstream.requests.length === 1);
  const late = await charge(gateway, 'k', { headers: { 'X-Request-Timeout': '1' } });
  assert.equal(late.status, 504);
  assert.ok(late.ms < 3000, `${late.ms}`);
  assert.equal((await first).status, 200);
});

test('a key that is none: 400', async (t) => {
  const { gateway, upstream } = await start(t);
  assert.equal((await charge(gateway, 'x'.repeat(2000))).code, 'bad_request');
  assert.equal(upstream.requests.length, 0);
});

// ---- keys in the body ----

test('Square’s is a member of the body', async (t) => {
  const { gateway, upstream } = await start(t, { provider: 'square' });
  const pay = (value) => call(gateway, '/pay/v2/payments', { body: JSON.stringify(value), headers: { 'Content-Type': 'application/json' } });
  upstream.play([reset(), json(200, {})]);
  assert.equal((await pay({ amount: 5, nested: { idempotency_key: 'not this' } })).status, 200);
  const [one, two] = upstream.requests.map((request) => JSON.parse(request.body));
  assert.match(one.idempotency_key, /^[0-9A-Za-z]{20,45}$/);
  assert.deepEqual(one, two);
  assert.deepEqual(one, { idempotency_key: one.idempotency_key, amount: 5, nested: { idempotency_key: 'not this' } });
  upstream.play([reset(), json(200, {})]);
  assert.equal((await pay({ amount: 5, idempotency_key: 'mine' })).status, 200);
  const [third, fourth] = upstream.requests.map((request) => JSON.parse(request.body));
  assert.match(third.idempotency_key, /^[0-9A-Za-z]{20,45}$/);
  assert.equal(third.idempotency_key, fourth.idempotency_key);
  assert.equal(third.amount, 5);
  assert.notEqual(third.idempotency_key, one.idempotency_key);
});
