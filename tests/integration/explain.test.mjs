// `sallyport explain` tells why a request was admitted, refused, retried and charged as it was.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';

import { binary, gatewayFor } from '../support/gateway.mjs';
import { explain, rowOf, withLedger } from '../support/ledger.mjs';
import { chat, completion, json, metered } from '../support/meter.mjs';
import { upstreamFor } from '../support/wire.mjs';

test('of a call that was served it tells quotas, usage, price, cost and times', async (t) => {
  const { gateway } = await metered(t, {
    ...withLedger(), // so late that it is waited for
    answer: (request, socket) => void setTimeout(() => socket.write(json(completion(), '200 OK', 'X-Request-Id: req_provider\r\n')), 20),
    route: { credential: { secret: 'ai-key' } }, secrets: { 'ai-key': 'sk-0123456789abcdef' },
    quotas: [{ name: 'budget', cost: '1 USD', per: 'month' }],
  });
  await chat(gateway, { max_tokens: 10 });
  const { id } = await chat(gateway, { max_tokens: 10 }, { headers: { 'X-Request-Id': 'my-own' } });
  await rowOf(gateway, id);
  const text = explain(gateway, id);
  for (const part of [
    new RegExp(`^${id}  20`), /^request +POST \/ai\/v1\/chat\/completions, which its caller calls my-own$/m, /^tenant +app$/m,
    /^route +ai, provider openai$/m, /^credential +secret "ai-key"$/m, /^answer +200$/m,
    /^quotas +"budget": 0\.000004500 USD of 1 USD used before, [0-9.]+ USD reserved, 0\.000004500 USD settled$/m,
    /^attempts +1, the last was answered with 200; the provider's id is req_provider$/m, /^model +gpt-4o-mini$/m,
    /^usage +input_tokens 10, output_tokens 5, \d+ bytes sent, \d+ answered$/m,
    /^price +0\.15 USD for a million tokens of input, 0\.60 USD of output$/m, /^cost +0\.000004500 USD$/m,
    /^times +[0-9.]+ ms in all, [0-9.]+ ms until it was sent, .*in the gateway itself$/m, /^waited +.*in send [0-9.]+ ms/m,
  ]) assert.match(text, part);
  assert.doesNotMatch(text, /sk-0123/);
  assert.equal(JSON.parse(explain(gateway, id, ['--json'])).id, id);
});

test('of one that was refused it tells which quota, and what was left', async (t) => {
  const { gateway } = await metered(t, { ...withLedger(), quotas: [{ name: 'few', tokens: 500, per: 'day' }] });
  const { id } = await chat(gateway, { max_tokens: 5000 });
  await rowOf(gateway, id);
  const text = explain(gateway, id);
  assert.match(text, /^answer +429 budget_exceeded; ended by the quota in step admit$/m);
  assert.match(text, /the quota "few" allows 500 tokens a day, and this request alone may need more/);
  assert.match(text, /^quotas +"few": 0 tokens of 500 tokens used before, \d+ tokens wanted: REFUSED$/m);
  assert.match(text, /^attempts +0$/m);
});

test('of one that was tried again it tells each attempt and why, and where it went', async (t) => {
  const bad = await upstreamFor(t, () => json({ error: {} }, '503 Service Unavailable'));
  const well = await upstreamFor(t, () => json(completion()));
  const gateway = await gatewayFor(t, {
    ...withLedger(),
    routes: {
      ai: { provider: 'openai', credential: 'none', upstream: bad.port, fallback: ['other'], retry: { attempts: 2, base: '1ms' } },
      other: { provider: 'openai', credential: 'none', upstream: well.port },
    },
  });
  const answer = await chat(gateway);
  assert.equal(answer.status, 200);
  await rowOf(gateway, answer.id);
  const text = explain(gateway, answer.id);
  assert.match(text, /^route +ai, provider openai; it went on to route other$/m);
  assert.match(text, /^attempts +3, the last was answered with 200$/m);
  assert.match(text, /^ +1\. route ai: 503, after \d+ ms; then: again in \d+ ms$/m);
  assert.match(text, /^ +2\. route ai: 503, after \d+ ms; then: attempts$/m);
});

test('where a request waited is told, step by step', async (t) => {
  const gateway = await gatewayFor(t, {
    ...withLedger(),
    routes: { ai: { provider: 'openai', credential: 'none', retry: { attempts: 2, base: '80ms', budget: '100%' }, breaker: 'off', upstream: (await upstreamFor(t, (() => {
      let count = 0;
      return (request, socket) => void setTimeout(() => socket.write(count++ === 0 ? json({}, '503 Service Unavailable') : json(completion())), 60);
    })())).port } },
  });
  const { id } = await chat(gateway);
  const row = await rowOf(gateway, id);
  const { waited } = row.details;
  assert.ok(waited.send >= 115e3 && waited.send <= row.duration, JSON.stringify(waited));
  assert.ok(waited.back_off > 1e3 && waited.back_off + waited.send <= row.duration, JSON.stringify(waited));
  assert.match(explain(gateway, id), /^waited +.*in send \d+\.\d{3} ms, in back_off \d+\.\d{3} ms/m);
});

test('of one that met an open circuit it tells that', async (t) => {
  const { gateway } = await metered(t, {
    ...withLedger(), answer: () => json({}, '500 Internal Server Error'),
    route: { retry: 'off', breaker: { min_requests: 1, failure_rate: '50%' } },
  });
  for (let i = 0; i < 3; i++) await chat(gateway);
  const { status, id } = await chat(gateway);
  assert.equal(status, 503);
  await rowOf(gateway, id);
  assert.match(explain(gateway, id), /^answer +503 circuit_open[^]*^circuit +open: `sallyport breakers` shows why$/m);
});

test('what is no id, or is not there, is said', async (t) => {
  const { gateway } = await metered(t, withLedger());
  const run = (args) => spawnSync(binary, ['explain', ...args, '-c', gateway.file], { encoding: 'utf8' });
  const missing = run(['0'.repeat(32)]);
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /no request "0{32}" is in the ledger/);
  for (const args of [[], ['../quotas'], ['abc'], ['0'.repeat(33)]]) {
    const misused = run(args);
    assert.equal(misused.status, 2, args.join());
    assert.match(misused.stderr, /32 hex digits/);
  }
});
