// Pins of an upstream's public key, and the certificate that the gateway shows to it.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';

import { authorityFor } from '../support/certificates.mjs';
import { gatewayFor, sallyport, temporaryFolder } from '../support/gateway.mjs';

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

function pinOf(cert) {
  const der = new crypto.X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256/${crypto.createHash('sha256').update(der).digest('base64')}`;
}

async function secureServer(t, options) {
  const seen = { requests: 0, connections: 0, clients: [] };
  const server = tls.createServer(options, (socket) => {
    seen.clients.push(socket.getPeerCertificate()?.fingerprint256 ?? '');
    socket.on('error', () => {});
    socket.on('data', () => (seen.requests++, socket.write(ok)));
  });
  server.on('tlsClientError', () => {});
  server.on('connection', () => seen.connections++);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return Object.assign(seen, { server, port: server.address().port });
}

const at = (server, tlsKeys, more = {}) => ({
  provider: 'http', credential: 'none', base_url: `https://127.0.0.1:${server.port}`, tls: tlsKeys, ...more });

async function call(gateway, route, options = {}) {
  const answer = await fetch(`${gateway.url}/${route}/x`, { headers: { 'x-sallyport-key': gateway.key }, ...options });
  const body = await answer.text();
  const line = await gateway.logLine(answer.headers.get('x-sallyport-request-id'));
  return { status: answer.status, code: answer.headers.get('x-sallyport-error'), body, reason: line.reason ?? '' };
}

function folderFor(t) {
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  return (name, bytes) => {
    fs.writeFileSync(path.join(folder, name), bytes);
    return path.join(folder, name);
  };
}

const fingerprint = (cert) => new crypto.X509Certificate(cert).fingerprint256;
const other = 'sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=';

test('a pin has to fit, next to the chain and not in its place', async (t) => {
  const authority = authorityFor(t);
  const certificate = authority.sign('IP:127.0.0.1');
  const server = await secureServer(t, certificate);
  const ca = authority.file;
  const pin = pinOf(certificate.cert);
  const gateway = await gatewayFor(t, {
    routes: {
      right: at(server, { ca, pin: [pin] }),
      one: at(server, { ca, pin: pin }),
      among: at(server, { ca, pin: [other, pin] }),
      wrong: at(server, { ca, pin: [other] }, { retry: { attempts: 3, base: '10ms' }, breaker: { consecutive: 2, open: '1m' } }),
      unknown: at(server, { pin: [pin] }),
      free: at(server, { ca }),
    },
    gateway: { workers: 1 },
  });
  for (const route of ['right', 'one', 'among']) assert.equal((await call(gateway, route)).status, 200, route);
  const { requests, connections } = server;
  for (let i = 0; i < 2; i++) {
    const { status, code, body, reason } = await call(gateway, 'wrong', { method: 'POST', body: 'x' });
    assert.deepEqual([status, code], [502, 'upstream_unreachable']);
    assert.match(reason, /the public key of 127\.0\.0\.1 is none of routes\.NAME\.tls\.pin/);
    assert.doesNotMatch(body, /127\.0\.0\.1|pin/, 'the caller is not shown internals');
  }
  assert.equal(server.connections, connections + 2, 'trying again does not mend it');
  assert.equal((await call(gateway, 'wrong')).code, 'circuit_open', 'they are failures to connect');
  const unknown = await call(gateway, 'unknown');
  assert.equal(unknown.status, 502);
  assert.match(unknown.reason, /certificate of 127\.0\.0\.1 does not verify/);
  assert.equal(server.requests, requests, 'nothing was sent');
});

test('connections and sessions are not shared with routes that have other pins', async (t) => {
  const authority = authorityFor(t);
  const certificate = authority.sign('IP:127.0.0.1');
  const server = await secureServer(t, certificate);
  const ca = authority.file;
  const gateway = await gatewayFor(t, {
    routes: { free: at(server, { ca }), pinned: at(server, { ca, pin: [other] }) }, gateway: { workers: 1 },
  });
  for (let i = 0; i < 3; i++) {
    assert.equal((await call(gateway, 'free')).status, 200);
    assert.equal((await call(gateway, 'pinned')).status, 502, 'a resumed session is looked at, too');
  }
  assert.equal(server.requests, 3);
});

test('the certificate is shown where it is asked for, by the routes that have it', async (t) => {
  const authority = authorityFor(t);
  const clients = authorityFor(t);
  const file = folderFor(t);
  const server = await secureServer(t, {
    ...authority.sign('IP:127.0.0.1'), ca: fs.readFileSync(clients.file), requestCert: true, rejectUnauthorized: true,
  });
  const make = (name, by) => {
    const { cert, key } = by.sign(`DNS:${name}`);
    return { print: fingerprint(cert), ca: authority.file, cert: file(`${name}.crt`, cert), key: file(`${name}.key`, key) };
  };
  const [a, b, stranger] = [make('a', clients), make('b', clients), make('stranger', authority)];
  const keys = ({ ca, cert, key }) => ({ ca, cert, key });
  const gateway = await gatewayFor(t, {
    routes: {
      a: at(server, keys(a)), b: at(server, keys(b)), none: at(server, { ca: authority.file }), stranger: at(server, keys(stranger)),
    },
    gateway: { workers: 1 },
  });
  for (const route of ['a', 'b', 'a', 'b']) assert.equal((await call(gateway, route)).status, 200, route);
  assert.deepEqual(server.clients, [a.print, b.print], 'each has connections of its own');
  for (const route of ['none', 'stranger']) {
    const { status, code, reason } = await call(gateway, route);
    assert.deepEqual([status, code], [502, 'upstream_unreachable'], route);
    // Its alert is in the sentence, unless the connection's reset came before it.
    assert.match(reason, /127\.0\.0\.1 (closed the connection (without an answer|behind the TLS)|ended the TLS session; its alert says: .)/);
  }
  assert.equal(server.requests, 4);
});

test('files that have changed count after a reload; one that is no use is said', async (t) => {
  const authority = authorityFor(t);
  const file = folderFor(t);
  const server = await secureServer(t, {
    ...authority.sign('IP:127.0.0.1'), ca: fs.readFileSync(authority.file), requestCert: true, rejectUnauthorized: true,
  });
  const [old, fresh] = [authority.sign('DNS:old'), authority.sign('DNS:fresh')];
  const cert = file('client.crt', old.cert);
  const key = file('client.key', old.key);
  const gateway = await gatewayFor(t, {
    routes: { api: at(server, { ca: authority.file, cert, key }) }, gateway: { workers: 1 },
  });
  assert.equal((await call(gateway, 'api')).status, 200);
  file('client.crt', fresh.cert);
  file('client.key', fresh.key);
  assert.match(await gateway.reload(), /reloaded/);
  assert.equal((await call(gateway, 'api')).status, 200);
  assert.deepEqual(server.clients, [fingerprint(old.cert), fingerprint(fresh.cert)]);

  file('client.key', old.key);
  const said = await gateway.reload();
  assert.match(said, /reload\s+refused.*routes\.api\.tls\.cert: .*client\.key: no usable key for .*client\.crt/s);
  const { status, reason } = await call(gateway, 'api');
  assert.equal(status, 200, 'the kept connection is still good');
  assert.equal(reason, '');
});

test('what a config may say of them', async (t) => {
  const authority = authorityFor(t);
  const file = folderFor(t);
  const { cert, key } = authority.sign('DNS:client');
  const certFile = file('client.crt', cert);
  const keyFile = file('client.key', key);
  const locked = file('locked.key', crypto.createPrivateKey(key).export({
    type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }));
  const check = (tlsKeys, base_url = 'https://x.example.com') => {
    const config = file('config.json', JSON.stringify({
      version: 1, routes: { api: { provider: 'http', credential: 'none', base_url, tls: tlsKeys } },
    }));
    try {
      return sallyport(['check', '-c', config], { stdio: 'pipe' });
    } catch (error) {
      return error.stderr;
    }
  };
  assert.doesNotMatch(check({ cert: certFile, key: keyFile, pin: [other] }), /api/);
  for (const [tlsKeys, why, base_url] of [
    [{ cert: certFile }, /tls\.cert: a certificate is shown with the private key to it; write key: FILE, too/],
    [{ key: keyFile }, /tls\.key: .*write cert: FILE, too/],
    [{ cert: certFile, key: authority.key }, /tls\.cert: .*no usable key for/],
    [{ cert: certFile, key: locked }, /tls\.cert: .*no usable key for .*without a passphrase/],
    [{ cert: keyFile, key: keyFile }, /tls\.cert: .*no usable certificate/],
    [{ cert: certFile, key: keyFile }, /tls\.cert: base_url is plain http/, 'http://x.example.com'],
    [{ pin: [other] }, /tls\.pin: base_url is plain http/, 'http://x.example.com'],
    [{ pin: [] }, /tls\.pin: there are 0 pins; write 1 to 16/],
    [{ pin: ['sha256/abc'] }, /tls\.pin\[0\]: "sha256\/abc" is no pin; write sha256\/ and the SHA-256/],
    [{ pin: [other.replace('sha256/', 'sha1/')] }, /tls\.pin\[0\]: .* is no pin/],
    [{ pin: [other.replace('U=', 'V=')] }, /tls\.pin\[0\]: .* is no pin/],
  ]) {
    assert.match(check(tlsKeys, base_url), why);
  }
});
