// Upstreams that speak HTTP/2: calls, streams, bodies, many of them on one connection, and what ends early.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import { test } from 'node:test';
import tls from 'node:tls';

import { authorityFor } from '../support/certificates.mjs';
import { gatewayFor, measured, isSanitized, sleep, until } from '../support/gateway.mjs';
import { http2For } from '../support/http2.mjs';

const { constants } = http2;
const one = { gateway: { workers: 1 } };

async function call(gateway, route, options = {}) {
  const answer = await fetch(`${gateway.url}/${route}`, { ...options, headers: { 'x-sallyport-key': gateway.key, ...options.headers } });
  const body = await answer.text();
  return { status: answer.status, body, headers: answer.headers, code: answer.headers.get('x-sallyport-error'), id: answer.headers.get('x-sallyport-request-id') };
}

const reasonOf = async (gateway, { id }) => (await gateway.logLine(id)).reason ?? '';

test('a call goes as HTTP/2 has it, and comes back as HTTP/1.1 has it', async (t) => {
  const upstream = await http2For(t, async (stream, headers, request) => {
    const body = await request.body();
    stream.respond({ ':status': 201, 'content-type': 'text/plain', 'x-two': ['a', 'b'], 'set-cookie': ['a=1', 'b=2'] });
    stream.end(`got ${body}`);
  });
  const gateway = await gatewayFor(t, {
    ...one, secrets: { key: 'the-secret-of-the-upstream' },
    routes: { api: upstream.route({ credential: { secret: 'key' }, inject: { header: 'Authorization', value: 'Bearer {secret}' }, headers: { set: { 'X-Own': 'Mixed Case' } } }) },
  });
  const answer = await new Promise((resolve, reject) => {
    const headers = { 'x-sallyport-key': gateway.key, 'X-Caller': 'Yes', connection: 'keep-alive, x-hop', 'x-hop': 'gone', te: 'gzip' };
    http.request(`${gateway.url}/api/a%20b?x=1`, { method: 'POST', headers }, (res) => {
      let body = '';
      res.on('data', (data) => (body += data)).on('end', () => resolve({ status: res.statusCode, headers: res.headers, body }));
    }).on('error', reject).end('hello');
  });
  assert.deepEqual([answer.status, answer.body], [201, 'got hello']);
  assert.equal(answer.headers['x-two'], 'a, b');
  assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2']);
  const { headers } = upstream.requests[0];
  assert.equal(headers[':method'], 'POST');
  assert.equal(headers[':scheme'], 'https');
  assert.equal(headers[':authority'], `127.0.0.1:${upstream.port}`);
  assert.equal(headers[':path'], '/a%20b?x=1');
  assert.equal(headers.authorization, 'Bearer the-secret-of-the-upstream');
  assert.equal(headers['x-own'], 'Mixed Case');
  assert.equal(headers['x-caller'], 'Yes');
  for (const name of ['connection', 'x-hop', 'host', 'transfer-encoding', 'x-sallyport-key']) assert.ok(!(name in headers), name);

  const got = await call(gateway, 'api/x');
  assert.equal(got.body, 'got ');
  const head = await call(gateway, 'api/x', { method: 'HEAD' });
  assert.deepEqual([head.status, head.body], [201, '']);
  assert.equal(upstream.sessions.length, 1, 'one connection');
});

test('prior knowledge, over plain http', async (t) => {
  const upstream = await http2For(t, (stream) => (stream.respond({ ':status': 200 }), stream.end('ok')), { plain: true });
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route() } });
  for (let i = 0; i < 3; i++) assert.equal((await call(gateway, 'api/x')).body, 'ok');
  assert.equal(upstream.requests[0].headers[':scheme'], 'http');
  assert.equal(upstream.sessions.length, 1);
});

test('answers without a body, with a length, with none, and with trailers', async (t) => {
  const upstream = await http2For(t, (stream, headers) => {
    const path = headers[':path'];
    if (path === '/204') stream.respond({ ':status': 204 }, { endStream: true });
    else if (path === '/304') stream.respond({ ':status': 304, etag: '"x"' }, { endStream: true });
    else if (path === '/empty') stream.respond({ ':status': 200 }, { endStream: true });
    else if (path === '/length') (stream.respond({ ':status': 200, 'content-length': '4' }), stream.end('four'));
    else if (path === '/hints') {
      stream.additionalHeaders({ ':status': 103, link: '</x>; rel=preload' });
      stream.respond({ ':status': 200 });
      stream.end('hinted');
    } else {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }));
      stream.end('with');
    }
  });
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route() } });
  assert.equal((await call(gateway, 'api/204')).status, 204);
  assert.equal((await call(gateway, 'api/304')).status, 304);
  assert.deepEqual((({ status, body }) => [status, body])(await call(gateway, 'api/empty')), [200, '']);
  const length = await call(gateway, 'api/length');
  assert.deepEqual([length.body, length.headers.get('content-length')], ['four', '4']);
  const trailers = await new Promise((resolve, reject) => {
    http.get(`${gateway.url}/api/trailers`, { headers: { 'x-sallyport-key': gateway.key, te: 'trailers' } }, (res) => {
      res.resume().on('end', () => resolve(res.trailers));
    }).on('error', reject);
  });
  assert.equal(trailers['x-sum'], '42');
  const interim = await new Promise((resolve, reject) => {
    const seen = [];
    http.get(`${gateway.url}/api/hints`, { headers: { 'x-sallyport-key': gateway.key } }, (res) => {
      res.resume().on('end', () => resolve([...seen, res.statusCode]));
    }).on('information', (info) => seen.push(info.statusCode)).on('error', reject);
  });
  assert.deepEqual(interim, [103, 200]);
});

test('events of a stream come one by one, and a client that leaves resets it', async (t) => {
  let stream;
  const upstream = await http2For(t, (it) => {
    stream = it;
    it.respond({ ':status': 200, 'content-type': 'text/event-stream' });
    it.write('data: 1\n\n');
  });
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route() } });
  const aborts = new AbortController();
  const answer = await fetch(`${gateway.url}/api/x`, { headers: { 'x-sallyport-key': gateway.key }, signal: aborts.signal });
  const reader = answer.body.getReader();
  for (let i = 1; i <= 5; i++) {
    const { value } = await reader.read();
    assert.equal(String(Buffer.from(value)), `data: ${i}\n\n`);
    stream.write(`data: ${i + 1}\n\n`);
  }
  aborts.abort();
  await until('the stream is reset', () => upstream.resets.length === 1, { every: 5 });
  assert.deepEqual(upstream.resets, [constants.NGHTTP2_CANCEL]);
  assert.equal(upstream.sessions[0].destroyed, false, 'the connection stays');
  assert.equal((await fetch(`${gateway.url}/api/x`, { headers: { 'x-sallyport-key': gateway.key }, signal: AbortSignal.timeout(5000) })
    .then((it) => it.body.cancel().then(() => it.status))), 200);
  assert.equal(upstream.sessions.length, 1);
});

test('a client that leaves before the answer resets the stream', async (t) => {
  const upstream = await http2For(t, () => {});
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route() } });
  const aborts = new AbortController();
  const asked = fetch(`${gateway.url}/api/x`, { headers: { 'x-sallyport-key': gateway.key }, signal: aborts.signal }).catch(() => null);
  await until('it is asked', () => upstream.requests.length === 1);
  aborts.abort();
  await asked;
  await until('the stream is reset', () => upstream.resets.length === 1, { every: 5 });
  assert.deepEqual(upstream.resets, [constants.NGHTTP2_CANCEL]);
});

test('large bodies both ways arrive whole, held and streamed', async (t) => {
  const upstream = await http2For(t, (stream) => {
    const hash = crypto.createHash('sha256');
    let size = 0;
    stream.on('data', (data) => (hash.update(data), size += data.length));
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'x-size': size, 'x-hash': hash.digest('hex') });
      const block = Buffer.alloc(64 * 1024, 'x');
      let left = 300;
      const more = () => {
        while (left-- > 0) if (!stream.write(block)) return stream.once('drain', more);
        stream.end();
      };
      more();
    });
  });
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route() } });
  for (const size of [0, 1, 65535, 65536, 200_000, 1_000_000, 20_000_000]) {
    const body = crypto.randomBytes(size);
    const answer = await fetch(`${gateway.url}/api/x`, { method: 'POST', body, headers: { 'x-sallyport-key': gateway.key } });
    assert.equal(answer.headers.get('x-size'), String(size));
    assert.equal(answer.headers.get('x-hash'), crypto.createHash('sha256').update(body).digest('hex'));
    assert.equal((await answer.arrayBuffer()).byteLength, 300 * 64 * 1024);
  }
  const parts = [crypto.randomBytes(100_000), crypto.randomBytes(3_000_000), crypto.randomBytes(1)];
  const chunked = await fetch(`${gateway.url}/api/x`, {
    method: 'POST', duplex: 'half', headers: { 'x-sallyport-key': gateway.key },
    body: new ReadableStream({ pull: (to) => (parts.length ? to.enqueue(parts.shift()) : to.close()) }),
  });
  assert.equal(chunked.headers.get('x-size'), '3100001');
  await chunked.arrayBuffer();
  assert.equal(upstream.sessions.length, 1);
});

test('a hundred calls at once are a hundred streams of one connection', async (t) => {
  const waiting = [];
  const upstream = await http2For(t, (stream) => waiting.push(stream));
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route() } });
  const calls = Array.from({ length: 100 }, (_, i) => call(gateway, `api/${i}`));
  await until('all are open', () => waiting.length === 100);
  assert.equal(upstream.mostOpen, 100);
  for (const stream of waiting.reverse()) {
    stream.respond({ ':status': 200 });
    stream.end(`of ${upstream.requests.find((it) => it.stream === stream).headers[':path']}`);
  }
  for (const [i, answer] of (await Promise.all(calls)).entries()) assert.equal(answer.body, `of /${i}`);
  assert.equal(upstream.sessions.length, 1);
});

test('what a provider allows at once is kept to, on as many connections as that takes', async (t) => {
  const waiting = [];
  const upstream = await http2For(t, (stream) => waiting.push(stream), { settings: { maxConcurrentStreams: 5 } });
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route() } });
  const first = call(gateway, 'api/first'); // tells what is allowed
  await until('it is open', () => waiting.length === 1);
  const calls = Array.from({ length: 19 }, () => call(gateway, 'api/x'));
  await until('all are open', () => waiting.length === 20);
  for (const stream of waiting) (stream.respond({ ':status': 200 }), stream.end('ok'));
  for (const answer of [await first, ...(await Promise.all(calls))]) assert.equal(answer.body, 'ok');
  assert.ok(upstream.sessions.length >= 4, `${upstream.sessions.length} connections`);
});

test('one slow reader holds up nobody else, and is itself held back', async (t) => {
  const written = { slow: 0 };
  const upstream = await http2For(t, (stream, headers) => {
    stream.resume(); // else node's server may reset it behind its last byte, before the frame that ends it
    stream.respond({ ':status': 200 });
    if (headers[':path'] !== '/slow') return stream.end('quick');
    const block = Buffer.alloc(64 * 1024, 's');
    const more = () => {
      while (!stream.destroyed && written.slow < 400 * block.length) {
        written.slow += block.length;
        if (!stream.write(block)) return stream.once('drain', more);
      }
      stream.end();
    };
    more();
  });
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route({ timeouts: { idle: '1s' } }) }, program: measured });
  const slow = await new Promise((resolve) => http.get(`${gateway.url}/api/slow`, { headers: { 'x-sallyport-key': gateway.key } }, resolve));
  slow.pause();
  let before;
  await until('the slow one stands still', async () => {
    before = written.slow;
    await sleep(300);
    return written.slow === before;
  });
  assert.ok(written.slow < 20e6, `${written.slow} bytes were taken`);
  for (let i = 0; i < 20; i++) assert.equal((await call(gateway, 'api/x')).body, 'quick');
  assert.equal(upstream.sessions.length, 1);
  await sleep(1200); // the provider's idle time counts only while we want to read
  let got = 0;
  slow.on('data', (data) => (got += data.length)).resume();
  await new Promise((resolve) => slow.on('end', resolve));
  assert.equal(got, 400 * 64 * 1024);
});

test('what waits for slow readers counts as buffered, until they leave', async (t) => {
  const upstream = await http2For(t, (stream) => {
    stream.respond({ ':status': 200 });
    const block = Buffer.alloc(64 << 10, 's');
    const more = () => {
      while (!stream.destroyed) if (!stream.write(block)) return stream.once('drain', more);
    };
    more();
  });
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route() } });
  const slow = await Promise.all(Array.from({ length: 12 }, () => new Promise((resolve) =>
    http.get(`${gateway.url}/api/slow`, { headers: { 'x-sallyport-key': gateway.key }, agent: false }, (res) => (res.on('error', () => {}).pause(), resolve(res))).on('error', () => {}))));
  await until('half a window of each waits', async () => (await gateway.metric('buffered_bytes')) >= 12 * 30 * 1024);
  for (const res of slow) res.destroy();
  await until('nothing is held', async () => (await gateway.metric('buffered_bytes')) === 0);
});

test('memory is bounded by windows, with many slow readers', { skip: isSanitized(measured) && 'a sanitizer keeps what is freed' }, async (t) => {
  const upstream = await http2For(t, (stream) => {
    stream.respond({ ':status': 200 });
    const block = Buffer.alloc(256 * 1024, 's');
    const more = () => {
      while (!stream.destroyed) if (!stream.write(block)) return stream.once('drain', more);
    };
    more();
  });
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route() }, program: measured });
  const before = gateway.rssBytes();
  const slow = await Promise.all(Array.from({ length: 100 }, () => new Promise((resolve) =>
    http.get(`${gateway.url}/api/slow`, { headers: { 'x-sallyport-key': gateway.key }, agent: false }, (res) => (res.pause(), resolve(res))))));
  await sleep(2000);
  const grown = gateway.rssBytes() - before;
  assert.ok(grown < 100 * 300 * 1024, `grew by ${grown} bytes`);
  for (const one of slow) one.destroy();
  await until('all are reset', () => upstream.open === 0);
});

// Huffman's code would make it longer, so that it would be sent as it is.
const plainSecret = '\\\\\\SECRET%%%^^^of~~~the```test{{{0123}}}';

// How often it is in what the process may write to; NULL: that may not be read here.
function copiesIn(pid) {
  let count = 0;
  let memory;
  try {
    memory = fs.openSync(`/proc/${pid}/mem`, 'r');
  } catch {
    return null;
  }
  for (const line of fs.readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
    const size = from === undefined ? 0 : Number.parseInt(to, 16) - Number.parseInt(from, 16);
    if (size === 0 || size > 2 ** 30) continue; // what is larger is a sanitizer's own
    const bytes = Buffer.alloc(size);
    try {
      fs.readSync(memory, bytes, 0, size, Number.parseInt(from, 16));
    } catch {
      continue;
    }
    for (let at = bytes.indexOf(plainSecret); at >= 0; at = bytes.indexOf(plainSecret, at + 1)) count++;
  }
  fs.closeSync(memory);
  return count;
}

test('calls leave no copies of a credential in memory', async (t) => {
  const upstream = await http2For(t, (stream, headers) => {
    assert.equal(headers.authorization, `Bearer ${plainSecret}`);
    stream.respond({ ':status': 200 });
    stream.end('ok');
  });
  const route = upstream.route({ credential: { secret: 'k' }, inject: { header: 'Authorization', value: 'Bearer {secret}' } });
  const gateway = await gatewayFor(t, { ...one, secrets: { k: plainSecret }, routes: { api: route } });
  const before = copiesIn(gateway.pid);
  if (before === null) return t.skip('the memory of processes may not be read');
  assert.ok(before > 0, 'it is found where it has to be');
  for (let i = 0; i < 10; i++) {
    const pads = Array.from({ length: 10 }, (_, k) => 'y'.repeat(100 * i + k));
    const answers = await Promise.all(pads.map((pad) => fetch(`${gateway.url}/api/x`, { headers: { 'x-sallyport-key': gateway.key, 'x-pad': pad } })));
    assert.ok(answers.every(({ status }) => status === 200));
  }
  const after = copiesIn(gateway.pid);
  assert.ok(after <= before + 2, `${before} before, ${after} after a hundred calls`); // what was written last is overwritten next
});

test('an upstream without HTTP/2 is said to be one', async (t) => {
  const authority = authorityFor(t);
  const certificate = authority.sign('IP:127.0.0.1');
  const routes = {};
  for (const [name, ALPNProtocols] of [['other', ['http/1.1']], ['none', undefined]]) {
    const server = tls.createServer({ ...certificate, ALPNProtocols }, (socket) => socket.on('error', () => {}));
    server.on('tlsClientError', () => {});
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    routes[name] = { provider: 'http', credential: 'none', http: '2', base_url: `https://127.0.0.1:${server.address().port}`, tls: { ca: authority.file } };
  }
  const gateway = await gatewayFor(t, { ...one, routes });
  for (const name of ['other', 'none']) {
    const answer = await call(gateway, `${name}/x`, { method: 'POST', body: 'x' });
    assert.deepEqual([answer.status, answer.code], [502, 'upstream_unreachable'], name);
    assert.match(await reasonOf(gateway, answer), /127\.0\.0\.1 does not speak HTTP\/2; write http: "1\.1"/, name);
  }
});

test('routes over 1.1 and over 2 to one host have connections of their own; egress counts', async (t) => {
  const upstream = await http2For(t, (stream) => (stream.respond({ ':status': 200 }), stream.end('ok')));
  const gateway = await gatewayFor(t, {
    ...one, routes: { two: upstream.route(), pinned: upstream.route({ tls: { ca: upstream.authority.file, pin: ['sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='] } }) },
  });
  assert.equal((await call(gateway, 'two/x')).status, 200);
  const pinned = await call(gateway, 'pinned/x');
  assert.equal(pinned.status, 502);
  assert.match(await reasonOf(gateway, pinned), /none of routes\.NAME\.tls\.pin/);
  assert.equal(upstream.requests.length, 1);
  await gateway.reload((config) => (config.egress.allow_private = []));
  assert.equal((await call(gateway, 'two/x')).code, 'egress_refused', 'a kept connection is closed by a reload');
});

test('idle connections are closed by a reload; streams under way go on', async (t) => {
  const waiting = [];
  const upstream = await http2For(t, (stream, headers) => {
    if (headers[':path'] === '/wait') return waiting.push(stream);
    stream.respond({ ':status': 200 });
    stream.end('ok');
  });
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route() } });
  const slow = call(gateway, 'api/wait');
  await until('it waits', () => waiting.length === 1);
  await gateway.reload();
  assert.equal((await call(gateway, 'api/x')).body, 'ok');
  assert.equal(upstream.sessions.length, 2, 'what comes after a reload has a connection of its own');
  waiting[0].respond({ ':status': 200 });
  waiting[0].end('late');
  assert.equal((await slow).body, 'late');
  await until('the old one is closed', () => upstream.sessions[0].destroyed);
  await gateway.metricIs(1, 'upstream_connections');
  await gateway.metricIs(1, 'upstream_idle_connections');
  await gateway.reload();
  await until('the idle one, too', () => upstream.sessions[1].destroyed);
});

test("Apple's API is spoken HTTP/2 to, with a token that is signed here", async (t) => {
  const upstream = await http2For(t, (stream, headers) => {
    stream.respond({ ':status': headers[':path'] === '/3/device/gone' ? 410 : 200, 'apns-id': 'ABC' });
    stream.end(headers[':path'] === '/3/device/gone' ? '{"reason":"Unregistered"}' : '');
  });
  const { privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } });
  const { base_url, tls: trust } = upstream.route();
  const gateway = await gatewayFor(t, {
    ...one, secrets: { 'apple-key': `TEAM000001:KEY0000001:${privateKey}` },
    routes: { apns: { base_url, tls: trust, credential: { secret: 'apple-key' } } },
  });
  const push = (device) => fetch(`${gateway.url}/apns/3/device/${device}`, {
    method: 'POST', body: '{"aps":{"alert":"Hello"}}', headers: { authorization: `Bearer ${gateway.key}`, 'apns-topic': 'com.example.app' } });
  const answer = await push('there');
  assert.deepEqual([answer.status, answer.headers.get('apns-id')], [200, 'ABC']);
  const gone = await push('gone');
  assert.deepEqual([gone.status, await gone.text()], [410, '{"reason":"Unregistered"}']);
  const { headers } = upstream.requests[0];
  const [, head, claims] = /^bearer ([^.]+)\.([^.]+)\.[^.]+$/.exec(headers.authorization);
  const read = (part) => JSON.parse(Buffer.from(part, 'base64url'));
  assert.deepEqual([read(head).alg, read(head).kid, read(claims).iss], ['ES256', 'KEY0000001', 'TEAM000001']);
  assert.equal(headers['apns-topic'], 'com.example.app');
  assert.equal(upstream.requests[1].headers.authorization, headers.authorization);
  assert.match(await gateway.reload((config) => (config.routes.apns.http = '1.1')), /reloaded/);
  assert.equal((await push('there')).status, 502, 'the route has the last word, and this server speaks HTTP/2 alone');
});
