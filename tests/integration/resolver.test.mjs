// A resolver that does not answer stalls nobody but those who need the name.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Gateway, sleep, until } from '../support/gateway.mjs';
import { describe, latencies, longestTurn } from '../support/latency.mjs';
import { preloaded } from '../support/preload.mjs';
import { RawClient, upstreamFor } from '../support/wire.mjs';

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const okAndClose = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok';

// Generous: what is looked for are stalls of seconds, on a machine that is busy with other tests.
const HANGS_S = 6; // the least; a machine under load needs seconds to start hundreds of threads
const PROMPT_MS = 4500;
const TURN_MS = 1500;

// Each call is one attempt, whatever became of those before it.
const once = { retry: 'off', breaker: 'off' };

function hanging(count, connect) {
  const routes = {};
  for (let i = 0; i < count; i++) {
    routes[`hang${i}`] = { provider: 'http', base_url: `http://h${i}.hang.test`, timeouts: { connect }, ...once };
  }
  return routes;
}

async function start(t, routes, gateway = {}) {
  // A file with all certificates takes long to read, once; that is not what these tests are about.
  const env = { ...preloaded('hanging_resolver'), SSL_CERT_FILE: undefined, SSL_CERT_DIR: undefined };
  const started = await Gateway.start({ routes, gateway: { workers: 1, ...gateway }, env });
  t.after(() => started.stop());
  return started;
}

async function timedCall(gateway, path) {
  const startedAt = performance.now();
  const answer = await fetch(`${gateway.url}${path}`, { headers: { 'x-sallyport-key': gateway.key } });
  await answer.arrayBuffer();
  return { status: answer.status, code: answer.headers.get('x-sallyport-error'), ms: performance.now() - startedAt };
}

const calls = (gateway, paths) => Promise.all(paths.map((path) => timedCall(gateway, path)));

test('while lookups hang, others are served, and who waits gets 504 in time', async (t) => {
  const kept = await upstreamFor(t, () => ok);
  const fresh = await upstreamFor(t, () => okAndClose);
  const gateway = await start(t, {
    ...hanging(1, `${HANGS_S}s`),
    kept: { provider: 'http', upstream: kept.port },
    fresh: { provider: 'http', base_url: `http://api.here.test:${fresh.port}` }, // looked up each time
  });
  const waiting = calls(gateway, Array(100).fill('/hang0/x'));
  const [atKept, atFresh, results] = await Promise.all([
    latencies(gateway, '/kept/x', { busy: waiting }), latencies(gateway, '/fresh/x', { busy: waiting }), waiting]);
  t.diagnostic(`kept connection: ${describe(atKept)}`);
  t.diagnostic(`fresh connections: ${describe(atFresh)}`);
  assert.ok(Math.max(...atKept, ...atFresh) < PROMPT_MS);
  for (const { status, code, ms } of results) {
    assert.equal(status, 504);
    assert.equal(code, 'upstream_timeout');
    assert.ok(ms > 1000 * HANGS_S - 100 && ms < 1000 * HANGS_S + PROMPT_MS, `504 after ${ms} ms`);
  }
  const turn = await longestTurn(gateway);
  t.diagnostic(`longest turn: ${turn.toFixed(2)} ms`);
  assert.ok(turn < TURN_MS, `a turn took ${turn} ms`);
});

// Calls at routes that hang, and meanwhile at two that were never used before.
async function othersAreServed(t, routes, perRoute) {
  const upstream = await upstreamFor(t, () => okAndClose);
  const gateway = await start(t, {
    ...routes,
    literal: { provider: 'http', upstream: upstream.port },
    named: { provider: 'http', base_url: `http://api.here.test:${upstream.port}` },
  });
  const paths = Object.keys(routes).flatMap((name) => Array(perRoute).fill(`/${name}/x`));
  const waiting = calls(gateway, paths);
  await until('all of them wait', async () => (await gateway.metric('exchanges')) === paths.length);
  const [atLiteral, atNamed, results] = await Promise.all([
    latencies(gateway, '/literal/x', { busy: waiting }), latencies(gateway, '/named/x', { busy: waiting }), waiting]);
  t.diagnostic(`an address: ${describe(atLiteral)}`);
  t.diagnostic(`a name: ${describe(atNamed)}`);
  t.diagnostic(`longest turn: ${(await longestTurn(gateway)).toFixed(2)} ms`);
  assert.ok(results.every(({ status, code }) => status === 504 && code === 'upstream_timeout'));
  assert.ok(Math.max(...atLiteral, ...atNamed) < PROMPT_MS);
  assert.ok((await longestTurn(gateway)) < TURN_MS);
}

test('many names that hang stall nobody else', async (t) => {
  await othersAreServed(t, hanging(90, `${HANGS_S}s`), 8);
});

test('many upstreams that accept, but never speak TLS, stall nobody else', async (t) => {
  const silent = await upstreamFor(t, () => undefined);
  const routes = {};
  for (let i = 0; i < 20; i++) { // an endpoint each, for the host is part of what tells them apart
    routes[`silent${i}`] = { provider: 'http', base_url: `https://s${i}.here.test:${silent.port}`, timeouts: { connect: `${HANGS_S}s` }, ...once };
  }
  await othersAreServed(t, routes, 40);
});

test('a client that leaves during a lookup is forgotten at once', async (t) => {
  const gateway = await start(t, hanging(1, '1h'));
  const client = await RawClient.connect(gateway.port);
  client.send(`GET /hang0/x HTTP/1.1\r\nHost: a\r\nX-Sallyport-Key: ${gateway.key}\r\n\r\n`);
  await until('it waits', async () => (await gateway.metric('exchanges')) === 1);
  await sleep(100);
  const leftAt = performance.now();
  client.close();
  await until('it is forgotten', async () => (await gateway.metric('exchanges')) === 0);
  assert.ok(performance.now() - leftAt < PROMPT_MS);
  assert.ok((await longestTurn(gateway)) < TURN_MS);
});

test('a drain does not wait for lookups', async (t) => {
  const gateway = await start(t, hanging(20, '1h'), { timeouts: { drain: '500ms' } });
  const clients = await Promise.all(Array.from({ length: 40 }, () => RawClient.connect(gateway.port)));
  clients.forEach((client, i) => client.send(`GET /hang${i % 20}/x HTTP/1.1\r\nHost: a\r\nX-Sallyport-Key: ${gateway.key}\r\n\r\n`));
  await until('they wait', async () => (await gateway.metric('exchanges')) === 40);
  const startedAt = performance.now();
  gateway.signal('SIGTERM');
  await gateway.stop({ signal: 'SIGCONT' });
  const took = performance.now() - startedAt;
  t.diagnostic(`stopped after ${took.toFixed(0)} ms`);
  assert.ok(took < 5000, `it took ${took} ms`);
  for (const client of clients) await client.untilClosed();
});
