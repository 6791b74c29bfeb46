// A POST is executed at most once, whatever is cut when; with an idempotency key it may arrive again, and is
// one charge all the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { call, tally } from '../support/call.mjs';
import { answer, cutBody, cutHead, Faulty, reset } from '../support/faulty.mjs';
import { Gateway, measured, until } from '../support/gateway.mjs';
import { CutProxy } from '../support/redis.mjs';

const RUNS = Number(process.env.FAULT_RUNS ?? 2) * 20;
const secret = 'sk-test-0123456789abcdefghij';
const retry = { attempts: 3, base: '5ms', cap: '20ms', budget: '100%' };
const random = (most) => Math.random() * most;
const pick = (list) => list[Math.floor(Math.random() * list.length)];

async function start(provider) {
  const upstream = await Faulty.start();
  const back = await CutProxy.start(upstream.port); // between the gateway and the upstream
  const gateway = await Gateway.start({
    program: measured,
    routes: { api: { provider, base_url: `http://127.0.0.1:${back.port}`, breaker: 'off', retry,
      ...(provider === 'http' ? { credential: 'none' } : { credential: { secret: 'key' } }) } },
    secrets: { key: secret },
  });
  const front = await CutProxy.start(gateway.port); // between the client and the gateway
  return {
    upstream, back, front, gateway,
    async stop() {
      await front.stop();
      await until('nothing is in flight', async () => (await gateway.metric('exchanges')) === 0);
      await gateway.stop();
      await back.stop();
      await upstream.stop();
    },
  };
}

const ends = () => pick([
  () => answer(200), () => answer(200, {}, 'ok', { delay: random(30) }), () => reset('head'), () => reset('after head'), () => reset('body'),
  () => reset('request'), () => cutHead(), () => cutBody(), () => answer(500), () => answer(503), () => answer(408),
])();

test(`${RUNS} POSTs without a key, with cuts at random: each is executed at most once`, async (t) => {
  const state = await start('http');
  const { upstream, gateway } = state;
  const outcomes = [];
  try {
    upstream.play(() => ends());
    const stops = [state.back.atRandom(60), state.front.atRandom(90)];
    for (let i = 0; i < RUNS; i++) {
      const size = Math.floor(random(3) < 1 ? random(200000) : random(2000));
      const target = Math.random() < 0.5 ? state.front : gateway; // cut on either side, or on one
      const { status, error } = await call({ port: target.port, key: gateway.key }, `/api/pay/${i}`, { body: 'x'.repeat(size) });
      outcomes.push(error?.code ?? status);
    }
    stops.forEach((stop) => stop());
    await until('nothing is in flight', async () => (await gateway.metric('exchanges')) === 0);
    const arrived = tally(upstream.whole.map((request) => request.path));
    const twice = Object.entries(arrived).filter(([, count]) => count > 1);
    t.diagnostic(`${JSON.stringify(tally(outcomes))}; ${Object.keys(arrived).length} of ${RUNS} executed, cuts ${state.back.cuts} and ${state.front.cuts}`);
    assert.deepEqual(twice, []);
    // Nor in part: what was sent at all was sent once, unless the provider never got to see it whole.
    const parts = tally(upstream.requests.filter((request) => request.path).map((request) => request.path));
    assert.deepEqual(Object.entries(parts).filter(([, count]) => count > 1), []);
    assert.ok(outcomes.includes(200), 'some go through');
    assert.ok(outcomes.includes(502), 'some are cut');
  } finally {
    await state.stop();
  }
});

test(`${RUNS} POSTs with a key, with cuts at random: one charge each, and most get through`, async (t) => {
  const state = await start('stripe');
  const { upstream, gateway } = state;
  const charges = new Map(); // as Stripe does: a key is executed once, then its answer is replayed
  try {
    upstream.play((request) => {
      request.key = request.headers['idempotency-key'];
      return Math.random() < 0.4 ? answer(200) : ends();
    });
    const stop = state.back.atRandom(60);
    const outcomes = [];
    for (let i = 0; i < RUNS; i++) {
      const headers = Math.random() < 0.5 ? { 'Idempotency-Key': `order-${i}` } : {};
      const { status, error } = await call(gateway, `/api/v1/charges?n=${i}`, { body: `amount=${i}`, headers });
      outcomes.push(error?.code ?? status);
    }
    stop();
    for (const request of upstream.whole) {
      assert.ok(request.key, 'each POST has a key');
      if (!charges.has(request.path)) charges.set(request.path, new Set());
      charges.get(request.path).add(`${request.key} ${request.hash}`);
    }
    const again = upstream.whole.length - charges.size;
    t.diagnostic(`${JSON.stringify(tally(outcomes))}; ${charges.size} charges, ${again} repeats, ${state.back.cuts} cuts`);
    for (const [path, keys] of charges) assert.equal(keys.size, 1, `${path} is one charge: ${[...keys]}`);
    assert.ok(again > 0, 'some were sent again');
    assert.ok(outcomes.filter((one) => one === 200).length > RUNS / 2, 'most get through');
  } finally {
    await state.stop();
  }
});
