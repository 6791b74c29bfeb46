// Who may ask the admin listener for what: names, origins, tokens, and what is told of it. Over a
// network address as over loopback, since the peer's address decides.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { ask, bearer } from '../support/admin.mjs';
import { authorityFor } from '../support/certificates.mjs';
import { Gateway, freePort, until } from '../support/gateway.mjs';

const TOKEN = 'a-token-that-may-do-all-0123456789abcdef';
const READ_TOKEN = 'a-token-that-only-reads-0123456789abcdef';

// An address of this machine that is not loopback; without one, nothing off loopback can be tried.
const address = Object.values(os.networkInterfaces()).flat().find((one) => one.family === 'IPv4' && !one.internal)?.address;

async function start(t, admin, { routes = {}, gateway: settings } = {}) {
  const gateway = await Gateway.start({
    routes, admin,
    gateway: { audit_log: 'audit.json', ...settings },
    secrets: { 'admin-token': TOKEN, 'read-token': READ_TOKEN, short: 'too-short' },
  });
  t.after(() => gateway.stop());
  return gateway;
}

test('a foreign name and a foreign origin are refused', async (t) => {
  const gateway = await start(t, { hosts: ['gw.internal'] });
  const port = gateway.adminPort;
  for (const [headers, status] of [
    [{ host: 'localhost' }, 200], [{ host: 'gw.internal:1' }, 200], [{ host: 'evil.example' }, 403],
    [{ host: `localhost:${port}`, origin: `http://localhost:${port}` }, 200],
    [{ host: `localhost:${port}`, origin: 'http://evil.example' }, 403], [{ origin: 'null' }, 403],
  ]) {
    for (const target of ['/', '/livez', '/metrics', '/api/v1/status']) {
      assert.equal((await ask({ port, headers, path: target })).status, status, `${target} ${JSON.stringify(headers)}`);
    }
  }
  const page = await ask({ port, path: '/' });
  assert.match(page.headers['content-security-policy'], /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'/);
  assert.match(page.headers['content-security-policy'], /frame-ancestors 'none'/);
  assert.equal(page.headers['x-content-type-options'], 'nosniff');
  assert.equal(page.headers['cache-control'], 'no-store');
});

test('changes need the token, on loopback too; who only reads may not', async (t) => {
  const gateway = await start(t, { token: { secret: 'admin-token' }, read_token: { secret: 'read-token' } });
  const port = gateway.adminPort;
  const reload = { port, method: 'POST', path: '/api/v1/reload' };
  assert.equal((await ask(reload)).status, 401);
  assert.match((await ask(reload)).headers['www-authenticate'], /^Bearer /);
  assert.equal((await ask({ ...reload, headers: bearer('x'.repeat(40)) })).status, 401);
  assert.equal((await ask({ ...reload, headers: bearer(READ_TOKEN) })).status, 403);
  assert.equal((await ask({ ...reload, headers: bearer(TOKEN) })).status, 200);
  assert.ok(!fs.existsSync(path.join(gateway.folder, 'admin.token')), 'no file is made where a secret is the token');
});

test('what a proxy on this machine hands on needs a token', async (t) => {
  const gateway = await start(t, { token: { secret: 'admin-token' }, read_token: { secret: 'read-token' } });
  const port = gateway.adminPort;
  for (const field of ['x-forwarded-for', 'forwarded']) {
    assert.equal((await ask({ port, path: '/metrics', headers: { [field]: '203.0.113.9' } })).status, 401);
    assert.equal((await ask({ port, path: '/metrics', headers: { [field]: '127.0.0.1', ...bearer(READ_TOKEN) } })).status, 200);
  }
});

test('a secret that is too short is no token, and no value is none', async (t) => {
  const gateway = await start(t, { token: { secret: 'short' }, read_token: { secret: 'nowhere' } });
  const reload = { port: gateway.adminPort, method: 'POST', path: '/api/v1/reload' };
  assert.equal((await ask({ ...reload, headers: bearer('too-short') })).status, 401);
  assert.equal((await ask({ ...reload, headers: bearer('') })).status, 401);
  const ready = await ask({ port: gateway.adminPort, path: '/readyz?verbose' });
  assert.match(ready.body, /credential_unavailable: admin\.read_token, secret nowhere/);
});

test('wrong tokens are told, and make their address wait', async (t) => {
  const gateway = await start(t, { token: { secret: 'admin-token' } });
  const reload = { port: gateway.adminPort, method: 'POST', path: '/api/v1/reload' };
  const seen = [];
  for (let i = 0; i < 12; i++) seen.push((await ask({ ...reload, headers: bearer(`wrong-${i}`) })).status);
  assert.deepEqual(seen, [...Array(10).fill(401), 429, 429]);
  const late = await ask({ ...reload, headers: bearer(TOKEN) });
  assert.equal(late.status, 429, 'a right one is not looked at either');
  assert.ok(Number(late.headers['retry-after']) >= 1 && Number(late.headers['retry-after']) <= 6);
  assert.equal((await ask({ port: gateway.adminPort, path: '/api/v1/status' })).status, 200, 'reading goes on');
  const lines = await until('the refusals are in the audit log', () => {
    const all = fs.readFileSync(path.join(gateway.folder, 'audit.json'), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
    const refused = all.filter((one) => one.event === 'admin_refused');
    return refused.length > 0 && refused;
  });
  assert.equal(lines[0].peer, '127.0.0.1');
  assert.equal(lines[0].text, '/api/v1/reload');
  assert.doesNotMatch(JSON.stringify(lines), /wrong-\d/);
});

test('reload answers what came of it, and the audit log knows who asked', async (t) => {
  const gateway = await start(t, { token: { secret: 'admin-token' } }, { gateway: { reload: 'signal' } });
  const reload = () => ask({ port: gateway.adminPort, method: 'POST', path: '/api/v1/reload', headers: bearer(TOKEN) });
  const write = (change) => {
    change(gateway.config);
    fs.writeFileSync(gateway.file, JSON.stringify(gateway.config));
  };
  const first = await reload();
  assert.equal(first.status, 200);
  assert.deepEqual(JSON.parse(first.body), { generation: 2, routes: 0, tenants: 1, warnings: [] });

  write((config) => (config.gatewai = {}));
  const bad = await reload();
  assert.equal(bad.status, 422);
  assert.match(JSON.parse(bad.body).problems[0], /gatewai: unknown key; did you mean "gateway"/);
  const status = JSON.parse((await ask({ port: gateway.adminPort, path: '/api/v1/status' })).body);
  assert.equal(status.config.generation, 2);
  assert.equal(status.config.last_reload_success, false);
  assert.match(status.config.problem, /has problems/);

  write((config) => { delete config.gatewai; config.gateway.workers = 1; });
  const fixed = await reload();
  assert.equal(fixed.status, 409);
  assert.match(JSON.parse(fixed.body).error, /gateway\.workers cannot change in a reload/);

  write((config) => (config.gateway.workers = 2));
  assert.equal(JSON.parse((await reload()).body).generation, 3);
  const audit = await until('all four are told', () => {
    const all = fs.readFileSync(path.join(gateway.folder, 'audit.json'), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
    const told = all.filter((one) => /^config_/.test(one.event));
    return told.length === 4 && told;
  });
  assert.deepEqual(audit.map((one) => [one.event, one.by, one.peer]), ['config_taken', 'config_refused', 'config_refused', 'config_taken']
    .map((event) => [event, 'admin', '127.0.0.1']));
});

test('what is shown of the config has no secret in it', async (t) => {
  const gateway = await start(t, { read_token: { secret: 'read-token' } });
  fs.writeFileSync(path.join(gateway.folder, 'value'), 'value-of-a-file-0123456789');
  gateway.config.routes.api = {
    base_url: 'http://127.0.0.1:9', provider: 'http', credential: 'none',
    headers: { set: { 'X-Of-A-File': `\${file:${path.join(gateway.folder, 'value')}}` } },
  };
  gateway.config.tenants.app.allow = ['api:GET /v1/*', 'api:POST /v1/orders'];
  assert.match(await gateway.reload(() => {}), /reloaded/);
  const get = async (page) => {
    const res = await ask({ port: gateway.adminPort, path: `/api/v1/${page}` });
    assert.equal(res.status, 200, res.body);
    assert.match(res.headers['content-type'], /^application\/json/);
    assert.doesNotMatch(res.body, /value-of-a-file/);
    assert.doesNotMatch(res.body, /sha256:[0-9a-f]{9}/);
    assert.doesNotMatch(res.body, new RegExp(READ_TOKEN));
    return JSON.parse(res.body);
  };
  const { in_force: config } = await get('config');
  assert.match(config.routes.api.headers.set['X-Of-A-File'], /^\$\{file:/);
  assert.match(config.tenants.app.keys[0], /^sha256:[0-9a-f]{8}\.\.\.$/);
  assert.equal(config.gateway.workers, 2);
  const { tenants } = await get('tenants');
  assert.equal(tenants[0].tenant, 'app');
  assert.deepEqual(tenants[0].allow.sort(), ['api:GET /v1/*', 'api:POST /v1/orders']);
  const { routes } = await get('routes');
  assert.equal(routes[0].upstream, 'http://127.0.0.1:9');
  const status = await get('status');
  assert.equal(status.state, 'serving');
  assert.equal(status.workers, 2);
  assert.equal(status.store.up, true);
  assert.ok(status.uptime_seconds >= 0 && status.uptime_seconds < 600);
});

test('live counts what was asked, by route and end', async (t) => {
  const upstream = http.createServer((req, res) => { res.statusCode = Number(req.url.split('/').pop()); res.end('x'); });
  await new Promise((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  t.after(() => upstream.close());
  const gateway = await start(t, {}, { routes: { api: { upstream: upstream.address().port, provider: 'http', credential: 'none', retry: 'off' } } });
  for (const code of [200, 204, 404, 500]) {
    await (await fetch(`${gateway.url}/api/${code}`, { headers: { 'x-sallyport-key': gateway.key } })).text();
  }
  const live = await until('all are counted', async () => {
    const one = JSON.parse((await ask({ port: gateway.adminPort, path: '/api/v1/live' })).body);
    return one.routes.find((route) => route.route === 'api')?.requests === 4 && one;
  });
  const api = live.routes.find((route) => route.route === 'api');
  assert.deepEqual([api.ok, api.client_errors, api.limited, api.server_errors, api.gone], [2, 1, 0, 1, 0]);
  assert.equal(api.latency.length, live.bounds_ms.length + 1);
  assert.equal(api.latency.reduce((a, b) => a + b, 0), 4);
});

test('elsewhere than on loopback reading needs a token', { skip: address === undefined && 'there is no other address' }, async (t) => {
  const authority = authorityFor(t);
  const adminPort = await freePort();
  const { cert, key } = authority.sign(`DNS:localhost,IP:${address},IP:127.0.0.1`);
  fs.writeFileSync(path.join(authority.folder, 'a.crt'), cert);
  fs.writeFileSync(path.join(authority.folder, 'a.key'), key);
  const ca = fs.readFileSync(authority.file);
  const gateway = await Gateway.start({
    secrets: { 'admin-token': TOKEN, 'read-token': READ_TOKEN },
    adminCa: ca,
    admin: {
      listen: `0.0.0.0:${adminPort}`, token: { secret: 'admin-token' }, read_token: { secret: 'read-token' },
      tls: { cert: path.join(authority.folder, 'a.crt'), key: path.join(authority.folder, 'a.key') },
    },
    adminPort,
  });
  t.after(() => gateway.stop());
  const status = async (target, { token, method = 'GET', host = address } = {}) =>
    (await ask({ host, port: adminPort, ca, path: target, method, headers: token ? bearer(token) : {} })).status;
  for (const open of ['/livez', '/readyz', '/']) assert.equal(await status(open), 200, open);
  for (const closed of ['/readyz?verbose', '/metrics', '/api/v1/status', '/api/v1/config', '/api/v1/routes', '/api/v1/tenants',
    '/api/v1/live', '/api/v1/quotas', '/api/v1/breakers']) {
    assert.equal(await status(closed), 401, closed);
    assert.equal(await status(closed, { token: READ_TOKEN }), 200, closed);
    assert.equal(await status(closed, { token: TOKEN }), 200, closed);
    assert.equal(await status(closed, { host: '127.0.0.1' }), 200, `${closed} on loopback`);
  }
  assert.equal(await status('/api/v1/reload', { method: 'POST', token: READ_TOKEN }), 403);
  assert.equal(await status('/api/v1/reload', { method: 'POST', token: TOKEN }), 200);
});
