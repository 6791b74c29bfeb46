// sallyport usage --reprice: a price was wrong, and what was used is kept: the past is computed again, by the same
// arithmetic, to the nano-USD, once.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import { binary, Gateway, gatewayFor, until } from '../support/gateway.mjs';
import { ask, explain, rowOf, sums, withLedger, written } from '../support/ledger.mjs';
import { chat, completion, json, metered, quotaOf, settled } from '../support/meter.mjs';
import { RawClient, upstreamFor } from '../support/wire.mjs';

function reprice(gateway, ...args) {
  const result = spawnSync(binary, ['usage', '--reprice', '--json', '-c', gateway.file, ...args], { encoding: 'utf8' });
  assert.equal(result.status, 0, result.stderr);
  return JSON.parse(result.stdout);
}
const costs = (told) => Object.fromEntries(told.models.map((one) => [one.model, [one.requests, one.change, one.cost_nanousd, one.new_cost_nanousd]]));
// The config that the command reads; the running gateway reads it, too, if it is told to.
const change = (gateway, edit) => {
  const config = JSON.parse(fs.readFileSync(gateway.file, 'utf8'));
  edit(config);
  fs.writeFileSync(gateway.file, JSON.stringify(config));
};
const priced = (prices) => (config) => (config.routes.ai.prices = prices);

test('the past is computed again from what is kept, to the nano-USD, and once', async (t) => {
  // 333,333 tokens of 0.000000001 USD for a million each would be lost in any rounding but the last.
  const usages = [
    { prompt_tokens: 20, completion_tokens: 5 },
    { prompt_tokens: 333333, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 33333, audio_tokens: 100 } },
    { prompt_tokens: 1000, completion_tokens: 1001, completion_tokens_details: { reasoning_tokens: 1000, audio_tokens: 1 } },
    null,
  ];
  let next = 0;
  const { gateway } = await metered(t, {
    ...withLedger(), answer: () => json(completion(usages[next++ % usages.length])),
    route: { prices: [{ model: 'gpt-4o-mini', input: '1 USD', output: '2 USD' }] },
    quotas: [{ name: 'budget', cost: '100 USD', per: 'month' }],
    gateway: { audit_log: 'audit.jsonl' },
  });
  const ids = [];
  for (let i = 0; i < 4; i++) ids.push((await chat(gateway, { max_tokens: 5000 })).id);
  const dear = (await chat(gateway, { model: 'gpt-4o' })).id;
  await written(gateway, 5);
  const { used } = await settled(gateway, 'budget');
  const before = await Promise.all(ids.map((id) => rowOf(gateway, id)));
  assert.deepEqual(before.slice(0, 3).map((row) => row.cost_nanousd), [
    20 * 1000 + 5 * 2000, 333333 * 1000 + 7 * 2000, 1000 * 1000 + 1001 * 2000]);
  assert.deepEqual([before[1].units.audio_tokens, before[1].units.audio_output_tokens], [100, 0]);
  assert.deepEqual([before[2].units.audio_tokens, before[2].units.audio_output_tokens], [1, 1]);
  assert.ok(before[3].estimated);

  const same = reprice(gateway);
  assert.deepEqual([same.total.change, same.total.cost_nanousd === same.total.new_cost_nanousd], [0, true], 'prices are as they were');
  change(gateway, priced([{
    model: 'gpt-4o-mini', input: '0.5 USD', cache_read: '0.000000001 USD', audio_input: '10 USD', output: '3 USD', audio_output: '20 USD', reasoning: '4 USD',
  }]));
  // By hand: 333,233 of input, without 33,333 from the cache, are 299,900; 33,333 nano-USD for a million are 0.033333.
  const by = [20 * 500 + 5 * 3000, 299900 * 500 + 100 * 10000 + 7 * 3000 + 1, 1000 * 500 + 1000 * 4000 + 20000];
  const now = by.reduce((a, b) => a + b, 0);
  const old = before.slice(0, 3).reduce((sum, row) => sum + row.cost_nanousd, 0);
  const dry = reprice(gateway);
  assert.deepEqual(costs(dry)['gpt-4o-mini'], [3, 3, old, now]);
  assert.deepEqual(costs(dry)['gpt-4o'].slice(0, 2), [1, 0]);
  assert.deepEqual(dry.left_alone.estimated, { requests: 1, cost_nanousd: before[3].cost_nanousd });
  assert.deepEqual([dry.write, dry.written], [false, 0]);
  assert.deepEqual((await rowOf(gateway, ids[0])).cost_nanousd, before[0].cost_nanousd, 'nothing is changed yet');
  assert.deepEqual(reprice(gateway, '--model', 'gpt-4o').models.map((one) => one.model), ['gpt-4o']);
  for (const none of [['--tenant', 'nobody'], ['--route', 'other'], ['--until', '1h']]) assert.deepEqual(reprice(gateway, ...none).models, []);

  const table = spawnSync(binary, ['usage', '--reprice', '-c', gateway.file], { encoding: 'utf8' }).stdout;
  assert.match(table, /^MODEL +REQUESTS +CHANGE +COST USD +NEW COST USD +DIFFERENCE$/m);
  assert.match(table, /^gpt-4o-mini +3 +3 +0\.\d{9} +0\.\d{9} +-0\.\d{9}$/m);
  assert.match(table, /^left alone: 1 estimated: .* \(0\.\d{9} USD\)$/m);
  assert.match(table, /nothing is changed yet: --write does it$/m);

  assert.equal(reprice(gateway, '--write').written, 3);
  const after = await Promise.all(ids.map((id) => rowOf(gateway, id)));
  assert.deepEqual(after.slice(0, 3).map((row) => [row.cost_nanousd, row.repriced]), by.map((cost) => [cost, true]));
  assert.deepEqual([after[3].cost_nanousd, after[3].repriced], [before[3].cost_nanousd, false]);
  const all = [...after, await rowOf(gateway, dear)].reduce((sum, row) => sum + row.cost_nanousd, 0);
  assert.equal((await sums(gateway))[0].cost_nanousd, all, 'the sums are those of the rows');
  assert.equal((await sums(gateway, '&by=model&model=gpt-4o-mini'))[0].cost_nanousd, now + before[3].cost_nanousd);
  assert.equal(quotaOf(gateway, 'budget').used, used, 'what was charged stays charged');
  assert.match(explain(gateway, ids[0]), /^cost +0\.000025000 USD, by a later price; its receipt and its quotas have the price above$/m);
  const again = reprice(gateway, '--write');
  assert.deepEqual([again.written, again.total.change], [0, 0], 'the second time changes nothing');

  const log = await until('the audit log has it', () => {
    const lines = fs.readFileSync(path.join(gateway.folder, 'audit.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line)).filter(({ event }) => event === 'usage_repriced');
    return lines.length >= 4 && lines;
  });
  assert.match(log[0].text, /^admin: usage from 20\S+ to 20\S+ is about to be priced anew$/);
  assert.match(log[1].text, /was priced anew: 3 requests changed; 0\.\d{9} USD became 0\.\d{9} USD$/);
  assert.equal(log[1].count, 3);
  gateway.signal('SIGTERM');
  await gateway.exited;
  change(gateway, priced([{ model: 'gpt-4o-mini', input: '1 USD', output: '2 USD' }]));
  const back = reprice(gateway, '--write');
  assert.deepEqual(costs(back)['gpt-4o-mini'], [3, 3, now, old], 'and back again, without a gateway');
  const verified = spawnSync(binary, ['audit', 'verify', '-c', gateway.file], { encoding: 'utf8' });
  assert.equal(verified.status, 0, verified.stdout + verified.stderr);
  assert.match(fs.readFileSync(path.join(gateway.folder, 'audit.jsonl'), 'utf8'), /"usage from \S+ to \S+ was priced anew: 3 requests changed/);
});

test('prices a request and prices a message; and what had none', async (t) => {
  const upstream = await upstreamFor(t, ({ head }) => (head.includes('/fails') ? json({}, '500 Internal Server Error') : json({ sid: 'SM1', num_segments: '3' })));
  const gateway = await gatewayFor(t, {
    ...withLedger(),
    routes: {
      pay: { provider: 'stripe', credential: 'none', upstream: upstream.port, retry: 'off', breaker: 'off', prices: [{ per_request: '0.01 USD' }] },
      sms: { provider: 'twilio', credential: 'none', upstream: upstream.port, retry: 'off' },
      free: { provider: 'stripe', credential: 'none', upstream: upstream.port },
    },
  });
  for (let i = 0; i < 3; i++) await chat(gateway, {}, { path: '/pay/v1/charges' });
  await chat(gateway, {}, { path: '/pay/fails' });
  await chat(gateway, {}, { path: '/free/v1/charges' });
  const sms = await chat(gateway, {}, { path: '/sms/2010-04-01/Accounts/AC1/Messages.json', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } });
  await written(gateway, 6);
  assert.equal((await rowOf(gateway, sms.id)).units.segments, 3);
  assert.equal((await sums(gateway, '&by=route')).find((one) => one.route === 'pay').cost_nanousd, 3e7);
  assert.equal(reprice(gateway).left_alone.no_price.requests, 1, 'messages have no price yet');
  change(gateway, (config) => {
    config.routes.pay.prices = [{ per_request: '0.025 USD' }];
    config.routes.sms.prices = [{ per_segment: '0.0083 USD' }];
  });
  const told = reprice(gateway, '--write');
  assert.equal(told.written, 4);
  assert.deepEqual([told.total.cost_nanousd, told.total.new_cost_nanousd], [3e7, 3 * 25e6 + 3 * 8300000]);
  assert.deepEqual((await sums(gateway, '&by=route')).map((one) => [one.route, one.cost_nanousd]), [['pay', 75e6], ['sms', 24900000], ['free', 0]]);
  assert.equal(told.total.difference_usd, '+0.069900000');
  change(gateway, (config) => (config.routes.sms.prices = [{ per_search: '1 USD' }]));
  const uncovered = reprice(gateway, '--write');
  assert.deepEqual([uncovered.written, uncovered.left_alone.no_price], [0, { requests: 1, cost_nanousd: 24900000 }], 'no price for what it used');
  change(gateway, (config) => (config.routes.sms.prices = [{ per_segment: '0.0083 USD' }]));
  change(gateway, (config) => delete config.routes.pay);
  change(gateway, (config) => (config.tenants.app.allow = ['sms', 'free']));
  assert.deepEqual(reprice(gateway, '--write').left_alone.no_price, { requests: 3, cost_nanousd: 75e6 }, 'a route that is gone');
});

test('a call that was charged for two attempts is not priced as one', async (t) => {
  let count = 0;
  const { gateway } = await metered(t, {
    ...withLedger(), answer: (request, socket) => (count++ === 0 ? void socket.destroy() : json({ id: 'ch_1' })),
    route: { provider: 'stripe', prices: [{ per_request: '0.01 USD' }], retry: { attempts: 2, base: '1ms', budget: '100%' }, breaker: 'off' },
  });
  const { id } = await chat(gateway, {}, { path: '/ai/v1/charges', headers: { 'Idempotency-Key': 'once-0123456789' } });
  const row = await rowOf(gateway, id);
  assert.deepEqual([row.status, row.attempts, row.cost_nanousd], [200, 2, 2e7]);
  change(gateway, priced([{ per_request: '0.03 USD' }]));
  const told = reprice(gateway, '--write');
  assert.deepEqual([told.written, told.left_alone.not_kept], [0, { requests: 1, cost_nanousd: 2e7 }]);
});

test('several attempts, and what a killed gateway left, stay as they are', async (t) => {
  let count = 0;
  const upstream = await upstreamFor(t, (request, socket) => (request.body.includes('hang') ? undefined
    : count++ === 0 ? void socket.destroy() : json(completion())));
  const gateway = await Gateway.start({
    ...withLedger(),
    routes: { ai: { provider: 'openai', credential: 'none', upstream: upstream.port, retry: { attempts: 2, base: '1ms', budget: '100%' }, breaker: 'off' } },
    tenants: { app: { allow: ['ai'], quotas: [{ name: 'budget', cost: '100 USD', per: 'month' }] } },
  });
  const { id, status } = await chat(gateway);
  assert.equal(status, 200);
  assert.equal((await rowOf(gateway, id)).attempts, 2);
  const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hang' }], max_tokens: 10 });
  const client = await RawClient.connect(gateway.port);
  client.send(`POST /ai/v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Sallyport-Key: ${gateway.key}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await until('it runs', async () => (await gateway.metric('exchanges')) === 1);
  gateway.signal('SIGKILL');
  await gateway.exited;
  client.close();
  const again = new Gateway(['run', '-c', gateway.file], { cwd: gateway.folder });
  const { folder, file, port, adminPort, keys, config, key, options } = gateway;
  Object.assign(again, { folder, file, port, adminPort, keys, config, key, options });
  await again.ready();
  const [before] = await sums(again);
  assert.equal(before.requests, 2);
  change(again, priced([{ model: '*', input: '100 USD', output: '100 USD' }]));
  const told = reprice(again, '--write');
  assert.deepEqual([told.written, told.total.requests], [0, 0]);
  assert.deepEqual([told.left_alone.estimated.requests, told.left_alone.gateway_died.requests], [1, 1]);
  assert.deepEqual(await sums(again), [before]);
  await again.stop();
});

test('beside a gateway under load sums stay the sums of the rows', async (t) => {
  const { gateway } = await metered(t, { ...withLedger(), route: { prices: [{ model: 'gpt-4o-mini', input: '1 USD', output: '1 USD' }] } });
  let going = true;
  let asked = 0;
  const load = Array.from({ length: 4 }, async () => {
    while (going) {
      await chat(gateway);
      asked++;
    }
  });
  await until('there is something', () => asked > 50);
  for (let round = 1; round <= 6; round++) {
    change(gateway, priced([{ model: 'gpt-4o-mini', input: `${round} USD`, output: `${7 - round} USD` }]));
    reprice(gateway, '--write');
  }
  going = false;
  await Promise.all(load);
  await written(gateway, asked);
  const told = reprice(gateway, '--write');
  assert.deepEqual([told.total.requests, told.total.new_cost_nanousd], [asked, asked * (10 * 6000 + 5 * 1000)]);
  assert.equal((await sums(gateway))[0].cost_nanousd, asked * 65000);
  assert.equal((await sums(gateway))[0].requests, asked);
  await gateway.metricIs(0, 'ledger_write_failures_total');
});

test('what cannot be noted is not done; and wrong use is told', async (t) => {
  const { gateway } = await metered(t, { ...withLedger(), gateway: { audit_log: 'audit.jsonl' } });
  await chat(gateway);
  await written(gateway, 1);
  const run = (...args) => spawnSync(binary, ['usage', '--reprice', '-c', gateway.file, ...args], { encoding: 'utf8' });
  change(gateway, priced([{ model: 'gpt-4o-mini', input: '9 USD', output: '9 USD' }]));
  change(gateway, (config) => (config.admin.listen = '127.0.0.1:1'));
  const refused = run('--write');
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /^sallyport usage: .*127\.0\.0\.1:1/);
  assert.notEqual((await sums(gateway))[0].cost_nanousd, 135000, 'nothing was changed');
  assert.equal(run().status, 0, 'to look is free');
  for (const [args, words] of [[['--since', 'never'], /is no time/], [['--until', '2d'], /not after/], [['--objects'], /objects/], [['x'], /unexpected "x"/]]) {
    const wrong = run(...args);
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, words);
  }
  const answer = await fetch(`http://127.0.0.1:${gateway.adminPort}/api/v1/usage/repriced?done=1&until=1`, { method: 'POST' });
  assert.notEqual(answer.status, 200, 'a record needs the token, or what a command knows');
  assert.equal((await fetch(`http://127.0.0.1:${gateway.adminPort}/api/v1/usage/repriced`)).status, 405);
});
