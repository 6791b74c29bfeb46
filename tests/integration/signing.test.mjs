// Signatures that a route's config describes: an HMAC over parts of the request, as exchanges and
// their like want it. What arrives is checked by hand.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { Gateway, sallyport, temporaryFolder } from '../support/gateway.mjs';

const secret = 'c2VjcmV0IG9mIHRoZSBleGNoYW5nZSAwMTIzNDU2Nzg5';
let upstream;
let gateway;
let answers = [];
let seen = [];

before(async () => {
  upstream = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (data) => chunks.push(data));
    request.on('end', () => {
      seen.push({ method: request.method, url: request.url, headers: request.headers, rawHeaders: request.rawHeaders, body: Buffer.concat(chunks) });
      response.writeHead(answers.shift() ?? 200, { 'content-type': 'application/json' });
      response.end('{}');
    });
  });
  await new Promise((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const route = (sign) => ({
    provider: 'http', upstream: upstream.address().port, credential: { secret: 'exchange' }, sign: { scheme: 'hmac', ...sign },
    retry: { attempts: 2, base: '1100ms', jitter: 'none', statuses: [503] },
  });
  gateway = await Gateway.start({
    routes: {
      exchange: route({
        message: '{timestamp}{method}{target}{body}', key: 'base64', encoding: 'base64',
        headers: { 'X-Access-Key': '{user}', 'X-Access-Sign': '{signature}', 'X-Access-Timestamp': '{timestamp}' },
      }),
      heads: route({ message: '{method}\\n{host}\\n{path}\\n{query}', hash: 'sha512', headers: { Authorization: 'HMAC {user}:{signature}' } }),
    },
    secrets: { exchange: `api-key-1:${secret}` },
  });
});

beforeEach(() => {
  answers = [];
  seen = [];
});

after(async () => {
  await gateway?.stop();
  await new Promise((resolve) => upstream.close(resolve));
});

const call = (target, options = {}) => fetch(`${gateway.url}${target}`, { ...options, headers: { 'x-sallyport-key': gateway.key, ...options.headers } });

function expectSigned({ method, url, headers, body }) {
  const time = headers['x-access-timestamp'];
  const mac = crypto.createHmac('sha256', Buffer.from(secret, 'base64')).update(`${time}${method}${url}`).update(body).digest('base64');
  assert.equal(headers['x-access-sign'], mac);
  assert.equal(headers['x-access-key'], 'api-key-1');
  assert.ok(Math.abs(Number(time) - Date.now() / 1000) < 60);
}

test('method, target, time and body are signed as they are sent', async () => {
  assert.equal((await call('/exchange/orders?a=%20b&a')).status, 200);
  assert.equal((await call('/exchange/orders', { method: 'POST', body: '{"x":1}' })).status, 200);
  assert.equal((await call('/exchange/orders', { method: 'POST', body: 'x'.repeat(3000000) })).status, 200, 'held whole, for its body is signed');
  seen.forEach(expectSigned);
  assert.equal(seen.length, 3);
  assert.equal(seen[2].body.length, 3000000);
});

test('a caller’s own signature is none', async () => {
  await call('/exchange/x', { headers: { 'x-access-sign': 'forged', 'X-Access-Key': 'another', 'x-access-timestamp': '1' } });
  expectSigned(seen[0]);
  assert.equal(seen[0].rawHeaders.filter((name) => /^x-access-/i.test(name)).length, 3);
});

test('a retry has a time and a signature of its own', async () => {
  answers = [503];
  assert.equal((await call('/exchange/x')).status, 200);
  assert.equal(seen.length, 2);
  seen.forEach(expectSigned);
  assert.notEqual(seen[0].headers['x-access-timestamp'], seen[1].headers['x-access-timestamp']);
});

test('where the body is not signed a long one streams', async () => {
  assert.equal((await call('/heads/a/b?c=d', { method: 'POST', body: 'x'.repeat(3000000) })).status, 200);
  const { headers } = seen[0];
  const mac = crypto.createHmac('sha512', secret).update(`POST\n${headers.host}\n/a/b\nc=d`).digest('hex');
  assert.equal(headers.authorization, `HMAC api-key-1:${mac}`);
});

test('the parts of the secret do not come back', async () => {
  const line = await gateway.logLine((await call('/exchange/x')).headers.get('x-sallyport-request-id'));
  assert.ok(!JSON.stringify(line).includes(secret));
});

test('check says what cannot be signed, and where', () => {
  const folder = temporaryFolder();
  const file = path.join(folder, 'config.yaml');
  fs.writeFileSync(file, `version: 1
secrets: [{type: env}]
routes:
  storage:
    provider: aws-s3
    base_url: https://storage.internal
    credential: {secret: a}
  orders:
    provider: http
    base_url: https://api.example.com
    credential: {secret: a}
    sign: {scheme: hmac, message: "{methd}", headers: {X-Sign: "{signature}"}}
`);
  assert.throws(() => sallyport(['check', '-c', file], { stdio: 'pipe' }), (error) => {
    assert.equal(error.status, 2);
    assert.match(error.stdout + error.stderr, /config\.yaml:4:3: .*region that is signed for cannot be told from the host "storage\.internal"; write sign: \{region: eu-central-1\}/);
    assert.match(error.stdout + error.stderr, /config\.yaml:12:35: .*"\{methd\}" is no placeholder/);
    return true;
  });
  fs.rmSync(folder, { recursive: true });
});
