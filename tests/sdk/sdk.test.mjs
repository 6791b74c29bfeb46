// The providers' own SDKs, unmodified: only base URL (or host) and key differ. They call the demo
// provider through the gateway, which puts the credential in that the demo asks for.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import Anthropic from '@anthropic-ai/sdk';
import { Octokit } from '@octokit/rest';
import OpenAI from 'openai';
import Stripe from 'stripe';

import { Child, freePort, Gateway, until } from '../support/gateway.mjs';

const demoKey = 'sk-demo-of-the-sdk-tests-0123456789';
let demo;
let gateway;

before(async () => {
  const port = await freePort();
  demo = new Child(['demo', '--listen', `127.0.0.1:${port}`], { env: { SALLYPORT_DEMO_KEY: demoKey } });
  await until('the demo provider listens', async () => fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false));
  const route = { upstream: port, credential: { secret: 'demo-key' } };
  gateway = await Gateway.start({
    routes: {
      openai: { ...route, provider: 'openai' },
      stripe: { ...route, provider: 'stripe', host: 'localhost' },
      anthropic: { ...route, provider: 'anthropic' },
      github: { ...route, provider: 'github' },
    },
    secrets: { 'demo-key': demoKey },
    tenants: { app: { allow: ['openai', 'stripe', 'anthropic', 'github'] }, stranger: { allow: ['github'] } },
  });
});

after(async () => {
  await gateway.stop();
  await demo.stop();
});

const openai = (key = gateway.key) => new OpenAI({ baseURL: `${gateway.url}/openai/v1`, apiKey: key, maxRetries: 0 });
const stripe = (key = gateway.key) => new Stripe(key, { host: 'localhost', port: gateway.port, protocol: 'http', maxNetworkRetries: 0 });

test('openai: a chat completion', async () => {
  const { data, response } = await openai().chat.completions
    .create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }] }).withResponse();
  assert.equal(data.object, 'chat.completion');
  assert.ok(data.choices[0].message.content.length > 0);
  assert.ok(data.usage.total_tokens > 0);
  assert.match(response.headers.get('x-sallyport-request-id'), /^[0-9a-f]{32}$/);
});

test('openai: a streamed chat completion, with usage', async () => {
  const stream = await openai().chat.completions.create({
    model: 'gpt-4o-mini', stream: true, stream_options: { include_usage: true }, messages: [{ role: 'user', content: 'Hello' }],
  });
  let text = '';
  let usage;
  let events = 0;
  for await (const event of stream) {
    events++;
    text += event.choices[0]?.delta?.content ?? '';
    usage = event.usage ?? usage;
  }
  assert.ok(events > 2);
  assert.ok(text.length > 0);
  assert.ok(usage.completion_tokens > 0);
});

test('openai: a streamed chat completion whose usage nobody asked for: the gateway knows it, its caller sees none', async () => {
  const { data: stream, response } = await openai().chat.completions.create({
    model: 'gpt-4o-mini', stream: true, messages: [{ role: 'user', content: 'Hello' }],
  }).withResponse();
  let text = '';
  for await (const event of stream) {
    assert.equal(event.choices.length, 1, 'no event is without a choice');
    assert.equal(event.usage ?? null, null);
    text += event.choices[0].delta.content ?? '';
  }
  assert.ok(text.length > 0);
  const { data: told } = await openai().chat.completions.create({
    model: 'gpt-4o-mini', stream: true, stream_options: { include_usage: true }, messages: [{ role: 'user', content: 'Hello' }],
  }).withResponse();
  let usage;
  for await (const event of told) usage = event.usage ?? usage;
  const line = await gateway.logLine(response.headers.get('x-sallyport-request-id'));
  assert.deepEqual([line.input_tokens, line.output_tokens, line.estimated], [usage.prompt_tokens, usage.completion_tokens, undefined]);
});

test('openai: a stream that the caller leaves is cancelled upstream', async () => {
  const gone = await gateway.metric('clients_gone_total');
  const stream = await openai().chat.completions.create({ model: 'gpt-4o-mini', stream: true, messages: [{ role: 'user', content: 'Hello' }] });
  for await (const event of stream) {
    assert.ok(event);
    break;
  }
  await until('it is noticed', async () => (await gateway.metric('clients_gone_total')) > gone);
});

test('openai: models are listed', async () => {
  const models = [];
  for await (const model of openai().models.list()) models.push(model.id);
  assert.ok(models.length > 0);
});

test('openai: errors of the gateway and of the provider are its own types', async () => {
  await assert.rejects(openai('sk-not-a-tenant').models.list(), (error) => {
    assert.ok(error instanceof OpenAI.AuthenticationError);
    assert.equal(error.status, 401);
    assert.equal(error.headers.get('x-sallyport-error'), 'tenant_unknown');
    return true;
  });
  await assert.rejects(openai(gateway.keys.stranger).models.list(), (error) => {
    assert.ok(error instanceof OpenAI.PermissionDeniedError);
    assert.equal(error.headers.get('x-sallyport-error'), 'route_not_allowed');
    assert.match(error.message, /stranger/);
    return true;
  });
  await assert.rejects(openai().get('/nowhere'), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.headers.get('x-sallyport-error'), null);
    return true;
  });
});

test('stripe: a payment intent is made and read, customers are listed', async () => {
  const intent = await stripe().paymentIntents.create({ amount: 1200, currency: 'eur' });
  assert.equal(intent.object, 'payment_intent');
  assert.equal(intent.amount, 1200);
  const again = await stripe().paymentIntents.retrieve(intent.id);
  assert.equal(again.id, intent.id);
  const customers = await stripe().customers.list({ limit: 3 });
  assert.equal(customers.object, 'list');
});

test('stripe: errors of the gateway and of the provider are its own types', async () => {
  await assert.rejects(stripe('sk_test_not_a_tenant').customers.list(), (error) => {
    assert.ok(error instanceof Stripe.errors.StripeAuthenticationError);
    assert.equal(error.statusCode, 401);
    assert.equal(error.headers['x-sallyport-error'], 'tenant_unknown');
    return true;
  });
  await assert.rejects(stripe(gateway.keys.stranger).customers.list(), (error) => {
    assert.ok(error instanceof Stripe.errors.StripePermissionError);
    return true;
  });
  await assert.rejects(stripe().paymentIntents.retrieve('pi_unknown'), (error) => {
    assert.ok(error instanceof Stripe.errors.StripeInvalidRequestError, error);
    return true;
  });
});

test('anthropic and github: errors of the gateway are their own types', async () => {
  const anthropic = new Anthropic({ baseURL: `${gateway.url}/anthropic`, apiKey: 'wrong', maxRetries: 0 });
  await assert.rejects(anthropic.messages.create({ model: 'm', max_tokens: 5, messages: [{ role: 'user', content: 'x' }] }), (error) => {
    assert.ok(error instanceof Anthropic.AuthenticationError);
    assert.equal(error.headers.get('x-sallyport-error'), 'tenant_unknown');
    return true;
  });
  const octokit = new Octokit({ auth: 'wrong', baseUrl: `${gateway.url}/github`, log: { debug() {}, info() {}, warn() {}, error() {} } });
  await assert.rejects(octokit.rest.users.getAuthenticated(), (error) => {
    assert.equal(error.status, 401);
    assert.equal(error.response.headers['x-sallyport-error'], 'tenant_unknown');
    return true;
  });
});

test('the credential is never seen by an SDK', async () => {
  const answer = await fetch(`${gateway.url}/openai/leak`, { headers: { authorization: `Bearer ${gateway.key}` } });
  const all = (await answer.text()) + JSON.stringify([...answer.headers]);
  assert.equal(answer.status, 200);
  assert.ok(!all.includes(demoKey), all);
  assert.match(all, /\*{20}/);
});
