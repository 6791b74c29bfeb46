// Tenants' client certificates: whose they are by their names, what is refused, and that a resumed
// session and a webhooks' listener change nothing of that.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';

import { authorityFor } from '../support/certificates.mjs';
import { binary, gatewayFor, sleep, until } from '../support/gateway.mjs';
import { movingClock } from '../support/preload.mjs';
import { upstreamFor } from '../support/wire.mjs';

async function worldFor(t, { require = false, extra, env, listen = {} } = {}) {
  const authority = authorityFor(t);
  const pair = authority.sign('DNS:localhost,IP:127.0.0.1');
  const files = Object.fromEntries(['cert', 'key'].map((name) => [name, path.join(authority.folder, `server.${name}`)]));
  fs.writeFileSync(files.cert, pair.cert);
  fs.writeFileSync(files.key, pair.key);
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    routes: { api: { upstream: upstream.port, provider: 'http' } },
    tenants: {
      checkout: { allow: ['api'], keys: [], mtls: { san: ['spiffe://corp/checkout', 'checkout.corp'] } },
      search: { allow: ['api'], mtls: { san: 'spiffe://corp/search' } },
      keyed: { allow: ['api'] },
    },
    gateway: { audit_log: 'audit.json', tls: { ...files, client_ca: authority.file, require }, workers: 1, ...listen },
    extra, env,
  });
  const call = (client, { headers = {}, session, agent = false, version } = {}) => new Promise((resolve, reject) => {
    const req = https.request({ host: '127.0.0.1', port: gateway.port, path: '/api/x', servername: 'localhost', ca: fs.readFileSync(authority.file),
      cert: client?.cert, key: client?.key, headers, session, agent, maxVersion: version, minVersion: version }, (res) => {
      let text = '';
      res.on('data', (data) => (text += data));
      res.on('end', () => resolve({ status: res.statusCode, code: res.headers['x-sallyport-error'], id: res.headers['x-sallyport-request-id'], text, resumed: reused }));
    });
    let reused = false;
    req.on('socket', (socket) => {
      socket.on('session', (data) => (call.session = data));
      socket.on('secureConnect', () => (reused = socket.isSessionReused()));
    });
    req.on('error', reject);
    req.end();
  });
  return { authority, upstream, gateway, call };
}

const refusals = (gateway) => fs.readFileSync(path.join(gateway.folder, 'audit.json'), 'utf8').split('\n').filter(Boolean)
  .map((line) => JSON.parse(line)).filter((line) => line.event === 'key_refused');

async function refused({ gateway }, calling, expected, code = 'tenant_unknown') {
  const before = refusals(gateway).length;
  const answer = await calling;
  assert.equal(answer.status, 401, answer.text);
  assert.equal(answer.code, code);
  assert.match(answer.text, expected);
  const line = await until('it is audited', () => refusals(gateway)[before]);
  assert.match(line.text, expected);
  await sleep(110); // the audit log takes 10 refusals a second
}

test('a certificate is its tenant, by URI or DNS name, alone or beside the same tenant\'s key', async (t) => {
  const { authority, upstream, gateway, call } = await worldFor(t);
  for (const [names, tenant, headers] of [
    ['URI:spiffe://corp/checkout', 'checkout'], ['DNS:checkout.corp', 'checkout'], ['DNS:Checkout.CORP', 'checkout'],
    ['DNS:other.corp,URI:spiffe://corp/search', 'search'], ['URI:spiffe://corp/search', 'search', { 'x-sallyport-key': gateway.keys.search }],
    ['URI:spiffe://corp/checkout', 'checkout', { authorization: 'Bearer placeholder' }],
    ['DNS:nobody.corp', 'keyed', { 'x-sallyport-key': gateway.keys.keyed }], [null, 'keyed', { 'x-sallyport-key': gateway.keys.keyed }],
  ]) {
    const answer = await call(names && authority.sign(names), { headers });
    assert.equal(answer.status, 200, `${names}: ${answer.text}`);
    assert.equal((await gateway.logLine(answer.id)).tenant, tenant);
  }
  assert.equal(upstream.requests.length, 8);
});

test('what is no tenant\'s certificate is 401 and audited', async (t) => {
  const world = await worldFor(t);
  const { authority, gateway, call } = world;
  const stranger = authorityFor(t);
  await refused(world, call(null), /send the tenant key/, 'tenant_key_missing');
  await refused(world, call(authority.sign('URI:spiffe://corp/checkout/more')), /no tenant lists a name/);
  await refused(world, call(authority.sign('URI:spiffe://corp/Checkout')), /no tenant lists a name/);
  await refused(world, call(authority.sign('DNS:sub.checkout.corp')), /no tenant lists a name/);
  await refused(world, call(authority.sign('DNS:*.corp')), /no tenant lists a name/);
  await refused(world, call(authority.sign('email:checkout.corp')), /no tenant lists a name/);
  await refused(world, call(stranger.sign('URI:spiffe://corp/checkout')), /the client certificate is not taken: unable to/);
  await refused(world, call(authority.sign('URI:spiffe://corp/checkout', { expired: true })), /not taken: certificate has expired/);
  await refused(world, call(authority.sign('URI:spiffe://corp/checkout', { usage: 'serverAuth' })), /not taken: .*purpose/);
  // Not even beside a good key; and two tenants are none.
  const headers = { 'x-sallyport-key': gateway.keys.keyed };
  await refused(world, call(stranger.sign('URI:spiffe://corp/checkout'), { headers }), /not taken/);
  await refused(world, call(authority.sign('URI:spiffe://corp/checkout'), { headers }), /two tenants/);
  await refused(world, call(authority.sign('URI:spiffe://corp/checkout,URI:spiffe://corp/search')), /two tenants/);
  assert.equal(world.upstream.requests.length, 0);
});

test('a resumed session has the certificate that it began with, and no other', async (t) => {
  const { authority, gateway, call } = await worldFor(t);
  for (const version of ['TLSv1.3', 'TLSv1.2']) {
    const client = authority.sign('URI:spiffe://corp/checkout');
    assert.equal((await call(client, { version })).status, 200);
    const again = await call(null, { session: call.session, version });
    assert.equal(again.resumed, true, version);
    assert.equal(again.status, 200, again.text);
    assert.equal((await gateway.logLine(again.id)).tenant, 'checkout');
    // One that began without a certificate is nobody's.
    assert.equal((await call(null, { version })).status, 401);
    const nobody = await call(null, { session: call.session, version });
    assert.equal(nobody.resumed, true);
    assert.equal(nobody.status, 401);
  }
});

test('a certificate that expires on an open connection is not taken any more', async (t) => {
  const clock = movingClock();
  const { authority, call } = await worldFor(t, { env: clock.env });
  const client = authority.sign('URI:spiffe://corp/checkout'); // for two days
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  assert.equal((await call(client, { agent })).status, 200);
  clock.ahead(20);
  assert.equal((await call(client, { agent })).status, 200);
  const { session } = call;
  clock.ahead(3 * 86400);
  const late = await call(client, { session });
  assert.equal(late.status, 401);
  assert.match(late.text, /certificate has expired/);
});

test('require: without a good certificate there is no connection, and a bad one is audited', async (t) => {
  const { authority, gateway, call } = await worldFor(t, { require: true });
  const stranger = authorityFor(t);
  assert.equal((await call(authority.sign('URI:spiffe://corp/checkout'))).status, 200);
  assert.equal((await call(authority.sign('DNS:nobody'), { headers: { 'x-sallyport-key': gateway.keys.keyed } })).status, 200);
  const headers = { 'x-sallyport-key': gateway.keys.keyed };
  await assert.rejects(call(null, { headers }));
  await assert.rejects(call(stranger.sign('URI:spiffe://corp/checkout'), { headers }));
  await assert.rejects(call(authority.sign('URI:spiffe://corp/checkout', { expired: true }), { headers }));
  const lines = await until('they are audited', () => refusals(gateway).length >= 2 && refusals(gateway));
  assert.match(lines[1].text, /the client certificate is not taken: certificate has expired/);
  // A reload does not change that, nor takes a session that began before.
  await gateway.reload((config) => { config.gateway.tls.require = false; });
  assert.equal((await call(null, { headers })).status, 200);
  await gateway.reload((config) => { config.gateway.tls.require = true; });
  await until('no worker takes it', () => call(null, { headers, session: call.session }).then(() => false, () => true));
  await assert.rejects(call(null, { headers, session: call.session }));
});

test('a listener for webhooks asks for none, and its sessions are none of the others\'', async (t) => {
  const port = 20000 + process.pid % 10000;
  const { gateway, authority, call } = await worldFor(t, {
    require: true, listen: { webhook_listen: [`127.0.0.1:${port}`] },
    extra: { webhooks: { stripe: { secrets: ['hook'], deliver: { to: 'http://127.0.0.1:9' } } } },
  });
  const session = await new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port, ca: fs.readFileSync(authority.file), servername: 'localhost' }, () =>
      socket.write('POST /hooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}'));
    let session;
    let text = '';
    socket.on('session', (data) => (session = data));
    socket.on('data', (data) => {
      text += data;
      assert.match(text, /^HTTP\/1.1 503/); // its secret is nowhere
      socket.end();
    });
    socket.on('close', () => resolve(session));
    socket.on('error', (error) => !text && reject(error));
  });
  assert.ok(session);
  await assert.rejects(call(null, { session, headers: { 'x-sallyport-key': gateway.keys.keyed } }));
});

test('what the config may not say of certificates is told with its place', async (t) => {
  const { gateway, authority } = await worldFor(t);
  for (const [change, expected] of [
    [(c) => { delete c.gateway.tls.client_ca; }, /mtls\.san.*: no client shows a certificate; write gateway\.tls\.client_ca/],
    [(c) => { delete c.gateway.tls.client_ca; c.gateway.tls.require = true; for (const one of Object.values(c.tenants)) delete one.mtls; }, /whose certificates are to be required/],
    [(c) => { c.tenants.search.mtls.san = 'spiffe://corp/checkout'; }, /this name is listed already, for tenant "checkout"/],
    [(c) => { c.tenants.search.mtls.san = 'Search.Corp'; }, /no name of a certificate/],
    [(c) => { c.tenants.search.mtls.san = 'a b'; }, /no name of a certificate/],
    [(c) => { c.tenants.search.mtls = {}; }, /san is missing/],
    [(c) => { c.tenants.search.mtls.san = `spiffe://${'x'.repeat(600)}`; }, /longer than 508 bytes/],
    [(c) => { c.gateway.tls.client_ca = '/nowhere'; }, /client_ca: cannot use the file/],
  ]) {
    const config = structuredClone(gateway.config);
    change(config);
    const file = path.join(gateway.folder, 'other.yaml');
    fs.writeFileSync(file, JSON.stringify(config));
    const said = spawnSync(binary, ['check', '-c', file], { encoding: 'utf8' });
    assert.equal(said.status, 2, `${change}`);
    assert.match(said.stderr, expected);
  }
  assert.match(await gateway.reload((config) => { config.gateway.tls.client_ca = config.gateway.tls.key; }), /reload refused.*no usable certificate/);
  assert.ok(authority);
});
