// What the gateway sends is what an OpenAPI server takes: Prism, which others have written, reads a
// document of six providers' requests and refuses what does not have their shape. The credentials
// are checked before it.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import Anthropic from '@anthropic-ai/sdk';
import { Analytics } from '@segment/analytics-node';
import { createLogger } from '@stoplight/prism-core';
import { getHttpOperationsFromSpec } from '@stoplight/prism-http';
import { createServer } from '@stoplight/prism-http-server';
import OpenAI from 'openai';
import Stripe from 'stripe';

import { freePort, Gateway } from '../support/gateway.mjs';
import { OverTls } from './over_tls.mjs';
import { ProviderFake } from './provider_fake.mjs';

const names = ['openai', 'anthropic', 'stripe', 'segment', 'google-maps', 'recaptcha'];
const secret = 'the-real-secret-0123456789';
let secured;
let prism;
let prismPort;
let fake;
let gateway;

// What Prism says to a request; 422: it has another shape.
async function ask(name, target, { method, headers, body }) {
  const { host, connection, 'content-length': length, 'transfer-encoding': coding, ...rest } = headers;
  const answer = await fetch(`http://127.0.0.1:${prismPort}/${name}${target}`, { method, headers: rest, body: method === 'GET' ? undefined : Buffer.from(body, 'latin1') });
  return { status: answer.status, headers: { 'content-type': answer.headers.get('content-type') }, body: await answer.text() };
}

before(async () => {
  secured = new OverTls('DNS:localhost,IP:127.0.0.1,IP:127.0.0.2').trust();
  const operations = await getHttpOperationsFromSpec(path.join(import.meta.dirname, 'shapes.yaml'));
  prism = createServer(operations, {
    cors: false, components: { logger: createLogger('prism', { level: 'silent' }) },
    config: { isProxy: false, checkSecurity: true, validateRequest: true, validateResponse: true, errors: true, mock: { dynamic: false } },
  });
  prismPort = await freePort();
  await prism.listen(prismPort, '127.0.0.1');
  const answers = Object.fromEntries(names.map((name) => [name, async (request, target) => {
    const said = await ask(name, target, request);
    if (said.status !== 200) fake.wrong.push(`${name}: ${said.body}`);
    return { raw: said };
  }]));
  fake = await ProviderFake.start(secured.served, answers, { secrets: Object.fromEntries(names.map((name) => [name, secret])) });
  const hosts = { stripe: '127.0.0.2' };
  const port = await freePort();
  gateway = await Gateway.start({
    routes: Object.fromEntries(names.map((name) => [name, {
      provider: name, base_url: `https://localhost:${fake.port}/${name}`, credential: { secret: 'all' }, ...secured.upstream, ...(hosts[name] && { host: hosts[name] }),
    }])),
    secrets: { all: secret },
    tenants: { app: { allow: names }, thrifty: { allow: names, quotas: [{ tokens: 2000, per: 'day' }] } },
    gateway: { listen: [`127.0.0.1:${port}`, `127.0.0.2:${port}`], ...secured.gateway },
  });
  gateway.port = port;
  fake.keys.push(...Object.values(gateway.keys));
});

afterEach(() => fake?.check());

after(async () => {
  await gateway?.stop();
  await fake?.stop();
  await prism?.close();
  secured?.remove();
});

const route = (name) => `https://localhost:${gateway.port}/${name}`;
const call = (target, options = {}) => fetch(target, { ...options, headers: { 'x-sallyport-key': gateway.key, ...options.headers } });
const form = (fields) => ({ method: 'POST', body: new URLSearchParams(fields) });

test('Prism refuses what has another shape', async () => {
  const json = { 'content-type': 'application/json', authorization: 'Bearer x' };
  const good = { method: 'POST', headers: json, body: '{"model":"m","messages":[{"role":"user","content":"x"}]}' };
  assert.equal((await ask('openai', '/v1/chat/completions', good)).status, 200);
  assert.equal((await ask('openai', '/v1/chat/completions', { ...good, body: '{"model":"m","messages":[]}' })).status, 422);
  assert.equal((await ask('openai', '/v1/chat/completions', { ...good, headers: { 'content-type': 'application/json' } })).status, 401);
  assert.equal((await ask('recaptcha', '/siteverify', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'response=x' })).status, 422);
  assert.equal((await ask('google-maps', '/maps/api/geocode/json?key=another&address=a%20%26%20b%3Dc', { method: 'GET', headers: {} })).status, 422);
});

test('OpenAI\'s and Anthropic\'s SDKs, with a limit of output that the gateway puts in, and with none', async () => {
  for (const key of [gateway.key, gateway.keys.thrifty]) {
    const { choices } = await new OpenAI({ baseURL: `${route('openai')}/v1`, apiKey: key, maxRetries: 0 }).chat.completions
      .create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'x' }] });
    assert.equal(choices[0].message.content, 'shaped');
    const { content } = await new Anthropic({ baseURL: route('anthropic'), apiKey: key, maxRetries: 0 }).messages
      .create({ model: 'claude-haiku-4-5', max_tokens: 100, messages: [{ role: 'user', content: 'x' }] });
    assert.equal(content[0].text, 'shaped');
  }
  assert.ok(JSON.parse(fake.seen.findLast(({ name }) => name === 'openai').body).max_completion_tokens > 0);
});

test('Stripe\'s SDK, and a form without an idempotency key, which the gateway makes', async () => {
  const stripe = new Stripe(gateway.key, { host: '127.0.0.2', port: gateway.port, protocol: 'https', maxNetworkRetries: 0 });
  assert.equal((await stripe.paymentIntents.create({ amount: 1500, currency: 'eur', description: 'ä & b=c+d' })).id, 'pi_1');
  const answer = await call(`https://127.0.0.2:${gateway.port}/v1/payment_intents`, form({ amount: '1500', currency: 'eur' }));
  assert.equal(answer.status, 200);
});

test('Segment\'s SDK: what is put into the JSON leaves the rest as it was', async () => {
  const analytics = new Analytics({ writeKey: gateway.key, host: `https://localhost:${gateway.port}`, path: '/segment/v1/batch', flushAt: 1, maxRetries: 0 });
  analytics.track({ userId: 'u', event: 'seen', properties: { text: 'ä "quoted" \u2028' } });
  await analytics.closeAndFlush();
  assert.equal(JSON.parse(Buffer.from(fake.last('segment').body, 'latin1')).batch[0].properties.text, 'ä "quoted" \u2028');
});

test('a credential in a query and in a form, beside what is encoded there', async () => {
  const places = await call(`${route('google-maps')}/maps/api/geocode/json?address=a+%26%20b%3Dc&key=forged`);
  assert.deepEqual([places.status, (await places.json()).status], [200, 'OK']);
  const verdict = await call(`${route('recaptcha')}/siteverify`, form({ response: 'from+a b&the=user', secret: 'forged' }));
  assert.deepEqual([verdict.status, (await verdict.json()).success], [200, true]);
});
