// A gateway is killed between what it says to the shared store and what it writes into its ledger: whatever of a request each of
// them knew by then, the next process brings them together, and the client's receipt holds.
import assert from 'node:assert/strict';
import test from 'node:test';

import { Gateway, sleep, until } from '../support/gateway.mjs';
import { ask, withLedger } from '../support/ledger.mjs';
import { chat, completion, json, longCompletion } from '../support/meter.mjs';
import { cutProxyFor, redisFor } from '../support/redis.mjs';
import { RawClient, upstreamFor } from '../support/wire.mjs';

// {gateway, again(), redis, proxy}: its store is behind the proxy; again() kills it and starts another one in its place.
async function start(t, { answer = () => json(completion()), shared = true } = {}) {
  const upstream = await upstreamFor(t, answer);
  const redis = shared ? await redisFor(t) : null;
  const proxy = shared ? await cutProxyFor(t, redis.port) : null;
  const routes = { ai: { provider: 'openai', credential: 'none', upstream: upstream.port, meter: { hold: '16MiB' }, timeouts: { total: '30s' } } };
  const world = { redis, proxy, upstream };
  world.gateway = await Gateway.start({
    routes, ...withLedger(shared ? { store: { url: redis.urlAt(proxy.port), on_failure: 'deny', timeout: '10s' } } : {}), gateway: { workers: 1 },
    tenants: { app: { allow: ['ai'], quotas: [{ name: 'open', concurrency: 10 }, { name: 'budget', cost: '100 USD', per: 'month' }, { name: 'tokens', tokens: '10M', per: 'month' }] } },
  });
  const up = () => !shared || until('it reaches Redis', async () => (await world.gateway.metric('store_up')) === 1);
  await up();
  world.again = async () => {
    const { folder, file, port, adminPort, keys, config, key, options } = world.gateway;
    world.gateway.signal('SIGKILL');
    await world.gateway.exited;
    proxy?.cut();
    proxy?.thaw();
    world.gateway = new Gateway(['run', '-c', file], { cwd: folder });
    Object.assign(world.gateway, { folder, file, port, adminPort, keys, config, key, options });
    await world.gateway.ready();
    await up();
    if (shared) await until('the store has been told', async () => (await world.gateway.metric('store_pending')) === 0);
  };
  t.after(() => world.gateway.stop());
  return world;
}

const row = async (world, id) => (await ask(world.gateway, `/api/v1/requests/${id}`)).body;
// By a request: a command would hold up the proxy, which is this process.
const quota = async (world, name) => (await ask(world.gateway, '/api/v1/quotas')).body.quotas.find((one) => one.quota === name);
const usage = async (world) => (await ask(world.gateway, '/api/v1/usage?since=24h')).body.usage[0];

async function assertSame(world, wanted) {
  const sum = await usage(world);
  const [budget, tokens, open] = await Promise.all(['budget', 'tokens', 'open'].map((name) => quota(world, name)));
  assert.equal(sum.requests, wanted.requests);
  assert.deepEqual([sum.cost_nanousd, budget.used, budget.reserved], [wanted.cost, wanted.cost, 0]);
  assert.deepEqual([sum.input_tokens + sum.output_tokens, tokens.used], [wanted.tokens, wanted.tokens]);
  assert.equal(open.used, 0);
}

test('what the store admitted, and the gateway never heard of, is given back, and has a row', async (t) => {
  const world = await start(t);
  world.proxy.lose('down');
  const lost = chat(world.gateway, { max_tokens: 10 });
  await until('Redis has taken it', async () => Number(await world.redis.cli('ZCARD', '{sallyport:app}:v2:open')) === 1);
  world.proxy.lost.down = false;
  await world.again();
  assert.equal((await lost).status, 0);
  assert.equal(world.upstream.requests.length, 0);
  await assertSame(world, { requests: 1, cost: 0, tokens: 0 });
});

test('what the client was told, and the store was not, is charged as it was told', async (t) => {
  let go;
  const gone = new Promise((resolve) => (go = resolve));
  const world = await start(t, { answer: async (request, socket) => (await gone, socket.write(json(completion()))) });
  const asked = chat(world.gateway, { max_tokens: 10 });
  await until('it is at the provider', () => world.upstream.requests.length === 1);
  world.proxy.freeze();
  go();
  const answer = await asked;
  assert.equal(answer.cost, 4500);
  await until('it has ended', async () => (await world.gateway.metric('exchanges')) === 0);
  await sleep(400); // longer than rows are gathered: it is kept for the store's sake
  await world.again();
  await assertSame(world, { requests: 1, cost: 4500, tokens: 15 });
  assert.deepEqual([(await row(world, answer.id)).cost_nanousd, (await row(world, answer.id)).gateway_died], [4500, false]);
});

for (const shared of [true, false]) test(`a receipt holds, though the gateway died before the answer was all out (${shared ? 'Redis' : 'memory'})`, async (t) => {
  const world = await start(t, { shared, answer: () => json(longCompletion(16000000)) });
  const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [], max_tokens: 10 });
  const client = await RawClient.connect(world.gateway.port);
  client.socket.pause();
  client.send(`POST /ai/v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Sallyport-Key: ${world.gateway.key}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await until('the answer is there', async () => (await world.gateway.metric('buffered_bytes')) > 10000000);
  await sleep(100);
  client.socket.once('data', () => client.socket.pause());
  client.socket.resume();
  await client.until((one) => one.text.includes('\r\n\r\n'));
  assert.match(client.text, /X-Sallyport-Cost-USD: 0\.000004500\r\n/i);
  const id = /X-Sallyport-Request-Id: ([0-9a-f]+)/i.exec(client.text)[1];
  await world.gateway.metricIs(1, 'exchanges'); // it is under way
  await world.again();
  client.close();
  await assertSame(world, { requests: 1, cost: 4500, tokens: 15 });
  assert.deepEqual([(await row(world, id)).cost_nanousd, (await row(world, id)).gateway_died], [4500, true]);
});

for (const shared of [true, false]) test(`what was under way is charged in full, at once (${shared ? 'Redis' : 'memory'})`, async (t) => {
  const world = await start(t, { shared, answer: () => undefined });
  const asked = chat(world.gateway, { max_tokens: 10 });
  await until('it is at the provider', () => world.upstream.requests.length === 1);
  const { reserved } = await quota(world, 'budget');
  const tokens = (await quota(world, 'tokens')).reserved;
  assert.ok(reserved > 0 && tokens > 0);
  await world.again();
  assert.equal((await asked).status, 0);
  await assertSame(world, { requests: 1, cost: reserved, tokens });
});
