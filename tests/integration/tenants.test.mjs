// Who may call what: slots of the profiles, allow rules, host routes; and what is stripped.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { gatewayFor } from '../support/gateway.mjs';
import { RawClient, upstreamFor } from '../support/wire.mjs';

const basic = (user, password) => 'Basic ' + Buffer.from(`${user}:${password}`).toString('base64');

test('the tenant key is found in every slot of the profile and in X-Sallyport-Key', async (t) => {
  const upstream = await upstreamFor(t);
  const routes = {};
  const secrets = {};
  for (const provider of ['openai', 'anthropic', 'stripe', 'github']) {
    routes[provider] = { upstream: upstream.port, credential: { secret: `${provider}-key` } };
    secrets[`${provider}-key`] = `real-${provider}-0123456789`;
  }
  const gateway = await gatewayFor(t, { routes, secrets });
  const key = gateway.key;
  const slots = {
    openai: [{ authorization: `Bearer ${key}` }, { 'x-sallyport-key': key }],
    anthropic: [{ 'x-api-key': key }, { authorization: `Bearer ${key}` }, { 'x-sallyport-key': key, 'x-api-key': 'placeholder' }],
    stripe: [{ authorization: `Bearer ${key}` }, { authorization: basic(key, '') }],
    github: [{ authorization: `Bearer ${key}` }, { authorization: `token ${key}` }, { authorization: basic('x', key) }],
  };
  for (const [provider, forms] of Object.entries(slots)) {
    for (const headers of forms) {
      const answer = await fetch(`${gateway.url}/${provider}/x`, { headers });
      assert.equal(answer.status, 200, `${provider} ${Object.keys(headers)}`);
      const { head } = upstream.requests.at(-1);
      assert.ok(head.includes(`real-${provider}-0123456789`), head);
      assert.ok(!head.includes(key) && !head.includes('placeholder'), head);
      assert.equal((head.match(/^(authorization|x-api-key):/gim) ?? []).length, 1);
    }
  }
});

test('keys of two tenants in one request are refused', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    routes: { openai: { upstream: upstream.port, credential: { secret: 'k' } } },
    secrets: { k: 'real-0123456789' },
    tenants: { app: { allow: ['openai'] }, other: { allow: ['openai'] } },
  });
  const answer = await fetch(`${gateway.url}/openai/x`, {
    headers: { authorization: `Bearer ${gateway.keys.app}`, 'x-sallyport-key': gateway.keys.other },
  });
  assert.equal(answer.status, 401);
  assert.equal(upstream.requests.length, 0);
});

test('allow rules: by route, method and path; nothing is allowed by default', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    routes: { api: { upstream: upstream.port, provider: 'http' }, other: { upstream: upstream.port, provider: 'http' } },
    tenants: { app: { allow: ['api:GET /v1/*', 'api:POST /v1/items', 'api:* /v2/*/parts'] } },
  });
  const cases = [
    ['GET', '/api/v1/x', 200], ['GET', '/api/v1/x/y', 200], ['GET', '/api/v2', 403],
    ['POST', '/api/v1/items', 200], ['POST', '/api/v1/items/7', 403], ['DELETE', '/api/v1/items', 403],
    ['PUT', '/api/v2/a/parts', 200], ['PUT', '/api/v2/a/b/parts', 403], ['POST', '/api/v1/%69tems', 200],
    ['GET', '/other/v1/x', 403], ['GET', '/api', 403],
  ];
  for (const [method, path, status] of cases) {
    const answer = await fetch(gateway.url + path, { method, headers: { 'x-sallyport-key': gateway.key } });
    assert.equal(answer.status, status, `${method} ${path}`);
    if (status === 403) assert.equal(answer.headers.get('x-sallyport-error'), 'route_not_allowed');
  }
});

test('host routes go before path routes, whatever the port and case', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    routes: {
      hosted: { upstream: upstream.port + '/from-host', provider: 'http', host: 'stripe.gw.internal' },
      v1: { upstream: upstream.port + '/from-path', provider: 'http' },
    },
  });
  for (const [host, path, expected] of [
    ['stripe.gw.internal', '/v1/x', '/from-host/v1/x'], ['Stripe.GW.internal:8443', '/v1/x', '/from-host/v1/x'],
    ['stripe.gw.internal.', '/v1/x', '/from-host/v1/x'], ['gw.internal', '/v1/x', '/from-path/x'],
  ]) {
    const client = await RawClient.connect(gateway.port);
    client.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nX-Sallyport-Key: ${gateway.key}\r\nConnection: close\r\n\r\n`);
    await client.untilClosed();
    assert.deepEqual(client.statuses(), [200]);
    assert.match(upstream.requests.at(-1).head, new RegExp(`^GET ${expected} `));
  }
});

test('carriers of credentials, hop-by-hop fields and overrides do not go upstream', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    routes: { api: { upstream: upstream.port, provider: 'http', headers: { set: { 'X-Set': 'by-config' }, drop: ['X-Debug'], pass: ['Cookie'] } } },
  });
  const stripped = ['X-Api-Key: a', 'Authorization: Bearer a', 'Proxy-Authorization: Basic a', 'Api-Key: a', 'X-Goog-Api-Key: a',
    'X-HTTP-Method-Override: DELETE', 'X-Original-URL: /admin', 'X-Rewrite-URL: /admin', 'X-Sallyport-Secret: a',
    'Keep-Alive: 5', 'Proxy-Connection: close', 'X-Hop: a', 'TE: gzip', 'X-Debug: 1', 'X-Set: by-caller'];
  const client = await RawClient.connect(gateway.port);
  client.send(['GET /api/x HTTP/1.1', 'Host: a', `X-Sallyport-Key: ${gateway.key}`, 'Connection: close, x-hop, te', 'Cookie: c=1', 'X-Kept: 1', ...stripped].join('\r\n') + '\r\n\r\n');
  await client.untilClosed();
  assert.deepEqual(client.statuses(), [200], client.text);
  const { head } = upstream.requests[0];
  const slots = ['x-api-key', 'authorization', 'proxy-authorization', 'x-http-method-override', 'x-original-url', 'x-rewrite-url',
    'x-sallyport-secret', 'x-sallyport-key', 'keep-alive', 'proxy-connection', 'connection', 'x-hop', 'te', 'x-debug'];
  for (const name of slots) assert.doesNotMatch(head, new RegExp(`^${name}:`, 'im'));
  assert.match(head, /^cookie: c=1\r$/im);
  assert.match(head, /^x-kept: 1\r$/im);
  assert.deepEqual(head.match(/^x-set:.*$/gim), ['X-Set: by-config']);
});

test('TRACE is refused, and so is what no key was given for', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, { routes: { api: { upstream: upstream.port, provider: 'http' } } });
  const client = await RawClient.connect(gateway.port);
  client.send(`TRACE /api/x HTTP/1.1\r\nHost: a\r\nX-Sallyport-Key: ${gateway.key}\r\nConnection: close\r\n\r\n`);
  await client.untilClosed();
  assert.deepEqual(client.statuses(), [405]);
  assert.equal(upstream.requests.length, 0);
});
