// Retries and the processes at both ends: a shutdown waits for a request that is between two attempts;
// a provider's process that is stopped, and goes on.
import assert from 'node:assert/strict';
import test from 'node:test';

import { call, series, tally, untilState } from '../support/call.mjs';
import { answer, faultyFor } from '../support/faulty.mjs';
import { Child, freePort, gatewayFor, sleep, until } from '../support/gateway.mjs';

test('a shutdown waits for a request that is between two attempts', async (t) => {
  const upstream = await faultyFor(t, [answer(503), answer(200, {}, 'late, but there')]);
  const gateway = await gatewayFor(t, {
    routes: { api: { provider: 'http', upstream: upstream.port, credential: 'none', retry: { base: '1500ms', jitter: 'none' } } },
    gateway: { timeouts: { drain: '20s' } },
  });
  const calling = call(gateway, '/api/x');
  await until('the first attempt was made', () => upstream.requests.length === 1);
  await sleep(200);
  gateway.signal('SIGTERM');
  const got = await calling;
  assert.equal(got.status, 200);
  assert.equal(got.body, 'late, but there');
  assert.equal(got.attempts, 2);
  assert.ok(got.ms >= 1400, `after ${got.ms} ms`);
  await gateway.exited;
});

test('a shutdown whose time is over does not wait for the next attempt', async (t) => {
  const upstream = await faultyFor(t, answer(503));
  const gateway = await gatewayFor(t, {
    routes: { api: { provider: 'http', upstream: upstream.port, credential: 'none', retry: { base: '60s', cap: '60s', jitter: 'none' } } },
    gateway: { timeouts: { drain: '500ms' } },
  });
  const calling = call(gateway, '/api/x');
  await until('the first attempt was made', () => upstream.requests.length === 1);
  gateway.signal('SIGTERM');
  const began = performance.now();
  const got = await calling;
  assert.equal(got.status, 0, 'it is cut');
  assert.ok(performance.now() - began < 10000);
  assert.equal(upstream.requests.length, 1);
  await gateway.exited;
});

test('a provider whose process is stopped: POSTs are not repeated, the circuit opens, and closes when it goes on', async (t) => {
  const port = await freePort();
  const demo = new Child(['demo', '--listen', `127.0.0.1:${port}`], { env: { SALLYPORT_DEMO_KEY: 'sk-demo-0123456789abcdef' } });
  t.after(async () => { process.kill(demo.pid, 'SIGCONT'); await demo.stop(); });
  await until('it listens', async () => fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false));
  const gateway = await gatewayFor(t, {
    routes: {
      api: {
        provider: 'http', upstream: port, credential: 'none', retry: { base: '10ms' }, timeouts: { first_byte: '400ms' },
        breaker: { min_requests: 4, open: '1s', max_open: '1s', probes: 1 },
      },
    },
  });
  const post = () => call(gateway, '/api/echo', { body: 'x' });
  assert.notEqual((await post()).status, 504);
  process.kill(demo.pid, 'SIGSTOP');
  const stopped = await series(3, post); // with the one before, as many as min_requests
  assert.deepEqual(tally(stopped.map((one) => one.status)), { 504: 3 });
  assert.ok(stopped.every((one) => one.attempts === 1), 'each was sent once');
  assert.equal((await post()).code, 'circuit_open');
  process.kill(demo.pid, 'SIGCONT');
  await until('it is served again', async () => ![503, 504].includes((await post()).status));
  await untilState(gateway, 'api', 'closed');
});
