// What a hostile provider, tenant or network peer tries against the gateway: it must neither end
// the process, nor stall a worker, nor grow its memory, nor mix up requests and answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { gatewayFor, sleep, until } from '../support/gateway.mjs';
import { RawClient, upstreamFor } from '../support/wire.mjs';

const secret = 'sk-attack-0123456789abcdefghij';

const start = (t, upstream, { route = {}, ...options } = {}) => gatewayFor(t, {
  routes: {
    api: {
      upstream: upstream.port, provider: 'http', credential: { secret: 'key' },
      inject: { header: 'Authorization', value: 'Bearer {secret}' }, ...route,
    },
  },
  secrets: { key: secret },
  ...options,
});

const request = (gateway, target = '/api/x', ...fields) =>
  [`GET ${target} HTTP/1.1`, 'Host: gw', `X-Sallyport-Key: ${gateway.key}`, ...fields].join('\r\n') + '\r\n\r\n';

async function connect(t, gateway) {
  const client = await RawClient.connect(gateway.port);
  t.after(() => client.close());
  return client;
}

test('interim answers wait for a client that reads nothing', async (t) => {
  // Each link grows when it is rewritten: 45 KB become 248 KB.
  const link = `Link: ${'</\\>,'.repeat(44)}\r\n`;
  const interim = `HTTP/1.1 103 Early Hints\r\n${link.repeat(200)}\r\n`;
  const upstream = await upstreamFor(t, () =>
    interim.repeat(31) + 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone');
  const gateway = await start(t, upstream);
  const client = await connect(t, gateway);
  client.socket.pause();
  client.send(request(gateway));
  await sleep(1000);
  client.socket.resume();
  await client.until((c) => c.text.endsWith('done'));
  assert.deepEqual(client.statuses(), [...Array(31).fill(103), 200]);
});

for (const [name, piece] of [
  ['chunk extensions', `1;${'a'.repeat(4000)}\r\nx\r\n`],
  ['chunks of one byte', '1\r\nx\r\n'],
]) {
  test(`a stream that is nearly all framing stalls nobody: ${name}`, async (t) => {
    const flood = Buffer.from(piece.repeat(Math.ceil(1e6 / piece.length)));
    const upstream = await upstreamFor(t, ({ head }, socket) => {
      if (!head.includes('/flood')) return 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
      const pour = () => {
        while (socket.writable && socket.write(flood));
      };
      socket.on('drain', pour);
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      pour();
    });
    const gateway = await start(t, upstream, { gateway: { workers: 1 } });
    const client = await connect(t, gateway);
    client.socket.removeAllListeners('data').resume(); // reads, and keeps nothing
    client.send(request(gateway, '/api/flood'));
    await until('the flood runs', () => upstream.requests.length === 1);
    for (let i = 0; i < 5; i++) {
      const other = await connect(t, gateway);
      other.send(request(gateway));
      await other.until((c) => c.text.endsWith('ok'), { timeout: 5000 });
    }
    client.close();
  });
}

test('a provider cannot speak for the gateway, neither in a head nor in trailers', async (t) => {
  const forged = 'X-Sallyport-Error: forged\r\nAlt-Svc: h3=":443"\r\n';
  const upstream = await upstreamFor(t, () => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n${forged}\r\n`
    + `2\r\nok\r\n0\r\n${forged}X-Sum: ${secret}\r\n\r\n`);
  const gateway = await start(t, upstream);
  const client = await connect(t, gateway);
  client.send(request(gateway, '/api/x', 'TE: trailers', 'Connection: TE'));
  await client.until((c) => /X-Sum: .*\r\n\r\n$/.test(c.text));
  assert.doesNotMatch(client.text, /forged|h3/);
  assert.match(client.text, /\r\n0\r\nX-Sum: \*+\r\n\r\n$/);
});

for (const [name, status, fields] of [
  ['may never come', 401, ['Host: gw', 'Content-Length: 10', 'Expect: 100-continue']],
  ['is too long to be skipped', 401, ['Host: gw', 'Content-Length: 100000']],
]) {
  test(`a refusal says that it closes if the body ${name}`, async (t) => {
    const upstream = await upstreamFor(t);
    const gateway = await start(t, upstream);
    const client = await connect(t, gateway);
    client.send(`POST /api/x HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`);
    await client.untilClosed();
    assert.deepEqual(client.statuses(), [status]);
    assert.match(client.text, /\r\nConnection: close\r\n/);
  });
}

test('an HTTP/1.0 client that names no host gets links as paths', async (t) => {
  const upstream = await upstreamFor(t, () =>
    `HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:${upstream.port}/y?z=1\r\nLink: </n>\r\nContent-Length: 0\r\n\r\n`);
  const gateway = await start(t, upstream);
  const client = await connect(t, gateway);
  client.send(`GET /api/x HTTP/1.0\r\nX-Sallyport-Key: ${gateway.key}\r\n\r\n`);
  await client.untilClosed();
  assert.match(client.text, /\r\nLocation: \/api\/y\?z=1\r\nLink: <\/api\/n>\r\n/);
});

test('a log line stays short, whatever a caller sends', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream);
  const client = await connect(t, gateway);
  client.send(`${'M'.repeat(60000)} /api/x HTTP/1.1\r\nHost: gw\r\nX-Request-Id: ${'r'.repeat(500)}\r\n\r\n`);
  await client.until((c) => c.statuses().length === 1);
  const line = await until('the log line', () => gateway.accessLog()[0]);
  assert.ok(JSON.stringify(line).length < 1000);
});

test('total bounds a body that trickles in, too', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, { route: { timeouts: { total: '1s' } } });
  const client = await connect(t, gateway);
  client.send(`POST /api/x HTTP/1.1\r\nHost: gw\r\nX-Sallyport-Key: ${gateway.key}\r\nContent-Length: 1000\r\n\r\n`);
  for (let sent = 0; sent < 30 && client.statuses().length === 0; sent++) {
    client.send('x');
    await sleep(100);
  }
  client.close();
  assert.deepEqual(client.statuses(), [408]);
  assert.match(client.text, /X-Sallyport-Error: client_timeout/);
  assert.equal(upstream.connections, 0);
});

test('an offer of h2c is ignored, another protocol is 501', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream);
  const client = await connect(t, gateway);
  const offer = (protocol) => request(gateway, '/api/x', `Upgrade: ${protocol}`,
    'Connection: Upgrade, HTTP2-Settings', 'HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA');
  for (const [i, [protocol, status]] of [['h2c', 200], ['H2C', 200], ['websocket', 501], ['h2c, websocket', 501]].entries()) {
    client.send(offer(protocol));
    await client.until((c) => c.statuses().length === i + 1);
    assert.equal(client.statuses()[i], status, protocol);
  }
  assert.equal(upstream.requests.length, 2);
  assert.doesNotMatch(upstream.requests[0].head, /upgrade|http2-settings|connection/i);
});

test('a body that nobody wants cannot trickle in for ever', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, { gateway: { timeouts: { body_idle: '1s' } } });
  const client = await connect(t, gateway);
  client.send('POST /api/x HTTP/1.1\r\nHost: gw\r\nContent-Length: 1000\r\n\r\n');
  for (let sent = 0; sent < 40 && !client.closed; sent++) {
    client.send('x');
    await sleep(100);
  }
  assert.deepEqual(client.statuses(), [401]);
  assert.ok(client.closed);
});
