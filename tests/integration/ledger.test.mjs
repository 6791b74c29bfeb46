// The ledger has a row of every request of a tenant, however it ended; rows, receipts and what the quotas were
// charged with are the same money; and a killed gateway loses none of it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';

import { Gateway, until } from '../support/gateway.mjs';
import { ask, ledgerFile, rowOf, sums, withLedger, written } from '../support/ledger.mjs';
import { chat, chunkedHead, completion, delta, json, longCompletion, metered, quotaOf, settled, stream } from '../support/meter.mjs';
import { RawClient, upstreamFor } from '../support/wire.mjs';

test('a row has who asked for what, how it ended, what it used and cost', async (t) => {
  const { gateway } = await metered(t, {
    ...withLedger(), answer: () => json(completion(), '200 OK', 'X-Request-Id: req_provider\r\n'),
    route: { credential: { secret: 'ai-key' } }, secrets: { 'ai-key': 'sk-0123456789abcdef' },
    quotas: [{ name: 'budget', cost: '1 USD', per: 'month' }],
  });
  const answer = await chat(gateway, { max_tokens: 10 }, { headers: { 'X-Request-Id': 'my-own' } });
  const row = await rowOf(gateway, answer.id);
  assert.deepEqual(
    [row.tenant, row.route, row.provider, row.model, row.method, row.path, row.label, row.upstream_id, row.credential],
    ['app', 'ai', 'openai', 'gpt-4o-mini', 'POST', '/ai/v1/chat/completions', 'my-own', 'req_provider', 'ai-key']);
  assert.deepEqual([row.status, row.upstream_status, row.attempts, row.metered, row.estimated, row.gateway_died], [200, 200, 1, true, false, false]);
  assert.deepEqual([row.units.input_tokens, row.units.output_tokens, row.cost_nanousd, row.cost_usd], [10, 5, 4500, '0.000004500']);
  assert.equal(row.units.response_bytes, answer.body.length);
  assert.ok(row.duration >= row.first_byte && row.first_byte > 0 && row.overhead > 0 && row.upstream_duration > 0);
  const [quota] = row.details.quotas;
  assert.deepEqual([quota.name, quota.unit, quota.limit, quota.used, quota.settled], ['budget', 'cost', 1e9, 0, 4500]);
  assert.equal(quota.demand, row.reserved_cost);
  assert.ok(quota.demand > 4500);
  assert.equal(row.details.price.model, 'gpt-4o-mini');
  assert.ok(!fs.readFileSync(ledgerFile(gateway)).includes('sk-0123456789abcdef'));
});

test('what is refused has a row once its tenant is known, and not before', async (t) => {
  const { gateway } = await metered(t, { ...withLedger(), quotas: [{ name: 'once', requests: 1, per: 'day' }] });
  await chat(gateway);
  const refused = await chat(gateway);
  assert.equal(refused.status, 429);
  const row = await rowOf(gateway, refused.id);
  assert.deepEqual([row.status, row.code, row.ended_by, row.step, row.attempts, row.cost_nanousd], [429, 'budget_exceeded', 'quota', 'admit', 0, 0]);
  assert.deepEqual([row.details.quotas[0].refused, row.details.quotas[0].used], [true, 1]);
  assert.match(row.details.reason, /"once" allows 1 request/);
  const stranger = await chat(gateway, {}, { key: 'sp_no' });
  assert.equal(stranger.status, 401);
  await written(gateway, 2);
  assert.equal((await ask(gateway, `/api/v1/requests/${stranger.id}`)).status, 404);
  assert.equal((await sums(gateway))[0].requests, 2);
});

test('rows, receipts and the charge of the quota are the same money, whoever leaves', async (t) => {
  let count = 0;
  const answers = [
    () => json(completion()),
    () => json(completion(null)),
    () => json(longCompletion(300000)),
    () => json({ error: { message: 'no' } }, '400 Bad Request'),
    () => json({ error: { message: 'down' } }, '500 Internal Server Error'),
    () => stream(),
    () => stream(null),
    (request, socket) => void socket.write(chunkedHead('text/event-stream') + delta('part'), () => socket.end()),
    (request, socket) => void socket.write(`${json(completion()).slice(0, -4)}`, () => socket.end()),
    (request, socket) => void setTimeout(() => socket.write(json(completion())), 30),
    (request, socket) => void socket.destroy(),
  ];
  const { gateway } = await metered(t, {
    ...withLedger(), route: { retry: { attempts: 2, base: '1ms', budget: '100%' }, breaker: 'off' },
    quotas: [{ name: 'budget', cost: '100 USD', per: 'month' }, { name: 'tokens', tokens: '100M', per: 'month' }],
    answer: (request, socket) => answers[count++ % answers.length](request, socket),
  });
  const results = [];
  for (let round = 0; round < 30; round++) {
    results.push(...await Promise.all(Array.from({ length: 11 }, (_, i) => chat(
      gateway, { max_tokens: 50, stream: i % 2 === 0 },
      { headers: i % 3 === 0 ? { TE: 'trailers' } : {}, signal: i % 4 === 3 ? AbortSignal.timeout(1 + (round % 20)) : undefined }))));
  }
  const { used } = await settled(gateway, 'budget');
  const tokens = (await settled(gateway, 'tokens')).used;
  await until('nothing is in flight', async () => (await gateway.metric('exchanges')) === 0);
  const lines = await until('all are logged', () => {
    const log = gateway.accessLog();
    return log.length >= results.filter((result) => result.id).length && log;
  });
  await written(gateway, lines.length);
  const [all] = await sums(gateway);
  assert.equal(all.requests, lines.length);
  assert.equal(all.cost_nanousd, used, 'the ledger is what the quota was charged with');
  assert.equal(all.input_tokens + all.cache_read_tokens + all.cache_write_tokens + all.output_tokens, tokens);
  assert.equal(lines.reduce((sum, line) => sum + (line.cost_nanousd ?? 0), 0), used, 'and so is the log');
  const receipts = results.filter((result) => result.cost !== undefined);
  assert.ok(receipts.length > 100, `${receipts.length}`);
  for (const receipt of receipts) assert.equal((await rowOf(gateway, receipt.id)).cost_nanousd, receipt.cost);
  assert.ok(results.some((result) => result.error), 'some have left');
});

test('a gateway that is killed loses no row: what was open is charged in full, once', async (t) => {
  const upstream = await upstreamFor(t, (request, socket) => (request.body.includes('"stream":true')
    ? void socket.write(chunkedHead('text/event-stream') + delta('x'.repeat(400))) : json(completion())));
  const gateway = await Gateway.start({
    ...withLedger(), routes: { ai: { provider: 'openai', credential: 'none', upstream: upstream.port } },
    tenants: { app: { allow: ['ai'], quotas: [{ name: 'budget', cost: '100 USD', per: 'month' }] } },
  });
  for (let i = 0; i < 5; i++) await chat(gateway, { max_tokens: 10 });
  const clients = [];
  const ids = [];
  for (let i = 0; i < 6; i++) {
    const body = JSON.stringify({ model: 'gpt-4o-mini', stream: true, messages: [] });
    const client = await RawClient.connect(gateway.port);
    client.send(`POST /ai/v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Sallyport-Key: ${gateway.key}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    clients.push(await client.until((c) => c.text.includes('xxxx')));
    ids.push(/X-Sallyport-Request-Id: ([0-9a-f]+)/i.exec(client.text)[1]);
  }
  const { used } = quotaOf(gateway, 'budget'); // reserved counts as used
  gateway.signal('SIGKILL');
  await gateway.exited;
  const again = new Gateway(['run', '-c', gateway.file], { cwd: gateway.folder });
  const { folder, file, port, adminPort, keys, config, key, options } = gateway;
  Object.assign(again, { folder, file, port, adminPort, keys, config, key, options });
  await again.ready();
  for (const client of clients) client.close();
  const rows = [];
  for (const id of ids) rows.push(await rowOf(again, id));
  for (const row of rows) {
    assert.deepEqual([row.gateway_died, row.status, row.model, row.cost_nanousd], [true, 0, 'gpt-4o-mini', row.reserved_cost]);
    assert.ok(row.reserved_cost >= 1000 * 600);
  }
  const [all] = await sums(again);
  assert.equal(all.requests, 11, 'none is lost, and none is there twice');
  assert.equal(all.cost_nanousd, used, 'the full charge');
  await again.stop();
});

test('the ledger is told of in the metrics, and its keys reload as they should', async (t) => {
  const { gateway } = await metered(t, withLedger());
  await chat(gateway);
  await written(gateway, 1);
  assert.deepEqual([await gateway.metric('ledger_up'), await gateway.metric('ledger_backlog'), await gateway.metric('ledger_folded_total')], [1, 0, 0]);
  assert.match(await gateway.reload((config) => (config.ledger.keep = '5d')), /reloaded/);
  assert.match(await gateway.reload((config) => (config.ledger.url = 'sqlite:other.db')), /ledger\.url cannot change in a reload/);
  assert.match(await gateway.reload((config) => (config.ledger.url = 'sqlite:usage.db')), /reloaded/);
});

test('sums are told by tenant, route, model and day; questions that mean nothing are refused', async (t) => {
  const { gateway } = await metered(t, withLedger());
  for (let i = 0; i < 3; i++) await chat(gateway);
  await chat(gateway, { model: 'gpt-4o' });
  await written(gateway, 4);
  assert.deepEqual((await sums(gateway, '&by=model')).map((sum) => [sum.model, sum.requests]), [['gpt-4o', 1], ['gpt-4o-mini', 3]]);
  assert.deepEqual((await sums(gateway, '&by=tenant&model=gpt-4o')).map((sum) => [sum.tenant, sum.requests]), [['app', 1]]);
  assert.equal((await ask(gateway, '/api/v1/usage?by=nothing')).status, 400);
  assert.equal((await ask(gateway, '/api/v1/usage?since=yesterday')).status, 400);
  assert.equal((await ask(gateway, `/api/v1/requests/${'0'.repeat(32)}`)).status, 404);
});

test('a ledger that cannot be opened ends the start, and says why', async () => {
  await assert.rejects(Gateway.start({
    routes: { ai: { provider: 'openai', credential: 'none' } }, extra: { ledger: { url: 'sqlite:/nowhere/usage.db' } },
  }), /ledger\.url.*\/nowhere\/usage\.db/s);
});

test('without a ledger there is none, and that is said', async (t) => {
  const { gateway } = await metered(t);
  const { id } = await chat(gateway);
  const { status, body } = await ask(gateway, `/api/v1/requests/${id}`);
  assert.equal(status, 404);
  assert.match(body.error, /there is no ledger/);
});
