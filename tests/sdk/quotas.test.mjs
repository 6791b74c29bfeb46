// Quotas as the providers' own SDKs see them, unmodified: refusals are their own exceptions with our
// words in them, their own retries do the right thing, and a stream that a quota ends is no error.
import assert from 'node:assert/strict';
import test from 'node:test';

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import Stripe from 'stripe';

import { Child, freePort, gatewayFor, sallyport, until } from '../support/gateway.mjs';
import { upstreamFor } from '../support/wire.mjs';

const demoKey = 'sk-demo-of-the-sdk-tests-0123456789';

async function demoFor(t) {
  const port = await freePort();
  const demo = new Child(['demo', '--listen', `127.0.0.1:${port}`], { env: { SALLYPORT_DEMO_KEY: demoKey } });
  t.after(() => demo.stop());
  await until('the demo provider listens', async () => fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false));
  return port;
}

// A gateway before the demo provider, or before `answer`, a script whose figures are known.
async function start(t, quotas, answer) {
  const upstream = answer ? await upstreamFor(t, answer) : null;
  const port = upstream?.port ?? await demoFor(t);
  const route = { upstream: port, credential: { secret: 'demo-key' } };
  const gateway = await gatewayFor(t, {
    routes: {
      openai: { ...route, provider: 'openai' },
      anthropic: { ...route, provider: 'anthropic' },
      stripe: { ...route, provider: 'stripe', host: 'localhost' },
    },
    secrets: { 'demo-key': demoKey },
    tenants: { app: { allow: ['openai', 'anthropic', 'stripe'], quotas } },
  });
  return { gateway, upstream };
}

// With the retries that each SDK has by default, unless a test turns them off.
const openaiFor = (gateway, options) => new OpenAI({ baseURL: `${gateway.url}/openai/v1`, apiKey: gateway.key, ...options });
const anthropicFor = (gateway, options) => new Anthropic({ baseURL: `${gateway.url}/anthropic`, apiKey: gateway.key, ...options });
const stripeFor = (gateway, options) => new Stripe(gateway.key, { host: 'localhost', port: gateway.port, protocol: 'http', ...options });

const messages = [{ role: 'user', content: 'Hello' }];
const chat = (client, more = {}) => client.chat.completions.create({ model: 'gpt-4o-mini', messages, ...more });
const message = (client, more = {}) => client.messages.create({ model: 'claude-sonnet-5', max_tokens: 50, messages, ...more });
const rejected = (gateway) => gateway.metric('quota_rejected_total');

async function usedOf(gateway, name) {
  return until(`${name} is settled`, () => {
    const quota = JSON.parse(sallyport(['quotas', '--json', '-c', gateway.file])).quotas.find((one) => one.quota === name);
    return quota.open === 0 && quota;
  }).then((quota) => quota.used);
}

// ---- the script's answers ----

const json = (value) => {
  const body = JSON.stringify(value);
  return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
};
const streamHead = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';
const event = (data, named = true) => {
  const text = `${named ? `event: ${data.type}\n` : ''}data: ${JSON.stringify(data)}\n\n`;
  return `${text.length.toString(16)}\r\n${text}\r\n`;
};
const completion = () => json({
  id: 'c-1', object: 'chat.completion', created: 1, model: 'gpt-4o-mini',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
});
const response = () => json({
  id: 'resp_1', object: 'response', created_at: 1, model: 'gpt-4o-mini', status: 'completed',
  output: [{ type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'Hi', annotations: [] }] }],
  usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
});
const anthropicMessage = () => json({
  id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-sonnet-5', content: [{ type: 'text', text: 'Hi' }],
  stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 10, output_tokens: 5 },
});
const answerFor = (request) => {
  if (/^POST \/v1\/messages/.test(request.head)) return anthropicMessage();
  return /^POST \/v1\/responses/.test(request.head) ? response() : completion();
};

// An answer that says `first`, and then `one(i)` until it is cut.
const endless = (first, one) => (request, socket) => {
  let i = 0;
  socket.write(streamHead + first);
  const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : socket.write(one(i++))), 2);
};

// ---- refusals ----

test('openai: a rate and a budget that are used up are RateLimitErrors that say which', async (t) => {
  const { gateway } = await start(t, [
    { name: 'rpm', requests: 2, per: '1h', burst: 1, model: 'gpt-4o' },
    { name: 'daily', requests: 1, per: 'day', model: 'gpt-4o-mini' },
  ]);
  const client = openaiFor(gateway, { maxRetries: 0 });
  const { response: first } = await chat(client, { model: 'gpt-4o' }).withResponse();
  assert.equal(first.headers.get('x-ratelimit-limit-requests'), '2');
  assert.equal(first.headers.get('x-ratelimit-remaining-requests'), '0');
  await assert.rejects(chat(client, { model: 'gpt-4o' }), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.match(error.message, /^429 Quota exceeded: the quota "rpm" allows 2 requests/);
    assert.deepEqual([error.type, error.code, error.param], ['requests', 'rate_limit_exceeded', null]);
    assert.match(error.headers.get('retry-after'), /^1(800|79\d)$/);
    assert.equal(error.headers.get('x-ratelimit-remaining-requests'), '0');
    assert.match(error.headers.get('x-ratelimit-reset-requests'), /^(30m0|29m\d+)s$/);
    assert.equal(error.headers.get('x-sallyport-error'), 'quota_exceeded');
    assert.equal(error.requestID, error.headers.get('x-sallyport-request-id'));
    return true;
  });
  await chat(client);
  await assert.rejects(chat(client), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.match(error.message, /^429 Budget exceeded: the quota "daily" allows 1 request/);
    assert.deepEqual([error.type, error.code], ['insufficient_quota', 'insufficient_quota']);
    assert.equal(error.headers.get('x-sallyport-error'), 'budget_exceeded');
    return true;
  });
});

test('anthropic: a rate and a budget that are used up are RateLimitErrors that say which', async (t) => {
  const { gateway } = await start(t, [
    { name: 'rpm', requests: 2, per: '1h', burst: 1, model: 'claude-sonnet*' },
    { name: 'daily', tokens: 1000, per: 'day', model: 'claude-opus*' },
  ], answerFor);
  const client = anthropicFor(gateway, { maxRetries: 0 });
  await message(client);
  await assert.rejects(message(client), (error) => {
    assert.ok(error instanceof Anthropic.RateLimitError);
    assert.match(error.message, /the quota \\?"rpm\\?" allows 2 requests/);
    assert.equal(error.error.error.type, 'rate_limit_error');
    assert.equal(error.type, 'rate_limit_error');
    assert.match(error.headers.get('retry-after'), /^1(800|79\d)$/);
    assert.equal(error.headers.get('anthropic-ratelimit-requests-limit'), '2');
    assert.equal(error.headers.get('anthropic-ratelimit-requests-remaining'), '0');
    const reset = Date.parse(error.headers.get('anthropic-ratelimit-requests-reset')) - Date.now();
    assert.ok(reset > 1700e3 && reset <= 1802e3, `${reset}`);
    assert.equal(error.error.request_id, error.headers.get('x-sallyport-request-id'));
    return true;
  });
  await assert.rejects(message(client, { model: 'claude-opus-5', max_tokens: 5000 }), (error) => {
    assert.ok(error instanceof Anthropic.RateLimitError);
    assert.match(error.message, /the quota \\?"daily\\?" allows 1000 tokens a day, and this request alone may need more/);
    assert.equal(error.headers.get('anthropic-ratelimit-tokens-remaining'), '1000');
    assert.equal(error.headers.get('x-sallyport-error'), 'budget_exceeded');
    return true;
  });
});

test('stripe: a rate that is used up is a StripeRateLimitError', async (t) => {
  const { gateway } = await start(t, [{ name: 'rpm', requests: 2, per: '1h', burst: 1 }]);
  await stripeFor(gateway).customers.list();
  await assert.rejects(stripeFor(gateway).customers.list(), (error) => {
    assert.ok(error instanceof Stripe.errors.StripeRateLimitError);
    assert.equal(error.statusCode, 429);
    assert.match(error.message, /^Quota exceeded: the quota "rpm" allows 2 requests/);
    assert.deepEqual([error.rawType, error.code], ['rate_limit_error', 'rate_limit']);
    assert.match(error.headers['retry-after'], /^1(800|79\d)$/);
    assert.equal(error.requestId, undefined, 'no id of Stripe, which has never seen it');
    assert.match(error.headers['x-sallyport-request-id'], /^[0-9a-f]{32}$/);
    return true;
  });
  assert.equal(await rejected(gateway), 1, 'it does not retry these by itself');
});

// ---- their own retries ----

test('openai and anthropic: a short rate is waited for, by Retry-After, and the call succeeds', async (t) => {
  const { gateway, upstream } = await start(t, [{ name: 'slow', requests: 1, per: '1s', burst: 1, each: 'route' }], answerFor);
  for (const call of [() => chat(openaiFor(gateway)), () => message(anthropicFor(gateway))]) {
    const before = { rejected: await rejected(gateway), sent: upstream.requests.length };
    await call();
    const began = Date.now();
    await call();
    assert.ok(Date.now() - began >= 990, 'not before the time that Retry-After says');
    assert.equal(await rejected(gateway) - before.rejected, 1, 'one refusal, one repeat');
    assert.equal(upstream.requests.length - before.sent, 2);
    assert.match(upstream.requests.at(-1).head, /^x-stainless-retry-count: 1\r$/im);
  }
});

test('openai and anthropic: a budget, and a request too large for a rate, are not asked again', async (t) => {
  const { gateway, upstream } = await start(t, [
    { name: 'daily', requests: 1, per: 'day', each: 'route' },
    { name: 'tpm', tokens: 1000, per: '1m', each: 'route' },
  ], answerFor);
  for (const [call, type] of [
    [(more) => chat(openaiFor(gateway), more), OpenAI.RateLimitError],
    [(more) => message(anthropicFor(gateway), more), Anthropic.RateLimitError],
  ]) {
    const before = await rejected(gateway);
    const refused = (code) => (error) => error instanceof type && error.headers.get('x-should-retry') === 'false'
      && error.headers.get('x-sallyport-error') === code;
    await assert.rejects(call({ max_tokens: 5000 }), refused('quota_exceeded'));
    await call({ max_tokens: 50 });
    await assert.rejects(call({ max_tokens: 50 }), refused('budget_exceeded'));
    assert.equal(await rejected(gateway) - before, 2);
  }
  assert.equal(upstream.requests.length, 2);
});

test('openai: so many at once without wait is refused, retried by the SDK, and succeeds', async (t) => {
  const held = [];
  const { gateway, upstream } = await start(t, [{ concurrency: 1 }], (request, socket) => void held.push(socket));
  const first = chat(openaiFor(gateway));
  await until('it is at the provider', () => held.length === 1);
  const second = chat(openaiFor(gateway));
  await until('the other is refused', async () => (await rejected(gateway)) === 1);
  held[0].write(completion());
  await first;
  await until('it came again', () => upstream.requests.length === 2);
  held[1].write(completion());
  assert.equal((await second).choices[0].message.content, 'Hi');
});

test('20 calls of each SDK at once, of which two may run, wait in line and all succeed', async (t) => {
  let running = 0;
  let most = 0;
  const { gateway } = await start(t, [{ concurrency: 2, wait: '10s' }], (request, socket) => {
    most = Math.max(most, ++running);
    setTimeout(() => {
      running--;
      socket.write(answerFor(request));
    }, 10);
  });
  const clients = [openaiFor(gateway, { maxRetries: 0 }), anthropicFor(gateway, { maxRetries: 0 })];
  const calls = Array.from({ length: 20 }, () => [chat(clients[0]), message(clients[1])]).flat();
  assert.equal((await Promise.all(calls)).length, 40);
  assert.equal(most, 2);
  assert.equal(await rejected(gateway), 0);
});

// ---- streams that a quota ends ----

test('openai: a chat stream that a quota ends is finished: "length", with the usage that is charged', async (t) => {
  const { gateway, upstream } = await start(t, [{ name: 'small', tokens: 6000, per: 'day' }], endless('', (i) => event({
    id: 'c-9', object: 'chat.completion.chunk', created: 17, model: 'gpt-4o-mini',
    choices: [{ index: i % 2, delta: { role: 'assistant', content: 'y'.repeat(100) }, finish_reason: null }],
  }, false)));
  const stream = openaiFor(gateway).chat.completions.stream({ model: 'gpt-4o-mini', n: 2, messages, stream_options: { include_usage: true } });
  const whole = await stream.finalChatCompletion();
  assert.deepEqual(whole.choices.map((choice) => choice.finish_reason), ['length', 'length']);
  for (const choice of whole.choices) assert.match(choice.message.content, /^y{1000,}$/);
  assert.ok(whole.usage.completion_tokens > 0);
  assert.equal(whole.usage.total_tokens, await usedOf(gateway, 'small'));
  assert.equal(upstream.requests.length, 1);
  await until('the call is cancelled', () => upstream.sockets.size === 0);
});

test('openai: a stream of the Responses API that a quota ends is incomplete, for max_output_tokens', async (t) => {
  const item = { id: 'msg_1', type: 'message', role: 'assistant', status: 'in_progress', content: [] };
  const part = { type: 'output_text', text: '', annotations: [] };
  const begun = { id: 'resp_9', object: 'response', created_at: 17, model: 'gpt-4o-mini', status: 'in_progress', output: [], usage: null };
  const first = event({ type: 'response.created', sequence_number: 0, response: begun })
    + event({ type: 'response.output_item.added', sequence_number: 1, output_index: 0, item })
    + event({ type: 'response.content_part.added', sequence_number: 2, item_id: 'msg_1', output_index: 0, content_index: 0, part });
  const { gateway, upstream } = await start(t, [{ name: 'small', tokens: 3000, per: 'day' }], endless(first, (i) => event({
    type: 'response.output_text.delta', sequence_number: 3 + i, item_id: 'msg_1', output_index: 0, content_index: 0, delta: 'r'.repeat(100),
  })));
  const stream = openaiFor(gateway).responses.stream({ model: 'gpt-4o-mini', input: 'Hello' });
  const events = [];
  for await (const one of stream) events.push(one);
  const last = events.at(-1);
  assert.equal(last.type, 'response.incomplete');
  assert.equal(last.response.status, 'incomplete');
  assert.deepEqual(last.response.incomplete_details, { reason: 'max_output_tokens' });
  assert.equal(last.sequence_number, events.at(-2).sequence_number + 1);
  const whole = await stream.finalResponse();
  assert.equal(whole.id, 'resp_9');
  assert.equal(whole.usage.total_tokens, await usedOf(gateway, 'small'));
  assert.equal(upstream.requests.length, 1);
});

test('anthropic: a stream that a quota ends is a message that stopped at max_tokens, in a text or a tool call', async (t) => {
  const first = (block) => event({ type: 'message_start', message: { id: 'msg_9', type: 'message', role: 'assistant', model: 'claude-sonnet-5',
    content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 25, output_tokens: 1 } } })
    + event({ type: 'content_block_start', index: 0, content_block: block });
  const kinds = [
    [{ type: 'text', text: '' }, () => ({ type: 'text_delta', text: 'z'.repeat(100) }), (block) => assert.match(block.text, /^z{1000,}$/)],
    [
      { type: 'tool_use', id: 'toolu_1', name: 'write', input: {} },
      (i) => ({ type: 'input_json_delta', partial_json: (i === 0 ? '{"text":"' : '') + 'j'.repeat(100) }),
      (block) => assert.equal(block.name, 'write'),
    ],
  ];
  for (const [block, delta, check] of kinds) {
    const { gateway, upstream } = await start(t, [{ name: 'small', tokens: 3000, per: 'day' }],
      endless(first(block), (i) => event({ type: 'content_block_delta', index: 0, delta: delta(i) })));
    const whole = await anthropicFor(gateway).messages.stream({ model: 'claude-sonnet-5', max_tokens: 8000, messages }).finalMessage();
    assert.equal(whole.id, 'msg_9');
    assert.equal(whole.stop_reason, 'max_tokens');
    check(whole.content[0]);
    assert.equal(whole.usage.input_tokens, 25);
    assert.equal(whole.usage.input_tokens + whole.usage.output_tokens, await usedOf(gateway, 'small'));
    assert.equal(upstream.requests.length, 1);
  }
});

// ---- a limit of output that the quota puts in ----

test('a call without a limit of its own gets one under a small budget, and the SDK can read it', async (t) => {
  const { gateway, upstream } = await start(t, [{ name: 'small', tokens: 8000, per: 'day' }], answerFor);
  const client = openaiFor(gateway);
  const calls = [
    [chat(client), 'max_completion_tokens'],
    [client.responses.create({ model: 'gpt-4o-mini', input: 'Hello' }), 'max_output_tokens'],
  ];
  for (const [call, member] of calls) {
    const { response: answer } = await call.withResponse();
    const limit = Number(answer.headers.get('x-sallyport-output-limit'));
    const sent = upstream.requests.map((request) => JSON.parse(request.body)).find((body) => member in body);
    assert.ok(limit > 1000 && limit < 2000, `${limit}`);
    assert.equal(sent[member], limit);
  }
});

test('a limit that the caller has put in stays: of OpenAI, and of Anthropic, where there always is one', async (t) => {
  const { gateway, upstream } = await start(t, [{ name: 'small', tokens: 8000, per: 'day' }], answerFor);
  for (const call of [chat(openaiFor(gateway), { max_tokens: 77 }), message(anthropicFor(gateway), { max_tokens: 77 })]) {
    const { response: answer } = await call.withResponse();
    assert.equal(answer.headers.get('x-sallyport-output-limit'), null);
  }
  const bodies = upstream.requests.map((request) => JSON.parse(request.body));
  assert.deepEqual(bodies.map((body) => [body.max_tokens, body.max_completion_tokens]), [[77, undefined], [77, undefined]]);
});
