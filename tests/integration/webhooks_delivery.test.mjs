// Webhooks that go out: signed, by their schedule, to each target at its own pace, and again after
// whatever happened, under the same id.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';

import { answer, cutBody, cutHead, faultyFor, hang, reset } from '../support/faulty.mjs';
import { freePort, Gateway, sleep, until } from '../support/gateway.mjs';
import { receiverFor, Receiver } from '../support/receiver.mjs';
import { hooksFor, post, sign } from '../support/webhooks.mjs';

const stripeSecret = 'whsec_test_secret';
const newSecret = () => `whsec_${crypto.randomBytes(24).toString('base64')}`;
const secrets = { 'stripe-hook': stripeSecret, 'target-new': newSecret(), 'target-old': newSecret() };
const hook = (deliver, more = {}) => ({ provider: 'stripe', secrets: ['stripe-hook'], deliver, ...more });

const eventOf = (id, more = {}) => JSON.stringify({ id, type: 'invoice.paid', ...more });

async function send(gateway, id, more = {}) {
  const body = eventOf(id, more);
  const headers = { 'Content-Type': 'application/json; charset=utf-8', 'User-Agent': 'Stripe/1.0' };
  const { status } = await post(gateway, '/hooks/stripe', body, { ...sign.stripe(stripeSecret, body), ...headers });
  assert.equal(status, 200);
  return body;
}

const start = (t, deliver, options = {}) => hooksFor(t, { stripe: hook(deliver, options.hook) }, { secrets, ...options });

// By the book: https://www.standardwebhooks.com
function verifies(request, secret) {
  const { 'webhook-id': id, 'webhook-timestamp': t, 'webhook-signature': given } = request.headers;
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const mac = crypto.createHmac('sha256', key).update(`${id}.${t}.`).update(request.body).digest('base64');
  assert.ok(Math.abs(Date.now() / 1000 - Number(t)) < 10);
  return given.split(' ').includes(`v1,${mac}`);
}

const idsOf = (requests) => requests.map(({ body }) => JSON.parse(body).id);
const attempts = (gateway, result, target = 'default') =>
  gateway.metric('webhooks_attempts_total', { hook: 'stripe', target, ...(result ? { result } : {}) });
const delivered = (gateway, target = 'default') => gateway.metric('webhooks_delivered_total', { hook: 'stripe', target });
const dead = (gateway, target = 'default') => gateway.metric('webhooks_dead_total', { hook: 'stripe', target });

test('an event arrives as it came, signed, with the headers of its provider', async (t) => {
  const receiver = await receiverFor(t);
  const gateway = await start(t, { to: receiver.url('/in?a=b'), secret: 'target-new' });
  const body = await send(gateway, 'evt_1');
  const [request] = await receiver.until('/in?a=b');
  assert.equal(request.method, 'POST');
  assert.equal(request.body.toString(), body);
  assert.ok(verifies(request, secrets['target-new']));
  assert.ok(!verifies(request, secrets['target-old']));
  assert.match(request.headers['webhook-id'], /^msg_[0-9a-f]{32}$/);
  const { headers } = request;
  assert.equal(headers.host, `127.0.0.1:${receiver.port}`);
  assert.equal(headers['content-type'], 'application/json; charset=utf-8');
  assert.equal(headers['content-length'], String(body.length));
  assert.equal(headers['user-agent'], 'sallyport-webhooks');
  assert.equal(headers['x-original-user-agent'], 'Stripe/1.0');
  assert.match(headers['stripe-signature'], /^t=\d+,v1=[0-9a-f]{64}$/);
  assert.equal(headers['x-sallyport-webhook-hook'], 'stripe');
  assert.equal(headers['x-sallyport-webhook-type'], 'invoice.paid');
  assert.equal(headers['x-sallyport-webhook-event-id'], 'evt_1');
  assert.equal(headers['x-sallyport-webhook-attempt'], '1');
  assert.equal(headers['transfer-encoding'], undefined);
  await until('it is counted', async () => (await delivered(gateway)) === 1);
  assert.equal(await attempts(gateway, '2xx'), 1);
  await sleep(300);
  assert.equal(receiver.requests.length, 1);
});

test('a provider that signs by Standard Webhooks keeps its headers under other names', async (t) => {
  const receiver = await receiverFor(t);
  const provider = newSecret();
  const gateway = await hooksFor(t, { standard: { provider: 'standard-webhooks', secrets: ['std'],
    deliver: { to: receiver.url('/in'), secret: 'target-new' } } }, { secrets: { ...secrets, std: provider } });
  const body = eventOf('evt_1');
  const signed = sign.standard(provider, body, { id: 'msg_theirs' });
  assert.equal((await post(gateway, '/hooks/standard', body, signed)).status, 200);
  const [request] = await receiver.until('/in');
  assert.ok(verifies(request, secrets['target-new']));
  assert.notEqual(request.headers['webhook-id'], 'msg_theirs');
  assert.equal(request.headers['x-original-webhook-id'], 'msg_theirs');
  assert.equal(request.headers['x-original-webhook-signature'], signed['webhook-signature']);
  assert.equal(request.headers['x-original-webhook-timestamp'], signed['webhook-timestamp']);
  assert.equal(request.rawHeaders.filter((name) => name.toLowerCase() === 'webhook-id').length, 1);
});

test('while a secret is rolled, both of them sign', async (t) => {
  const receiver = await receiverFor(t);
  const gateway = await start(t, { to: receiver.url('/in'), secrets: ['target-new', 'target-old'] });
  await send(gateway, 'evt_1');
  const [request] = await receiver.until('/in');
  assert.ok(verifies(request, secrets['target-new']));
  assert.ok(verifies(request, secrets['target-old']));
});

test('without a secret an event has its id and time, and no signature', async (t) => {
  const receiver = await receiverFor(t);
  const gateway = await start(t, { to: receiver.url('/in') });
  await send(gateway, 'evt_1');
  const [request] = await receiver.until('/in');
  assert.match(request.headers['webhook-id'], /^msg_/);
  assert.match(request.headers['webhook-timestamp'], /^\d+$/);
  assert.equal(request.headers['webhook-signature'], undefined);
});

test('a secret that is not there, or is none, delivers nothing unsigned, and loses nothing', async (t) => {
  const receiver = await receiverFor(t);
  const gateway = await start(t, { to: receiver.url('/in'), secret: 'bad' }, { secrets: { ...secrets, bad: 'no base64 !' } });
  await send(gateway, 'evt_1');
  await until('it is said', () => /hook stripe are not delivered to target default for now/.test(gateway.stderr));
  assert.equal(receiver.requests.length, 0);
  assert.doesNotMatch(gateway.stderr, /no base64/);
  await gateway.reload((config) => (config.webhooks.stripe.deliver.secret = 'target-new'));
  await send(gateway, 'evt_2');
  assert.deepEqual(idsOf(await receiver.until('/in')), ['evt_2']); // the other one waits for half a minute
});

test('each target gets what it wants, whatever the others do', async (t) => {
  const receiver = await receiverFor(t, ({ url }) => (url === '/bad' ? 500 : 204));
  const gateway = await start(t, [
    { name: 'all', to: receiver.url('/all') },
    { name: 'paid', to: receiver.url('/paid'), events: ['invoice.paid'] },
    { name: 'others', to: receiver.url('/others'), events: ['customer.*'] },
    { name: 'bad', to: receiver.url('/bad'), schedule: ['0s', '1h'] },
  ]);
  await send(gateway, 'evt_1');
  await send(gateway, 'evt_2', { type: 'customer.created' });
  assert.deepEqual(idsOf(await receiver.until('/all', 2)).sort(), ['evt_1', 'evt_2']);
  assert.deepEqual(idsOf(await receiver.until('/paid')), ['evt_1']);
  assert.deepEqual(idsOf(await receiver.until('/others')), ['evt_2']);
  await receiver.until('/bad', 2);
  const ids = receiver.requests.filter(({ body }) => JSON.parse(body).id === 'evt_1').map(({ headers }) => headers['webhook-id']);
  assert.equal(new Set(ids).size, 1, 'one id for all targets');
  await until('it is counted', async () => (await delivered(gateway, 'all')) === 2);
  assert.equal(await attempts(gateway, '5xx', 'bad'), 2);
});

// ---- again, or never ----

test('what fails is tried again by the schedule, under the same id, with a new time', async (t) => {
  const receiver = await receiverFor(t, (_, count) => (count < 3 ? 500 : 200));
  const gateway = await start(t, { to: receiver.url('/in'), secret: 'target-new', schedule: ['0s', '1s', '2s', '1h'] });
  await send(gateway, 'evt_1');
  const requests = await receiver.until('/in', 3);
  assert.equal(new Set(requests.map(({ headers }) => headers['webhook-id'])).size, 1);
  assert.deepEqual(requests.map(({ headers }) => headers['x-sallyport-webhook-attempt']), ['1', '2', '3']);
  assert.ok(requests.every((request) => verifies(request, secrets['target-new'])));
  const waits = [requests[1].at - requests[0].at, requests[2].at - requests[1].at];
  assert.ok(waits[0] >= 790 && waits[0] < 1500, `${waits}`);
  assert.ok(waits[1] >= 1590 && waits[1] < 2800, `${waits}`);
  await until('it is counted', async () => (await delivered(gateway)) === 1);
  assert.equal(await attempts(gateway, '5xx'), 2);
});

test('the first attempt waits, too, if the schedule says so', async (t) => {
  const receiver = await receiverFor(t);
  const gateway = await start(t, { to: receiver.url('/in'), schedule: ['1s'] });
  const began = Date.now();
  await send(gateway, 'evt_1');
  const [request] = await receiver.until('/in');
  assert.ok(request.at - began >= 790 && request.at - began < 1600, `${request.at - began}`);
});

test('Retry-After of 429 and 503 is waited for', async (t) => {
  const receiver = await receiverFor(t, (_, count) => (count === 1 ? { status: 429, headers: { 'Retry-After': '2' } } : 200));
  const gateway = await start(t, { to: receiver.url('/in'), schedule: ['0s', '100ms'] });
  await send(gateway, 'evt_1');
  const requests = await receiver.until('/in', 2);
  assert.ok(requests[1].at - requests[0].at >= 1950, `${requests[1].at - requests[0].at}`);
});

test('410 is dead at once, and so is what the schedule has no more attempts for', async (t) => {
  const receiver = await receiverFor(t, ({ url }) => (url === '/gone' ? 410 : 400));
  const gateway = await start(t, [
    { name: 'gone', to: receiver.url('/gone'), schedule: ['0s', '100ms'] },
    { name: 'no', to: receiver.url('/no'), schedule: ['0s', '100ms', '100ms'] },
  ]);
  await send(gateway, 'evt_1');
  await until('both are dead', async () => (await dead(gateway, 'gone')) === 1 && (await dead(gateway, 'no')) === 1);
  assert.equal(receiver.at('/gone').length, 1);
  assert.equal(receiver.at('/no').length, 3);
  assert.equal(await attempts(gateway, '410', 'gone'), 1);
  assert.equal(await attempts(gateway, '4xx', 'no'), 3);
  await gateway.says(/webhook msg_[0-9a-f]{32} of hook stripe is a dead letter for target no after 3 attempts: answered 400/);
  await gateway.says(/for target gone after 1 attempts: answered 410/);
});

for (const [name, script, result] of [
  ['is silent', hang(), 'timeout'], ['sends a head and no more', answer(200, {}, 'ok', { short: 1, every: 2000 }), 'timeout'],
  ['resets the connection', reset(), 'broken'], ['breaks off within its head', cutHead(), 'broken'],
  ['breaks off within its body', cutBody(), 'broken'], ['redirects', answer(307, { Location: 'http://127.0.0.1:1/' }), '3xx'],
]) {
  test(`a receiver that ${name} gets it again`, async (t) => {
    const receiver = await faultyFor(t, [script, answer(200)]);
    const gateway = await start(t, { to: `http://127.0.0.1:${receiver.port}/in`, timeout: '500ms', schedule: ['0s', '100ms', '1h'] });
    await send(gateway, 'evt_1');
    await until('it is delivered', async () => (await delivered(gateway)) === 1);
    assert.equal(await attempts(gateway, result), 1);
    assert.equal(receiver.requests.length, 2);
    assert.equal(receiver.requests[0].headers['webhook-id'], receiver.requests[1].headers['webhook-id']);
  });
}

test('a receiver that is not there gets it when it is', async (t) => {
  const port = await freePort();
  const gateway = await start(t, { to: `http://127.0.0.1:${port}/in`, schedule: ['0s', '500ms', '500ms', '1h'], breaker: 'off' });
  await send(gateway, 'evt_1');
  await until('it was tried', async () => (await attempts(gateway, 'unreachable')) >= 1);
  const receiver = await faultyFor(t, answer(200), { port });
  await until('it is delivered', async () => (await delivered(gateway)) === 1);
  assert.equal(receiver.requests.length, 1);
});

// ---- order ----

test('of one object the next waits for the one before; other objects go on', async (t) => {
  const receiver = await receiverFor(t, ({ body }, count) => (JSON.parse(body).id === 'evt_1' && count < 3 ? 500 : 200));
  const gateway = await start(t, { to: receiver.url('/in'), order: 'object', order_key: '/object', schedule: ['0s', '700ms', '1h'] });
  await send(gateway, 'evt_1', { object: 'a' });
  await receiver.until('/in');
  await send(gateway, 'evt_2', { object: 'a' });
  await send(gateway, 'evt_3', { object: 'b' });
  const ids = idsOf(await receiver.until('/in', 4));
  assert.deepEqual(ids, ['evt_1', 'evt_3', 'evt_1', 'evt_2']);
});

// ---- how much at once ----

test('a target that hangs delays no other', async (t) => {
  const slow = await receiverFor(t, () => null);
  const quick = await receiverFor(t);
  const gateway = await start(t, [
    { name: 'slow', to: slow.url('/in'), timeout: '20s', concurrency: 2 },
    { name: 'quick', to: quick.url('/in') },
  ]);
  const began = Date.now();
  for (let i = 0; i < 50; i++) await send(gateway, `evt_${i}`, { padding: 'x'.repeat(10000) });
  await quick.until('/in', 50);
  assert.ok(Date.now() - began < 10000);
  assert.equal(slow.requests.length, 2);
});

test('no more attempts at once than the target’s concurrency', async (t) => {
  let open = 0;
  let most = 0;
  const receiver = await Receiver.start();
  t.after(() => receiver.stop());
  receiver.take = async function take(request, body, response) {
    most = Math.max(most, ++open);
    await sleep(20);
    open--;
    this.requests.push({ url: request.url, body });
    response.end();
  };
  const gateway = await start(t, { to: receiver.url('/in'), concurrency: 3 });
  await Promise.all(Array.from({ length: 40 }, (_, i) => send(gateway, `evt_${i}`)));
  await receiver.until('/in', 40);
  assert.equal(most, 3);
});

test('no more attempts than the target’s rate, and none is lost', async (t) => {
  const receiver = await receiverFor(t);
  const gateway = await start(t, { to: receiver.url('/in'), rate: { requests: 5, per: '1s' } });
  for (let i = 0; i < 15; i++) await send(gateway, `evt_${i}`);
  const times = (await receiver.until('/in', 15)).map(({ at }) => at);
  const within = (ms) => Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + ms).length));
  assert.ok(within(1000) <= 10 + 1, `${within(1000)} within a second: a burst of five, and five`);
  assert.ok(times[14] - times[0] >= 1800, `${times[14] - times[0]} ms`);
});

test('a circuit opens, nothing is tried meanwhile, and it closes again', async (t) => {
  let status = 500;
  const receiver = await receiverFor(t, () => status);
  const schedule = ['0s', ...Array(19).fill('50ms')];
  const gateway = await start(t, { to: receiver.url('/in'), schedule, concurrency: 1,
    breaker: { window: '10s', min_requests: 3, failure_rate: '50%', open: '2s', probes: 1 } });
  await send(gateway, 'evt_1');
  await until('it is open', () => /audit: breaker: hook stripe, target default: open/.test(gateway.stderr));
  const before = receiver.requests.length;
  assert.equal(before, 3);
  await send(gateway, 'evt_2');
  await sleep(1000);
  assert.equal(receiver.requests.length, before);
  status = 200;
  await until('all is delivered', async () => (await delivered(gateway)) === 2);
  await until('it is closed', () => /breaker: hook stripe, target default: closed/.test(gateway.stderr));
  assert.equal(receiver.requests.length, before + 2, 'no attempt counted while it was open');
});

// ---- the body ----

test('members are dropped and renamed, and numbers stay what they were', async (t) => {
  const receiver = await receiverFor(t);
  const gateway = await start(t, { to: receiver.url('/in'), secret: 'target-new',
    transform: { drop: ['/customer/email', '/items/0'], rename: { '/amount': '/amount_minor', '/customer/id': '/customer_id' } } });
  const body = '{ "id":"evt_1","type":"t", "amount":12345678901234567890.10, "customer":{"id":90071992547409931,"email":"a@b.c"}, "items":[1,2] }';
  assert.equal((await post(gateway, '/hooks/stripe', body, sign.stripe(stripeSecret, body))).status, 200);
  const [request] = await receiver.until('/in');
  assert.equal(request.body.toString(),
    '{"id":"evt_1","type":"t","amount_minor":12345678901234567890.10,"customer":{},"items":[2],"customer_id":90071992547409931}');
  assert.ok(verifies(request, secrets['target-new']));
  assert.equal(request.headers['content-length'], String(request.body.length));
});

// ---- the process ----

test('a reload takes what waits to another address, and leaves what has no target any more', async (t) => {
  const [one, two] = [await receiverFor(t, () => 500), await receiverFor(t)];
  const gateway = await start(t, [
    { name: 'moves', to: one.url('/in'), schedule: ['0s', '2s', '1h'] },
    { name: 'goes', to: one.url('/goes'), schedule: ['0s', '1s', '1h'] },
  ]);
  await send(gateway, 'evt_1');
  await one.until('/in');
  await one.until('/goes');
  await gateway.reload((config) => {
    config.webhooks.stripe.deliver = [{ ...config.webhooks.stripe.deliver[0], to: two.url('/in') }];
  });
  const [request] = await two.until('/in');
  assert.equal(request.headers['x-sallyport-webhook-attempt'], '2');
  await sleep(500);
  assert.equal(one.at('/goes').length, 1);
  await gateway.reload((config) => config.webhooks.stripe.deliver.push({ name: 'goes', to: two.url('/goes'), schedule: ['0s', '1s', '1h'] }));
  await two.until('/goes');
});

test('SIGTERM lets an attempt end, begins no more, and loses none', async (t) => {
  const receiver = await Receiver.start();
  t.after(() => receiver.stop());
  receiver.take = async function take(request, body, response) {
    this.requests.push({ url: request.url, body });
    await sleep(1000);
    response.end();
  };
  const gateway = await start(t, { to: receiver.url('/in'), concurrency: 1 });
  await send(gateway, 'evt_1');
  await send(gateway, 'evt_2');
  await receiver.until('/in');
  gateway.signal('SIGTERM');
  assert.deepEqual(await gateway.exited, { code: 0, signal: null });
  assert.equal(receiver.requests.length, 1);
  const again = await restart(t, gateway);
  const requests = await receiver.until('/in', 2);
  assert.deepEqual(idsOf(requests), ['evt_1', 'evt_2']);
  await until('all is delivered', async () => (await delivered(again)) === 1);
});

test('SIGTERM does not wait for a receiver that hangs longer than the drain', async (t) => {
  const receiver = await receiverFor(t, (_, count) => (count === 1 ? null : 200));
  const gateway = await start(t, { to: receiver.url('/in'), timeout: '1m' }, { gateway: { timeouts: { drain: '1s' } } });
  await send(gateway, 'evt_1');
  await receiver.until('/in');
  const began = Date.now();
  gateway.signal('SIGTERM');
  await gateway.exited;
  assert.ok(Date.now() - began < 10000);
  await restart(t, gateway);
  const requests = await receiver.until('/in', 2);
  assert.equal(requests[0].headers['webhook-id'], requests[1].headers['webhook-id']);
});

// The same folder, the same config, another process.
async function restart(t, gateway) {
  const env = Object.fromEntries(Object.entries(secrets).map(([name, value]) =>
    [`SALLYPORT_SECRET_${name.toUpperCase().replaceAll('-', '_')}`, value]));
  const again = new Gateway(['run', '-c', gateway.file], { env, cwd: gateway.folder });
  const { folder, file, port, adminPort, keys, key, config, options } = gateway;
  Object.assign(again, { folder, file, port, adminPort, keys, key, config, options });
  t.after(() => again.stop());
  await again.ready();
  return again;
}

test('after SIGKILL all that was acknowledged arrives, under the id that it had', async (t) => {
  const receiver = await receiverFor(t);
  const gateway = await start(t, { to: receiver.url('/in'), secret: 'target-new' });
  gateway.stop = () => {}; // it does not end by itself
  let kill = 60;
  const acknowledged = new Set();
  const sender = async (n) => {
    for (let i = 0; kill > 0; i++) {
      const body = eventOf(`evt_${n}_${i}`);
      const { status } = await post(gateway, '/hooks/stripe', body, sign.stripe(stripeSecret, body));
      if (status !== 200) return;
      acknowledged.add(`evt_${n}_${i}`);
      if (--kill === 0) gateway.signal('SIGKILL');
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, n) => sender(n)));
  await gateway.exited;
  await restart(t, gateway);
  await until('all arrive', () => {
    const arrived = new Set(idsOf(receiver.requests));
    return [...acknowledged].every((id) => arrived.has(id));
  });
  await sleep(300);
  const byEvent = new Map();
  for (const { headers, body } of receiver.requests) {
    const { id } = JSON.parse(body);
    byEvent.set(id, (byEvent.get(id) ?? new Set()).add(headers['webhook-id']));
  }
  assert.ok([...byEvent.values()].every((ids) => ids.size === 1), 'one webhook-id for each event');
});
