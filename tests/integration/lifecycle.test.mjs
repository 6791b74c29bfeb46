// The life of the process: config errors, start, reload, secrets that change, drain and stop.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { binary, Child, freePort, Gateway, gatewayFor, newKey, sallyport, sleep, temporaryFolder, until } from '../support/gateway.mjs';
import { RawClient, RawUpstream, upstreamFor } from '../support/wire.mjs';

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const route = (upstream) => ({ api: { upstream: upstream.port, provider: 'http' } });

function run(args, options) {
  return spawnSync(binary, args, { encoding: 'utf8', ...options });
}

test('a broken config: exit 2 and all its problems with their places', () => {
  const folder = temporaryFolder();
  const file = path.join(folder, 'bad.yaml');
  fs.writeFileSync(file, [
    'version: 1',
    'gateway:',
    '  listen: [nonsense]',
    '  workerz: 2',
    'routes:',
    '  openai:',
    '    provider: openia',
    'tenants:',
    '  app:',
    '    keys: ["sha256:xyz"]',
    '    allow: [nowhere]',
    '',
  ].join('\n'));
  for (const command of ['check', 'run']) {
    const { status, stderr, stdout } = run([command, '-c', file]);
    const said = stderr + stdout;
    assert.equal(status, 2, said);
    assert.match(said, /bad\.yaml:4:3: .*workerz.*workers/);
    assert.match(said, /bad\.yaml:3:12: /);
    assert.match(said, /bad\.yaml:7:15: .*openia.*openai/);
    assert.match(said, /bad\.yaml:10:12: /);
    assert.match(said, /bad\.yaml:11:13: .*nowhere/);
  }
  fs.rmSync(folder, { recursive: true });
});

test('a config that is not there, and a port that is taken: one line that says what to do', async (t) => {
  const missing = run(['run', '-c', '/nonexistent/sallyport.yaml']);
  assert.equal(missing.status, 2);
  assert.match(missing.stderr, /\/nonexistent\/sallyport\.yaml/);

  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  const folder = temporaryFolder();
  const file = path.join(folder, 'c.yaml');
  fs.writeFileSync(file, `version: 1\ngateway: {listen: ["127.0.0.1:${server.address().port}"]}\nadmin: {listen: "127.0.0.1:${await freePort()}"}\n`);
  const taken = run(['run', '-c', file]);
  assert.equal(taken.status, 1);
  const at = `127\\.0\\.0\\.1:${server.address().port} is taken`;
  assert.match(taken.stderr, new RegExp(`gateway\\.listen: ${at}`));

  // The key is named that the address stands at.
  fs.writeFileSync(file, `version: 1\ngateway: {listen: ["127.0.0.1:0"]}\nadmin: {listen: "127.0.0.1:${server.address().port}"}\n`);
  const admin = run(['run', '-c', file]);
  assert.equal(admin.status, 1);
  assert.match(admin.stderr, new RegExp(`admin\\.listen: ${at}`));
  assert.doesNotMatch(admin.stderr, /gateway\.listen/);

  // The token is made at the first start, so there has to be a place for it.
  fs.writeFileSync(file, `version: 1\ngateway: {listen: ["127.0.0.1:0"]}\nadmin: {listen: "127.0.0.1:0", token_file: gone/admin.token}\n`);
  const token = run(['run', '-c', file]);
  assert.equal(token.status, 1);
  assert.match(token.stderr, /admin\.token_file: .*\/gone\/admin\.token: no file can be made in its folder: No such file or directory; let this user write there, or choose another place/);
  fs.rmSync(folder, { recursive: true });
});

test('what it says at its start tells where to look', async (t) => {
  const gateway = await gatewayFor(t, { routes: {} });
  await gateway.says(new RegExp(`info  the dashboard is at http://127\\.0\\.0\\.1:${gateway.adminPort}/\n`));
});

test('a reload under load fails no request and takes effect', async (t) => {
  const upstream = await upstreamFor(t, () => ok);
  const gateway = await gatewayFor(t, { routes: route(upstream), gateway: { reload: 'signal' } }); // one a change
  const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
  t.after(() => agent.destroy());
  let stop = false;
  let done = 0;
  const failures = [];
  const call = (url) => new Promise((resolve) => {
    http.get(url, { agent, headers: { 'x-sallyport-key': gateway.key } }, (res) => {
      res.resume();
      res.on('end', () => resolve(res.statusCode));
    }).on('error', (error) => resolve(error.message));
  });
  const callers = Array.from({ length: 20 }, async () => {
    while (!stop) {
      const status = await call(`${gateway.url}/api/x`);
      done++;
      if (status !== 200) failures.push(status);
    }
  });
  for (let i = 0; i < 10; i++) {
    const said = await gateway.reload((config) => {
      config.routes[`extra${i}`] = { provider: 'http', base_url: `http://127.0.0.1:${upstream.port}` };
      config.tenants.app.allow.push(`extra${i}`);
    });
    assert.match(said, /reloaded/);
    await until('the new route serves', async () => (await call(`${gateway.url}/extra${i}/x`)) === 200);
  }
  stop = true;
  await Promise.all(callers);
  assert.deepEqual(failures, []);
  t.diagnostic(`${done} requests over 10 reloads`);
  assert.ok(done > 100);
  await gateway.metricIs(11, 'config_generation');
});

test('a bad reload changes nothing and says why; a request under way keeps its config', async (t) => {
  let socket;
  const upstream = await upstreamFor(t, ({ head }, s) => {
    if (!head.startsWith('GET /slow')) return ok;
    socket = s;
  });
  const gateway = await gatewayFor(t, { routes: route(upstream) });
  const headers = { 'x-sallyport-key': gateway.key };
  const slow = fetch(`${gateway.url}/api/slow`, { headers });
  await until('the slow request arrives', () => socket);

  const said = await gateway.reload((config) => (config.routes.api.bogus = 1));
  assert.match(said, /sallyport\.yaml:\d+:\d+: .*bogus/);
  await gateway.metricIs(0, 'config_last_reload_success');
  assert.equal((await fetch(`${gateway.url}/api/x`, { headers })).status, 200);

  await gateway.reload((config) => {
    delete config.routes.api;
    config.routes.other = { provider: 'http', base_url: `http://127.0.0.1:${upstream.port}` };
    config.tenants.app.allow = ['other'];
  });
  await gateway.metricIs(1, 'config_last_reload_success');
  assert.equal((await fetch(`${gateway.url}/other/x`, { headers })).status, 200);
  assert.equal((await fetch(`${gateway.url}/api/x`, { headers })).status, 404);
  socket.write(ok);
  assert.equal((await slow).status, 200);
});

test('what sockets are bound to cannot change in a reload', async (t) => {
  const upstream = await upstreamFor(t, () => ok);
  const gateway = await gatewayFor(t, { routes: route(upstream) });
  const said = await gateway.reload((config) => config.gateway.listen.push('127.0.0.1:1'));
  assert.match(said, /refused.*gateway\.listen/);
});

test('where quotas are counted cannot change in a reload, what is counted can', async (t) => {
  const gateway = await gatewayFor(t, {});
  const refused = async (change, key) => {
    const said = await gateway.reload(change);
    assert.match(said, new RegExp(`refused.*${key} cannot change`));
  };
  await refused((config) => (config.store = { name: 'other' }), 'store\\.name');
  await refused((config) => (config.store = { timeout: '26ms' }), 'store\\.timeout');
  await refused((config) => (config.store = { gateways: 2 }), 'store\\.gateways');
  await refused((config) => (config.store = { url: 'redis://127.0.0.1:1' }), 'store\\.url');
  await refused((config) => {
    config.store = {};
    config.gateway.time_zone = 'Europe/Berlin';
  }, 'gateway\\.time_zone');
  await refused((config) => {
    config.gateway.time_zone = 'UTC';
    config.admin.token_file = 'other.token';
  }, 'admin\\.token_file');
  const said = await gateway.reload((config) => {
    delete config.admin.token_file;
    config.store = { on_failure: 'deny' };
    config.quotas = [{ requests: 9, per: 'day' }];
  });
  assert.match(said, /reloaded/);
});

test('the names that the admin listener answers to change in a reload', async (t) => {
  const gateway = await gatewayFor(t, {});
  const ask = () => new Promise((resolve, reject) => {
    http.get(`http://127.0.0.1:${gateway.adminPort}/livez`, { headers: { host: 'gw.internal' } }, (res) => {
      res.resume();
      resolve(res.statusCode);
    }).on('error', reject);
  });
  assert.equal(await ask(), 403);
  assert.match(await gateway.reload((config) => (config.admin.hosts = ['gw.internal'])), /reloaded/);
  assert.equal(await ask(), 200);
  assert.match(await gateway.reload((config) => (config.admin.listen = '127.0.0.1:1')), /refused.*admin\.listen/);
});

test('SIGTERM drains: the request under way ends well, new connections are refused', async (t) => {
  let socket;
  const upstream = await upstreamFor(t, (_, s) => void (socket = s));
  const gateway = await Gateway.start({ routes: route(upstream) });
  const idle = await RawClient.connect(gateway.port);
  const answer = fetch(`${gateway.url}/api/slow`, { headers: { 'x-sallyport-key': gateway.key } });
  await until('the request arrives', () => socket);
  gateway.signal('SIGTERM');
  await idle.untilClosed();
  await until('connections are refused', async () => RawClient.connect(gateway.port).then((c) => (c.close(), false), () => true));
  assert.equal((await fetch(`http://127.0.0.1:${gateway.adminPort}/readyz`)).status, 503);
  assert.equal((await fetch(`http://127.0.0.1:${gateway.adminPort}/livez`)).status, 200);
  socket.write(ok);
  const result = await answer;
  assert.equal(result.status, 200);
  assert.equal(result.headers.get('connection'), 'close');
  assert.deepEqual(await gateway.exited, { code: 0, signal: null });
  await gateway.stop({ signal: 'SIGTERM' });
});

test('a drain ends at its timeout, and at once with a second signal', async (t) => {
  const upstream = await upstreamFor(t, () => undefined);
  for (const [drain, second] of [['500ms', false], ['60s', true]]) {
    const gateway = await Gateway.start({ routes: route(upstream), gateway: { timeouts: { drain } } });
    const client = await RawClient.connect(gateway.port);
    const before = upstream.requests.length;
    client.send(`GET /api/x HTTP/1.1\r\nHost: a\r\nX-Sallyport-Key: ${gateway.key}\r\n\r\n`);
    await until('the request arrives', () => upstream.requests.length > before);
    gateway.signal('SIGTERM');
    if (second) {
      await until('it drains', () => gateway.stderr.includes('draining'));
      gateway.signal('SIGTERM');
    }
    await gateway.stop({ signal: 'SIGCONT' });
    await client.untilClosed();
    assert.doesNotMatch(client.text, /200/);
  }
});

test('secrets: missing at start, set later, changed, taken away', async (t) => {
  const upstream = await upstreamFor(t, ({ head }) => {
    const value = /^authorization: (.*)\r$/im.exec(head)[1].slice('Bearer '.length);
    const body = Buffer.from(value).reverse().toString();
    return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  });
  const folder = temporaryFolder();
  const sealed = path.join(folder, 'secrets.sealed');
  const keyFile = path.join(folder, 'master.key');
  const set = (value) => sallyport(['secrets', 'set', 'api-key', '--file', sealed, '--key-file', keyFile], { input: value });
  sallyport(['secrets', 'set', 'other', '--file', sealed, '--key-file', keyFile], { input: 'x'.repeat(20) });
  const gateway = await gatewayFor(t, {
    routes: { api: { upstream: upstream.port, provider: 'http', credential: { secret: 'api-key' }, inject: { header: 'Authorization', value: 'Bearer {secret}' } } },
    extra: { secrets: [{ type: 'sealed', path: sealed, key_file: keyFile }] },
  });
  const call = async () => {
    const answer = await fetch(`${gateway.url}/api/x`, { headers: { 'x-sallyport-key': gateway.key } });
    return answer.status === 200 ? [...(await answer.text())].reverse().join('') : answer.headers.get('x-sallyport-error');
  };
  assert.equal(await call(), 'credential_unavailable');
  assert.match(await (await fetch(`http://127.0.0.1:${gateway.adminPort}/readyz?verbose`)).text(), /credential_unavailable.*api/);
  await gateway.says(/warn {2}secret "api-key": is in no source; .*credential_unavailable\n/);
  assert.equal(upstream.requests.length, 0);

  set('first-value-1234567890');
  await until('the secret is found', async () => (await call()) === 'first-value-1234567890');
  set('second-value-1234567890');
  await until('the new value is used', async () => (await call()) === 'second-value-1234567890');
  fs.writeFileSync(sealed, 'damaged');
  await sleep(2500);
  assert.equal(await call(), 'second-value-1234567890', 'a source that fails keeps the old value');
  assert.doesNotMatch(gateway.stderr + JSON.stringify(gateway.accessLog()), /value-1234567890/);
  fs.rmSync(folder, { recursive: true });
});

test('start to serving is fast, also with 10,000 tenants and 500 routes', async (t) => {
  const upstream = await upstreamFor(t, () => ok);
  const folder = temporaryFolder();
  const [port, adminPort] = [await freePort(), await freePort()];
  const key = newKey('app');
  const lines = ['version: 1', `gateway: {listen: ["127.0.0.1:${port}"], workers: 1, access_log: off}`,
    `admin: {listen: "127.0.0.1:${adminPort}"}`, 'egress: {allow_private: [127.0.0.0/8]}', 'routes:'];
  for (let i = 0; i < 500; i++) lines.push(`  r${i}: {provider: http, base_url: "http://127.0.0.1:${upstream.port}"}`);
  lines.push('tenants:', `  app: {keys: ["${key.hash}"], allow: [r0, r499]}`);
  for (let i = 0; i < 10000; i++) {
    lines.push(`  t${i}: {keys: ["sha256:${createHash('sha256').update(`${i}`).digest('hex')}"], allow: [r${i % 500}, "r${(i + 7) % 500}:GET /v1/*"]}`);
  }
  const file = path.join(folder, 'big.yaml');
  fs.writeFileSync(file, lines.join('\n') + '\n');
  const startedAt = performance.now();
  const gateway = new Child(['run', '-c', file]);
  await until('it serves', () => gateway.stderr.includes('serving:'), { every: 2 });
  t.diagnostic(`serving after ${(performance.now() - startedAt).toFixed(0)} ms (sanitizers included, if built in)`);
  const answer = await fetch(`http://127.0.0.1:${port}/r499/x`, { headers: { 'x-sallyport-key': key.key } });
  assert.equal(answer.status, 200);
  const denied = await fetch(`http://127.0.0.1:${port}/r5/x`, { headers: { 'x-sallyport-key': key.key } });
  assert.equal(denied.status, 403);
  await gateway.stop();
  fs.rmSync(folder, { recursive: true });
});

test('a unix socket serves, and so does TLS from 1.2 on', async (t) => {
  const upstream = await upstreamFor(t, () => ok);
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const socket = path.join(folder, 'gw.sock');
  const request = (gateway) => `GET /api/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Sallyport-Key: ${gateway.key}\r\n\r\n`;
  const gateway = await gatewayFor(t, { routes: route(upstream), gateway: { listen: [`unix:${socket}`] } });
  const client = await RawClient.connect(0, { path: socket });
  client.send(request(gateway));
  await client.untilClosed();
  assert.deepEqual(client.statuses(), [200]);
  assert.equal((await until('the log', () => gateway.accessLog()[0])).peer, 'unix');

  const [cert, key] = [path.join(folder, 'cert.pem'), path.join(folder, 'key.pem')];
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', cert]);
  assert.equal(made.status, 0);
  const secure = await gatewayFor(t, { routes: route(upstream), gateway: { tls: { cert, key } } });
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const tls = await RawClient.connect(secure.port, { tls: { ca: fs.readFileSync(cert), minVersion: version, maxVersion: version } });
    tls.send(request(secure));
    await tls.untilClosed();
    assert.deepEqual(tls.statuses(), [200]);
  }
  await assert.rejects(RawClient.connect(secure.port, { tls: { ca: fs.readFileSync(cert), minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } }));
  const curl = await promisify(execFile)('curl', ['-sS', '--cacert', cert, '-o', '/dev/null', '-w', '%{http_code} %{http_version}', '-H', `X-Sallyport-Key: ${secure.key}`, `https://localhost:${secure.port}/api/x`]);
  assert.equal(curl.stdout, '200 1.1', curl.stderr);
});

test('many connections and requests leave no descriptor behind', async (t) => {
  const upstream = await upstreamFor(t, (_, socket, count) => (count % 3 === 0 ? void socket.destroy() : ok));
  const gateway = await gatewayFor(t, { routes: route(upstream), gateway: { workers: 1, timeouts: { keep_alive: '1s' } } });
  await fetch(`${gateway.url}/api/first`, { headers: { 'x-sallyport-key': gateway.key } }); // what is opened once
  await sleep(1500); // it, and its connection to the upstream, may be closed by now
  const before = gateway.openFiles();
  for (let i = 0; i < 60; i++) {
    const client = await RawClient.connect(gateway.port);
    client.send(`GET /api/${i} HTTP/1.1\r\nHost: a\r\nX-Sallyport-Key: ${gateway.key}\r\n\r\n`);
    if (i % 2 === 0) await client.until((c) => c.statuses().length === 1);
    client.close();
  }
  await upstream.stop();
  await until('the descriptors are closed', () => gateway.openFiles() <= before + 1, { timeout: 20000 });
});

test('the table of descriptors has room for all clients before there are threads', async (t) => {
  const upstream = await upstreamFor(t, () => ok);
  const gateway = await gatewayFor(t, { routes: route(upstream), gateway: { limits: { connections: 5000 } } });
  const size = Number(/^FDSize:\s+(\d+)$/m.exec(fs.readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))[1]);
  assert.ok(size >= 10000 && size < 20000, `${size}: growing it later holds up whoever opens a socket`);
});
