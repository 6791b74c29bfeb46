// The network fails between the gateway and an upstream, or Redis, that are well and do not notice: packets
// are rejected or dropped by the kernel, on connections that are being made, that wait, and that stream.
import assert from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import fs from 'node:fs';
import { test } from 'node:test';

import { assertNothingSent, call, eachMethod, many, methods, series, tally, triesOf, untilState } from '../support/call.mjs';
import { answer, faultyFor, raw } from '../support/faulty.mjs';
import { firewallFor } from '../support/firewall.mjs';
import { gatewayFor, isSanitized, measured, sleep, until } from '../support/gateway.mjs';
import { longestTurn, quantile } from '../support/latency.mjs';
import { load } from '../support/load.mjs';
import { redisFor } from '../support/redis.mjs';
import { cli, items } from './fleet.mjs';

const quick = { attempts: 3, base: '1ms', cap: '5ms', budget: '100%' };
const patient = { attempts: 10, base: '100ms', cap: '500ms', jitter: 'none', budget: '100%' };
const route = (upstream, more = {}) => ({ provider: 'http', credential: 'none', upstream: upstream.port, retry: quick, breaker: 'off', ...more });
const start = (t, routes, more = {}) => gatewayFor(t, { program: measured, routes, ...more });
const posts = (count, gateway, path, more = {}) => many(count, (i) => call(gateway, `${path}/${i}`, { body: 'x', ...more }));

// ---- connections that are not made ----

for (const [name, how, outcome] of [
  ['a TCP reset', 'reset', {}],
  ['ICMP: prohibited', 'prohibited', {}],
  ['nothing', 'drop', { status: 504, code: 'upstream_timeout' }],
]) {
  test(`new connections get ${name}: any method is tried again, the circuit opens, and closes when there is a way`, async (t) => {
    const firewall = await firewallFor(t);
    const upstream = await faultyFor(t);
    const timeouts = { connect: '200ms' };
    const breaker = { consecutive: 3, open: '500ms', max_open: '500ms', probes: 1 };
    const gateway = await start(t, {
      spent: route(upstream, { timeouts }),
      patient: route(upstream, { timeouts, retry: patient }),
      once: route(upstream, { timeouts, retry: 'off', breaker }),
    });
    const shut = await firewall.shut(upstream.port, { how, which: 'first' });
    await assertNothingSent(gateway, await eachMethod(gateway, '/spent/x'), outcome);
    const asked = await shut.hits();
    if (how === 'drop') assert.ok(asked >= 3 * methods.length, `${asked} packets: the kernel asks again where a timer is late`);
    else assert.equal(asked, 3 * methods.length, 'a connection for each attempt');

    const codes = tally((await series(30, () => call(gateway, '/once/x'))).map((one) => one.code));
    const made = codes[outcome.code ?? 'upstream_unreachable'];
    t.diagnostic(JSON.stringify(codes));
    assert.ok(made >= 3 && codes.circuit_open > 0, JSON.stringify(codes));
    assert.equal(made + codes.circuit_open, 30);
    if (how !== 'drop') assert.equal(await shut.hits(), asked + made, 'one that the circuit refuses makes no connection');

    const before = await shut.hits();
    const going = posts(4, gateway, '/patient');
    await until('all have met it', async () => (await shut.hits()) >= before + 4);
    assert.equal(upstream.connections, 0);
    await shut.lift();
    for (const one of await going) {
      assert.equal(one.status, 200);
      assert.ok(one.attempts > 1);
    }
    assert.deepEqual(tally(upstream.requests.map((one) => one.path)), { '/0': 1, '/1': 1, '/2': 1, '/3': 1 });

    await until('it is used again', async () => (await call(gateway, '/once/x')).status === 200);
    await untilState(gateway, 'once', 'closed');
    assert.deepEqual(tally((await posts(5, gateway, '/once')).map((one) => one.status)), { 200: 5 });
  });
}

test('new connections get nothing: other routes are served the same, and what waits is served in the end', async (t) => {
  const firewall = await firewallFor(t);
  const away = await faultyFor(t);
  const good = [await faultyFor(t), await faultyFor(t)];
  const routes = { away: route(away, { timeouts: { connect: '20s' }, retry: 'off' }), good0: route(good[0]), good1: route(good[1]) };
  const gateway = await start(t, routes);
  const paths = ['/good0/x', '/good1/x'];
  await load(gateway, paths, 100, 0.5);
  const before = await load(gateway, paths, 300, 1);
  const usual = await longestTurn(gateway);
  const shut = await firewall.shut(away.port, { how: 'drop', which: 'first' });
  const leave = new AbortController();
  setMaxListeners(0, leave.signal);
  const leaving = posts(50, gateway, '/away/gone', { signal: leave.signal });
  const waiting = posts(50, gateway, '/away/wait');
  await until('they wait', async () => (await gateway.metric('exchanges')) === 100);
  const during = await load(gateway, paths, 300, 1);
  const turn = await longestTurn(gateway);
  await gateway.metricIs(100, 'exchanges'); // they still wait
  leave.abort();
  await leaving;
  await until('those that left are forgotten', async () => (await gateway.metric('exchanges')) === 50);
  await shut.lift();
  assert.deepEqual(tally((await waiting).map((one) => one.status)), { 200: 50 }, 'the kernel asks again');
  const counts = (results) => tally(results.map((one) => `${one.path} ${one.status}`));
  const slowest = (results) => quantile(results.map((one) => one.late), 0.99).toFixed(1);
  t.diagnostic(`p99 ${slowest(before)} ms before, ${slowest(during)} ms during; longest turn ${usual.toFixed(2)} and ${turn.toFixed(2)} ms`);
  assert.deepEqual(counts(during), { '/good0/x 200': 150, '/good1/x 200': 150 });
  assert.deepEqual(counts(during), counts(before));
  assert.equal(away.requests.length, 50);
  assert.deepEqual(Object.values(tally(away.requests.map((one) => one.path))), Array(50).fill(1));
  assert.ok(away.requests.every((one) => one.path.startsWith('/wait/')), 'nothing is sent for one that left');
  assert.ok(turn < Math.max(3 * usual, isSanitized(measured) ? 500 : 50), `a turn took ${turn} ms`);
});

// ---- connections that fall silent ----

for (const [name, kept] of [['kept', true], ['new', false]]) {
  test(`what comes back over a ${name} connection is lost: a POST is not executed twice`, async (t) => {
    const firewall = await firewallFor(t);
    const upstream = await faultyFor(t);
    const gateway = await start(t, { api: route(upstream, { timeouts: { first_byte: '600ms' } }) }, { gateway: { workers: 1 } });
    if (kept) assert.equal((await call(gateway, '/api/first')).status, 200);
    upstream.play(answer());
    const shut = await firewall.shut(upstream.port, { how: 'drop', way: 'from', which: 'later' });
    const lost = await call(gateway, '/api/pay', { body: 'amount=1' });
    assert.equal(lost.status, 504, lost.body);
    assert.equal(lost.code, 'upstream_timeout');
    assert.equal(lost.attempts, 1);
    const tries = await triesOf(gateway, lost);
    assert.deepEqual(tries.map((one) => [one.sent, one.then]), [[true, 'may_have_run']]);
    assert.equal((await gateway.logLine(lost.id)).reused, kept);
    assert.ok(await shut.hits() > 0);
    await shut.lift();
    // The next one has a connection of its own: that one's answer may still come.
    assert.equal((await call(gateway, '/api/next', { body: 'amount=2' })).status, 200);
    const [pay, next, ...more] = upstream.requests;
    assert.deepEqual([pay.path, pay.whole, pay.reused, next.path, more], ['/pay', true, kept, '/next', []]);
    assert.notEqual(pay.connection, next.connection);
  });
}

test('what comes back is lost: a GET is tried again on connections of its own, until it is spent or there is a way', async (t) => {
  const firewall = await firewallFor(t);
  const upstream = await faultyFor(t);
  const timeouts = { first_byte: '500ms' };
  const gateway = await start(t, { spent: route(upstream, { timeouts }), api: route(upstream, { timeouts, retry: patient }) }, { gateway: { workers: 1 } });
  for (const path of ['/spent/first', '/api/first']) assert.equal((await call(gateway, path)).status, 200);
  upstream.play(answer());
  const shut = await firewall.shut(upstream.port, { how: 'drop', way: 'from', which: 'later' });
  const lost = await call(gateway, '/spent/x');
  assert.deepEqual([lost.status, lost.code, lost.attempts], [504, 'upstream_timeout', 3]);
  const apart = () => new Set(upstream.requests.map((one) => one.connection)).size;
  assert.deepEqual(tally(upstream.requests.map((one) => `${one.path} ${one.whole}`)), { '/x true': 3 });
  assert.equal(apart(), 3);

  upstream.play(answer());
  const going = call(gateway, '/api/y');
  await until('it is tried again', () => upstream.requests.length === 2);
  await shut.lift();
  const got = await going;
  assert.deepEqual([got.status, got.body], [200, 'ok']);
  assert.ok(got.attempts >= 2, `${got.attempts}`);
  assert.equal(got.attempts, upstream.requests.length);
  assert.equal(apart(), upstream.requests.length);
});

// ---- answers that are under way ----

const long = 100000;
const endless = {
  length: answer(200, {}, 'x'.repeat(long), { every: 2 }),
  chunks: raw('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' + '1\r\nx\r\n'.repeat(long), { every: 2 }),
  close: raw(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${'x'.repeat(long)}`, { every: 2 }), // its end is the connection's
};

for (const [name, rule, code] of [
  ['is reset', { how: 'reset', way: 'to' }, 'upstream_unreachable'],
  ['falls silent', { how: 'drop', way: 'from' }, 'upstream_timeout'],
]) {
  test(`an answer ${name} on its way, however it is framed: it breaks off, and nothing is repeated`, async (t) => {
    const firewall = await firewallFor(t);
    const upstreams = await Promise.all(Object.values(endless).map((script) => faultyFor(t, script)));
    const names = Object.keys(endless);
    const gateway = await start(t, Object.fromEntries(names.map((one, i) => [one, route(upstreams[i], { timeouts: { idle: '500ms' } })])));
    const heard = names.map(() => '');
    // A GET: it could be repeated, had nothing of its answer gone on.
    const going = names.map((one, i) => call(gateway, `/${one}/x`, { heard: (data) => (heard[i] += data) }));
    await until('the client has some of each', () => heard.every((text) => text.length > 0));
    const shuts = await Promise.all(upstreams.map((upstream) => firewall.shut(upstream.port, rule)));
    for (const [i, got] of (await Promise.all(going)).entries()) {
      assert.equal(got.status, 200);
      assert.ok(got.cut, 'never a clean end');
      assert.match(heard[i], /^x+$/);
      assert.ok(heard[i].length < long);
      const line = await gateway.logLine(got.id);
      assert.deepEqual([line.attempts, line.ended_by, line.code], [1, 'upstream', code]);
      assert.ok(await shuts[i].hits() > 0);
      assert.deepEqual([upstreams[i].requests.length, upstreams[i].connections], [1, 1]);
    }
    await gateway.metricIs(names.length, 'responses_cut_total');
  });
}

// ---- Redis ----

const TIMEOUT_MS = 50;
const SLACK_MS = Number(process.env.FAULT_SLACK_MS ?? 250); // what a busy machine may add to a request's time
const FIN_WAIT_1 = '04';

// Connections that were closed while bytes were still to arrive: the kernel goes on sending those.
function closedUnsent(port) {
  const hex = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = fs.readFileSync('/proc/net/tcp', 'utf8').split('\n').map((line) => line.trim().split(/\s+/));
  return rows.filter((row) => row[2] === hex && row[3] === FIN_WAIT_1).length;
}

const used = async (gateway) => (await items(gateway))[0].used;

// Calls while Redis is there, while it is cut off for a second, and after. What became of them, and that
// afterwards what is counted is exactly what was let through.
async function cutOff(t, on_failure, way) {
  const firewall = await firewallFor(t);
  const redis = await redisFor(t);
  const upstream = await faultyFor(t);
  const gateway = await start(t, { api: route(upstream) }, {
    tenants: { app: { allow: ['api'], quotas: [{ name: 'daily', requests: 1000000, per: 'day' }] } },
    extra: { store: { url: redis.url, timeout: `${TIMEOUT_MS}ms`, on_failure } },
  });
  const isUp = () => until('every worker reaches it', async () => (await gateway.metric('store_up')) === 1);
  await isUp();
  const before = await load(gateway, ['/api/x'], 200, 0.5);
  assert.deepEqual(tally(before.map((one) => one.status)), { 200: before.length });
  const going = load(gateway, ['/api/x'], 300, 2);
  await sleep(500);
  const shut = await firewall.shut(redis.port, { how: 'drop', way });
  await sleep(1000);
  await gateway.metricIs(0, 'store_up');
  const unsent = closedUnsent(redis.port);
  await shut.lift();
  const during = await going;
  await isUp();
  await until('all is confirmed', async () => (await gateway.metric('store_pending')) === 0);
  await until('what was sent before arrives late', () => closedUnsent(redis.port) === 0);
  const after = await series(20, () => call(gateway, '/api/x'));
  assert.deepEqual(tally(after.map((one) => `${one.status} ${one.headers['x-sallyport-store']}`)), { '200 undefined': 20 });
  const all = [...before, ...during, ...after];
  const passed = all.filter((one) => one.status === 200).length;
  // By its own clock, up to the call: this process is upstream and client at once, and slow at both.
  await until('the log has all', () => gateway.accessLog().length === all.length);
  const slowest = Math.max(...gateway.accessLog().map((line) => line.duration_ms - (line.upstream_ms ?? 0)));
  const timeouts = await gateway.metric('store_timeouts_total');
  t.diagnostic(`${JSON.stringify(tally(during.map((one) => one.code ?? one.status)))}; the longest wait was ${slowest.toFixed(1)} ms; ` +
    `${timeouts} had no answer, ${unsent} connections were closed with bytes to send`);
  assert.ok(timeouts > 0, 'some had asked when it was cut off');
  assert.ok(slowest < TIMEOUT_MS + SLACK_MS, `none waits longer than the store’s timeout: ${slowest} ms`);
  assert.equal(upstream.whole.length, passed, 'one that is refused is not sent');
  await until(`all that was let through is counted (${passed})`, async () => (await used(gateway)) === passed, { timeout: 5000 })
    .catch(async (error) => assert.equal(await used(gateway), passed, error.message));
  assert.match(await cli('quotas', 'audit', '-c', gateway.file), / 0 differ/);
  return { gateway, during };
}

test('Redis is cut off, on_failure local: no call fails, and the count is exact afterwards', async (t) => {
  const { gateway, during } = await cutOff(t, 'local', 'both');
  assert.deepEqual(tally(during.map((one) => one.status)), { 200: during.length });
  assert.ok(during.some((one) => one.headers['x-sallyport-store'] === 'degraded'));
  assert.ok(await gateway.metric('store_local_total') > 0);
});

test('what Redis answers is lost, on_failure deny: 503, and the count is exact afterwards', async (t) => {
  const { gateway, during } = await cutOff(t, 'deny', 'from');
  const lost = during.filter((one) => one.status !== 200);
  assert.deepEqual(tally(lost.map((one) => `${one.status} ${one.code}`)), { '503 store_unavailable': lost.length });
  await gateway.metricIs(lost.length, 'store_denied_total');
  assert.ok(lost.length > 0 && lost.length < during.length);
});
