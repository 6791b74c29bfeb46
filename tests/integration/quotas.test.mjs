// Quotas in memory: limits hold, refusals say what to do, lines are fair, nothing stays reserved.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import test from 'node:test';

import { call as callAlone, series, tally } from '../support/call.mjs';
import { gatewayFor, sallyport, until } from '../support/gateway.mjs';
import { RawClient, RawUpstream } from '../support/wire.mjs';

const route = (upstream, more = {}) => ({ provider: 'http', credential: 'none', upstream: upstream.port, ...more });

// A gateway with the quotas of tenant "app" before an upstream that answers `answer`.
async function start(t, { quotas = [], global = [], tenants, answer, routes, gateway, extra = {} }) {
  const upstream = await RawUpstream.start(answer);
  t.after(() => upstream.stop());
  const all = routes ? routes(upstream) : { api: route(upstream) };
  return {
    upstream,
    gateway: await gatewayFor(t, {
      routes: all,
      tenants: tenants ?? { app: { allow: Object.keys(all), quotas } },
      gateway,
      extra: { ...(global.length ? { quotas: global } : {}), ...extra },
    }),
  };
}

function call(gateway, { path = '/api/x', key = gateway.key, headers = {}, body, method = body ? 'POST' : 'GET', signal } = {}) {
  return fetch(gateway.url + path, { method, headers: { 'X-Sallyport-Key': key, ...headers }, body, signal });
}

async function statuses(calls) {
  return (await Promise.all(calls)).map((response) => response.status);
}

const quotasOf = (gateway) => JSON.parse(sallyport(['quotas', '--json', '-c', gateway.file])).quotas;

async function nothingReserved(gateway) {
  await until('nothing is reserved', () => quotasOf(gateway).every((quota) => quota.reserved === 0 && quota.open === 0));
  assert.match(sallyport(['quotas', 'audit', '-c', gateway.file]), / 0 differ\n$/);
}

test('a rate lets its burst through, then refuses with all that a client needs', async (t) => {
  const { gateway, upstream } = await start(t, { quotas: [{ name: 'rpm', requests: 6, per: '1m', burst: 5 }] });
  const first = await call(gateway);
  assert.equal(first.status, 200);
  assert.equal(first.headers.get('ratelimit-policy'), '"rpm";q=6;w=60');
  assert.match(first.headers.get('ratelimit'), /^"rpm";r=4;t=10$/);
  assert.deepEqual(await statuses([1, 2, 3, 4].map(() => call(gateway))), [200, 200, 200, 200]);
  const refused = await call(gateway);
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get('x-sallyport-error'), 'quota_exceeded');
  const again = Number(refused.headers.get('retry-after')); // 10 s, less what the six have taken
  assert.ok(again > 4 && again <= 10, `${again}`);
  assert.equal(refused.headers.get('x-should-retry'), null);
  assert.equal(refused.headers.get('ratelimit'), `"rpm";r=0;t=${again + 40}`);
  const problem = await refused.json();
  assert.match(problem.detail, /"rpm" allows 6 requests a minute \(left: 0 requests\); there is room/);
  assert.equal(upstream.requests.length, 5);
  const line = await gateway.logLine(refused.headers.get('x-sallyport-request-id'));
  assert.equal(line.ended_by, 'quota');
  assert.equal(line.step, 'admit');
  await gateway.metricIs(1, 'quota_rejected_total', { tenant: 'app', quota: 'rpm' });
  await gateway.metricIs(6, 'quota_limit', { quota: 'rpm' });
  await nothingReserved(gateway);
});

test('all quotas of a request are taken together or not at all', async (t) => {
  const { gateway } = await start(t, {
    quotas: [{ name: 'wide', requests: 100, per: 'week' }, { name: 'narrow', requests: 2, per: 'day' }],
  });
  assert.deepEqual(await statuses([call(gateway), call(gateway)]), [200, 200]);
  const refused = await call(gateway);
  assert.equal(refused.headers.get('x-sallyport-error'), 'budget_exceeded');
  assert.equal(refused.headers.get('x-should-retry'), 'false');
  const wide = quotasOf(gateway).find((quota) => quota.quota === 'wide');
  assert.equal(wide.used, 2, 'the refused request cost nothing');
});

test('what was used is kept over a reload that changes the limit', async (t) => {
  const { gateway } = await start(t, { quotas: [{ name: 'daily', requests: 3, per: 'day' }] });
  await statuses([call(gateway), call(gateway), call(gateway)]);
  assert.equal((await call(gateway)).status, 429);
  await gateway.reload((config) => (config.tenants.app.quotas[0].requests = 4));
  assert.deepEqual(await statuses([call(gateway)]), [200]);
  assert.equal((await call(gateway)).status, 429);
});

test('a quota over tenants counts all of them, or each by itself', async (t) => {
  const { gateway } = await start(t, {
    tenants: { a: { allow: ['api'] }, b: { allow: ['api'] } },
    global: [{ name: 'all', requests: 5, per: 'day' }, { name: 'own', requests: 3, per: 'day', each: 'tenant' }],
  });
  const as = (tenant) => call(gateway, { key: gateway.keys[tenant] });
  assert.deepEqual(await statuses([as('a'), as('a'), as('a')]), [200, 200, 200]);
  assert.match((await (await as('a')).json()).detail, /"own"/);
  assert.deepEqual(await statuses([as('b'), as('b')]), [200, 200]);
  assert.match((await (await as('b')).json()).detail, /"all"/);
});

test('each header value has its own count, and an absent one, too', async (t) => {
  const { gateway } = await start(t, { quotas: [{ requests: 1, per: 'day', each: 'header:X-User' }] });
  const as = (user) => call(gateway, { headers: user ? { 'X-User': user } : {} });
  assert.deepEqual(await statuses([as('ann'), as('bob'), as('')]), [200, 200, 200]);
  assert.deepEqual(await statuses([as('ann'), as('bob'), as('')]), [429, 429, 429]);
});

test('each route has its own count', async (t) => {
  const { gateway } = await start(t, {
    routes: (upstream) => ({ one: route(upstream), two: route(upstream) }),
    global: [{ requests: 1, per: 'day', each: 'route' }],
  });
  assert.deepEqual(await statuses([call(gateway, { path: '/one/' }), call(gateway, { path: '/two/' })]), [200, 200]);
  assert.deepEqual(await statuses([call(gateway, { path: '/one/' }), call(gateway, { path: '/two/' })]), [429, 429]);
});

test('a quota of a route leaves the others alone', async (t) => {
  const { gateway } = await start(t, {
    routes: (upstream) => ({ one: route(upstream), two: route(upstream) }),
    global: [{ requests: 1, per: 'day', route: 'one' }],
  });
  assert.deepEqual(await statuses([call(gateway, { path: '/one/' })]), [200]);
  assert.deepEqual(await statuses([call(gateway, { path: '/one/' })]), [429]);
  assert.deepEqual(await statuses([1, 2, 3].map(() => call(gateway, { path: '/two/' }))), [200, 200, 200]);
});

test('so many at once, no more, without wait the rest is refused', async (t) => {
  const held = [];
  const { gateway, upstream } = await start(t, {
    quotas: [{ concurrency: 3 }],
    answer: (request, socket) => void held.push(socket),
  });
  const calls = [1, 2, 3].map(() => call(gateway));
  await until('three are at the provider', () => upstream.requests.length === 3);
  const refused = await call(gateway);
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get('x-sallyport-error'), 'concurrency_exceeded');
  held.forEach((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
  assert.deepEqual(await statuses(calls), [200, 200, 200]);
  await nothingReserved(gateway);
});

test('who has all of the answer finds the place free, at every worker', async (t) => {
  let status = '200 OK';
  const { gateway } = await start(t, {
    quotas: [{ concurrency: 1 }], gateway: { workers: 4 },
    answer: () => `HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nok`,
    routes: (to) => ({ api: route(to, { breaker: 'off' }), gone: route({ port: 1 }, { breaker: 'off', retry: 'off' }) }),
  });
  const all = async (path) => tally((await series(400, () => callAlone(gateway, path))).map((one) => one.status));
  assert.deepEqual(await all('/api/x'), { 200: 400 });
  status = '400 Bad Request';
  assert.deepEqual(await all('/api/x'), { 400: 400 });
  assert.deepEqual(await all('/gone/x'), { 502: 400 }, 'nor is an error of ours before it');
  await nothingReserved(gateway);
});

test('with wait: 60 come at once, 10 run, all are answered, first come first served', async (t) => {
  let running = 0;
  let most = 0;
  const order = [];
  const { gateway } = await start(t, {
    quotas: [{ concurrency: 10, wait: '20s' }],
    gateway: { workers: 1 },
    answer: (request, socket) => {
      running++;
      most = Math.max(most, running);
      order.push(Number(/\/n(\d+) /.exec(request.head)[1]));
      setTimeout(() => {
        running--;
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      }, 15);
    },
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 100 });
  t.after(() => agent.destroy());
  const one = (n) => new Promise((resolve, reject) => {
    http.get(`${gateway.url}/api/n${n}`, { agent, headers: { 'X-Sallyport-Key': gateway.key } },
      (response) => response.resume().on('end', () => resolve(response.statusCode))).on('error', reject);
  });
  const answers = [];
  for (let n = 0; n < 60; n++) {
    answers.push(one(n));
    if (n >= 10) await until(`request ${n} waits`, async () => n + 1 - 10 <= order.length - 10 + await gateway.metric('quota_waiting'));
  }
  assert.deepEqual(new Set(await Promise.all(answers)), new Set([200]));
  assert.equal(most, 10);
  const waited = order.slice(10);
  assert.deepEqual(waited, [...waited].sort((a, b) => a - b));
  await gateway.metricIs(0, 'quota_waiting');
  await nothingReserved(gateway);
});

test('a rate with wait paces its callers', async (t) => {
  const { gateway } = await start(t, { quotas: [{ requests: 20, per: '1s', burst: 1, wait: '10s' }] });
  const began = Date.now();
  assert.deepEqual(new Set(await statuses(Array.from({ length: 11 }, () => call(gateway)))), new Set([200]));
  assert.ok(Date.now() - began >= 480, 'ten of them had to wait 50 ms each');
});

test('where the reset lies beyond the wait, the refusal comes at once', async (t) => {
  const { gateway } = await start(t, { quotas: [{ requests: 1, per: '1h', wait: '5s' }] });
  assert.equal((await call(gateway)).status, 200);
  const began = Date.now();
  assert.equal((await call(gateway)).status, 429);
  assert.ok(Date.now() - began < 2000);
});

test('a client that leaves the line costs nothing', async (t) => {
  const held = [];
  const { gateway, upstream } = await start(t, {
    quotas: [{ concurrency: 1, wait: '20s' }],
    answer: (request, socket) => void held.push(socket),
  });
  const first = call(gateway);
  await until('one is at the provider', () => upstream.requests.length === 1);
  const leaver = await RawClient.connect(gateway.port);
  leaver.send(`GET /api/leaver HTTP/1.1\r\nHost: x\r\nX-Sallyport-Key: ${gateway.key}\r\n\r\n`);
  await until('it waits', async () => (await gateway.metric('quota_waiting')) === 1);
  const last = call(gateway, { path: '/api/last' });
  await until('two wait', async () => (await gateway.metric('quota_waiting')) === 2);
  leaver.close();
  await until('it has left', async () => (await gateway.metric('quota_waiting')) === 1);
  held[0].write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  assert.equal((await first).status, 200);
  await until('the last is at the provider', () => upstream.requests.length === 2);
  assert.match(upstream.requests[1].head, /\/last /);
  held[1].write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  assert.equal((await last).status, 200);
  await nothingReserved(gateway);
});

test('patience ends: who waited in vain is refused', async (t) => {
  const { gateway, upstream } = await start(t, {
    quotas: [{ concurrency: 1, wait: '200ms' }],
    answer: () => undefined,
  });
  const first = new AbortController();
  const running = call(gateway, { signal: first.signal }).catch(() => 'aborted');
  await until('one is at the provider', () => upstream.requests.length === 1);
  assert.equal((await call(gateway)).status, 429);
  first.abort();
  assert.equal(await running, 'aborted');
  await nothingReserved(gateway);
});

test('who stood behind others to the end is told so, not that nothing is left', async (t) => {
  const { gateway, upstream } = await start(t, {
    quotas: [{ name: 'slots', concurrency: 1, wait: '30s' }, { name: 'daily', requests: 100, per: 'day' }],
    answer: () => undefined,
  });
  const leave = new AbortController();
  const calls = [call(gateway, { signal: leave.signal }).catch(() => 'left')];
  await until('one is at the provider', () => upstream.requests.length === 1);
  calls.push(call(gateway, { signal: leave.signal }).catch(() => 'left'));
  await until('one waits', async () => (await gateway.metric('quota_waiting')) === 1);
  await gateway.reload((config) => (config.tenants.app.quotas[0].wait = '100ms'));
  const behind = await call(gateway);
  assert.equal(behind.status, 429);
  assert.equal(behind.headers.get('retry-after'), '1');
  assert.equal(behind.headers.get('ratelimit'), null);
  assert.match((await behind.json()).detail, /"slots" allows .* others wait for it, too/);
  leave.abort();
  assert.deepEqual(await Promise.all(calls), ['left', 'left']);
  await nothingReserved(gateway);
});

test('the time in a line is a part of timeouts.total', async (t) => {
  const held = [];
  const { gateway, upstream } = await start(t, {
    quotas: [{ concurrency: 1, wait: '20s' }],
    routes: (to) => ({ api: route(to, { timeouts: { total: '4s' } }) }),
    answer: (request, socket) => void held.push(socket),
  });
  const first = call(gateway);
  await until('one is at the provider', () => upstream.requests.length === 1);
  const began = Date.now();
  const second = call(gateway);
  setTimeout(() => held[0].write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), 2500);
  assert.equal((await first).status, 200);
  assert.equal((await second).status, 504);
  assert.equal(upstream.requests.length, 2);
  assert.ok(Date.now() - began < 6000, `it took ${Date.now() - began} ms`);
  await nothingReserved(gateway);
});

test('a limit that only warns lets through, and says so once', async (t) => {
  const { gateway } = await start(t, {
    quotas: [{ name: 'soft', requests: 4, per: 'day', action: 'warn' },
      { name: 'hard', requests: 10, per: 'week', warn_at: '50%' }],
  });
  for (let i = 0; i < 9; i++) assert.equal((await call(gateway)).status, 200);
  const audits = () => gateway.stderr.split('\n').filter((line) => line.includes('audit: tenant "app"'));
  await until('both are said', () => audits().length === 2);
  assert.equal(audits().filter((line) => line.includes('"soft"')).length, 1);
  assert.equal(audits().filter((line) => line.includes('"hard"')).length, 1);
  await gateway.metricIs(1, 'quota_warned_total', { quota: 'hard' });
});

test("the provider's own limits come through under other names", async (t) => {
  const { gateway } = await start(t, {
    answer: () => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-RateLimit-Limit-Requests: 9\r\n'
      + 'ratelimit: "p";r=1\r\nX-Rate-Limit-Left: 3\r\nanthropic-ratelimit-tokens-limit: 7\r\nRetry-After: 5\r\n\r\nok',
  });
  const { headers } = await call(gateway);
  assert.equal(headers.get('x-upstream-x-ratelimit-limit-requests'), '9');
  assert.equal(headers.get('x-upstream-ratelimit'), '"p";r=1');
  assert.equal(headers.get('x-upstream-x-rate-limit-left'), '3');
  assert.equal(headers.get('x-upstream-anthropic-ratelimit-tokens-limit'), '7');
  for (const name of ['x-ratelimit-limit-requests', 'ratelimit', 'x-rate-limit-left']) {
    assert.equal(headers.get(name), null);
  }
  assert.equal(headers.get('retry-after'), '5');
});

test('bytes are counted both ways, and an answer too large for what is left is refused whole', async (t) => {
  const { gateway } = await start(t, {
    quotas: [{ name: 'traffic', bytes: '1KiB', per: 'day' }],
    answer: (request) => {
      const size = Number(/\/size(\d+) /.exec(request.head)[1]);
      return `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${'a'.repeat(size)}`;
    },
  });
  const first = await call(gateway, { path: '/api/size100', body: 'b'.repeat(50) });
  assert.equal((await first.text()).length, 100);
  await until('it is settled', () => quotasOf(gateway)[0].used === 150);
  const second = await call(gateway, { path: '/api/size1000' });
  assert.equal(second.status, 429);
  assert.equal(second.headers.get('x-sallyport-error'), 'budget_exceeded');
  assert.equal((await call(gateway, { path: '/api/size10', body: 'b'.repeat(2000) })).status, 429);
  await nothingReserved(gateway);
});

test('an operator resets and raises a quota with the token, and that is said', async (t) => {
  const { gateway } = await start(t, { quotas: [{ name: 'daily', requests: 2, per: 'day' }] });
  await statuses([call(gateway), call(gateway)]);
  assert.equal((await call(gateway)).status, 429);
  const args = ['--tenant', 'app', '--quota', 'daily', '-c', gateway.file];
  assert.match(sallyport(['quotas', 'raise', '--by', '1', ...args]), /daily .* 1 request /);
  assert.deepEqual(await statuses([call(gateway)]), [200]);
  sallyport(['quotas', 'reset', ...args]);
  assert.deepEqual(await statuses([call(gateway)]), [200]);
  await gateway.says(/audit: admin: quota "daily" of tenant "app" was raised by 1 request/);
  await gateway.says(/audit: admin: quota "daily" of tenant "app" was reset/);
  await nothingReserved(gateway);
  const url = `http://127.0.0.1:${gateway.adminPort}/api/v1/quotas/reset?tenant=app&quota=daily`;
  assert.equal((await fetch(url, { method: 'POST' })).status, 401);
  assert.equal((await fetch(url, { method: 'POST', headers: { Authorization: 'Bearer wrong' } })).status, 401);
  assert.equal((await fetch(url)).status, 405);
  const token = fs.readFileSync(`${gateway.folder}/admin.token`, 'utf8').trim();
  const headers = { Authorization: `Bearer ${token}` };
  const said = async (query) => (await fetch(`http://127.0.0.1:${gateway.adminPort}/api/v1/quotas/${query}`, { method: 'POST', headers })).text();
  assert.match(await said('reset?quota=daily'), /no quota over all tenants is called .*daily.*; of a tenant's own say the tenant, too/);
  assert.match(await said('reset?tenant=app&quota=hourly'), /no quota .*hourly.* of tenant .*app/);
  assert.match(await said('raise?tenant=app&quota=daily&by=1%20USD'), /by is no amount; write a whole number/);
  assert.equal((await fetch(url, { method: 'POST', headers })).status, 200);
  assert.equal((await fetch(url.replace('daily', 'nope'), { method: 'POST', headers })).status, 404);
  assert.equal(fs.statSync(`${gateway.folder}/admin.token`).mode & 0o777, 0o600);
});

const FRESH_VALUES = Number(process.env.FRESH_VALUES ?? 12000);

test(`${FRESH_VALUES} fresh values: those beyond what is counted alone share one count`, async (t) => {
  const { gateway } = await start(t, {
    quotas: [{ name: 'per-user', requests: 1000000, per: '1h', each: 'header:X-User' }],
    gateway: { workers: 1, access_log: 'off' },
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
  t.after(() => agent.destroy());
  const one = (user) => new Promise((resolve, reject) => {
    http.get(`${gateway.url}/api/x`, { agent, headers: { 'X-Sallyport-Key': gateway.key, 'X-User': user } },
      (response) => response.resume().on('end', () => resolve(response.headers.ratelimit))).on('error', reject);
  });
  let next = 0;
  const worker = async () => {
    while (next < FRESH_VALUES) await one(`user-${next++}`);
  };
  await Promise.all(Array.from({ length: 20 }, worker));
  const left = (await Promise.all(['fresh-1', 'fresh-2', 'fresh-3'].map(one))).map((text) => Number(/r=(\d+)/.exec(text)[1]));
  assert.ok(left.every((value) => value < 999900), `they share one count: ${left}`);
  assert.match(await one('user-5'), /r=99999[0-9]/, 'one that has its own count keeps it');
  const resident = Number(/VmRSS:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${gateway.child.pid}/status`, 'utf8'))[1]);
  t.diagnostic(`resident: ${(resident / 1024).toFixed(1)} MiB`);
});
