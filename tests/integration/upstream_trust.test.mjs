// Whom the gateway believes, and by which way it goes: certificates always verify, and no proxy of
// the environment's is used.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';

import { authorityFor } from '../support/certificates.mjs';
import { gatewayFor, temporaryFolder } from '../support/gateway.mjs';
import { upstreamFor } from '../support/wire.mjs';

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

async function secureServer(t, certificate) {
  const seen = { requests: 0, connections: 0 };
  const server = tls.createServer(certificate, (socket) => {
    socket.on('error', () => {});
    socket.on('data', () => (seen.requests++, socket.write(ok)));
  });
  server.on('tlsClientError', () => {});
  server.on('connection', () => seen.connections++);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return Object.assign(seen, { port: server.address().port });
}

async function call(gateway, route) {
  const answer = await fetch(`${gateway.url}/${route}/x`, { headers: { 'x-sallyport-key': gateway.key } });
  const body = await answer.text();
  const line = await gateway.logLine(answer.headers.get('x-sallyport-request-id'));
  return { status: answer.status, code: answer.headers.get('x-sallyport-error'), body, reason: line.reason ?? '' };
}

test('certificates of upstreams: own CA, no known CA, another CA, another name', async (t) => {
  const authority = authorityFor(t);
  const other = authorityFor(t);
  const right = await secureServer(t, authority.sign('IP:127.0.0.1'));
  const misnamed = await secureServer(t, authority.sign('DNS:other.test'));
  const route = (server, ca) => ({
    provider: 'http', base_url: `https://127.0.0.1:${server.port}`, ...(ca && { tls: { ca } }) });
  const gateway = await gatewayFor(t, {
    routes: {
      right: route(right, authority.file),
      unknown: route(right),
      wrong: route(right, other.file),
      misnamed: route(misnamed, authority.file),
    },
  });
  assert.deepEqual(await call(gateway, 'right'), { status: 200, code: null, body: 'ok', reason: '' });
  assert.equal(right.requests, 1);
  for (const [name, why] of [
    ['unknown', /certificate of 127\.0\.0\.1 does not verify: .*issuer.*tls\.ca/],
    ['wrong', /certificate of 127\.0\.0\.1 does not verify: .*issuer.*tls\.ca/],
    ['misnamed', /certificate of 127\.0\.0\.1 does not verify: .*127\.0\.0\.1/],
  ]) {
    const { status, code, body, reason } = await call(gateway, name);
    assert.equal(status, 502, name);
    assert.equal(code, 'upstream_unreachable');
    assert.match(reason, why);
    assert.doesNotMatch(body, /127\.0\.0\.1|tls\.ca/, 'the caller is not shown internals');
  }
  assert.equal(right.requests, 1);
  assert.equal(misnamed.requests, 0);
  assert.equal(misnamed.connections, 1, 'trying again does not mend a certificate');
  assert.deepEqual((await call(gateway, 'right')).status, 200);
});

test('a CA file that is changed counts for the next connection', async (t) => {
  const [first, second] = [authorityFor(t), authorityFor(t)];
  const server = await secureServer(t, second.sign('IP:127.0.0.1'));
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const ca = path.join(folder, 'ca.pem');
  fs.copyFileSync(first.file, ca);
  const gateway = await gatewayFor(t, {
    routes: { api: { provider: 'http', base_url: `https://127.0.0.1:${server.port}`, tls: { ca } } }, gateway: { workers: 1 } });
  assert.equal((await call(gateway, 'api')).status, 502);
  fs.copyFileSync(second.file, ca);
  assert.equal((await call(gateway, 'api')).status, 200);
});

test("the environment's proxies are not used", async (t) => {
  const authority = authorityFor(t);
  const proxy = await upstreamFor(t, () => ok);
  const plain = await upstreamFor(t, () => ok);
  const secure = await secureServer(t, authority.sign('DNS:localhost'));
  const env = { no_proxy: '', NO_PROXY: '' };
  for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY']) {
    env[name] = `http://127.0.0.1:${proxy.port}`;
  }
  const gateway = await gatewayFor(t, {
    env,
    routes: {
      address: { provider: 'http', upstream: plain.port },
      name: { provider: 'http', base_url: `http://localhost:${plain.port}` },
      tls: { provider: 'http', base_url: `https://localhost:${secure.port}`, tls: { ca: authority.file } },
    },
  });
  for (const route of ['address', 'name', 'tls']) {
    assert.equal((await call(gateway, route)).status, 200, route);
  }
  assert.equal(plain.requests.length, 2);
  assert.equal(secure.requests, 1);
  assert.equal(proxy.connections, 0);
});
