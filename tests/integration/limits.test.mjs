// Limits hold, and clients that are slow on purpose harm only themselves.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';

import { gatewayFor, sleep, until } from '../support/gateway.mjs';
import { describe, latencies, longestTurn, quantile } from '../support/latency.mjs';
import { RawClient, upstreamFor } from '../support/wire.mjs';

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const route = (upstream) => ({ api: { upstream: upstream.port, provider: 'http' } });
const connect = (gateway, count) => Promise.all(Array.from({ length: count }, () => RawClient.connect(gateway.port)));

function request(gateway, method, path, ...lines) {
  return [`${method} ${path} HTTP/1.1`, 'Host: gw', `X-Sallyport-Key: ${gateway.key}`, ...lines, '', ''].join('\r\n');
}

test('as many connections as gateway.limits.connections says; further ones are closed and counted', async (t) => {
  const upstream = await upstreamFor(t, () => ok);
  const gateway = await gatewayFor(t, { routes: route(upstream), gateway: { workers: 2, limits: { connections: 20 } } });
  const clients = await connect(gateway, 20); // whichever worker the kernel gives them to
  for (const client of clients) client.send(request(gateway, 'GET', '/api/x'));
  await Promise.all(clients.map((client) => client.until((c) => c.statuses().includes(200))));
  await gateway.metricIs(20, 'connections_open');
  await gateway.metricIs(0, 'connections_refused_total');

  const further = await connect(gateway, 5);
  await Promise.all(further.map((client) => client.untilClosed()));
  assert.ok(further.every((client) => client.received.length === 0));
  await gateway.metricIs(5, 'connections_refused_total');
  await gateway.metricIs(20, 'connections_total');

  clients.pop().close();
  await until('the place is free', async () => (await gateway.metric('connections_open')) === 19);
  const next = await RawClient.connect(gateway.port);
  next.send(request(gateway, 'GET', '/api/x'));
  await next.until((c) => c.statuses().includes(200));
  for (const client of [next, ...clients]) client.close();
});

// Bodies that are held while their clients are slow, and while the provider is.
for (const [what, sent, size] of [['are still coming', 0.5, 60_000], ['wait for the provider', 1, 20_000]]) {
  test(`buffered_bytes is used up by bodies that ${what}: 503 overloaded, and back to 0`, async (t) => {
    const upstream = await upstreamFor(t, ({ head }) => (head.startsWith('POST /wait') ? undefined : ok));
    const gateway = await gatewayFor(t, { routes: route(upstream), gateway: { limits: { buffered_bytes: '1MiB' } } });
    const most = Math.floor(1024 * 1024 / size);
    const clients = await connect(gateway, most + 10);
    const body = Buffer.alloc(size, 'x');
    for (const client of clients) client.send(request(gateway, 'POST', '/api/wait', `Content-Length: ${size}`));
    await sleep(200); // so that a body comes by itself, and in one piece where it can
    for (const client of clients) client.send(body.subarray(0, sent * size));
    const refused = () => clients.filter((client) => client.statuses().length > 0);
    await until('those that are too many are refused', () => refused().length >= 10);
    await sleep(200);
    assert.equal(refused().length, 10);
    for (const client of refused()) {
      assert.deepEqual(client.statuses(), [503]);
      assert.match(client.text, /^X-Sallyport-Error: overloaded\r$/m);
      assert.match(client.text, /^Retry-After: \d+\r$/m);
    }
    await gateway.metricIs(most * size, 'buffered_bytes');
    for (const client of clients) client.close();
    await until('nothing is held', async () => (await gateway.metric('buffered_bytes')) === 0);
    const answer = await fetch(`${gateway.url}/api/x`, { method: 'POST', body, headers: { 'x-sallyport-key': gateway.key } });
    assert.equal(answer.status, 200);
  });
}

test('hundreds of slow clients do not hold up a good one', async (t) => {
  const block = Buffer.alloc(65536, 'x');
  const sockets = new Set();
  const server = http.createServer((req, res) => {
    if (req.url !== '/big') return res.end('ok');
    const more = () => { while (!res.destroyed && res.write(block)); };
    res.on('drain', more);
    more();
  });
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  const gateway = await gatewayFor(t, {
    // Two hundred big answers at once are much for the provider, which is in this process.
    routes: { api: { ...route({ port: server.address().port }).api, breaker: 'off', timeouts: { connect: '60s', first_byte: '90s' } } },
    gateway: { workers: 1, timeouts: { header: '120s', write_idle: '120s' } },
  });
  const before = await latencies(gateway, '/api/x', { count: 100 });

  const dribblers = await connect(gateway, 300); // a byte of a head now and then
  const deaf = await connect(gateway, 200); // ask for much and read nothing
  const head = request(gateway, 'GET', '/api/x');
  let at = 0;
  const timer = setInterval(() => {
    const byte = head[at++ % (head.length - 4)];
    for (const client of dribblers) client.send(byte);
  }, 60);
  t.after(() => clearInterval(timer));
  for (const client of deaf) {
    client.socket.pause();
    client.send(request(gateway, 'GET', '/api/big'));
  }
  const sent = () => [...sockets].reduce((sum, socket) => sum + socket.bytesWritten, 0);
  await until('the big answers stand still', async () => {
    const before = sent();
    await sleep(500);
    return sockets.size >= deaf.length && before === sent();
  }, { timeout: 120000 });
  const during = await latencies(gateway, '/api/x', { count: 200 });
  t.diagnostic(`before: ${describe(before)}`);
  t.diagnostic(`during: ${describe(during)}`);
  t.diagnostic(`longest turn ${(await longestTurn(gateway)).toFixed(2)} ms, RSS ${(gateway.rssBytes() / 1e6).toFixed(1)} MB`);
  // To be held up would be seconds; a machine that is busy with other tests was so before, too.
  assert.ok(quantile(during, 0.5) < 100 + 3 * quantile(before, 0.5), `${describe(during)}; before: ${describe(before)}`);
  assert.ok(quantile(during, 0.95) < 250 + 3 * quantile(before, 0.95), `${describe(during)}; before: ${describe(before)}`);
  clearInterval(timer);
  for (const client of [...dribblers, ...deaf]) client.close();
});
