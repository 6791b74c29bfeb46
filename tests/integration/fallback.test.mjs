// Fallback: when a request goes to the next route, when it must not, and what it is there.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { call, series, tally, triesOf } from '../support/call.mjs';
import { answer, faultyFor, hang, json, reset } from '../support/faulty.mjs';
import { freePort, gatewayFor, sallyport, until } from '../support/gateway.mjs';

const quick = { attempts: 2, base: '10ms', cap: '20ms', budget: '100%' };
const secrets = { first: 'sk-first-0123456789abcdef', second: 'sk-second-0123456789abcdef', azure: 'azure-0123456789abcdef0123' };

// Two routes of one profile, the first with the second as its fallback.
async function start(t, { provider = 'http', first = {}, second = {}, routes = {}, fallback = ['second'], ...more } = {}) {
  const [one, two] = [await faultyFor(t), await faultyFor(t)];
  const credential = (secret) => (provider === 'http' ? 'none' : { secret });
  const gateway = await gatewayFor(t, {
    routes: {
      first: { provider, credential: credential('first'), upstream: one.port, retry: quick, fallback, ...first },
      second: { provider, credential: credential('second'), upstream: two.port, retry: quick, ...second },
      ...routes,
    },
    secrets,
    ...more,
  });
  return { gateway, one, two };
}

test('attempts spent on the first: the second answers, and it is said where', async (t) => {
  const { gateway, one, two } = await start(t);
  one.play(answer(503));
  two.play(answer(200, {}, 'from the second'));
  const got = await call(gateway, '/first/a/b?c=d', { headers: { 'X-Mine': '1' } });
  assert.equal(got.status, 200);
  assert.equal(got.body, 'from the second');
  assert.equal(got.headers['x-sallyport-route'], 'second');
  assert.equal(one.requests.length, 2);
  assert.equal(two.requests.length, 1);
  assert.equal(two.requests[0].path, '/a/b?c=d');
  assert.equal(two.requests[0].headers['x-mine'], '1');
  assert.deepEqual((await triesOf(gateway, got)).map((one) => one.route), ['first', 'first', 'second']);
  assert.equal(got.attempts, 3);
});

test('a first that works is the only one asked', async (t) => {
  const { gateway, one, two } = await start(t);
  const got = await call(gateway, '/first/x');
  assert.equal(got.status, 200);
  assert.notEqual(got.headers['x-sallyport-route'], 'second');
  assert.equal(one.requests.length, 1);
  assert.equal(two.requests.length, 0);
});

for (const status of [400, 401, 404, 422, 501]) {
  test(`a ${status} is an answer, no reason to go on`, async (t) => {
    const { gateway, one, two } = await start(t);
    one.play(answer(status));
    assert.equal((await call(gateway, '/first/x')).status, status);
    assert.equal(two.requests.length, 0);
  });
}

test('an open circuit: the second at once, without a connection to the first', async (t) => {
  const { gateway, one, two } = await start(t, { first: { breaker: { consecutive: 2, open: '60s' } } });
  await one.down();
  for (let i = 0; i < 3; i++) assert.equal((await call(gateway, '/first/x', { body: 'x' })).status, 200);
  await one.up();
  const got = await call(gateway, '/first/x', { body: 'x' });
  assert.equal(got.status, 200);
  assert.equal(got.headers['x-sallyport-route'], 'second');
  assert.equal(one.connections, 0);
  assert.equal(two.requests.length, 4);
});

test('cooling credentials: the second at once', async (t) => {
  const { gateway, one, two } = await start(t, { provider: 'openai' });
  one.play(answer(429, { 'Retry-After': '60' }));
  two.play(json(200, {}));
  for (let i = 0; i < 4; i++) {
    const got = await call(gateway, '/first/v1/models');
    assert.equal(got.status, 200);
    assert.equal(got.headers['x-sallyport-route'], 'second');
    assert.ok(got.ms < 5000);
  }
  assert.ok(one.requests.length <= 2, `${one.requests.length}: it is left alone while it cools`);
  assert.ok(two.requests.every((request) => request.headers.authorization === `Bearer ${secrets.second}`));
});

test('both down: the caller hears of the last, and is told not to try again', async (t) => {
  const { gateway, one, two } = await start(t);
  one.play(answer(503, {}, 'one'));
  two.play(answer(502, {}, 'two'));
  const lost = await call(gateway, '/first/x');
  assert.ok([502, 503].includes(lost.status), `${lost.status}`);
  assert.equal(lost.headers['x-should-retry'], 'false');
  assert.equal(one.requests.length, 2);
  assert.equal(two.requests.length, 2);
});

test('not where the tenant is not allowed', async (t) => {
  const { gateway, one, two } = await start(t, {
    tenants: { app: { allow: ['first'] }, part: { allow: ['first', 'second:GET /open/*'] }, both: { allow: ['first', 'second'] } },
  });
  one.play(answer(503));
  const ask = (key, path) => call(gateway, path, { key: gateway.keys[key] });
  assert.equal((await ask('app', '/first/x')).status, 503);
  assert.equal((await ask('part', '/first/closed/x')).status, 503);
  assert.equal(two.requests.length, 0);
  assert.equal((await ask('part', '/first/open/x')).status, 200);
  assert.equal((await ask('both', '/first/x')).status, 200);
  assert.equal(two.requests.length, 2);
});

test('the second’s quotas admit it, and are not spent where it does not go', async (t) => {
  const quotas = [
    { name: 'of-first', requests: 100, per: 'day', route: 'first' },
    { name: 'of-second', requests: 2, per: 'day', route: 'second' },
    { name: 'of-all', requests: 100, per: 'day' },
  ];
  const { gateway, one, two } = await start(t, { tenants: { app: { allow: ['first', 'second'], quotas } } });
  await series(3, () => call(gateway, '/first/x'));
  const used = () => Object.fromEntries(JSON.parse(sallyport(['quotas', '--json', '-c', gateway.file])).quotas.map((one) => [one.quota, one.used]));
  assert.deepEqual(used(), { 'of-first': 3, 'of-second': 0, 'of-all': 3 });
  one.play(answer(503));
  const answers = await series(4, () => call(gateway, '/first/x'));
  assert.deepEqual(answers.map((one) => one.status), [200, 200, 503, 503]);
  assert.equal(two.requests.length, 2);
  await until('all is settled', () => used()['of-second'] === 2);
  assert.ok(used()['of-all'] <= 7, 'what both count is counted once a request');
  assert.match(sallyport(['quotas', 'audit', '-c', gateway.file]), / 0 differ\n$/);
});

test('a POST that may have been executed never changes route', async (t) => {
  const { gateway, one, two } = await start(t);
  for (const play of [reset(), answer(500), answer(503), answer(408)]) {
    one.play(play);
    const lost = await call(gateway, '/first/x', { body: 'pay' });
    assert.ok(lost.status >= 400);
    assert.equal(one.requests.length, 1);
  }
  assert.equal(two.requests.length, 0);
  one.play(answer(429));
  assert.equal((await call(gateway, '/first/x', { body: 'pay' })).status, 200, 'a 429 executed nothing');
  assert.equal(two.requests.length, 1);
  assert.equal(two.requests[0].body.toString(), 'pay');
});

test('a POST with a key that may have been executed stays, too: the key means nothing elsewhere', async (t) => {
  const { gateway, one, two } = await start(t, { provider: 'stripe' });
  one.play(reset());
  const lost = await call(gateway, '/first/v1/charges', { body: 'amount=1' });
  assert.equal(lost.status, 502);
  assert.equal(one.requests.length, 2);
  assert.equal(two.requests.length, 0);
});

test('a repeatable POST goes on', async (t) => {
  const { gateway, one, two } = await start(t, { provider: 'openai' });
  one.play(reset());
  two.play(json(200, {}));
  const body = JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'x' }] });
  const got = await call(gateway, '/first/v1/chat/completions', { body, headers: { 'Content-Type': 'application/json' } });
  assert.equal(got.status, 200);
  assert.equal(two.requests[0].body.toString(), body);
});

test('the list is the first route’s own: the second’s is not followed', async (t) => {
  const third = await faultyFor(t);
  const { gateway, one, two } = await start(t, {
    second: { fallback: ['third'] }, routes: { third: { provider: 'http', credential: 'none', upstream: third.port } },
  });
  one.play(answer(503));
  two.play(answer(503));
  assert.equal((await call(gateway, '/first/x')).status, 503);
  assert.equal(third.requests.length, 0);
});

test('several, in their order', async (t) => {
  const third = await faultyFor(t);
  const { gateway, one, two } = await start(t, {
    fallback: ['second', 'third'], routes: { third: { provider: 'http', credential: 'none', upstream: third.port, retry: quick } },
  });
  one.play(answer(503));
  two.play(answer(503));
  const got = await call(gateway, '/first/x');
  assert.equal(got.headers['x-sallyport-route'], 'third');
  assert.deepEqual(tally((await triesOf(gateway, got)).map((one) => one.route)), { first: 2, second: 2, third: 1 });
});

test('the deadline is one for all routes', async (t) => {
  const { gateway, one, two } = await start(t, { first: { timeouts: { first_byte: '600ms', total: '2s' } }, second: { timeouts: { total: '60s' } } });
  one.play(hang());
  two.play(hang());
  const lost = await call(gateway, '/first/x');
  assert.equal(lost.status, 504);
  assert.ok(lost.ms > 1700 && lost.ms < 3200, `${lost.ms} ms`);
});

test('openai goes on to azure-openai: path, key and model are Azure’s', async (t) => {
  const azure = await faultyFor(t, json(200, { object: 'chat.completion' }));
  const gateway = await gatewayFor(t, {
    routes: {
      openai: { provider: 'openai', credential: { secret: 'first' }, base_url: `http://127.0.0.1:${await freePort()}`, retry: quick, fallback: ['azure'] },
      azure: { provider: 'azure-openai', credential: { secret: 'azure' }, upstream: azure.port, retry: quick, models: { 'gpt-4o': 'our-deployment' } },
    },
    secrets,
  });
  const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'gpt-4o?' }], user: 'x' };
  const got = await call(gateway, '/openai/v1/chat/completions', { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
  assert.equal(got.status, 200, got.body);
  assert.equal(got.headers['x-sallyport-route'], 'azure');
  const [request] = azure.requests;
  assert.match(request.path, /^\/openai\/(v1|deployments\/our-deployment)\/chat\/completions/);
  assert.equal(request.headers['api-key'], secrets.azure);
  assert.equal(request.headers.authorization, undefined);
  assert.deepEqual(JSON.parse(request.body), { ...body, model: 'our-deployment' });
});

test('check refuses loops, other providers and unknown routes', async (t) => {
  const { gateway } = await start(t, { gateway: { reload: 'signal' } }); // one word on each change
  const refusedBy = async (change) => {
    const said = await gateway.reload(change);
    return /refused/.test(said);
  };
  assert.ok(await refusedBy((config) => (config.routes.second.fallback = ['first'])));
  assert.ok(await refusedBy((config) => (config.routes.second.fallback = ['second'])));
  assert.ok(await refusedBy((config) => (config.routes.second.fallback = ['nowhere'])));
  assert.ok(!(await refusedBy((config) => delete config.routes.second.fallback)));
});
