// A provider is down altogether, or hangs: after its circuit has opened a refusal makes no connection, it is
// back within one probe interval, and the others are served as if nothing were.
import assert from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import { test } from 'node:test';

import { call, tally } from '../support/call.mjs';
import { authorityFor } from '../support/certificates.mjs';
import { Faulty, hang, reset } from '../support/faulty.mjs';
import { Gateway, isSanitized, measured, sleep, until } from '../support/gateway.mjs';
import { longestTurn, quantile } from '../support/latency.mjs';
import { load } from '../support/load.mjs';
import { preloaded } from '../support/preload.mjs';

const SECONDS = Number(process.env.FAULT_SECONDS ?? 3);
const plain = (upstream, more = {}) => ({ provider: 'http', credential: 'none', upstream: upstream.port, ...more });

test(`down for ${SECONDS} s: connections are made by probes alone`, async (t) => {
  const upstream = await Faulty.start(reset('accept')); // no TLS to be had: a failed connect that can be counted
  const gateway = await Gateway.start({
    program: measured, gateway: { workers: 4 },
    routes: { api: { provider: 'http', credential: 'none', base_url: `https://127.0.0.1:${upstream.port}`, retry: { attempts: 1 },
      tls: { ca: authorityFor(t).file }, // a short list to read
      breaker: { consecutive: 5, open: '500ms', max_open: '500ms', probes: 1 } } },
  });
  try {
    const results = await load(gateway, ['/api/x'], 200, SECONDS);
    const codes = tally(results.map((one) => one.code));
    t.diagnostic(`${results.length} calls: ${JSON.stringify(codes)}, ${upstream.connections} connections`);
    // 5 open it, as many as were under way at that moment beside them, then a probe each 400 ms at least.
    const probes = Math.ceil(SECONDS * 1000 / 400) + 1;
    assert.ok(upstream.connections <= 5 + 8 + probes, `${upstream.connections} connections`);
    assert.ok(upstream.connections > 5, 'probes were made');
    assert.equal(codes.upstream_unreachable, upstream.connections, 'a refusal by the circuit makes none');
    assert.equal(codes.circuit_open, results.length - upstream.connections);
    const refusals = results.filter((one) => one.code === 'circuit_open').map((one) => one.ms);
    t.diagnostic(`a refusal takes ${quantile(refusals, 0.5).toFixed(2)} ms, 99 % ${quantile(refusals, 0.99).toFixed(2)} ms`);
    assert.ok(quantile(refusals, 0.5) < 100);
  } finally {
    await gateway.stop();
    await upstream.stop();
  }
});

test('back: it is used again within one probe interval', async (t) => {
  const upstream = await Faulty.start();
  const gateway = await Gateway.start({
    program: measured, gateway: { workers: 4 },
    routes: { api: plain(upstream, { retry: { attempts: 1 }, breaker: { consecutive: 5, open: '500ms', max_open: '1s', probes: 3 } }) },
  });
  try {
    await upstream.down();
    let over = false;
    const results = [];
    const client = (async () => {
      while (!over) {
        results.push({ at: performance.now(), ...(await call(gateway, '/api/x')) });
        await sleep(20);
      }
    })();
    await sleep(SECONDS * 1000);
    await upstream.up();
    const backAt = performance.now();
    await sleep(3000);
    over = true;
    await client;
    const first = results.find((one) => one.status === 200);
    assert.ok(first, 'it is back');
    t.diagnostic(`used again ${(first.at - backAt).toFixed(0)} ms after it was back; open for up to 1.2 s`);
    assert.ok(first.at - backAt < 1200 + 250, `${first.at - backAt} ms`);
    const later = results.filter((one) => one.at > first.at + 500);
    assert.deepEqual(tally(later.map((one) => one.status)), { 200: later.length }, 'and closed');
  } finally {
    await gateway.stop();
    await upstream.stop();
  }
});

test('one of five hangs, and the name of another: the other three serve the same', async (t) => {
  const good = [await Faulty.start(), await Faulty.start(), await Faulty.start()];
  const mute = await Faulty.start(hang());
  const routes = {
    mute: plain(mute, { timeouts: { first_byte: '10s' } }),
    nameless: { provider: 'http', credential: 'none', base_url: 'http://h.hang.test', timeouts: { connect: '10s' } },
  };
  good.forEach((one, i) => (routes[`good${i}`] = plain(one)));
  const gateway = await Gateway.start({
    program: measured, routes, gateway: { workers: 2 },
    env: { ...preloaded('hanging_resolver'), SSL_CERT_FILE: undefined, SSL_CERT_DIR: undefined },
  });
  const paths = good.map((_, i) => `/good${i}/x`);
  try {
    await load(gateway, paths, 100, 0.5);
    const before = await load(gateway, paths, 300, SECONDS);
    const usual = await longestTurn(gateway);
    const leave = new AbortController();
    setMaxListeners(0, leave.signal);
    const stuck = [];
    for (let i = 0; i < 100; i++) { // little by little: what a crowd costs is another matter
      stuck.push(...['/mute/x', '/nameless/x'].map((path) => call(gateway, path, { signal: leave.signal })));
      await sleep(5);
    }
    await until('they hang', async () => (await gateway.metric('exchanges')) === stuck.length);
    const during = await load(gateway, paths, 300, SECONDS);
    const turn = await longestTurn(gateway);
    leave.abort();
    await Promise.all(stuck);
    const counts = (results) => tally(results.map((one) => `${one.path} ${one.status}`));
    const slowest = (results) => quantile(results.map((one) => one.late), 0.99);
    t.diagnostic(`before: ${JSON.stringify(counts(before))}, p99 ${slowest(before).toFixed(1)} ms`);
    t.diagnostic(`during: ${JSON.stringify(counts(during))}, p99 ${slowest(during).toFixed(1)} ms`);
    t.diagnostic(`longest turn of a loop: ${usual.toFixed(2)} ms before, ${turn.toFixed(2)} ms with those that hang`);
    assert.deepEqual(counts(during), Object.fromEntries(paths.map((path) => [`${path} 200`, 100 * SECONDS])));
    assert.deepEqual(counts(during), counts(before));
    // 5 ms on a quiet machine; where others take the processor it is what it was before.
    assert.ok(turn < Math.max(3 * usual, isSanitized(measured) ? 500 : 50), `a turn took ${turn} ms`);
  } finally {
    await gateway.stop();
    for (const upstream of [...good, mute]) await upstream.stop();
  }
});
