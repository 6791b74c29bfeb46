// Health checks: what they send, what counts as well, that they come in their time, survive a reload,
// end with a drain, and disturb nobody.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { breaker, call, series } from '../support/call.mjs';
import { answer, cutHead, faultyFor, hang, reset } from '../support/faulty.mjs';
import { gatewayFor, sleep, until } from '../support/gateway.mjs';

async function start(t, { script = answer(200), health = { path: '/health', every: '100ms' }, ...route } = {}) {
  const upstream = await faultyFor(t, script);
  const gateway = await gatewayFor(t, {
    routes: {
      api: {
        provider: 'http', credential: { secret: 'key' }, inject: { header: 'X-Key', value: '{secret}' },
        upstream: upstream.port, health, ...route,
      },
    },
    secrets: { key: 'a secret that is not for checks' },
  });
  return { upstream, gateway };
}

const checks = (gateway, result) => gateway.metric('health_checks_total', { route: 'api', result });
const isHealthy = (gateway) => gateway.metric('upstream_healthy', { route: 'api' });

test('a check is a plain GET without any credential, on a connection of its own', async (t) => {
  const { gateway, upstream } = await start(t);
  await until('some were made', async () => (await checks(gateway, 'well')) >= 3);
  assert.equal(await isHealthy(gateway), 1);
  assert.equal(breaker(gateway, 'api').health, 'well');
  const [request] = upstream.requests;
  assert.equal(request.method, 'GET');
  assert.equal(request.path, '/health');
  assert.deepEqual(Object.keys(request.headers).sort(), ['accept', 'connection', 'host', 'user-agent']);
  assert.equal(request.headers.host, `127.0.0.1:${upstream.port}`);
  assert.equal(request.headers['user-agent'], 'sallyport-health');
  assert.equal(upstream.connections, upstream.requests.length);
});

for (const [name, script, result] of [
  ['200', answer(200), 'well'], ['401', answer(401), 'well'], ['404', answer(404), 'well'], ['429', answer(429), 'well'],
  ['302', answer(302, { Location: 'http://elsewhere.invalid/' }), 'well'],
  ['500', answer(500), 'ill'], ['503', answer(503), 'ill'], ['a reset', reset(), 'ill'], ['a broken head', cutHead(), 'ill'],
]) {
  test(`${name} is ${result}`, async (t) => {
    const { gateway } = await start(t, { script });
    await until('it is known', async () => (await checks(gateway, result)) >= 3);
    assert.equal(await checks(gateway, result === 'well' ? 'ill' : 'well'), 0);
    assert.equal(await isHealthy(gateway), result === 'well' ? 1 : 0);
  });
}

test('an upstream that is silent, or not there, is ill', async (t) => {
  const { gateway, upstream } = await start(t, { script: hang(), timeouts: { first_byte: '200ms' } });
  await until('it is known', async () => (await isHealthy(gateway)) === 0);
  upstream.play(answer(200));
  await until('it is well', async () => (await isHealthy(gateway)) === 1);
  await upstream.down();
  await until('it is known', async () => (await isHealthy(gateway)) === 0);
  const ready = await fetch(`http://127.0.0.1:${gateway.adminPort}/readyz?verbose`);
  assert.equal(ready.status, 200);
  assert.match(await ready.text(), /upstream_ill: route api, \d+ health checks in a row failed/);
  await until('it is told', () => /audit: breaker: route api: ill: 3 health checks in a row failed/.test(gateway.stderr));
});

test('they come in their time, one at a time', async (t) => {
  const { gateway, upstream } = await start(t, { health: { path: '/health', every: '200ms' } });
  await until('the first', () => upstream.requests.length > 0);
  const [before, began] = [upstream.requests.length, performance.now()];
  await sleep(2000);
  const made = upstream.requests.length - before;
  const intervals = (performance.now() - began) / 200; // ten, on a machine that is not busy
  assert.ok(made >= 0.6 * intervals - 1 && made <= 1.1 * intervals + 1, `${made} in ${intervals.toFixed(1)} intervals`);
  upstream.play(hang());
  await sleep(1000);
  assert.ok(upstream.requests.length - before - made <= 2, 'no second one while one waits');
});

test('a reload keeps those that stay, ends those that go, begins new ones', async (t) => {
  const { gateway, upstream } = await start(t);
  await until('some', () => upstream.requests.length >= 2);
  await gateway.reload((config) => (config.routes.api.health.path = '/other'));
  await until('the new path', () => upstream.requests.at(-1).path === '/other');
  await gateway.reload((config) => delete config.routes.api.health);
  await sleep(150);
  const before = upstream.requests.length;
  await sleep(500);
  assert.equal(upstream.requests.length, before);
  assert.doesNotMatch(await gateway.metrics(), /upstream_healthy\{/);
  assert.equal(breaker(gateway, 'api').health, 'unchecked');
  await gateway.reload((config) => (config.routes.api.health = { path: '/health', every: '100ms' }));
  await until('they begin again', () => upstream.requests.length > before);
});

test('a reload with a much shorter interval does not wait for the end of the old one', async (t) => {
  const { gateway, upstream } = await start(t, { health: { path: '/health', every: '1h' } });
  await until('the first', () => upstream.requests.length === 1);
  await gateway.reload((config) => (config.routes.api.health.every = '100ms'));
  await until('more', () => upstream.requests.length >= 3);
});

test('calls do not notice them', async (t) => {
  const { gateway, upstream } = await start(t, { health: { path: '/health', every: '100ms' } });
  await sleep(500);
  const calls = await series(10, () => call(gateway, '/api/x'));
  assert.ok(calls.every((one) => one.status === 200));
  assert.equal(breaker(gateway, 'api').calls, 10, 'checks that are answered are no calls');
  assert.ok(upstream.requests.filter((one) => one.path === '/x').every((one) => one.headers['x-key']));
});

test('they end with a drain, also while one waits', async (t) => {
  const { gateway, upstream } = await start(t, { script: hang() });
  await until('one waits', () => upstream.requests.length > 0);
  const began = Date.now();
  await gateway.stop();
  assert.ok(Date.now() - began < 5000);
});
