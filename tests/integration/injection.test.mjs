// The ways in which a credential is put in: header, query, path, Basic, body; and what cannot be sent.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { binary, gatewayFor } from '../support/gateway.mjs';
import { upstreamFor } from '../support/wire.mjs';

const secret = 'k/y+0123456789 =&abcdef';

function start(t, upstream, inject, value = secret) {
  return gatewayFor(t, {
    routes: { api: { upstream: `${upstream.port}/base`, provider: 'http', credential: { secret: 'k' }, inject } },
    secrets: { k: value },
  });
}

function call(gateway, target, options = {}) {
  return fetch(gateway.url + target, { ...options, headers: { 'x-sallyport-key': gateway.key, ...options.headers } });
}

const requestLine = (upstream) => upstream.requests.at(-1).head.split('\r\n')[0];
const field = (upstream, name) => new RegExp(`^${name}: (.*)\\r$`, 'im').exec(upstream.requests.at(-1).head)?.[1];

test('a header, with what the config puts around the secret; the caller cannot add its own', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, { header: 'X-Token', value: 'v1 {secret};q' });
  await call(gateway, '/api/x?y', { headers: { 'x-token': 'mine', 'X_Token': 'mine' } });
  assert.equal(requestLine(upstream), 'GET /base/x?y HTTP/1.1');
  assert.equal(field(upstream, 'x-token'), `v1 ${secret};q`);
  assert.doesNotMatch(upstream.requests[0].head, /mine/);
});

test('a query parameter, percent-encoded, instead of any that the caller sent', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, { query: 'key', value: '{secret}' });
  const encoded = encodeURIComponent(secret);
  for (const [target, expected] of [
    ['/api/x', `/base/x?key=${encoded}`],
    ['/api/x?a=1', `/base/x?a=1&key=${encoded}`],
    ['/api/x?key=mine&a=%20', `/base/x?a=%20&key=${encoded}`],
    ['/api/x?a&k%65y=mine&key', `/base/x?a&key=${encoded}`],
    ['/api', `/base?key=${encoded}`],
  ]) {
    await call(gateway, target);
    assert.equal(requestLine(upstream), `GET ${expected} HTTP/1.1`);
  }
});

test('a path segment, percent-encoded', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, { path: 'bot{secret}' });
  await call(gateway, '/api/sendMessage?chat=1');
  assert.equal(requestLine(upstream), `GET /base/bot${encodeURIComponent(secret)}/sendMessage?chat=1 HTTP/1.1`);
});

test('Basic credentials', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, { basic: 'api:{secret}' });
  await call(gateway, '/api/x', { headers: { authorization: 'Basic bWluZTptaW5l' } });
  assert.equal(field(upstream, 'authorization'), `Basic ${Buffer.from(`api:${secret}`).toString('base64')}`);
});

test('a credential in the target does not come back in a redirect or a body', async (t) => {
  const upstream = await upstreamFor(t, ({ head }) => {
    const target = head.split(' ')[1];
    return `HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:${upstream.port}${target}&page=2\r\nContent-Length: ${target.length}\r\n\r\n${target}`;
  });
  const gateway = await start(t, upstream, { query: 'key', value: '{secret}' });
  const answer = await call(gateway, '/api/x?a=1', { redirect: 'manual' });
  const all = `${answer.headers.get('location')} ${await answer.text()}`;
  assert.match(all, /^http:\/\/127\.0\.0\.1:\d+\/api\/x\?a=1&key=\*+&page=2 \/base\/x\?a=1&key=\*+$/);
});

test('a secret with a line break cannot split the request', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, { header: 'Authorization', value: 'Bearer {secret}' }, 'abcdefghijklmnop\r\nX-Evil: 1');
  const answer = await call(gateway, '/api/x');
  assert.equal(answer.status, 502);
  assert.equal(answer.headers.get('x-sallyport-error'), 'credential_unavailable');
  assert.equal(upstream.requests.length, 0);
  assert.doesNotMatch(gateway.stderr + (await answer.text()) + JSON.stringify(gateway.accessLog()), /abcdefgh/);
});

// ---- several places, parts of a secret ----

test('a list of places takes parts of one secret', async (t) => {
  const upstream = await upstreamFor(t);
  const pair = 'app-id-0123456789:key/of the app=0123456789:and more';
  const gateway = await start(t, upstream, [
    { header: 'X-App', value: '{user}' },
    { header: 'X-Key', value: 'v2 {password}' },
    { query: 'id', value: '{user}' },
    { basic: '{user}/token:{password}' },
  ], pair);
  await call(gateway, '/api/x?id=mine&a=1', { headers: { 'x-app': 'mine', 'x-key': 'mine' } });
  assert.equal(requestLine(upstream), 'GET /base/x?a=1&id=app-id-0123456789 HTTP/1.1');
  assert.equal(field(upstream, 'x-app'), 'app-id-0123456789');
  assert.equal(field(upstream, 'x-key'), 'v2 key/of the app=0123456789:and more');
  assert.equal(field(upstream, 'authorization'),
    `Basic ${Buffer.from('app-id-0123456789/token:key/of the app=0123456789:and more').toString('base64')}`);
  assert.doesNotMatch(upstream.requests[0].head, /mine/);
});

test('a secret without a colon, where parts of it are wanted: check says so, and calls are refused', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, [{ header: 'X-App', value: '{user}' }, { header: 'X-Key', value: '{password}' }], 'no-colon-in-it-0123');
  const answer = await call(gateway, '/api/x');
  assert.equal(answer.status, 502);
  assert.equal(answer.headers.get('x-sallyport-error'), 'credential_unavailable');
  const text = await answer.text();
  const line = await gateway.logLine(answer.headers.get('x-sallyport-request-id'));
  assert.match(JSON.stringify(line), /has no colon: it is to be USER:PASSWORD/, 'its operator is told');
  assert.doesNotMatch(text + JSON.stringify(line) + gateway.stderr, /no-colon-in-it/);
  assert.equal(upstream.requests.length, 0);
  const checked = spawnSync(binary, ['check', '-c', gateway.file], { encoding: 'utf8', env: { ...process.env, SALLYPORT_SECRET_K: 'no-colon-in-it-0123' } });
  assert.match(checked.stdout + checked.stderr, /route "api": secret "k" has no colon/);
});

// ---- the body ----

function post(gateway, body, type = 'application/json', headers = {}) {
  return call(gateway, '/api/x', { method: 'POST', body, headers: { 'content-type': type, ...headers } });
}

const bodyOf = (upstream) => upstream.requests.at(-1).body;

test('a member of a JSON body: put in, or in place of the caller\'s; the rest stays byte for byte', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, { body: 'api_key' }, 'k"y\\+0123456789abcdef');
  const written = JSON.stringify('k"y\\+0123456789abcdef');
  for (const [sent, expected] of [
    ['{}', `{"api_key":${written}}`],
    ['{"a": 1.50, "b":[]}', `{"api_key":${written},"a": 1.50, "b":[]}`],
    ['{"a":1, "api_key" : "mine", "b":{"api_key":"stays"}}', `{"a":1, "api_key" : ${written}, "b":{"api_key":"stays"}}`],
    ['{"api\\u005fkey":null}', `{"api\\u005fkey":${written}}`],
  ]) {
    assert.equal((await post(gateway, sent)).status, 200);
    assert.equal(bodyOf(upstream), expected);
    assert.equal(Number(field(upstream, 'content-length')), Buffer.byteLength(expected));
  }
  await call(gateway, '/api/x');
  assert.equal(requestLine(upstream), 'GET /base/x HTTP/1.1', 'a request without a body goes without');
});

test('a body that the credential cannot be put into is 400, and nothing of the secret is said', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, { body: 'api_key' });
  for (const [body, type, headers, says] of [
    ['[1]', 'application/json', {}, /the body's \\?"api_key\\?", so the body must be a JSON object/],
    ['{"api_key":1,"api_key":2}', 'application/json', {}, /twice/],
    ['{"a":', 'text/plain', {}, /JSON object/],
    [gzipSync('{"a":1}'), 'application/json', { 'content-encoding': 'gzip' }, /without Content-Encoding/],
  ]) {
    const answer = await post(gateway, body, type, headers);
    assert.equal(answer.status, 400);
    assert.equal(answer.headers.get('x-sallyport-error'), 'bad_request');
    const text = await answer.text();
    assert.match(text, says);
    assert.ok(!text.includes(secret));
  }
  assert.equal(upstream.requests.length, 0);
});

test('a field of a form, likewise, and a body of unknown length', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, [{ body: 'token', value: '{password}' }, { body: 'user', value: '{user}' }], 'u-012345678901:s&=0123456789 x');
  const put = 'token=s%26%3D0123456789%20x&user=u-012345678901';
  for (const [sent, expected] of [
    ['a=1&b=%20', `a=1&b=%20&${put}`],
    ['t%6fken=mine&a=1&token=mine', `a=1&${put}`],
    ['token=mine', put],
  ]) {
    await post(gateway, sent, 'application/x-www-form-urlencoded; charset=utf-8');
    assert.equal(bodyOf(upstream), expected);
  }
  await call(gateway, '/api/x', { method: 'POST', duplex: 'half', headers: { 'content-type': 'application/json' },
    body: new ReadableStream({ start(controller) { controller.enqueue(Buffer.from('{"a"')); controller.enqueue(Buffer.from(':1}')); controller.close(); } }) });
  assert.deepEqual(JSON.parse(bodyOf(upstream)), { token: 's&=0123456789 x', user: 'u-012345678901', a: 1 });
});

test('each attempt of a pool puts its own credential into the body', async (t) => {
  const upstream = await upstreamFor(t, ({ body }) =>
    body.includes('first') ? 'HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n' : 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  const gateway = await gatewayFor(t, {
    routes: { api: { upstream: `${upstream.port}/base`, provider: 'http', inject: { body: 'k' }, retry: { attempts: 3, base: '10ms' },
      credential: [{ secret: 'one', weight: 100 }, { secret: 'two' }] } },
    secrets: { one: 'first-0123456789abcdef', two: 'other-0123456789abcdefghijklmnop' },
  });
  for (let i = 0; i < 6; i++) assert.equal((await post(gateway, '{"a":1}')).status, 200);
  const seen = upstream.requests.map(({ body }) => JSON.parse(body).k);
  assert.ok(seen.includes('first-0123456789abcdef'));
  assert.ok(seen.filter((key) => key.startsWith('other')).length >= 6);
});
