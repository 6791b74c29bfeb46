// What is tried again, how often, and what the caller gets: every kind of end of an attempt, with every
// kind of method, counted by the upstream.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { call, triesOf } from '../support/call.mjs';
import { answer, close, cutBody, cutHead, faultyFor, garbage, hang, hashOf, json, reset } from '../support/faulty.mjs';
import { freePort, gatewayFor } from '../support/gateway.mjs';

const harmless = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'];
const harmful = ['POST', 'PATCH'];
const withBody = ['PUT', 'POST', 'PATCH'];
const quick = { attempts: 3, base: '10ms', cap: '50ms', budget: '100%', buffer: '64KiB' };
const secret = 'sk-test-0123456789abcdefghij';

// `count` routes to one upstream, so that each case has circuit and budget of its own.
async function start(t, { count = 1, script, retry = quick, route = {}, port, ...more } = {}) {
  const upstream = await faultyFor(t, script);
  const routes = {};
  for (let i = 0; i < count; i++) {
    routes[`r${i}`] = { provider: 'http', credential: 'none', upstream: port ?? upstream.port, retry, ...route };
  }
  return { upstream, gateway: await gatewayFor(t, { routes, ...more }) };
}

const body = 'b'.repeat(40000);
const optionsFor = (method) => ({ method, body: withBody.includes(method) ? body : undefined });

// `again`: which methods are tried again; `status` and `code`: what the caller gets where none is.
const outcomes = {
  'a reset when the first bytes are there': { play: reset('head'), again: harmless, status: 502, code: 'upstream_unreachable' },
  'a reset behind the head': { play: reset('after head'), again: harmless, status: 502, code: 'upstream_unreachable' },
  'a reset within the body': { play: reset('body'), again: ['PUT'], methods: withBody, status: 502, code: 'upstream_unreachable' },
  'a reset behind the body': { play: reset('request'), again: harmless, status: 502, code: 'upstream_unreachable' },
  'an end of file instead of an answer': { play: close('request'), again: harmless, status: 502, code: 'upstream_unreachable' },
  'a reset within the head of the answer': { play: cutHead(), again: harmless, status: 502 },
  '408': { play: answer(408), again: harmless, status: 408 },
  '429': { play: answer(429), again: [...harmless, ...harmful], status: 429 },
  '500': { play: answer(500), again: harmless, status: 500 },
  '502': { play: answer(502), again: harmless, status: 502 },
  '503': { play: answer(503), again: harmless, status: 503 },
  '504': { play: answer(504), again: harmless, status: 504 },
  '200': { play: answer(200), again: [], status: 200 },
  '400': { play: answer(400), again: [], status: 400 },
  '401': { play: answer(401), again: [], status: 401 },
  '404': { play: answer(404), again: [], status: 404 },
  '409': { play: answer(409), again: [], status: 409 },
  '501': { play: answer(501), again: [], status: 501 },
  '302': { play: answer(302, { Location: '/elsewhere' }), again: [], status: 302 },
};

for (const [name, { play, again, methods = [...harmless, ...harmful], status, code }] of Object.entries(outcomes)) {
  test(`${name}: ${again.length ? `${again.join(', ')} again` : 'never again'}`, async (t) => {
    const { upstream, gateway } = await start(t, { count: methods.length });
    for (const [i, method] of methods.entries()) {
      const spent = again.includes(method);
      // Twice, then it is well. (No connection is kept: one that died is not an attempt of its own.)
      upstream.play([play, play, answer(200, { Connection: 'close' })]);
      const mended = await call(gateway, `/r${i}/x?q=1`, optionsFor(method));
      assert.equal(mended.status, spent ? 200 : status, `${method}: ${mended.body}`);
      assert.equal(mended.attempts, spent ? 3 : 1, method);
      assert.equal(upstream.requests.length, spent ? 3 : 1, method);
      for (const request of upstream.requests.filter((one) => one.method)) {
        assert.equal(`${request.method} ${request.path}`, `${method} /x?q=1`);
        if (request.whole && withBody.includes(method)) assert.equal(request.hash, hashOf(body));
      }
      // Without end.
      upstream.play(play);
      const lost = await call(gateway, `/r${i}/x`, optionsFor(method));
      assert.equal(lost.status, status, method);
      assert.equal(lost.code, code ?? (play.act.kind === 'answer' && !play.act.only ? undefined : lost.code));
      assert.equal(lost.attempts, spent ? 3 : 1, method);
      assert.equal(upstream.requests.length, spent ? 3 : 1, method);
      assert.equal(lost.headers['x-should-retry'], spent ? 'false' : undefined, method);
    }
  });
}

test('a connection that is refused: every method again, for nothing was sent', async (t) => {
  const methods = [...harmless, ...harmful];
  const port = await freePort();
  const { gateway } = await start(t, { count: methods.length, port });
  for (const [i, method] of methods.entries()) {
    const lost = await call(gateway, `/r${i}/x`, optionsFor(method));
    assert.equal(lost.status, 502);
    assert.equal(lost.code, 'upstream_unreachable');
    assert.equal(lost.attempts, 3, method);
    assert.equal(lost.headers['x-should-retry'], 'false');
    const tries = await triesOf(gateway, lost);
    assert.deepEqual(tries.map((one) => one.sent), [false, false, false]);
  }
});

test('a refused POST goes through once somebody listens', async (t) => {
  const { gateway, upstream } = await start(t, { retry: { attempts: 5, base: '300ms', factor: 1, jitter: 'none' } });
  await upstream.down();
  const answered = call(gateway, '/r0/x', { body });
  setTimeout(() => upstream.up(), 450);
  const { status, attempts } = await answered;
  assert.equal(status, 200);
  assert.ok(attempts >= 2, `${attempts}`);
  assert.equal(upstream.requests.length, 1);
  assert.equal(upstream.requests[0].hash, hashOf(body));
});

test('no answer in time: GET again, POST never', async (t) => {
  const { gateway, upstream } = await start(t, { count: 2, route: { timeouts: { first_byte: '700ms' } } });
  upstream.play([hang(), answer(200)]);
  const got = await call(gateway, '/r0/x');
  assert.equal(got.status, 200);
  assert.equal(got.attempts, 2);
  upstream.play([hang(), answer(200)]);
  const posted = await call(gateway, '/r1/x', { body: 'x' });
  assert.equal(posted.status, 504);
  assert.equal(posted.code, 'upstream_timeout');
  assert.equal(upstream.requests.length, 1);
});

test('an answer that is no HTTP is not sent a POST twice', async (t) => {
  const { gateway, upstream } = await start(t, { script: garbage() });
  const posted = await call(gateway, '/r0/x', { body: 'x' });
  assert.equal(posted.status, 502);
  assert.equal(posted.code, 'upstream_invalid_response');
  assert.equal(upstream.requests.length, 1);
});

test('an answer that breaks off within its body is cut, and nothing is sent again', async (t) => {
  const { gateway, upstream } = await start(t);
  for (const method of ['GET', 'POST']) {
    upstream.play(cutBody());
    const cut = await call(gateway, '/r0/x', optionsFor(method));
    assert.ok(cut.cut || cut.status === 0, JSON.stringify(cut));
    assert.equal(upstream.requests.length, 1, method);
  }
});

test('a kept connection that dies once it has read all: GET again, POST never', async (t) => {
  const { gateway, upstream } = await start(t, { gateway: { workers: 1 } });
  const keep = async () => {
    upstream.play(answer(200));
    await call(gateway, '/r0/x');
  };
  for (const method of ['POST', 'PATCH', 'GET', 'PUT']) {
    await keep();
    let dead = 0;
    upstream.play((request) => (request.reused && dead++ < 3 ? reset() : answer(200)));
    const { status } = await call(gateway, '/r0/x', optionsFor(method));
    const [first, ...rest] = upstream.requests;
    assert.ok(first.reused && first.whole, `${method} came on a kept connection`);
    assert.equal(status, harmful.includes(method) ? 502 : 200, method);
    if (harmful.includes(method)) assert.equal(rest.length, 0, method);
    else assert.ok(rest.length >= 1, method);
  }
});

test('a route without retries tries once', async (t) => {
  const { gateway, upstream } = await start(t, { retry: { ...quick, attempts: 1 }, script: answer(503) });
  const lost = await call(gateway, '/r0/x');
  assert.equal(lost.status, 503);
  assert.equal(lost.attempts, 1);
  assert.equal(upstream.requests.length, 1);
});

test('retry.statuses narrows, for 429, too', async (t) => {
  const { gateway, upstream } = await start(t, { retry: { ...quick, statuses: [503] } });
  for (const [status, arrived] of [[503, 3], [500, 1], [429, 1]]) {
    upstream.play(answer(status));
    assert.equal((await call(gateway, '/r0/x')).status, status);
    assert.equal(upstream.requests.length, arrived, `${status}`);
  }
});

// ---- bodies ----

test('bodies up to retry.buffer are sent again byte for byte, longer ones stream and are not', async (t) => {
  const { gateway, upstream } = await start(t, { count: 8 });
  const cases = [[0, 3], [1, 3], [64 * 1024, 3], [64 * 1024 + 1, 1], [1024 * 1024, 1]];
  for (const [i, [size, arrived]] of cases.entries()) {
    const bytes = Buffer.alloc(size, 'y');
    upstream.play([answer(503), answer(503), answer(200)]);
    const { status } = await call(gateway, `/r${i}/x`, { method: 'PUT', body: bytes });
    assert.equal(status, arrived === 3 ? 200 : 503, `${size} bytes`);
    assert.equal(upstream.whole.length, arrived, `${size} bytes`);
    for (const request of upstream.whole) assert.equal(request.hash, hashOf(bytes));
  }
});

test('a chunked body that fits is sent again, one that does not is not', async (t) => {
  const { gateway, upstream } = await start(t, { count: 2 });
  for (const [i, [parts, arrived]] of [[3, 2], [40, 1]].entries()) {
    const chunks = Array.from({ length: parts }, (_, n) => String(n % 10).repeat(4000));
    upstream.play([answer(429), answer(200)]);
    const { status } = await call(gateway, `/r${i}/x`, { method: 'POST', chunks });
    assert.equal(upstream.whole.length, arrived);
    assert.equal(status, arrived === 2 ? 200 : 429);
    for (const request of upstream.whole) assert.equal(request.hash, hashOf(chunks.join('')));
  }
});

test('a body too long to be held goes through after a refused connection, for nothing of it was sent', async (t) => {
  const { gateway, upstream } = await start(t, { retry: { attempts: 5, base: '300ms', factor: 1, jitter: 'none', buffer: '1KiB' } });
  await upstream.down();
  const bytes = Buffer.alloc(300000, 'z');
  const answered = call(gateway, '/r0/x', { body: bytes });
  setTimeout(() => upstream.up(), 450);
  const { status } = await answered;
  assert.equal(status, 200);
  assert.deepEqual(upstream.requests.map((request) => request.hash), [hashOf(bytes)]);
});

// ---- what a profile knows ----

test('a completion is repeatable, a file is not', async (t) => {
  const upstream = await faultyFor(t);
  const gateway = await gatewayFor(t, {
    routes: { openai: { provider: 'openai', upstream: upstream.port, credential: { secret: 'key' }, retry: quick } },
    secrets: { key: secret },
  });
  const chat = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'x' }] });
  for (const [path, play, arrived] of [
    ['/openai/v1/chat/completions', answer(500), 2], ['/openai/v1/chat/completions', reset(), 2],
    ['/openai/v1/files', answer(500), 1], ['/openai/v1/files', reset(), 1],
  ]) {
    upstream.play([play, json(200, {})]);
    const { status } = await call(gateway, path, { body: chat, headers: { 'Content-Type': 'application/json' } });
    assert.equal(upstream.requests.length, arrived, path);
    assert.equal(status === 200, arrived === 2, `${path}: ${status}`);
  }
});

test('the provider’s own word decides: x-should-retry', async (t) => {
  const upstream = await faultyFor(t);
  const gateway = await gatewayFor(t, {
    routes: { openai: { provider: 'openai', upstream: upstream.port, credential: { secret: 'key' }, retry: quick } },
    secrets: { key: secret },
  });
  upstream.play([answer(503, { 'x-should-retry': 'false' }), answer(200)]);
  assert.equal((await call(gateway, '/openai/v1/models')).status, 503);
  assert.equal(upstream.requests.length, 1);
  upstream.play([answer(409, { 'x-should-retry': 'true' }), answer(200)]);
  assert.equal((await call(gateway, '/openai/v1/models')).status, 200);
  assert.equal(upstream.requests.length, 2);
});

// ---- what is said of it ----

test('the access log has each attempt, and metrics count them', async (t) => {
  const { gateway, upstream } = await start(t);
  upstream.play([reset(), answer(503), answer(200)]);
  const got = await call(gateway, '/r0/x');
  assert.equal(got.status, 200);
  const tries = await triesOf(gateway, got);
  assert.equal(tries.length, 3);
  assert.deepEqual(tries.map((one) => one.route), ['r0', 'r0', 'r0']);
  assert.ok(tries[0].fault && tries[0].status === undefined, JSON.stringify(tries));
  assert.deepEqual(tries.slice(1).map((one) => one.status), [503, 200]);
  assert.deepEqual(tries.slice(0, 2).map((one) => one.then), ['again', 'again']);
  assert.ok(tries.every((one) => one.sent === true && one.ms >= 0), JSON.stringify(tries));
  assert.ok(tries[0].wait_ms >= 0 && tries[1].wait_ms <= 1000);
  await gateway.metricIs(2, 'retries_total', { route: 'r0' });
});
