// The ways in which a credential is put in: header, query, path, Basic; and what cannot be sent.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { gatewayFor } from '../support/gateway.mjs';
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
