// A Redis that has lost its data is told again what each gateway had charged, out of its ledger; until all that
// were there have done so, windows follow on_failure.
import assert from 'node:assert/strict';
import test from 'node:test';

import { Gateway, newKey, sleep, until } from '../support/gateway.mjs';
import { withLedger } from '../support/ledger.mjs';
import { chat, chunkedHead, completion, delta, event, json, quotaOf } from '../support/meter.mjs';
import { redisFor } from '../support/redis.mjs';
import { RawClient, upstreamFor } from '../support/wire.mjs';

const price = 4500; // nano-USD of a completion
const tenant = newKey('app');

// Streams stay open until `finish()`.
async function world(t, quotas, { count = 2, on_failure = 'deny', ledger = true } = {}) {
  const redis = await redisFor(t);
  const open = [];
  const upstream = await upstreamFor(t, (request, socket) => {
    if (!request.body.includes('"stream":true')) return json(completion());
    open.push(socket);
    socket.write(chunkedHead('text/event-stream') + delta('x'.repeat(400)));
    return undefined;
  });
  const finish = () => {
    for (const socket of open.splice(0)) {
      socket.write(event({ id: 'c-1', choices: [], usage: { prompt_tokens: 10, completion_tokens: 5 } }) + event('[DONE]') + '0\r\n\r\n');
    }
  };
  const gateways = [];
  for (let i = 0; i < count; i++) {
    gateways.push(await Gateway.start({
      routes: { ai: { provider: 'openai', credential: 'none', upstream: upstream.port } }, tenants: {},
      extra: {
        ...(ledger ? withLedger().extra : {}), store: { url: redis.url, timeout: '2s', on_failure },
        tenants: { app: { keys: [tenant.hash], allow: ['ai'], quotas } },
      },
    }));
    gateways[i].key = tenant.key;
  }
  t.after(async () => {
    finish();
    for (const gateway of gateways) if (!gateway.end) await gateway.stop();
  });
  for (const gateway of gateways) {
    await until('it reaches Redis', async () => (await gateway.metric('store_up')) === 1);
  }
  // As heartbeats tell it, every gateway knows of all.
  await until('both have heard of both', async () => (await redis.cli('ZCARD', '{sallyport}:v2:gateways')).trim() === String(count));
  await sleep(5500);
  return { redis, gateways, finish };
}

async function openStream(gateway) {
  const body = JSON.stringify({ model: 'gpt-4o-mini', stream: true, messages: [] });
  const client = await RawClient.connect(gateway.port);
  client.send(`POST /ai/v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Sallyport-Key: ${gateway.key}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  return client.until((c) => c.text.includes('xxxx'));
}

// What Redis is told behind an answer.
const usedIs = (gateway, name, used) => until(`${used} are used of ${name}`, () => quotaOf(gateway, name).used === used)
  .catch(() => assert.equal(quotaOf(gateway, name).used, used));

const served = (gateway) => until('it serves again', async () => {
  const answer = await chat(gateway, { max_tokens: 10 });
  return answer.status === 200 && answer;
});

test('FLUSHALL: refused until both have handed in, then exactly what was charged counts', async (t) => {
  const { redis, gateways: [a, b] } = await world(t, [
    { name: 'money', cost: '100 USD', per: 'month' }, { name: 'calls', requests: 30, per: 'month' },
  ]);
  for (let i = 0; i < 7; i++) assert.equal((await chat(a, { max_tokens: 10 })).status, 200);
  for (let i = 0; i < 5; i++) assert.equal((await chat(b, { max_tokens: 10 })).status, 200);
  await until('all is settled', () => quotaOf(a, 'money').used === 12 * price);
  await redis.cli('FLUSHALL');
  const first = await chat(a, { max_tokens: 10 });
  assert.deepEqual([first.status, first.headers['x-sallyport-error']], [503, 'store_unavailable'], 'the very first already');
  await until('it is said', () => /audit: store: .*lost its data/.test(a.stderr));
  await served(a);
  await served(b);
  await usedIs(a, 'money', 14 * price);
  await usedIs(b, 'calls', 14);
  const statuses = [];
  for (let i = 0; i < 18; i++) statuses.push((await chat(i % 2 ? a : b, { max_tokens: 10 })).status);
  assert.deepEqual(statuses, [...Array(16).fill(200), 429, 429], 'the budget ends where it should');
  await sleep(3000); // what is said again changes nothing
  assert.equal(quotaOf(a, 'calls').used, 30);
});

test('FLUSHALL twice, and a restart between: nothing counts twice', async (t) => {
  const { redis, gateways: [a] } = await world(t, [{ name: 'money', cost: '100 USD', per: 'month' }], { count: 1 });
  for (let i = 0; i < 3; i++) await chat(a, { max_tokens: 10 });
  await redis.cli('FLUSHALL');
  await chat(a);
  await served(a);
  await usedIs(a, 'money', 4 * price);
  await redis.cli('FLUSHALL');
  await chat(a);
  await served(a);
  await until('both epochs are filled in', () => quotaOf(a, 'money').used === 5 * price);
  a.signal('SIGKILL');
  await a.exited;
  const again = new Gateway(['run', '-c', a.file], { cwd: a.folder });
  const { folder, file, port, adminPort, keys, config, key, options } = a;
  Object.assign(again, { folder, file, port, adminPort, keys, config, key, options });
  t.after(() => again.stop());
  await again.ready();
  await served(again);
  await sleep(3500);
  assert.equal(quotaOf(again, 'money').used, 6 * price);
});

test('what was open when the data was lost counts in full, then as it was used', async (t) => {
  const { redis, gateways: [a, b], finish } = await world(t, [{ name: 'money', cost: '100 USD', per: 'month' }]);
  await chat(a, { max_tokens: 10 });
  const streams = [await openStream(a), await openStream(a), await openStream(b)];
  const before = quotaOf(a, 'money');
  assert.ok(before.open > 3 * 1000 * 600);
  await redis.cli('FLUSHALL');
  await chat(a);
  await served(a);
  await usedIs(a, 'money', before.used + price);
  finish();
  for (const client of streams) await client.until((c) => c.text.includes('[DONE]'));
  await until('their use replaces what was reserved', () => quotaOf(b, 'money').used === 5 * price);
  for (const client of streams) client.close();
});

test('each value has its own count again', async (t) => {
  const { redis, gateways: [a, b] } = await world(t, [{ name: 'of-users', requests: 3, per: 'month', each: 'header:x-user' }]);
  const as = (gateway, user) => chat(gateway, { max_tokens: 10 }, { headers: { 'X-User': user } });
  for (const gateway of [a, b]) assert.equal((await as(gateway, 'anna')).status, 200);
  assert.equal((await as(a, 'bert')).status, 200);
  await redis.cli('FLUSHALL');
  await as(a, 'carl');
  await until('it serves again', async () => (await as(a, 'carl')).status === 200);
  const statuses = [];
  for (let i = 0; i < 2; i++) statuses.push((await as(b, 'anna')).status);
  for (let i = 0; i < 3; i++) statuses.push((await as(b, 'bert')).status);
  assert.deepEqual(statuses, [200, 429, 200, 200, 429]);
});

test('a gateway that is dead is waited for a minute', { timeout: 150000 }, async (t) => {
  const { redis, gateways: [a, b] } = await world(t, [{ name: 'money', cost: '100 USD', per: 'month' }]);
  await chat(a, { max_tokens: 10 });
  await chat(b, { max_tokens: 10 });
  b.signal('SIGKILL');
  await b.exited;
  await redis.cli('FLUSHALL');
  const since = Date.now();
  assert.equal((await chat(a)).status, 503);
  await until('it serves again', async () => (await chat(a, { max_tokens: 10 })).status === 200, { timeout: 90000, every: 500 });
  const waited = Date.now() - since;
  assert.ok(waited > 57000 && waited < 75000, `${waited}`);
  await usedIs(a, 'money', 2 * price);
});

test('without a ledger windows begin at zero, at once', async (t) => {
  const { redis, gateways: [a] } = await world(t, [{ name: 'money', cost: '100 USD', per: 'month' }], { count: 1, ledger: false });
  await chat(a, { max_tokens: 10 });
  await redis.cli('FLUSHALL');
  await chat(a);
  await served(a);
  await usedIs(a, 'money', price);
});
