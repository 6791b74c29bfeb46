// Budgets in memory come back after a restart, however the gateway ended: what was charged, and in full what was
// open when it was killed.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';

import { Gateway, until } from '../support/gateway.mjs';
import { rowOf, withLedger } from '../support/ledger.mjs';
import { chat, chunkedHead, completion, delta, json, quotaOf } from '../support/meter.mjs';
import { preloaded } from '../support/preload.mjs';
import { RawClient, upstreamFor } from '../support/wire.mjs';

const price = 4500; // nano-USD of a completion
const answer = (request, socket) => (request.body.includes('"stream":true')
  ? void socket.write(chunkedHead('text/event-stream') + delta('x'.repeat(400))) : json(completion()));

async function serving(t, quotas, { ledger = true, ...extra } = {}) {
  const upstream = await upstreamFor(t, answer);
  const options = {
    routes: { ai: { provider: 'openai', credential: 'none', upstream: upstream.port } },
    tenants: { app: { allow: ['ai'], quotas } },
    ...(ledger ? withLedger(extra) : { extra }),
  };
  const held = { gateway: await Gateway.start(options) };
  t.after(async () => held.gateway.end || held.gateway.stop());
  return held;
}

// Ends it and starts another in its folder.
async function restart(held, signal, change, env = {}) {
  const { folder, file, port, adminPort, keys, config, key, options } = held.gateway;
  if (!held.gateway.end) held.gateway.signal(signal);
  const end = await held.gateway.exited;
  if (signal === 'SIGTERM') assert.deepEqual(end, { code: 0, signal: null }, held.gateway.stderr);
  if (change) {
    change(config);
    fs.writeFileSync(file, JSON.stringify(config, null, 2));
  }
  held.gateway = new Gateway(['run', '-c', file], { cwd: folder, env });
  Object.assign(held.gateway, { folder, file, port, adminPort, keys, config, key, options });
  await held.gateway.ready();
  return held.gateway;
}

async function openStream(gateway, headers = '') {
  const body = JSON.stringify({ model: 'gpt-4o-mini', stream: true, messages: [] });
  const client = await RawClient.connect(gateway.port);
  client.send(`POST /ai/v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Sallyport-Key: ${gateway.key}\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`);
  await client.until((c) => c.text.includes('xxxx'));
  return { client, id: /X-Sallyport-Request-Id: ([0-9a-f]+)/i.exec(client.text)[1] };
}

test('after SIGTERM a budget goes on where it was, and refuses at the right request', async (t) => {
  const held = await serving(t, [
    { name: 'calls', requests: 10, per: 'day' },
    { name: 'money', cost: '1 USD', per: 'month' },
    { name: 'tokens', tokens: 1000000, per: '7d' },
  ]);
  const costs = [];
  for (let i = 0; i < 6; i++) costs.push((await chat(held.gateway, { max_tokens: 10 })).cost);
  assert.deepEqual(costs, Array(6).fill(price));
  const gateway = await restart(held, 'SIGTERM');
  for (const [name, used] of [['calls', 6], ['money', 6 * price], ['tokens', 90]]) {
    const quota = quotaOf(gateway, name);
    assert.deepEqual([quota.used, quota.open], [used, 0], name);
  }
  const statuses = [];
  for (let i = 0; i < 5; i++) statuses.push((await chat(gateway, { max_tokens: 10 })).status);
  assert.deepEqual(statuses, [200, 200, 200, 200, 429]);
  assert.equal(quotaOf(gateway, 'money').used, 10 * price);
  await restart(held, 'SIGTERM');
  assert.equal((await chat(held.gateway)).status, 429, 'a second time');
});

test('after SIGKILL it has what was charged, and what was open in full', async (t) => {
  const held = await serving(t, [{ name: 'money', cost: '100 USD', per: 'month' }, { name: 'calls', requests: 100, per: 'week' }]);
  let charged = 0;
  for (let i = 0; i < 7; i++) charged += (await chat(held.gateway, { max_tokens: 10 })).cost;
  const streams = [];
  for (let i = 0; i < 4; i++) streams.push(await openStream(held.gateway));
  const before = quotaOf(held.gateway, 'money');
  assert.ok(before.open > 4 * 1000 * 600);
  assert.equal(before.used, charged + before.open);
  const gateway = await restart(held, 'SIGKILL');
  for (const { client } of streams) client.close();
  const money = quotaOf(gateway, 'money');
  assert.deepEqual([money.used, money.open], [before.used, 0]);
  assert.equal(quotaOf(gateway, 'calls').used, 11);
  let full = 0;
  for (const { id } of streams) full += (await rowOf(gateway, id)).cost_nanousd;
  assert.equal(money.used, charged + full, 'the receipts and the full charge of the open ones');
  const next = await chat(gateway, { max_tokens: 10 });
  assert.equal(quotaOf(gateway, 'money').used, money.used + next.cost);
  await restart(held, 'SIGKILL');
  assert.equal(quotaOf(held.gateway, 'money').used, money.used + price, 'nothing counts twice');
});

test('it refuses what no longer fits behind a kill', async (t) => {
  const held = await serving(t, [{ name: 'calls', requests: 4, per: 'day' }]);
  await chat(held.gateway);
  const streams = [await openStream(held.gateway), await openStream(held.gateway)];
  const gateway = await restart(held, 'SIGKILL');
  for (const { client } of streams) client.close();
  assert.equal((await chat(gateway)).status, 200);
  const refused = await chat(gateway);
  assert.equal(refused.status, 429);
  assert.match(refused.body, /"calls\\?" allows 4 requests/);
});

test('a changed limit keeps what was used, also of each value', async (t) => {
  const held = await serving(t, [
    { name: 'small', requests: 3, per: 'month' },
    { name: 'of-users', requests: 2, per: 'day', each: 'header:x-user' },
  ]);
  const as = (user) => chat(held.gateway, {}, { headers: { 'X-User': user } });
  assert.equal((await as('anna')).status, 200);
  assert.equal((await as('anna')).status, 200);
  await restart(held, 'SIGKILL', (config) => {
    config.tenants.app.quotas[0] = { name: 'large', requests: 5, per: 'month' };
  });
  assert.deepEqual([quotaOf(held.gateway, 'large').used, quotaOf(held.gateway, 'large').limit], [2, 5]);
  assert.equal((await as('anna')).status, 429, 'her own count came back');
  assert.equal((await as('bert')).status, 200);
  assert.equal((await as('bert')).status, 200);
  assert.equal((await as('bert')).status, 429);
  await restart(held, 'SIGTERM', (config) => {
    config.tenants.app.quotas[0].requests = 4;
  });
  assert.equal(quotaOf(held.gateway, 'large').used, 4);
  assert.equal((await as('carl')).status, 429);
});

test('a window that turned meanwhile begins at zero; one of another time zone goes on to its end', async (t) => {
  const held = await serving(t, [{ name: 'calls', requests: 2, per: 'day' }]);
  await chat(held.gateway);
  await chat(held.gateway);
  await restart(held, 'SIGTERM', (config) => {
    config.gateway.time_zone = 'Pacific/Kiritimati'; // 14 h ahead
  });
  assert.equal((await chat(held.gateway)).status, 429);
  await restart(held, 'SIGKILL', null, { ...preloaded('shifted_clock'), CLOCK_AHEAD: '172800' });
  assert.equal(quotaOf(held.gateway, 'calls').used, 0);
  assert.equal((await chat(held.gateway)).status, 200);
});

test('without a ledger budgets restart at zero, and that is said', async (t) => {
  const held = await serving(t, [{ name: 'calls', requests: 1, per: 'day' }], { ledger: false });
  await until('it is said', () => /budgets restart at zero when the gateway restarts/.test(held.gateway.stderr));
  assert.equal((await chat(held.gateway)).status, 200);
  assert.equal((await chat(held.gateway)).status, 429);
  await restart(held, 'SIGTERM');
  assert.equal((await chat(held.gateway)).status, 200);
});

test('with a ledger nothing is warned of', async (t) => {
  const held = await serving(t, [{ name: 'calls', requests: 1, per: 'day' }]);
  assert.doesNotMatch(held.gateway.stderr, /restart at zero/);
});
