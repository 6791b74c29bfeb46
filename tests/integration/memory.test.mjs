// What idle connections and streams cost in memory. Measured with the release binary, where
// scripts/test has built it; a sanitizer's figures are printed, and say nothing.
import assert from 'node:assert/strict';
import net from 'node:net';
import tls from 'node:tls';
import { test } from 'node:test';

import { authorityFor } from '../support/certificates.mjs';
import { gatewayFor, isSanitized, measured, sleep, until } from '../support/gateway.mjs';
import { longestTurn } from '../support/latency.mjs';
import { upstreamFor } from '../support/wire.mjs';

const IDLE_CONNECTIONS = 2000;
const STREAMS = 1000;
const EVENTS = 20;

const asserts = !isSanitized(measured);
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const perConnection = (bytes, count) => `${(bytes / 1024 / count).toFixed(2)} KiB`;

function request(gateway, path) {
  return `GET ${path} HTTP/1.1\r\nHost: gw\r\nX-Sallyport-Key: ${gateway.key}\r\n\r\n`;
}

// Sockets that keep what they got as a count of bytes and the last of them: there are thousands.
async function connectMany(gateway, count, eachBytes) {
  const sockets = await Promise.all(Array.from({ length: count }, () => new Promise((resolve, reject) => {
    const socket = net.connect(gateway.port, '127.0.0.1', () => resolve(socket));
    socket.on('error', reject);
    socket.tail = '';
    socket.on('data', (data) => {
      eachBytes?.(socket, data);
      socket.tail = (socket.tail + data.toString('latin1')).slice(-400);
    });
    socket.on('close', () => (socket.gone = true));
  })));
  return sockets;
}

test(`${IDLE_CONNECTIONS} idle connections, each after a request`, async (t) => {
  const upstream = await upstreamFor(t, () => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  const gateway = await gatewayFor(t, {
    program: measured, routes: { api: { upstream: upstream.port, provider: 'http' } }, gateway: { workers: 1 } });
  // What is made once: the first connections pay for it.
  const visit = async (count) => {
    const sockets = await connectMany(gateway, count);
    for (let i = 0; i < count; i += 50) { // few at a time, so that buffers are for those that are idle
      const some = sockets.slice(i, i + 50);
      for (const socket of some) socket.write(request(gateway, '/api/x'));
      await until('they are answered', () => some.every((socket) => socket.tail.endsWith('ok')), { every: 2 });
    }
    return sockets;
  };
  for (const socket of await visit(200)) socket.destroy();
  await until('they are gone', async () => (await gateway.metric('connections_open')) === 0);
  const before = gateway.rssBytes();
  const sockets = await visit(IDLE_CONNECTIONS);
  await gateway.metricIs(IDLE_CONNECTIONS, 'connections_open');
  const grown = gateway.rssBytes() - before;
  t.diagnostic(`RSS ${megabytes(before)} before, ${perConnection(grown, IDLE_CONNECTIONS)} a connection`);
  if (asserts) {
    assert.ok(before < 20e6, megabytes(before));
    assert.ok(grown / IDLE_CONNECTIONS < 4096, perConnection(grown, IDLE_CONNECTIONS));
  }
  assert.ok(sockets.every((socket) => !socket.gone));
  for (const socket of sockets) socket.destroy();
});

const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';
const event = (i) => `data: {"event":${String(i).padStart(4)},"text":"${'x'.repeat(60)}"}\n\n`;
const chunk = (text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

// An upstream, plain or over TLS, whose streams all wait for next().
async function streamer(t, options) {
  const streams = [];
  const sockets = new Set();
  const serve = (socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    let received = '';
    socket.on('data', (data) => {
      received += data.toString('latin1');
      if (received.endsWith('\r\n\r\n')) {
        received = '';
        socket.write(head);
        streams.push(socket);
      }
    });
  };
  const server = options ? tls.createServer(options, serve) : net.createServer(serve);
  await new Promise((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: server.address().port, streams, say: (bytes) => streams.forEach((socket) => socket.write(bytes)) };
}

async function streamsAtOnce(t, upstream, route, most) {
  const gateway = await gatewayFor(t, { program: measured, routes: { api: { provider: 'http', ...route } }, gateway: { workers: 1 } });
  const idle = gateway.rssBytes();
  const eventsOf = (socket, data) => (socket.events = (socket.events ?? 0) + data.toString('latin1').split('data: ').length - 1);
  const sockets = await connectMany(gateway, STREAMS, eventsOf);
  for (const socket of sockets) socket.write(request(gateway, '/api/stream'));
  await until('all streams are open', () => upstream.streams.length === STREAMS, { timeout: 120000 });
  for (let i = 0; i < EVENTS; i++) {
    upstream.say(chunk(event(i)));
    await until(`event ${i} is with all`, () => sockets.every((socket) => socket.events === i + 1), { timeout: 30000, every: 5 });
  }
  await sleep(200);
  const [rss, highest] = [gateway.rssBytes(), gateway.mostRssBytes()];
  upstream.say('0\r\n\r\n');
  await until('all have ended well', () => sockets.every((socket) => socket.tail.endsWith('0\r\n\r\n')));
  t.diagnostic(`RSS ${megabytes(idle)} idle, ${megabytes(rss)} with all streams, ${megabytes(highest)} at most; ` +
    `${perConnection(rss - idle, STREAMS)} a stream; longest turn ${(await longestTurn(gateway)).toFixed(2)} ms`);
  assert.ok(sockets.every((socket) => socket.events === EVENTS && !socket.gone));
  if (asserts) assert.ok(highest < most, megabytes(highest));
  for (const socket of sockets) socket.destroy();
}

test(`${STREAMS} event streams at once over a plain upstream`, async (t) => {
  const upstream = await streamer(t);
  await streamsAtOnce(t, upstream, { upstream: upstream.port }, 40e6);
});

test(`${STREAMS} event streams at once over a TLS upstream`, async (t) => {
  const authority = authorityFor(t);
  const upstream = await streamer(t, authority.sign('IP:127.0.0.1'));
  const route = { base_url: `https://127.0.0.1:${upstream.port}`, tls: { ca: authority.file }, timeouts: { connect: '110s' } };
  await streamsAtOnce(t, upstream, route, 100e6);
});
