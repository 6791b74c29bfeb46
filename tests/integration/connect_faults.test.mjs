// Nothing was sent, so any method may be tried again: names that are not found or are found late, dead hosts,
// certificates of others, peers that speak no TLS.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertNothingSent, call, eachMethod, many, methods, tally } from '../support/call.mjs';
import { authorityFor } from '../support/certificates.mjs';
import { answer, faultyFor, hang, reset } from '../support/faulty.mjs';
import { fullQueueFor } from '../support/full_queue.mjs';
import { freePort, gatewayFor, until } from '../support/gateway.mjs';
import { preloaded } from '../support/preload.mjs';

const quick = { attempts: 3, base: '10ms', cap: '50ms', budget: '100%' };
const route = (base_url, more = {}) => ({ provider: 'http', credential: 'none', base_url, retry: quick, breaker: 'off', ...more });

// A file with all certificates takes long to read, once; that is not what these tests are about.
const start = (t, routes) => gatewayFor(t, {
  routes, env: { ...preloaded('hanging_resolver'), SSL_CERT_FILE: undefined, SSL_CERT_DIR: undefined },
});

test('a name that is not found', async (t) => {
  const gateway = await start(t, { api: route('http://x.none.test') });
  await assertNothingSent(gateway, await eachMethod(gateway, '/api/x'));
});

test('nobody listens', async (t) => {
  const gateway = await start(t, { api: route(`http://127.0.0.1:${await freePort()}`) });
  await assertNothingSent(gateway, await eachMethod(gateway, '/api/x'));
});

test('lookups that take too long', async (t) => {
  const gateway = await start(t, { api: route('http://x.hang.test', { timeouts: { connect: '500ms' } }) });
  const results = await eachMethod(gateway, '/api/x');
  await assertNothingSent(gateway, results, { status: 504, code: 'upstream_timeout' });
  assert.ok(results.every((one) => one.ms > 1400 && one.ms < 4000), `${results.map((one) => one.ms)}`);
});

test('a lookup that is slow, but in time', async (t) => {
  const upstream = await faultyFor(t);
  const gateway = await start(t, { api: route(`http://x.slow.test:${upstream.port}`) });
  const results = await many(8, () => call(gateway, '/api/x', { body: 'x' }));
  assert.deepEqual(tally(results.map((one) => one.status)), { 200: 8 });
  assert.deepEqual(tally(results.map((one) => one.attempts)), { 1: 8 });
  assert.equal(upstream.requests.length, 8);
});

test('half of the hosts are dead: no caller notices', async (t) => {
  const upstream = await faultyFor(t, answer(200, { Connection: 'close' }));
  const gateway = await start(t, { api: route(`http://x.half.test:${upstream.port}`) });
  const results = await many(20, () => call(gateway, '/api/x', { body: 'x' }));
  assert.deepEqual(tally(results.map((one) => one.status)), { 200: 20 });
  assert.equal(upstream.requests.length, 20);
});

test('the first host refuses late, the second is slow: no time is lost between them', async (t) => {
  const second = await fullQueueFor(t, { ms: 1500 });
  const first = await fullQueueFor(t, { host: '127.0.0.2', port: second.port, closes: true });
  const gateway = await start(t, { api: route(`http://x.half.test:${second.port}`, { retry: 'off', timeouts: { connect: '9s' } }) });
  await Promise.all([first.fill(), second.fill()]);
  const result = await call(gateway, '/api/x', { body: 'x' });
  assert.equal(result.status, 200);
  assert.ok(result.ms > 1500 && result.ms < 3000, `a kernel asks again after 1 s, twice: ${result.ms} ms`);
});

test('the first host hangs, the second is slow: half of the time is for each', async (t) => {
  const second = await fullQueueFor(t, { ms: 2500 });
  const first = await fullQueueFor(t, { host: '127.0.0.2', port: second.port, ms: 9000 });
  const gateway = await start(t, { api: route(`http://x.half.test:${second.port}`, { retry: 'off', timeouts: { connect: '4s' } }) });
  await Promise.all([first.fill(), second.fill()]);
  const result = await call(gateway, '/api/x', { body: 'x' });
  assert.equal(result.status, 200);
  assert.ok(result.ms > 2500 && result.ms < 3700, `after 2 s the second is asked, after 3 again: ${result.ms} ms`);
});

test('the certificate is another’s', async (t) => {
  const [mine, theirs] = [authorityFor(t), authorityFor(t)];
  const names = 'DNS:x.here.test';
  const strange = await faultyFor(t, answer(), { tls: theirs.sign(names) });
  const misnamed = await faultyFor(t, answer(), { tls: mine.sign('DNS:y.here.test') });
  const good = await faultyFor(t, answer(), { tls: mine.sign(names) });
  const at = (upstream) => route(`https://x.here.test:${upstream.port}`, { tls: { ca: mine.file } });
  const gateway = await start(t, { strange: at(strange), misnamed: at(misnamed), good: at(good) });
  for (const [name, upstream] of [['strange', strange], ['misnamed', misnamed]]) {
    const results = await eachMethod(gateway, `/${name}/x`);
    assert.deepEqual(tally(results.map((one) => one.code)), { upstream_unreachable: methods.length });
    assert.equal(upstream.requests.length, 0);
  }
  assert.deepEqual(tally((await eachMethod(gateway, '/good/x')).map((one) => one.status)), { 200: methods.length });
});

for (const [name, play] of [['resets', reset('accept')], ['says nothing', hang('accept')]]) {
  test(`a peer that speaks no TLS and ${name}`, async (t) => {
    const upstream = await faultyFor(t, play);
    const gateway = await start(t, { api: route(`https://127.0.0.1:${upstream.port}`, { timeouts: { connect: '500ms' } }) });
    const late = name === 'resets' ? {} : { status: 504, code: 'upstream_timeout' };
    await assertNothingSent(gateway, await eachMethod(gateway, '/api/x'), late);
    assert.equal(upstream.connections, 3 * methods.length, 'a connection for each attempt');
    await until('none is left', () => upstream.sockets.size === 0);
  });
}
