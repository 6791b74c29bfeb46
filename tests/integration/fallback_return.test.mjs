// A fallback whose quotas refuse: the request is again what it was on the route that it came from; and
// bodies that cannot go elsewhere, or twice.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';

import { call } from '../support/call.mjs';
import { answer, faultyFor, hang, hashOf, json, reset } from '../support/faulty.mjs';
import { freePort, gatewayFor, sleep, until } from '../support/gateway.mjs';

const quick = { attempts: 2, base: '10ms', cap: '20ms', budget: '100%' };
const secrets = { first: 'sk-first-0123456789abcdef', second: 'sk-second-0123456789abcdef', third: 'sk-third-0123456789abcdef' };
const jsonType = { 'Content-Type': 'application/json' };
const message = (more = {}) => JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 10, ...more });
const completion = json(200, { object: 'chat.completion', choices: [], usage: { prompt_tokens: 10, completion_tokens: 5 } });

async function start(t, { names = ['first', 'second'], quotas, routes = {}, ...more } = {}) {
  const ups = {};
  const all = {};
  for (const name of names) {
    ups[name] = await faultyFor(t, completion);
    all[name] = { provider: 'openai', credential: { secret: name }, upstream: ups[name].port, retry: quick, ...routes[name] };
  }
  all.first.fallback = names.slice(1);
  const gateway = await gatewayFor(t, { routes: all, secrets, tenants: { app: { allow: names, quotas } }, ...more });
  return { gateway, ups };
}

const none = (route) => ({ name: `none-of-${route}`, requests: 1, per: 'day', route });
const chat = (gateway, route, more) => call(gateway, `/${route}/v1/chat/completions`, { body: message(more), headers: jsonType });

// Its one credential cools.
async function cool({ gateway, ups }, route) {
  ups[route].play(answer(429, { 'Retry-After': '60' }));
  await call(gateway, `/${route}/v1/models`);
  ups[route].play(completion);
}

test('a credential that cools is used where the fallback has no room: with its own target, model and key', async (t) => {
  const all = await start(t, {
    quotas: [none('second'), { name: 'tokens', tokens: '1M', per: 'day' }],
    routes: { first: { models: { 'gpt-4o-mini': 'mini-of-first' } }, second: { models: { 'gpt-4o-mini': 'mini-of-second' } } },
  });
  const { gateway, ups } = all;
  await chat(gateway, 'second');
  ups.second.play(completion);
  await cool(all, 'first');
  const got = await chat(gateway, 'first');
  assert.equal(got.status, 200, got.body);
  assert.equal(got.headers['x-sallyport-route'], undefined);
  assert.equal(ups.second.requests.length, 0);
  const [request] = ups.first.requests;
  assert.equal(request.path, '/v1/chat/completions');
  assert.equal(request.headers.authorization, `Bearer ${secrets.first}`);
  assert.equal(JSON.parse(request.body).model, 'mini-of-first');
  assert.equal((await gateway.logLine(got.id)).output_tokens, 5);
});

test('where the fallback has too many in flight, the body is the first route’s', async (t) => {
  const all = await start(t, { routes: { second: { models: { 'gpt-4o-mini': 'mini-of-second' }, max_in_flight: 1 } } });
  const { gateway, ups } = all;
  await cool(all, 'first');
  ups.second.play(hang());
  const gone = new AbortController();
  const held = call(gateway, '/second/v1/models', { signal: gone.signal });
  await until('one is in flight', () => ups.second.requests.length === 1);
  assert.equal((await chat(gateway, 'first')).status, 200);
  assert.equal(JSON.parse(ups.first.requests[0].body).model, 'gpt-4o-mini');
  gone.abort();
  await held;
  for (const route of ['first', 'second']) {
    await until(`none is in flight on ${route}`, async () => (await gateway.metric('route_in_flight', { route })) === 0);
  }
});

test('the answer of a route is not kept for when the next one’s fallback refuses: whose key would be scrubbed from it', async (t) => {
  const all = await start(t, { names: ['first', 'second', 'third'], quotas: [none('third')] });
  const { gateway, ups } = all;
  await chat(gateway, 'third');
  await cool(all, 'second');
  ups.first.play(answer(503, {}, `the key ${secrets.first} is worn out`));
  ups.second.play(answer(503, {}, `the key ${secrets.second} is worn out`));
  const got = await chat(gateway, 'first');
  assert.equal(got.headers['x-sallyport-route'], 'second');
  assert.doesNotMatch(got.body, /0123456789abcdef/);
  assert.match(got.body, /worn out/);
  assert.ok(ups.second.requests.length > 0);
});

test('the first’s answer is the first’s: its route, its length, its bytes in the quota', async (t) => {
  const bytes = { name: 'bytes', bytes: '1MiB', per: 'day' };
  const { gateway, ups } = await start(t, { quotas: [none('second'), bytes] });
  await chat(gateway, 'second');
  ups.first.play(answer(503, {}, 'x'.repeat(5000)));
  const before = await gateway.metric('quota_used', { quota: 'bytes' });
  const got = await chat(gateway, 'first');
  assert.equal(got.status, 503);
  assert.equal(got.body.length, 5000);
  assert.equal(got.headers['x-sallyport-route'], undefined);
  const used = () => gateway.metric('quota_used', { quota: 'bytes' });
  await until('it is settled', async () => (await used()) - before === 5000 + message().length);
});

test('an open circuit with a fallback that refuses says so, and for how long', async (t) => {
  const { gateway, ups } = await start(t, { quotas: [none('second')], routes: { first: { breaker: { consecutive: 2, open: '60s' } } } });
  await chat(gateway, 'second');
  await ups.first.down();
  await chat(gateway, 'first');
  const lost = await chat(gateway, 'first');
  assert.deepEqual([lost.status, lost.code], [503, 'circuit_open']);
  assert.ok(Number(lost.headers['retry-after']) > 30, lost.headers['retry-after']);
});

test('a body that streams does not go where its model would have another name, or must be counted', async (t) => {
  for (const more of [{ routes: { second: { models: { 'gpt-4o-mini': 'mini-of-second' } } } }, { quotas: [{ tokens: '10M', per: 'day', route: 'second' }] }]) {
    const port = await freePort();
    const { gateway, ups } = await start(t, { ...more, routes: { ...more.routes, first: { upstream: port, meter: { stream_usage: false }, retry: { ...quick, buffer: '64KiB' } } } });
    const body = message({ user: 'x'.repeat(200000) });
    for (const path of ['/first/v1/chat/completions', '/first/v1/unknown']) {
      const lost = await call(gateway, path, { body, headers: jsonType });
      assert.equal(lost.status, 502, path);
      assert.equal(lost.code, 'upstream_unreachable');
      assert.equal(ups.second.requests.length, 0);
    }
  }
});

test('a streamed PUT has no second one beside it: that would lack what was sent to the first', async (t) => {
  const { gateway, ups } = await start(t, { names: ['first'], routes: { first: { hedge: { after: '150ms' }, retry: { ...quick, buffer: '64KiB' } } } });
  const part = (n) => String(n).repeat(40000);
  ups.first.play([hang(), answer(200)]);
  const request = http.request({
    port: gateway.port, host: '127.0.0.1', path: '/first/v1/files', method: 'PUT', headers: { 'X-Sallyport-Key': gateway.key },
  });
  request.on('error', () => {});
  const ended = new Promise((resolve) => request.on('response', (response) => response.resume().on('close', resolve)).on('error', resolve));
  for (let n = 0; n < 5; n++) request.write(part(n));
  await sleep(400);
  [...ups.first.sockets][0]?.resetAndDestroy?.();
  await sleep(100);
  request.end(part(5));
  await ended;
  for (const one of ups.first.whole) assert.equal(one.hash, hashOf([0, 1, 2, 3, 4, 5].map(part).join('')));
});

test('a long name of a model leaves room for a limit of output', async (t) => {
  const name = '"'.repeat(128);
  const { gateway, ups } = await start(t, {
    names: ['first'], quotas: [{ tokens: 2000, per: 'day' }], routes: { first: { models: { 'gpt-4o-mini': name } } },
  });
  const got = await chat(gateway, 'first', { max_tokens: undefined });
  assert.equal(got.status, 200, got.body);
  const body = JSON.parse(ups.first.requests[0].body);
  assert.equal(body.model, name);
  assert.ok(body.max_completion_tokens > 0 || body.max_tokens > 0);
});
