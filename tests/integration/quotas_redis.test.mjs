// Quotas in Redis, as operators set it up: TLS, users, databases, unix sockets; what is wrong is said
// without a password; two gateways share a count; a line and its places work over both.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test from 'node:test';
import { promisify } from 'node:util';

import { binary, Gateway, newKey, sleep, until } from '../support/gateway.mjs';
import { redisFor } from '../support/redis.mjs';
import { RawUpstream } from '../support/wire.mjs';

const run = promisify(execFile);
const tenant = newKey('app');

async function upstreamFor(t, answer) {
  const upstream = await RawUpstream.start(answer);
  t.after(() => upstream.stop());
  return upstream;
}

async function gatewayAt(t, upstream, store, quotas) {
  const gateway = await Gateway.start({
    routes: { api: { provider: 'http', credential: 'none', upstream: upstream.port } },
    tenants: {},
    extra: { tenants: { app: { keys: [tenant.hash], allow: ['api'], quotas } }, store: { timeout: '2s', ...store } },
  });
  t.after(() => gateway.stop());
  return gateway;
}

const isUp = (gateway) => until('it reaches Redis', async () => (await gateway.metric('store_up')) === 1);
const call = (gateway) => fetch(`${gateway.url}/api/x`, { headers: { 'X-Sallyport-Key': tenant.key } });
const listed = async (gateway) => JSON.parse((await run(binary, ['quotas', '--json', '-c', gateway.file])).stdout);

test('TLS, a user with a password, a database: counted there, and the password appears nowhere', async (t) => {
  const redis = await redisFor(t, { tls: true, user: 'sally', password: 'pa55-of-the-test', database: 3 });
  const upstream = await upstreamFor(t);
  const gateway = await gatewayAt(t, upstream, { url: redis.url, tls: { ca: redis.ca } }, [{ name: 'daily', requests: 2, per: 'day' }]);
  await isUp(gateway);
  assert.deepEqual([(await call(gateway)).status, (await call(gateway)).status, (await call(gateway)).status], [200, 200, 429]);
  const list = await listed(gateway);
  assert.equal(list.quotas[0].used, 2);
  assert.match(await redis.cli('KEYS', '*'), /\{sallyport:app\}:v2:q:requests\/day/);
  const { stdout } = await run(binary, ['check', '-c', gateway.file]);
  for (const text of [gateway.stderr, JSON.stringify(list), stdout, await gateway.metrics()]) {
    assert.doesNotMatch(text, /pa55-of-the-test/);
  }
});

test('a certificate of another authority, or a wrong password, is said, and quotas follow on_failure', async (t) => {
  const redis = await redisFor(t, { tls: true });
  const locked = await redisFor(t, { password: 'right-one' });
  const upstream = await upstreamFor(t);
  const quotas = [{ requests: 2, per: 'day' }];
  const stranger = await gatewayAt(t, upstream, { url: redis.url, on_failure: 'deny' }, quotas);
  await until('it is said', () => /audit: store: .*certificate/i.test(stranger.stderr));
  assert.equal((await call(stranger)).status, 503);
  const wrong = await gatewayAt(t, upstream, { url: locked.url.replace('right-one', 'wrong-one'), on_failure: 'deny' }, quotas);
  await until('it is said', () => /audit: store: .*(password|WRONGPASS)/i.test(wrong.stderr));
  assert.doesNotMatch(wrong.stderr, /wrong-one/);
  assert.equal((await call(wrong)).status, 503);
});

test('over a unix socket', async (t) => {
  const redis = await redisFor(t);
  const upstream = await upstreamFor(t);
  const gateway = await gatewayAt(t, upstream, { url: `redis+unix://${redis.socket}` }, [{ requests: 1, per: 'day' }]);
  await isUp(gateway);
  assert.deepEqual([(await call(gateway)).status, (await call(gateway)).status], [200, 429]);
});

test('a Redis that may evict is warned of at start', async (t) => {
  const redis = await redisFor(t, { extra: ['--maxmemory', '50mb', '--maxmemory-policy', 'allkeys-lru'] });
  const gateway = await gatewayAt(t, await upstreamFor(t), { url: redis.url }, [{ requests: 1, per: 'day' }]);
  await until('it is said', () => /audit: store: .*allkeys-lru.*noeviction/.test(gateway.stderr));
});

test('two gateways share a count, its places, and one that dies gives them back', async (t) => {
  const redis = await redisFor(t);
  const held = [];
  const upstream = await upstreamFor(t, (request, socket) => void held.push(socket));
  const quotas = [{ name: 'at-once', concurrency: 2, wait: '10s' }, { name: 'daily', requests: 100, per: 'day' }];
  const one = await gatewayAt(t, upstream, { url: redis.url }, quotas);
  const two = await gatewayAt(t, upstream, { url: redis.url }, quotas);
  await isUp(one);
  await isUp(two);
  const running = [call(one), call(two)];
  await until('both are at the provider', () => held.length === 2);
  const third = call(one);
  const fourth = call(two);
  await until('two wait', async () => (await one.metric('quota_waiting')) + (await two.metric('quota_waiting')) === 2);
  await sleep(100);
  assert.equal(held.length, 2);
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  held[0].write(answer);
  held[1].write(answer);
  await until('their turn has come', () => held.length === 4);
  held[2].write(answer);
  held[3].write(answer);
  for (const response of await Promise.all([...running, third, fourth])) assert.equal(response.status, 200);
  await until('all is given back', async () => (await listed(one)).quotas.every((quota) => quota.quota !== 'at-once' || quota.used === 0));
  assert.equal((await listed(two)).quotas.find((quota) => quota.quota === 'daily').used, 4);
  assert.match((await run(binary, ['quotas', 'audit', '-c', one.file])).stdout, / 0 differ/);
});

test('an operator resets and raises what is in Redis', async (t) => {
  const redis = await redisFor(t);
  const gateway = await gatewayAt(t, await upstreamFor(t), { url: redis.url }, [{ name: 'daily', requests: 1, per: 'day' }]);
  await isUp(gateway);
  const change = (...words) => run(binary, ['quotas', ...words, '--tenant', 'app', '--quota', 'daily', '-c', gateway.file]);
  assert.deepEqual([(await call(gateway)).status, (await call(gateway)).status], [200, 429]);
  await change('raise', '--by', '1');
  assert.deepEqual([(await call(gateway)).status, (await call(gateway)).status], [200, 429]);
  await change('reset');
  assert.equal((await call(gateway)).status, 200);
  assert.match((await run(binary, ['quotas', 'audit', '-c', gateway.file])).stdout, / 0 differ/);
});
