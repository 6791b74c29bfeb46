// Requests as AWS's SDKs of other languages send them, and as an attacker would: chunks that are
// signed, hashes that lie, presigned URLs, clocks that differ. The pretend AWS checks what arrives.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import { after, before, beforeEach, test } from 'node:test';

import { Authority } from '../support/certificates.mjs';
import { Gateway, until } from '../support/gateway.mjs';
import { AwsFake, credentials as real } from './aws_fake.mjs';

let authority;
let fake;
let gateway;

const hash = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');
const token = 'the-session-token-of-the-real-account-0123456789';

before(async () => {
  authority = new Authority();
  fake = await AwsFake.start(authority.sign('DNS:localhost,IP:127.0.0.1'));
  const route = (name, more = {}) => ({
    provider: `aws-${name}`, base_url: `https://localhost:${fake.port}`, credential: { secret: 'aws' },
    sign: { region: 'eu-central-1' }, tls: { ca: authority.file },
    retry: { attempts: 3, base: '1ms', cap: '5ms', jitter: 'none', buffer: '64KiB' }, ...more,
  });
  const routes = {
    s3: route('s3'),
    skewed: route('s3'),
    sessions: route('s3', { credential: { secret: 'session' } }),
    broken: route('s3', { credential: { secret: 'broken' } }),
    dynamodb: route('dynamodb'),
    hedged: route('s3', { hedge: { after: '20ms' } }),
  };
  gateway = await Gateway.start({
    routes,
    secrets: { aws: `${real.accessKeyId}:${real.secretAccessKey}`, session: `${real.accessKeyId}:${real.secretAccessKey}:${token}`, broken: 'AKIA:secret\r\nX-Evil: 1' },
    gateway: { limits: { body_bytes: '8MiB' } },
  });
});

beforeEach(() => {
  Object.assign(fake, { options: {}, failures: [], trailers: undefined });
  fake.seen.length = 0;
});

after(async () => {
  await gateway?.stop();
  await fake?.stop();
  authority?.remove();
});

const authorization = (key = gateway.key, scheme = 'AWS4-HMAC-SHA256') =>
  `${scheme} Credential=${key}/20200101/us-west-1/other/aws4_request, SignedHeaders=host;x-amz-date, Signature=${'0'.repeat(64)}`;

// Body: a Buffer, or a list of them that are sent one by one, without a length if `chunked`.
function call(path, { method = 'GET', headers = {}, body, chunked = false } = {}) {
  const pieces = body === undefined ? [] : [body].flat();
  return new Promise((resolve, reject) => {
    const length = pieces.reduce((sum, it) => sum + it.length, 0);
    const framing = body === undefined ? {} : chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': length };
    const request = http.request({ port: gateway.port, path, method, headers: { authorization: authorization(), 'x-amz-date': '20200101T000000Z', ...framing, ...headers } });
    request.on('response', async (response) => {
      const parts = [];
      for await (const part of response) parts.push(part);
      resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts).toString() });
    });
    request.on('error', reject);
    (async () => {
      for (const piece of pieces) {
        if (!request.write(piece)) await Promise.race([new Promise((done) => request.once('drain', done)), new Promise((done) => request.once('close', done))]);
      }
      request.end();
    })();
  });
}

// A body in chunks, as a caller signs it: with a signature that means nothing to AWS.
function chunks(data, size, trailers = []) {
  const nothing = 'f'.repeat(64);
  const pieces = [];
  for (let at = 0; at < data.length; at += size) {
    const part = data.subarray(at, at + size);
    pieces.push(Buffer.from(`${part.length.toString(16)};chunk-signature=${nothing}\r\n`), part, Buffer.from('\r\n'));
  }
  pieces.push(Buffer.from(`0;chunk-signature=${nothing}\r\n`));
  for (const line of trailers) pieces.push(Buffer.from(`${line}\r\n`));
  if (trailers.length > 0) pieces.push(Buffer.from(`x-amz-trailer-signature:${nothing}\r\n`));
  pieces.push(Buffer.from('\r\n'));
  return Buffer.concat(pieces);
}

const signedChunks = (data, trailers = []) => ({
  'x-amz-content-sha256': `STREAMING-AWS4-HMAC-SHA256-PAYLOAD${trailers.length > 0 ? '-TRAILER' : ''}`,
  'content-encoding': 'aws-chunked', 'x-amz-decoded-content-length': data.length,
  ...(trailers.length > 0 ? { 'x-amz-trailer': 'x-amz-checksum-crc32c' } : {}),
});

for (const [what, length, size] of [['held', 5000, 2048], ['that streams', 3000000, 65536], ['that streams in chunks larger than a buffer', 3000000, 1000000]]) {
  for (const trailers of [[], ['x-amz-checksum-crc32c:sOO8/Q==']]) {
    test(`a body of signed chunks ${what} is signed anew${trailers.length > 0 ? ', with its trailer' : ''}`, async () => {
      const data = crypto.randomBytes(length);
      const body = chunks(data, size, trailers);
      const { status, body: said } = await call('/s3/bucket/chunks', { method: 'PUT', body, headers: signedChunks(data, trailers) });
      assert.equal(status, 200, said);
      assert.ok(fake.objects.get('chunks').equals(data));
      assert.deepEqual(fake.trailers, trailers);
      assert.equal(Number(fake.seen[0].headers['content-length']), body.length);
    });
  }
}

test('signed chunks whose length nobody says, in small pieces', async () => {
  const data = crypto.randomBytes(400000);
  const body = chunks(data, 100000);
  const pieces = [];
  for (let at = 0; at < body.length; at += 7001) pieces.push(body.subarray(at, at + 7001));
  const { status, body: said } = await call('/s3/bucket/pieces', { method: 'PUT', body: pieces, chunked: true, headers: signedChunks(data) });
  assert.equal(status, 200, said);
  assert.ok(fake.objects.get('pieces').equals(data));
});

test('chunks that wait to be whole count against the held bytes', async (t) => {
  const small = await Gateway.start({
    routes: { s3: { provider: 'aws-s3', base_url: `https://localhost:${fake.port}`, credential: { secret: 'aws' }, sign: { region: 'x' }, tls: { ca: authority.file }, retry: 'off' } },
    secrets: { aws: `${real.accessKeyId}:${real.secretAccessKey}` },
    gateway: { limits: { buffered_bytes: '1MiB' } },
  });
  t.after(() => small.stop());
  const data = crypto.randomBytes(1000000);
  const body = chunks(data, data.length);
  const put = () => {
    const request = http.request({ port: small.port, path: '/s3/bucket/held', method: 'PUT', headers: { ...signedChunks(data), authorization: authorization(small.key), 'content-length': body.length } });
    return { request, answer: new Promise((resolve) => request.on('response', (it) => resolve(it.resume().statusCode)).on('error', (error) => resolve(error.code))) };
  };
  const first = put();
  first.request.write(body.subarray(0, 500000));
  await until('the first chunk is held', async () => (await small.metric('buffered_bytes')) > 900000);
  const second = put();
  second.request.end(body);
  assert.ok([503, 'ECONNRESET', 'EPIPE'].includes(await second.answer));
  first.request.end(body.subarray(500000));
  assert.equal(await first.answer, 200);
  await until('all is given back', async () => (await small.metric('buffered_bytes')) === 0);
});

test('what is no body of signed chunks is refused, held or streaming', async () => {
  for (const length of [1000, 1000000]) {
    const data = crypto.randomBytes(length);
    const good = chunks(data, 65536);
    for (const body of [data, good.subarray(0, good.length - 60), Buffer.concat([good, Buffer.from('more')]), chunks(Buffer.alloc(1100000), 1100000)]) {
      fake.objects.delete('bad');
      const answer = await call('/s3/bucket/bad', { method: 'PUT', body, headers: signedChunks(data) }).catch((error) => ({ status: error.code }));
      assert.ok([400, 'ECONNRESET', 'EPIPE'].includes(answer.status), `${length}: ${answer.status} ${answer.body}`);
      assert.ok(!fake.objects.has('bad'));
    }
  }
});

test('a retry signs chunks and head anew', async () => {
  const data = crypto.randomBytes(5000);
  fake.fail(503, 'SlowDown');
  fake.fail(500, 'InternalError');
  const { status } = await call('/s3/bucket/again', { method: 'PUT', body: chunks(data, 2000), headers: signedChunks(data) });
  assert.equal(status, 200);
  assert.equal(fake.seen.length, 3);
  assert.ok(fake.objects.get('again').equals(data));
});

test('a hash that is the body\'s passes, one that is not is refused before anything is sent', async () => {
  for (const length of [10, 50000]) {
    const body = crypto.randomBytes(length);
    assert.equal((await call('/s3/bucket/h', { method: 'PUT', body, headers: { 'x-amz-content-sha256': hash(body).toUpperCase() } })).status, 200);
    fake.seen.length = 0;
    const lie = await call('/s3/bucket/h', { method: 'PUT', body, headers: { 'x-amz-content-sha256': hash('other') } });
    assert.equal(lie.status, 400);
    assert.equal(lie.headers['x-sallyport-error'], 'bad_request');
    assert.match(lie.body, /<Code>InvalidRequest<\/Code><Message>[^<]*x-amz-content-sha256 is not the SHA-256 of the body/);
    assert.equal(fake.seen.length, 0);
  }
  assert.equal((await call('/s3/bucket/h', { headers: { 'x-amz-content-sha256': hash('other') } })).status, 400, 'of an empty body, too');
});

test('a hash of a body that streams is sent as it is, and a lie cuts before the last byte', async () => {
  for (const chunked of [false, true]) {
    const body = crypto.randomBytes(1000000);
    const pieces = [body.subarray(0, 300000), body.subarray(300000)];
    const good = await call('/s3/bucket/long', { method: 'PUT', body: pieces, chunked, headers: { 'x-amz-content-sha256': hash(body) } });
    assert.equal(good.status, 200, good.body);
    assert.equal(fake.seen.at(-1).headers['x-amz-content-sha256'], hash(body));
    fake.seen.length = 0;
    fake.objects.delete('long');
    const lie = await call('/s3/bucket/long', { method: 'PUT', body: pieces, chunked, headers: { 'x-amz-content-sha256': hash('other') } });
    assert.equal(lie.status, 400, lie.body);
    assert.equal(fake.seen.length, 0, 'no request came whole');
  }
});

test('a long body without a hash streams unsigned to S3, and is held for others', async () => {
  const body = crypto.randomBytes(1000000);
  assert.equal((await call('/s3/bucket/u', { method: 'PUT', body })).status, 200);
  assert.equal(fake.seen.at(-1).headers['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD');
  const item = Buffer.from(JSON.stringify({ Item: { id: { S: 'long' }, text: { S: 'x'.repeat(900000) } } }));
  const headers = { 'x-amz-target': 'DynamoDB_20120810.PutItem', 'content-type': 'application/x-amz-json-1.0' };
  const { status, body: said } = await call('/dynamodb/', { method: 'POST', body: item, headers });
  assert.equal(status, 200, said);
  assert.equal(fake.items.get('long').text.S.length, 900000);
});

test('a hash that is none is refused, and so are two', async () => {
  assert.equal((await call('/s3/bucket/x', { method: 'PUT', body: Buffer.from('x'), headers: { 'x-amz-content-sha256': 'abc' } })).status, 400);
  assert.equal((await call('/s3/bucket/x', { method: 'PUT', body: Buffer.from('x'), headers: { 'x-amz-content-sha256': [hash('x'), 'UNSIGNED-PAYLOAD'] } })).status, 400);
  assert.equal((await call('/s3/bucket/x', { method: 'PUT', body: Buffer.from('x'), headers: { 'x-amz-content-sha256': 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD' } })).status, 501);
  assert.equal(fake.seen.length, 0);
});

test('presigned URLs and SigV4a are refused, and no signature is logged', async () => {
  for (const query of ['X-Amz-Signature=secretsig', 'x-id=1&X-Amz-Credential=k%2F2020', '%58-amz-signature=secretsig', 'AWSAccessKeyId=k&Signature=secretsig', 'X-Amz-Security-Token=t']) {
    const { status, body, headers } = await call(`/s3/bucket/key?${query}`);
    assert.equal(status, 401, query);
    assert.match(body, /presigned/);
    const line = await gateway.logLine(headers['x-sallyport-request-id']);
    assert.doesNotMatch(JSON.stringify(line), /secretsig|2020/);
  }
  const { status, headers } = await call('/s3/bucket/key', { headers: { authorization: authorization(gateway.key, 'AWS4-ECDSA-P256-SHA256') } });
  assert.equal(status, 501);
  assert.equal(headers['x-sallyport-error'], 'not_implemented');
  assert.equal(fake.seen.length, 0);
  assert.doesNotMatch(gateway.stderr, /secretsig/);
});

test('a signature without a tenant\'s key id is nobody\'s', async () => {
  for (const value of [authorization('AKIAIOSFODNN7EXAMPLE'), 'AWS4-HMAC-SHA256 Signature=00', `AWS4-HMAC-SHA256 Credential=${'x'.repeat(47)}/a, Credential=${'y'.repeat(47)}/b`]) {
    const { status, headers } = await call('/s3/bucket/', { headers: { authorization: value } });
    assert.equal(status, 401);
    assert.equal(headers['x-sallyport-error'], 'tenant_unknown');
  }
  assert.equal((await call('/s3/bucket/', { headers: { authorization: [] } })).headers['x-sallyport-error'], 'tenant_key_missing');
});

test('odd targets and headers are signed as they are sent', async () => {
  for (const path of ['/s3/bucket/?prefix=a+b&prefix=a%20b&empty=&bare&&x=%2f', '/s3/bucket/?list-type=2&a=%C3%A4&a=1&A=2', '/s3/bucket/?x=~%7e&y=a%3db=c']) {
    const { status, body } = await call(path, { headers: { 'X-Amz-Meta-A': ['one', ' two   blanks '], 'x-amz-meta-b': '"a   b"', 'X-Other': 'x\t y' } });
    assert.equal(status, 200, `${path}: ${body}`);
    assert.equal(fake.seen.at(-1).url, path.slice(3), 'byte for byte');
  }
});

test('a session token is sent and signed, and does not come back', async () => {
  fake.options = { token };
  const { status, body } = await call('/sessions/bucket/', { headers: { 'x-amz-security-token': 'of-the-caller' } });
  assert.equal(status, 200, body);
  assert.equal(fake.seen[0].headers['x-amz-security-token'], token);
  fake.failures.push(Object.assign(new Error(`the token ${token} of ${real.secretAccessKey}`), { status: 400, code: 'X' }));
  const echo = await call('/sessions/bucket/');
  assert.doesNotMatch(echo.body, /session-token|fake\/secret/);
});

test('a secret that would end a header is never sent', async () => {
  const { status, headers, body } = await call('/broken/bucket/');
  assert.equal(status, 502);
  assert.equal(headers['x-sallyport-error'], 'credential_unavailable');
  assert.doesNotMatch(body, /Evil/);
  assert.equal(fake.seen.length, 0);
  const line = await gateway.logLine(headers['x-sallyport-request-id']);
  assert.doesNotMatch(JSON.stringify(line), /Evil|AKIA/);
});

test('where the upstream\'s clock is another, its time is learnt, once', async () => {
  fake.options = { clockSkew: -3600 * 1000 };
  const first = await call('/skewed/bucket/');
  assert.equal(first.status, 200, first.body);
  assert.equal(fake.seen.length, 2, 'refused, and at once sent with the right time');
  assert.equal((await call('/skewed/bucket/')).status, 200);
  assert.equal(fake.seen.length, 3);
  const said = () => [...gateway.stderr.matchAll(/the clock of route "skewed"/g)].length;
  await until('it is said', () => said() > 0);
  assert.equal(said(), 1);
  fake.options = {};
  assert.equal((await call('/skewed/bucket/')).status, 200, 'and back again');
});

test('a clock that jumps with each answer is no reason to go on for ever', async () => {
  let hours = 0;
  fake.options = { get clockSkew() { return (hours += 2) * 3600 * 1000; } };
  assert.equal((await call('/skewed/bucket/')).status, 403);
  assert.equal(fake.seen.length, 2);
});

test('a hedge beside signed chunks is none, beside others it is signed itself', async () => {
  const data = crypto.randomBytes(3000);
  const slow = () => new Promise((resolve) => { fake.options = { delay: 100 }; resolve(); });
  await slow();
  assert.equal((await call('/hedged/bucket/c', { method: 'PUT', body: chunks(data, 1000), headers: signedChunks(data) })).status, 200);
  assert.equal(fake.seen.length, 1);
  assert.equal((await call('/hedged/bucket/c', { method: 'PUT', body: data })).status, 200);
  await until('both came', () => fake.seen.length === 3);
});

test('over HTTP/2 the same is signed', async (t) => {
  const h2 = await AwsFake.start(authority.sign('DNS:localhost,IP:127.0.0.1'), { h2: true });
  t.after(() => h2.stop());
  const other = await Gateway.start({
    routes: { s3: { provider: 'aws-s3', http: '2', base_url: `https://localhost:${h2.port}`, credential: { secret: 'aws' }, sign: { region: 'x' }, tls: { ca: authority.file } } },
    secrets: { aws: `${real.accessKeyId}:${real.secretAccessKey}` },
  });
  t.after(() => other.stop());
  const headers = { authorization: authorization(other.key), 'X-Amz-Meta-A': 'two   blanks' };
  const data = crypto.randomBytes(500000);
  const put = (path, more, body) => fetch(`${other.url}/s3/bucket/${path}`, { method: 'PUT', body, headers: { ...headers, ...more } });
  for (const [path, more, body] of [['small', {}, data.subarray(0, 100)], ['long', {}, data], ['chunks', signedChunks(data), chunks(data, 65536)]]) {
    const answer = await put(path, more, body);
    assert.equal(answer.status, 200, `${path}: ${await answer.text()}`);
  }
  assert.ok(h2.objects.get('chunks').equals(data));
  assert.equal((await fetch(`${other.url}/s3/bucket/?prefix=a+b`, { headers })).status, 200);
});

test('the pretend AWS refuses what is signed wrong', async () => {
  fake.options = { token: 'another' };
  assert.equal((await call('/s3/bucket/')).status, 403);
  fake.options = {};
  const secret = real.secretAccessKey;
  real.secretAccessKey = 'another';
  try {
    const { status, body } = await call('/s3/bucket/');
    assert.equal(status, 403);
    assert.match(body, /SignatureDoesNotMatch/);
  } finally {
    real.secretAccessKey = secret;
  }
});
