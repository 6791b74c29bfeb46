// Strictness on the wire: every form that two parsers could read differently is refused with its
// status and a close, and nothing of it reaches the provider; what is let through has one meaning.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Gateway } from '../support/gateway.mjs';
import { RawClient, RawUpstream } from '../support/wire.mjs';

let upstream;
let gateway;

before(async () => {
  upstream = await RawUpstream.start(({ body }) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  gateway = await Gateway.start({
    routes: { any: { upstream: upstream.port, provider: 'http' } },
    gateway: {
      limits: { header_bytes: '8KiB', header_count: 40, uri_bytes: '1KiB', body_bytes: '64KiB' },
      timeouts: { header: '2s', body_idle: '2s' },
    },
  });
});

after(async () => {
  await gateway.stop();
  await upstream.stop();
});

const CRLF = '\r\n';
const lines = (...all) => all.join(CRLF) + CRLF + CRLF;
const withKey = (...all) => lines(...all, `X-Sallyport-Key: ${gateway.key}`);

// Sends, waits for the close, and returns what came back.
async function exchange(bytes) {
  const before = upstream.requests.length;
  const client = await RawClient.connect(gateway.port);
  client.send(bytes);
  await client.untilClosed();
  return { statuses: client.statuses(), text: client.text, reached: upstream.requests.length - before };
}

const refused = {
  'Content-Length with Transfer-Encoding': [400, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Content-Length: 5', 'Transfer-Encoding: chunked') + '0\r\n\r\n'],
  'Transfer-Encoding with Content-Length': [400, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', 'Content-Length: 5') + '0\r\n\r\n'],
  'two differing Content-Lengths': [400, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Content-Length: 5', 'Content-Length: 6') + 'hello!'],
  'two equal Content-Lengths': [400, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Content-Length: 5', 'Content-Length: 5') + 'hello'],
  'a list of lengths': [400, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Content-Length: 5, 5') + 'hello'],
  'a signed length': [400, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Content-Length: +5') + 'hello'],
  'a negative length': [400, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Content-Length: -1')],
  'a hexadecimal length': [400, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Content-Length: 0x5') + 'hello'],
  'an overflowing length': [400, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Content-Length: 18446744073709551621') + 'hello'],
  'an empty length': [400, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Content-Length:')],
  'an unknown transfer coding': [501, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Transfer-Encoding: gzip') + '0\r\n\r\n'],
  'xchunked': [501, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Transfer-Encoding: xchunked') + '0\r\n\r\n'],
  'chunked twice': [400, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked, chunked') + '0\r\n\r\n'],
  'chunked in HTTP/1.0': [400, () => withKey('POST /any HTTP/1.0', 'Host: a', 'Transfer-Encoding: chunked') + '0\r\n\r\n'],
  'a blank before the colon': [400, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Transfer-Encoding : chunked') + '0\r\n\r\n'],
  'a tab in a name': [400, () => withKey('GET /any HTTP/1.1', 'Host: a', 'X\tA: 1')],
  'a folded field': [400, () => withKey('GET /any HTTP/1.1', 'Host: a', 'X-A: 1', ' 2')],
  'a field before any name': [400, () => withKey('GET /any HTTP/1.1', ' Host: a')],
  'a field without colon': [400, () => withKey('GET /any HTTP/1.1', 'Host: a', 'nonsense')],
  'an empty name': [400, () => withKey('GET /any HTTP/1.1', 'Host: a', ': x')],
  'a NUL in a value': [400, () => withKey('GET /any HTTP/1.1', 'Host: a', 'X-A: a\0b')],
  'a bare CR in a value': [400, () => withKey('GET /any HTTP/1.1', 'Host: a', 'X-A: a\rb')],
  'bare LF line ends': [400, () => withKey('GET /any HTTP/1.1', 'Host: a').replaceAll('\r\n', '\n')],
  'one bare LF': [400, () => withKey('GET /any HTTP/1.1', 'Host: a\nX-B: 1')],
  'no Host': [400, () => withKey('GET /any HTTP/1.1')],
  'two Hosts': [400, () => withKey('GET /any HTTP/1.1', 'Host: a', 'Host: a')],
  'a Host with a path': [400, () => withKey('GET /any HTTP/1.1', 'Host: a/b')],
  'a Host with user information': [400, () => withKey('GET /any HTTP/1.1', 'Host: u@a')],
  'a Host with a bad port': [400, () => withKey('GET /any HTTP/1.1', 'Host: a:b')],
  'HTTP/1.2': [505, () => withKey('GET /any HTTP/1.2', 'Host: a')],
  'HTTP/2.0': [505, () => withKey('GET /any HTTP/2.0', 'Host: a')],
  'the HTTP/2 preface': [505, () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  'a version in lower case': [400, () => withKey('GET /any http/1.1', 'Host: a')],
  'two blanks in the request line': [400, () => withKey('GET  /any HTTP/1.1', 'Host: a')],
  'a request line without version': [400, () => withKey('GET /any', 'Host: a')],
  'CONNECT': [501, () => withKey('CONNECT a:443 HTTP/1.1', 'Host: a:443')],
  'an Upgrade': [501, () => withKey('GET /any HTTP/1.1', 'Host: a', 'Connection: upgrade, close', 'Upgrade: websocket')],
  'another expectation': [417, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Expect: 200-ok', 'Content-Length: 1') + 'x'],
  'a Connection option that hides the length': [400, () => withKey('POST /any HTTP/1.1', 'Host: a', 'Connection: content-length', 'Content-Length: 5') + 'hello'],
  'a target without slash': [400, () => withKey('GET any HTTP/1.1', 'Host: a')],
  'a fragment': [400, () => withKey('GET /any#x HTTP/1.1', 'Host: a')],
  'a byte above 0x7e in the target': [400, () => Buffer.from(withKey('GET /any/\xe9 HTTP/1.1', 'Host: a'), 'latin1')],
  'a dot segment': [400, () => withKey('GET /any/../x HTTP/1.1', 'Host: a')],
  'an encoded dot segment': [400, () => withKey('GET /any/%2e%2E/x HTTP/1.1', 'Host: a')],
  'a dot segment between encoded slashes': [400, () => withKey('GET /any/x%2f..%2fy HTTP/1.1', 'Host: a')],
  'a dot segment between backslashes': [400, () => withKey('GET /any/x%5c..%5Cy HTTP/1.1', 'Host: a')],
  '%00': [400, () => withKey('GET /any/a%00b HTTP/1.1', 'Host: a')],
  'broken percent-encoding': [400, () => withKey('GET /any/%zz HTTP/1.1', 'Host: a')],
  'a target that is too long': [414, () => withKey(`GET /any/${'a'.repeat(2000)} HTTP/1.1`, 'Host: a')],
  'a head that is too long': [431, () => withKey('GET /any HTTP/1.1', 'Host: a', `X-A: ${'a'.repeat(9000)}`)],
  'a head without end that is too long': [431, () => 'GET /any HTTP/1.1\r\nHost: a\r\n' + 'X-A: ' + 'a'.repeat(9000)],
  'too many fields': [431, () => withKey('GET /any HTTP/1.1', 'Host: a', ...Array(60).fill('X-A: 1'))],
  'garbage': [400, () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'.repeat(4) + '\r\n\r\n'],
};

for (const [name, [status, bytes]] of Object.entries(refused)) {
  test(`refused with ${status} and a close: ${name}`, async () => {
    const result = await exchange(bytes());
    assert.deepEqual(result.statuses, [status], result.text);
    assert.match(result.text, /^X-Sallyport-Error: [a-z_]+\r$/m);
    assert.match(result.text, /^Connection: close\r$/m);
    assert.equal(result.reached, 0);
  });
}

const brokenBodies = {
  'a chunk size that is no number': 'zz\r\nhello\r\n0\r\n\r\n',
  'a signed chunk size': '+5\r\nhello\r\n0\r\n\r\n',
  'a chunk size with a prefix': '0x5\r\nhello\r\n0\r\n\r\n',
  'an overflowing chunk size': 'fffffffffffffffff\r\nhello',
  'a chunk longer than its size': '5\r\nhelloworld\r\n0\r\n\r\n',
  'a chunk size ended by a bare LF': '5\nhello\r\n0\r\n\r\n',
  'a bare LF in an extension': '5;a\nb\r\nhello\r\n0\r\n\r\n',
  'a trailer that frames': '5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n',
  'a trailer without colon': '5\r\nhello\r\n0\r\nnonsense\r\n\r\n',
};

for (const [name, body] of Object.entries(brokenBodies)) {
  test(`a broken chunked body ends with 400 and never looks complete: ${name}`, async () => {
    const before = upstream.requests.length;
    const result = await exchange(withKey('POST /any HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked') + body);
    assert.deepEqual(result.statuses, [400], result.text);
    assert.equal(upstream.requests.length, before, 'the provider saw a whole request');
  });
}

test('chunks with extensions and trailers are one body', async () => {
  const result = await exchange(withKey('POST /any HTTP/1.1', 'Host: a', 'Connection: close', 'Transfer-Encoding: chunked')
    + '5;a=b;c="d;e"\r\nhello\r\n06 ; x\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n');
  assert.deepEqual(result.statuses, [200]);
  assert.match(result.text, /hello world$/);
  assert.doesNotMatch(upstream.requests.at(-1).raw.toString('latin1'), /a=b|X-Trailer/);
});

test('a body above the limit is 413, announced or not', async () => {
  const announced = await exchange(withKey('POST /any HTTP/1.1', 'Host: a', 'Content-Length: 100000'));
  assert.deepEqual(announced.statuses, [413]);
  assert.equal(announced.reached, 0);
  const chunk = '8000\r\n' + 'x'.repeat(0x8000) + '\r\n';
  const before = upstream.requests.length;
  const grown = await exchange(withKey('POST /any HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked') + chunk + chunk + chunk);
  assert.deepEqual(grown.statuses, [413]);
  assert.equal(upstream.requests.length, before);
});

test('a head that does not come in time is 408; byte by byte does not prolong it', async () => {
  const client = await RawClient.connect(gateway.port);
  const drip = setInterval(() => client.send('a'), 100);
  client.send('GET /any/');
  await client.untilClosed();
  clearInterval(drip);
  assert.deepEqual(client.statuses(), [408]);
  assert.match(client.text, /X-Sallyport-Error: client_timeout/);
});

test('a body that stops coming is 408', async () => {
  const result = await exchange(withKey('POST /any HTTP/1.1', 'Host: a', 'Content-Length: 10') + 'abc');
  assert.deepEqual(result.statuses, [408]);
  assert.equal(result.reached, 0);
});

test('a request smuggled behind a refused one is not served', async () => {
  const result = await exchange(withKey('POST /any HTTP/1.1', 'Host: a', 'Content-Length: 4', 'Transfer-Encoding: chunked')
    + '0\r\n\r\n' + withKey('GET /any/smuggled HTTP/1.1', 'Host: a'));
  assert.deepEqual(result.statuses, [400]);
  assert.equal(result.reached, 0);
});

test('absolute-form targets decide the host and lose it upstream', async () => {
  const result = await exchange(withKey('GET http://gw.example:80/any/x?y HTTP/1.1', 'Host: other', 'Connection: close'));
  assert.deepEqual(result.statuses, [200]);
  assert.match(upstream.requests.at(-1).head, /^GET \/x\?y HTTP\/1\.1\r\n/);
});

test('100-continue comes once the tenant is known, and not before', async () => {
  const known = await RawClient.connect(gateway.port);
  known.send(withKey('POST /any HTTP/1.1', 'Host: a', 'Expect: 100-continue', 'Content-Length: 2', 'Connection: close'));
  await known.until((c) => c.statuses().length === 1);
  assert.deepEqual(known.statuses(), [100]);
  known.send('ok');
  await known.untilClosed();
  assert.deepEqual(known.statuses(), [100, 200]);
  assert.doesNotMatch(upstream.requests.at(-1).head, /expect/i);

  const unknown = await exchange(lines('POST /any HTTP/1.1', 'Host: a', 'Expect: 100-continue', 'Content-Length: 2', 'Connection: close'));
  assert.deepEqual(unknown.statuses, [401]);
});

test('HTTP/1.0: closed by default, kept when asked, chunked answers ended by the close', async (t) => {
  const plain = await exchange(lines('GET /any HTTP/1.0', `X-Sallyport-Key: ${gateway.key}`));
  assert.deepEqual(plain.statuses, [200]);

  const kept = await RawClient.connect(gateway.port);
  t.after(() => kept.close());
  const request = withKey('POST /any HTTP/1.0', 'Connection: keep-alive', 'Content-Length: 2') + 'ok';
  kept.send(request);
  await kept.until((c) => c.text.endsWith('ok'));
  kept.send(request);
  await kept.until((c) => c.statuses().length === 2);
});

test('HEAD has the length and no body', async (t) => {
  const client = await RawClient.connect(gateway.port);
  t.after(() => client.close());
  client.send(withKey('HEAD /any HTTP/1.1', 'Host: a') + withKey('GET /any HTTP/1.1', 'Host: a'));
  await client.until((c) => c.statuses().length === 2);
  assert.deepEqual(client.statuses(), [200, 200]);
});
