// A provider's own SDK tries again by itself; with the gateway before it the attempts do not multiply.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import OpenAI from 'openai';
import Stripe from 'stripe';

import { answer, faultyFor, json, reset } from '../support/faulty.mjs';
import { gatewayFor } from '../support/gateway.mjs';

const retry = { attempts: 3, base: '20ms', cap: '50ms' };

async function start(t, provider, script, route = {}) {
  const upstream = await faultyFor(t, script);
  const gateway = await gatewayFor(t, {
    routes: { api: { provider, upstream: upstream.port, credential: { secret: 'key' }, retry, ...route } },
    secrets: { key: 'sk-test-0123456789abcdefghij' },
  });
  return { upstream, gateway };
}

const openaiFor = (gateway) => new OpenAI({ baseURL: `${gateway.url}/api/v1`, apiKey: gateway.key, maxRetries: 2 });
const chat = (client) => client.chat.completions.create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'x' }] });

for (const [name, script] of [
  ['answers 503', answer(503)], ['answers 500', answer(500)], ['resets', reset()],
  ['answers 429', json(429, { error: { message: 'slow down', code: 'rate_limit_exceeded' } })],
]) {
  test(`openai with maxRetries 2 and a provider that ${name}: 3 attempts in all, not 9`, async (t) => {
    const { gateway, upstream } = await start(t, 'openai', script);
    await assert.rejects(chat(openaiFor(gateway)), (error) => {
      assert.ok(error instanceof OpenAI.APIError, error);
      assert.equal(error.headers.get('x-should-retry'), 'false');
      return true;
    });
    assert.equal(upstream.requests.length, 3);
    await assert.rejects(openaiFor(gateway).models.list());
    assert.equal(upstream.requests.length, 6);
  });
}

test('openai and a provider that nobody answers for: no more than 3 connects, then none', async (t) => {
  const { gateway, upstream } = await start(t, 'openai', answer());
  await upstream.down();
  await assert.rejects(chat(openaiFor(gateway)), (error) => {
    assert.equal(error.headers.get('x-sallyport-attempts'), '3');
    assert.equal(error.headers.get('x-should-retry'), 'false');
    return true;
  });
});

test('openai: a provider that is ill for a moment is not noticed', async (t) => {
  const { gateway, upstream } = await start(t, 'openai', [answer(503), reset(), json(200, { object: 'list', data: [] })]);
  const models = await openaiFor(gateway).models.list();
  assert.deepEqual(models.data, []);
  assert.equal(upstream.requests.length, 3);
});

test('stripe: a payment that is cut off is one payment', async (t) => {
  const { gateway, upstream } = await start(t, 'stripe', [reset(), json(200, { object: 'payment_intent', id: 'pi_1' })],
    { host: 'localhost' });
  const stripe = new Stripe(gateway.key, { host: 'localhost', port: gateway.port, protocol: 'http', maxNetworkRetries: 2 });
  const intent = await stripe.paymentIntents.create({ amount: 100, currency: 'eur' });
  assert.equal(intent.id, 'pi_1');
  assert.equal(upstream.requests.length, 2);
  const keys = upstream.requests.map((request) => request.headers['idempotency-key']);
  assert.ok(keys[0]);
  assert.equal(keys[0], keys[1]);
});
