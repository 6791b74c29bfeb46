// Upstreams that are reached by a proxy: tunnels for https and http, its login, what it refuses, and
// what may be reached by it.
import assert from 'node:assert/strict';
import tls from 'node:tls';
import { test } from 'node:test';

import { cloudStoresFor } from '../support/cloud_stores.mjs';
import { authorityFor } from '../support/certificates.mjs';
import { freePort, gatewayFor } from '../support/gateway.mjs';
import { http2For } from '../support/http2.mjs';
import { proxyFor } from '../support/proxy.mjs';
import { receiverFor } from '../support/receiver.mjs';
import { hooksFor, post, sign } from '../support/webhooks.mjs';
import { upstreamFor } from '../support/wire.mjs';

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const login = 'corp:s3cr3t-of-the-proxy';
const encoded = Buffer.from(login).toString('base64');

async function secureServer(t, certificate) {
  const seen = { requests: [] };
  const server = tls.createServer(certificate, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => (seen.requests.push(String(data)), socket.write(ok)));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return Object.assign(seen, { port: server.address().port });
}

async function call(gateway, route, options = {}) {
  const answer = await fetch(`${gateway.url}/${route}/x`, { headers: { 'x-sallyport-key': gateway.key }, ...options });
  const body = await answer.text();
  const line = await gateway.logLine(answer.headers.get('x-sallyport-request-id'));
  return { status: answer.status, code: answer.headers.get('x-sallyport-error'), body, reason: line.reason ?? '' };
}

const http = (base_url, more = {}) => ({ provider: 'http', credential: 'none', base_url, retry: { attempts: 1 }, breaker: 'off', ...more });

function assertNoLogin(gateway) {
  const said = [gateway.stderr, JSON.stringify(gateway.accessLog())].join('\n');
  assert.ok(!said.includes('s3cr3t-of-the-proxy') && !said.includes(encoded), 'the login is in a log');
}

test('https and http upstreams are reached by tunnels; kept ones are used again', async (t) => {
  const authority = authorityFor(t);
  const secure = await secureServer(t, authority.sign('DNS:api.example.com'));
  const plain = await upstreamFor(t, () => ok);
  const proxy = await proxyFor(t, { login, map: { 'api.example.com:443': secure.port } });
  const gateway = await gatewayFor(t, {
    gateway: { workers: 1 },
    routes: {
      secure: http('https://api.example.com', { tls: { ca: authority.file } }),
      plain: http(`http://plain.example.com:${plain.port}`),
      direct: http(`http://127.0.0.1:${plain.port}`, { proxy: 'none' }),
    },
    env: { PROXY: `http://${login}@127.0.0.1:${proxy.port}`, no_proxy: '*', NO_PROXY: '*' },
    extra: { egress: { allow_private: ['127.0.0.0/8'], proxy: '${env:PROXY}' } },
  });
  for (let i = 0; i < 3; i++) {
    assert.equal((await call(gateway, 'secure')).status, 200);
    assert.equal((await call(gateway, 'plain', { method: 'POST', body: 'x' })).status, 200);
  }
  assert.equal((await call(gateway, 'direct')).status, 200);
  assert.deepEqual(proxy.heads.map((head) => head.split(' HTTP')[0]).sort(),
    ['CONNECT api.example.com:443', `CONNECT plain.example.com:${plain.port}`]);
  for (const head of proxy.heads) {
    assert.match(head, new RegExp(`\r\nproxy-authorization: Basic ${encoded}\r\n`, 'i'));
    assert.doesNotMatch(head, /x-sallyport|user-agent/i, 'the proxy learns no more than it needs');
  }
  assert.match(plain.requests[0].head, /^POST \/x HTTP\/1\.1\r\n/);
  for (const request of [...plain.requests.map((one) => one.head), ...secure.requests]) {
    assert.doesNotMatch(request, /proxy/i, 'the login stays with the proxy');
  }
  assertNoLogin(gateway);
});

test('a route has a proxy of its own, with its login in a secret; connections are not shared with others', async (t) => {
  const plain = await upstreamFor(t, () => ok);
  const [first, second, third] = [await proxyFor(t), await proxyFor(t, { login }), await proxyFor(t)];
  const url = `http://x.example.com:${plain.port}`;
  const gateway = await gatewayFor(t, {
    gateway: { workers: 1 },
    secrets: { 'proxy-login': login, odd: 'no colon in it' },
    routes: {
      usual: http(url),
      other: http(url, { proxy: `http://127.0.0.1:${third.port}` }),
      own: http(url, { proxy: `http://127.0.0.1:${second.port}`, proxy_credential: { secret: 'proxy-login' } }),
      odd: http(url, { proxy: `http://127.0.0.1:${second.port}`, proxy_credential: { secret: 'odd' } }),
      missing: http(url, { proxy: `http://127.0.0.1:${second.port}`, proxy_credential: { secret: 'not-there' } }),
    },
    extra: { egress: { proxy: `http://127.0.0.1:${first.port}` } },
  });
  for (const route of ['usual', 'own', 'other', 'usual', 'own', 'other']) assert.equal((await call(gateway, route)).status, 200, route);
  assert.equal(first.connections, 1);
  assert.equal(second.connections, 1);
  assert.equal(third.connections, 1);
  for (const [route, secret] of [['odd', 'odd'], ['missing', 'not-there']]) {
    const { status, code, reason } = await call(gateway, route);
    assert.deepEqual([status, code], [502, 'upstream_unreachable'], route);
    assert.match(reason, new RegExp(`the secret ${secret} for the proxy 127\\.0\\.0\\.1:${second.port} is not there, or is no user:password`));
  }
  assert.equal(second.connections, 1, 'a proxy whose login is missing is not asked');
  assertNoLogin(gateway);
});

test('a store of secrets and the endpoint of its token are reached by the proxy that it has', async (t) => {
  const cloud = await cloudStoresFor(t);
  cloud.secrets['openai-key'] = ['value-in-the-cloud'];
  const [usual, own] = [await proxyFor(t), await proxyFor(t, { login })];
  const upstream = await upstreamFor(t, () => ok);
  const place = new URL(cloud.url).host;
  const gateway = await gatewayFor(t, {
    gateway: { workers: 1 },
    secrets: { 'cloud-key': cloud.serviceAccount },
    env: { PROXY: `http://${login}@127.0.0.1:${own.port}` },
    routes: { api: { upstream: upstream.port, provider: 'http', proxy: 'none', credential: { secret: 'openai-key' }, inject: { header: 'Authorization', value: 'Bearer {secret}' } } },
    extra: {
      egress: { allow_private: ['127.0.0.0/8'], proxy: `http://127.0.0.1:${usual.port}` },
      secrets: [{ type: 'env' }, { type: 'gcp-secret-manager', url: cloud.url, ca: cloud.ca, project: 'my-project', token_url: `${cloud.url}/token`, credential: { secret: 'cloud-key' }, proxy: '${env:PROXY}' }],
    },
  });
  assert.equal((await call(gateway, 'api')).status, 200, gateway.stderr);
  assert.match(upstream.requests[0].head, /^authorization: Bearer value-in-the-cloud\r$/im);
  assert.equal(usual.connections, 0);
  assert.ok(own.heads.length >= 2, 'the token and the secret');
  for (const head of own.heads) assert.ok(head.startsWith(`CONNECT ${place} `), head);
  assertNoLogin(gateway);
});

test('a webhook is delivered by the proxy that its target has', async (t) => {
  const receiver = await receiverFor(t);
  const [usual, own] = [await proxyFor(t), await proxyFor(t, { login })];
  const secret = 'whsec_test_secret';
  const gateway = await hooksFor(t, {
    stripe: { provider: 'stripe', secrets: ['stripe-hook'], deliver: { to: `http://billing.example.com:${receiver.port}/in`, proxy: `http://127.0.0.1:${own.port}`, proxy_credential: { secret: 'proxy-login' } } },
  }, { secrets: { 'stripe-hook': secret, 'proxy-login': login }, extra: { egress: { proxy: `http://127.0.0.1:${usual.port}` } } });
  const body = JSON.stringify({ id: 'evt_1', type: 'invoice.paid' });
  assert.equal((await post(gateway, '/hooks/stripe', body, sign.stripe(secret, body))).status, 200);
  const [request] = await receiver.until('/in');
  assert.equal(request.body.toString(), body);
  assert.equal(usual.connections, 0);
  assert.deepEqual(own.heads.map((head) => head.split(' HTTP')[0]), [`CONNECT billing.example.com:${receiver.port}`]);
  assertNoLogin(gateway);
});

test('what a proxy refuses, and one that is not there', async (t) => {
  const plain = await upstreamFor(t, () => ok);
  const wants = await proxyFor(t, { login });
  const refuses = await proxyFor(t, { refuse: 403 });
  const fails = await proxyFor(t, { refuse: 502 });
  const url = `http://x.example.com:${plain.port}`;
  const at = (port, user = '') => ({ proxy: `http://${user}127.0.0.1:${port}` });
  const gateway = await gatewayFor(t, {
    routes: {
      without: http(url, at(wants.port)),
      wrong: http(url, at(wants.port, 'corp:s3cr3t-of-the-proxy-once@')),
      refused: http(url, at(refuses.port)),
      failed: http(url, at(fails.port)),
      away: http(url, at(await freePort())),
    },
  });
  for (const [route, why] of [
    ['without', /proxy 127\.0\.0\.1:\d+ wants other credentials \(407\); correct/],
    ['wrong', /proxy 127\.0\.0\.1:\d+ wants other credentials \(407\); correct/],
    ['refused', /proxy 127\.0\.0\.1:\d+ refuses a tunnel to x\.example\.com, port \d+ \(403\); allow CONNECT/],
    ['failed', /proxy 127\.0\.0\.1:\d+ has no tunnel to x\.example\.com, port \d+: it answers 502/],
    ['away', /cannot connect to the proxy 127\.0\.0\.1:\d+: Connection refused/],
  ]) {
    const { status, code, body, reason } = await call(gateway, route, { method: 'POST', body: 'x' });
    assert.deepEqual([status, code], [502, 'upstream_unreachable'], route);
    assert.match(reason, why);
    assert.doesNotMatch(body, /proxy|127\.0\.0\.1/, 'the caller is not shown internals');
  }
  assert.equal(plain.requests.length, 0);
  assertNoLogin(gateway);
});

test('a refusal is no reason to try again; a proxy that fails is', async (t) => {
  const refuses = await proxyFor(t, { refuse: 403 });
  const fails = await proxyFor(t, { refuse: 503 });
  const retry = { attempts: 3, base: '10ms', budget: '100%' };
  const gateway = await gatewayFor(t, {
    routes: {
      refused: http('https://x.example.com', { proxy: `http://127.0.0.1:${refuses.port}`, retry }),
      failed: http('https://x.example.com', { proxy: `http://127.0.0.1:${fails.port}`, retry }),
    },
  });
  for (const route of ['refused', 'failed']) {
    assert.equal((await call(gateway, route, { method: 'POST', body: 'x' })).status, 502);
  }
  assert.equal(refuses.connections, 1);
  assert.equal(fails.connections, 3);
});

test('literal private addresses and localhost are refused by a proxy, too', async (t) => {
  const plain = await upstreamFor(t, () => ok);
  const proxy = await proxyFor(t);
  const hosts = ['127.0.0.1', '10.0.0.1', '169.254.169.254', '[::1]', '[fd00::1]', '[::ffff:127.0.0.1]', 'localhost', 'a.localhost'];
  const gateway = await gatewayFor(t, {
    routes: Object.fromEntries(hosts.map((host, i) => [`r${i}`, http(`http://${host}:${plain.port}`)])),
    extra: { egress: { proxy: `http://127.0.0.1:${proxy.port}` } },
  });
  for (const [i, host] of hosts.entries()) {
    const { status, code, reason } = await call(gateway, `r${i}`);
    assert.deepEqual([status, code], [502, 'egress_refused'], host);
    assert.match(reason, /is no host that routes may reach, by a proxy neither; add its network to egress\.allow_private/);
  }
  assert.equal(proxy.connections, 0, 'nobody was asked');
  await gateway.reload((config) => (config.egress.allow_private = ['127.0.0.0/8']));
  for (const name of ['127.0.0.1', 'localhost']) {
    assert.equal((await call(gateway, `r${hosts.indexOf(name)}`)).status, 200, name);
  }
  assert.equal((await call(gateway, `r${hosts.indexOf('10.0.0.1')}`)).code, 'egress_refused');
});

test('a proxy that hangs is left after timeouts.connect', async (t) => {
  const silent = await upstreamFor(t, () => undefined);
  const gateway = await gatewayFor(t, {
    routes: { api: http('https://x.example.com', { proxy: `http://127.0.0.1:${silent.port}`, timeouts: { connect: '300ms' } }) },
  });
  const { status, code } = await call(gateway, 'api');
  assert.deepEqual([status, code], [504, 'upstream_timeout']);
});

test('the config as it is shown has no password of a proxy', async (t) => {
  const gateway = await gatewayFor(t, {
    routes: { api: http('https://x.example.com', { proxy: `http://${login}@127.0.0.1:1` }) },
    extra: { egress: { proxy: `http://${login}@127.0.0.1:2` } },
  });
  const shown = (await gateway.ask('/api/v1/config')).body;
  assert.match(JSON.stringify(shown), /http:\/\/\*\*\*@127\.0\.0\.1:2/);
  assert.doesNotMatch(JSON.stringify(shown), /s3cr3t/);
  for (const [proxy, why] of [
    [`https://${login}@x`, /a proxy is reached over http; write http:\/\/HOST:PORT/],
    [`http://corp@x`, /before the '@' stands USER:PASSWORD/],
    [`http://${login}@x/y`, /a proxy has no path/],
    [`http://${login}%zz@x`, /not percent-encoded well/],
  ]) {
    const said = await gateway.reload((config) => (config.egress.proxy = proxy));
    assert.match(said, why);
    assert.doesNotMatch(said, /s3cr3t/);
  }
});

test('HTTP/2 goes through a tunnel, too', async (t) => {
  const upstream = await http2For(t, (stream) => (stream.respond({ ':status': 200 }), stream.end('ok')));
  const proxy = await proxyFor(t, { login });
  const gateway = await gatewayFor(t, {
    gateway: { workers: 1 },
    routes: { api: upstream.route({ proxy: `http://${login}@127.0.0.1:${proxy.port}` }) },
  });
  for (let i = 0; i < 3; i++) assert.equal((await call(gateway, 'api')).status, 200);
  assert.equal(proxy.heads.length, 1);
  assert.doesNotMatch(JSON.stringify(upstream.requests[0].headers), /proxy/i);
  assertNoLogin(gateway);
});
