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
