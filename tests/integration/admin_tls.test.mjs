// The admin listener over TLS: what it serves, what it refuses, new certificates in a reload, and the
// commands that ask it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';

import { ask, bearer } from '../support/admin.mjs';
import { authorityFor } from '../support/certificates.mjs';
import { Child, Gateway, binary, freePort, sleep, until } from '../support/gateway.mjs';

const TOKEN = 'a-token-that-may-do-all-0123456789abcdef';
const READ_TOKEN = 'a-token-that-only-reads-0123456789abcdef';
const address = Object.values(os.networkInterfaces()).flat().find((one) => one.family === 'IPv4' && !one.internal)?.address;

const serial = (port) => new Promise((resolve, reject) => {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
    resolve(socket.getPeerCertificate().serialNumber);
    socket.destroy();
  });
  socket.on('error', reject);
});

async function start(t, { names = 'DNS:localhost,DNS:gw.internal,IP:127.0.0.1', admin = {}, host = '127.0.0.1' } = {}) {
  const authority = authorityFor(t);
  const adminPort = await freePort();
  const [cert, key] = ['admin.crt', 'admin.key'].map((name) => path.join(authority.folder, name));
  const renew = () => {
    const pair = authority.sign(names);
    fs.writeFileSync(cert, pair.cert);
    fs.writeFileSync(key, pair.key);
  };
  renew();
  const gateway = await Gateway.start({
    admin: { listen: `${host}:${adminPort}`, tls: { cert, key, ca: authority.file }, ...admin },
    adminPort, adminCa: fs.readFileSync(authority.file),
    secrets: { 'admin-token': TOKEN, 'read-token': READ_TOKEN },
  });
  t.after(() => gateway.stop());
  return { gateway, renew, cert, key, authority };
}

const run = (gateway, ...args) => spawnSync(binary, [...args, '-c', gateway.file], {
  encoding: 'utf8', cwd: gateway.folder,
  env: { ...process.env, SALLYPORT_SECRET_ADMIN_TOKEN: TOKEN, SALLYPORT_SECRET_READ_TOKEN: READ_TOKEN },
});

test('pages come whole over TLS, plain HTTP and old versions do not', async (t) => {
  const { gateway } = await start(t);
  assert.equal((await gateway.ask('/livez')).body, 'alive\n');
  const metrics = await gateway.ask('/metrics');
  assert.equal(Buffer.byteLength(metrics.body), Number(metrics.headers['content-length']));
  assert.ok(metrics.body.length > 5000);
  await assert.rejects(ask({ port: gateway.adminPort, path: '/livez' }));
  const old = tls.connect({ port: gateway.adminPort, host: '127.0.0.1', rejectUnauthorized: false, maxVersion: 'TLSv1.1', minVersion: 'TLSv1',
    ciphers: 'DEFAULT@SECLEVEL=0' });
  await assert.rejects(new Promise((resolve, reject) => old.on('secureConnect', resolve).on('error', reject)));
});

test('a reload takes new certificates, and refuses broken ones', async (t) => {
  const { gateway, renew, cert, key } = await start(t);
  assert.equal(await serial(gateway.adminPort), '01');
  renew();
  assert.match(await gateway.reload(() => {}), /reloaded/);
  assert.equal(await serial(gateway.adminPort), '02');
  fs.writeFileSync(key, 'no key');
  assert.match(await gateway.reload(() => {}), /refused.*admin\.tls.*no usable key/s);
  assert.equal(await serial(gateway.adminPort), '02');
  renew();
  assert.match(await gateway.reload((config) => delete config.admin.tls), /refused.*admin\.tls cannot change/);
  assert.match(await gateway.reload((config) => (config.admin.tls = { cert, key })), /reloaded/);
});

test('one that has asked for a reload over TLS has its answer, by the old certificate', async (t) => {
  const { gateway, renew } = await start(t, { admin: { token: { secret: 'admin-token' } } });
  for (let i = 2; i < 6; i++) {
    renew();
    const answer = await gateway.ask('/api/v1/reload', { method: 'POST', headers: bearer(TOKEN) });
    assert.equal(answer.status, 200);
    assert.equal(JSON.parse(answer.body).generation, i);
    assert.equal(await serial(gateway.adminPort), `0${i}`);
  }
});

test('who stops in the middle of a handshake or a request holds up nobody', async (t) => {
  const { gateway } = await start(t);
  const sockets = [];
  for (let i = 0; i < 20; i++) {
    const socket = net.connect(gateway.adminPort, '127.0.0.1');
    socket.on('error', () => {});
    if (i % 2) socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02]));
    sockets.push(socket);
  }
  for (let i = 0; i < 10; i++) {
    const socket = tls.connect({ port: gateway.adminPort, host: '127.0.0.1', rejectUnauthorized: false }, () => socket.write('GET /livez'));
    socket.on('error', () => {});
    sockets.push(socket);
  }
  await sleep(200);
  assert.equal((await gateway.ask('/livez')).status, 200);
  for (const socket of sockets) socket.destroy();
  await sleep(100);
  assert.equal((await gateway.ask('/livez')).status, 200);
});

test('the commands trust the authority of the config, and the name that it says', async (t) => {
  const { gateway, authority } = await start(t, { admin: { hosts: ['gw.internal'] } });
  const shown = run(gateway, 'breakers', '--json');
  assert.equal(shown.status, 0, shown.stderr);
  assert.ok(JSON.parse(shown.stdout).breakers);
  assert.equal(run(gateway, 'breakers', 'reset').status, 0);

  const other = (change) => {
    const config = structuredClone(gateway.config);
    change(config.admin);
    const file = path.join(gateway.folder, 'other.yaml');
    fs.writeFileSync(file, JSON.stringify(config));
    return run({ file, folder: gateway.folder }, 'breakers');
  };
  const stranger = authorityFor(t);
  for (const change of [(admin) => (admin.hosts = ['other.internal']), (admin) => (admin.tls.ca = stranger.file), (admin) => delete admin.tls.ca]) {
    const refused = other(change);
    assert.equal(refused.status, 1, refused.stdout);
    assert.match(refused.stderr, /not trusted.*admin\.tls\.ca/);
  }
  assert.ok(fs.existsSync(authority.file));
});

test('off loopback the commands bring a token, from a secret', { skip: address === undefined && 'there is no other address' }, async (t) => {
  const admin = { token: { secret: 'admin-token' }, read_token: { secret: 'read-token' } };
  const { gateway } = await start(t, { names: `IP:${address},DNS:localhost`, host: '0.0.0.0', admin });
  const config = structuredClone(gateway.config);
  config.admin.listen = `${address}:${gateway.adminPort}`;
  const file = path.join(gateway.folder, 'remote.yaml');
  fs.writeFileSync(file, JSON.stringify(config));
  const shown = run({ file, folder: gateway.folder }, 'breakers');
  assert.equal(shown.status, 0, shown.stderr);
  assert.equal(run({ file, folder: gateway.folder }, 'breakers', 'reset').status, 0);
  const reads = spawnSync(binary, ['breakers', '-c', file], {
    encoding: 'utf8', cwd: gateway.folder, env: { ...process.env, SALLYPORT_SECRET_READ_TOKEN: READ_TOKEN } });
  assert.equal(reads.status, 0, reads.stderr);
  const nothing = spawnSync(binary, ['breakers', '-c', file], { encoding: 'utf8', cwd: gateway.folder, env: { PATH: process.env.PATH } });
  assert.equal(nothing.status, 1);
  assert.match(nothing.stderr, /secret/);
});

test('over a unix socket', async (t) => {
  const gateway = await Gateway.start();
  t.after(() => gateway.stop());
  const socketPath = path.join(gateway.folder, 'admin.sock');
  const config = structuredClone(gateway.config);
  config.admin.listen = `unix:${socketPath}`;
  config.gateway.listen = [`127.0.0.1:${await freePort()}`];
  const file = path.join(gateway.folder, 'unix.yaml');
  fs.writeFileSync(file, JSON.stringify(config));
  const second = new Child(['run', '-c', file], { cwd: gateway.folder });
  t.after(() => second.stop());
  await until('it serves', () => second.stderr.includes('serving:'));
  assert.equal((await ask({ socketPath, path: '/metrics', headers: { host: 'localhost' } })).status, 200);
  assert.equal((await ask({ socketPath, path: '/api/v1/reload', method: 'POST', headers: { host: 'localhost' } })).status, 401);
  const shown = run({ file, folder: gateway.folder }, 'breakers', 'reset');
  assert.equal(shown.status, 0, shown.stderr);
});
