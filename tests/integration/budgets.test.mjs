// Quotas of tokens and cost: reserved from an upper bound, settled to what the provider says, streams in
// slices, ended in the provider's grammar. The provider is a script, so that every figure is known.
import assert from 'node:assert/strict';
import test from 'node:test';

import { gatewayFor, sallyport, sleep, until } from '../support/gateway.mjs';
import { RawClient, RawUpstream } from '../support/wire.mjs';

const json = (value, status = '200 OK') => {
  const body = JSON.stringify(value);
  return `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
};
const completion = (usage) => json({
  id: 'c-1', object: 'chat.completion', model: 'gpt-4o-mini',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }], usage,
});
const chunk = (data) => {
  const text = `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
  return `${text.length.toString(16)}\r\n${text}\r\n`;
};
const event = (data) => {
  const text = `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
  return `${text.length.toString(16)}\r\n${text}\r\n`;
};
const streamHead = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';

async function start(t, { quotas, answer, provider = 'openai', gateway }) {
  const upstream = await RawUpstream.start(answer ?? (() => completion({ prompt_tokens: 10, completion_tokens: 5 })));
  t.after(() => upstream.stop());
  return {
    upstream,
    gateway: await gatewayFor(t, {
      routes: { ai: { provider, credential: 'none', upstream: upstream.port } },
      tenants: { app: { allow: ['ai'], quotas } },
      gateway,
    }),
  };
}

const chat = (gateway, body = {}, { path = '/ai/v1/chat/completions', headers = {}, raw } = {}) => fetch(gateway.url + path, {
  method: 'POST',
  headers: { 'X-Sallyport-Key': gateway.key, 'Content-Type': 'application/json', ...headers },
  body: raw ?? JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }], ...body }),
});

const quotaOf = (gateway, name) => JSON.parse(sallyport(['quotas', '--json', '-c', gateway.file])).quotas
  .find((quota) => quota.quota === name);

async function settled(gateway, name) {
  return until('it is settled', () => {
    const quota = quotaOf(gateway, name);
    return quota.open === 0 && quota;
  });
}

test('tokens are reserved and settled to what the answer says', async (t) => {
  const { gateway } = await start(t, { quotas: [{ name: 'daily', tokens: '100k', per: 'day' }] });
  const response = await chat(gateway, { max_tokens: 100 });
  assert.equal(response.status, 200);
  assert.equal((await response.json()).usage.completion_tokens, 5);
  assert.equal(response.headers.get('x-ratelimit-limit-tokens'), '100000');
  assert.equal((await settled(gateway, 'daily')).used, 15);
  const line = await gateway.logLine(response.headers.get('x-sallyport-request-id'));
  assert.deepEqual([line.model, line.input_tokens, line.output_tokens], ['gpt-4o-mini', 10, 5]);
  assert.equal(line.cost_nanousd, 10 * 150 + 5 * 600);
});

test('cost is charged in nano-USD, cached tokens at their own price', async (t) => {
  const { gateway } = await start(t, {
    quotas: [{ name: 'budget', cost: '1 USD', per: 'month' }],
    answer: () => completion({ prompt_tokens: 1000, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 900 } }),
  });
  assert.equal((await chat(gateway, { max_tokens: 10 })).status, 200);
  assert.equal((await settled(gateway, 'budget')).used, 100 * 150 + 900 * 75 + 7 * 600);
});

test('a demand above the whole budget is refused at once, in words for its size', async (t) => {
  const { gateway, upstream } = await start(t, { quotas: [{ name: 'tiny', tokens: 500, per: 'day' }] });
  const response = await chat(gateway, { max_tokens: 100000 });
  assert.equal(response.status, 429);
  assert.equal(response.headers.get('x-sallyport-error'), 'budget_exceeded');
  assert.equal(response.headers.get('x-should-retry'), 'false');
  assert.match((await response.json()).error.message, /"tiny" allows 500 tokens a day, and this request alone may need more/);
  assert.equal(upstream.requests.length, 0);
  assert.equal(quotaOf(gateway, 'tiny').used, 0);
});

test('without a limit of its own a request gets a quarter of what is left, and that is said', async (t) => {
  const { gateway, upstream } = await start(t, { quotas: [{ name: 'small', tokens: 4000, per: 'day' }] });
  const response = await chat(gateway);
  assert.equal(response.status, 200);
  const limit = Number(response.headers.get('x-sallyport-output-limit'));
  const sent = JSON.parse(upstream.requests[0].body);
  assert.equal(sent.max_completion_tokens, limit);
  const asked = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }] }).length;
  assert.equal(limit, Math.floor((4000 - asked) / 4));
  assert.deepEqual(sent.messages, [{ role: 'user', content: 'Hello' }]);
});

test('the copy of a body with a limit written into it counts against what may be held', async (t) => {
  const { gateway, upstream } = await start(t, {
    quotas: [{ name: 'daily', tokens: 740000, per: 'day' }],
    gateway: { limits: { body_bytes: '1MiB', buffered_bytes: '1MiB' } },
  });
  const messages = [{ role: 'user', content: 'a'.repeat(700 * 1024) }];
  const refused = await chat(gateway, { model: 'gpt-4.1', messages });
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('x-sallyport-error'), 'overloaded');
  assert.equal(upstream.requests.length, 0);
  assert.equal((await settled(gateway, 'daily')).used, 0);
  assert.equal((await chat(gateway, { model: 'gpt-4.1', messages, max_tokens: 10 })).status, 200);
  await settled(gateway, 'daily');
});

test('usage above the reservation is charged in full, and counted as overrun', async (t) => {
  const { gateway } = await start(t, {
    quotas: [{ name: 'daily', tokens: '100k', per: 'day' }],
    answer: () => completion({ prompt_tokens: 10, completion_tokens: 5000 }),
  });
  await chat(gateway, { max_tokens: 100 });
  assert.equal((await settled(gateway, 'daily')).used, 5010);
  assert.ok(await gateway.metric('quota_overrun_total', { quota: 'daily' }) > 4000);
});

test('an error without usage costs nothing; missing usage is estimated, never zero, never above', async (t) => {
  let answer = json({ error: { message: 'no' } }, '400 Bad Request');
  const { gateway } = await start(t, { quotas: [{ name: 'daily', tokens: '100k', per: 'day' }], answer: () => answer });
  assert.equal((await chat(gateway, { max_tokens: 50 })).status, 400);
  assert.equal((await settled(gateway, 'daily')).used, 0);
  answer = json({ choices: [] });
  assert.equal((await chat(gateway, { max_tokens: 50 })).status, 200);
  const { used } = await settled(gateway, 'daily');
  assert.ok(used > 0 && used < 200, `${used}`);
  await gateway.metricIs(1, 'usage_missing_total', { route: 'ai' });
});

test('a stream reserves slices, and is settled to its usage', async (t) => {
  const { gateway } = await start(t, {
    quotas: [{ name: 'daily', tokens: '100k', per: 'day' }],
    answer: (request, socket) => {
      socket.write(streamHead);
      for (let i = 0; i < 100; i++) {
        socket.write(chunk({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'gpt-4o-mini',
          choices: [{ index: 0, delta: { content: 'x'.repeat(50) } }] }));
      }
      socket.write(chunk({ id: 'c', choices: [], usage: { prompt_tokens: 20, completion_tokens: 1250 } }));
      socket.write(`${chunk('[DONE]')}0\r\n\r\n`);
    },
  });
  const response = await chat(gateway, { stream: true, stream_options: { include_usage: true } });
  const text = await response.text();
  assert.equal((text.match(/x{50}/g) ?? []).length, 100);
  assert.match(text, /data: \[DONE\]\n\n$/);
  assert.equal((await settled(gateway, 'daily')).used, 1270);
});

test('a stream whose extension is refused ends as if the model had come to its limit', async (t) => {
  let sent = 0;
  const { gateway, upstream } = await start(t, {
    quotas: [{ name: 'small', tokens: 3000, per: 'day' }],
    answer: (request, socket) => {
      socket.write(streamHead);
      const timer = setInterval(() => {
        if (socket.destroyed) return clearInterval(timer);
        sent++;
        socket.write(chunk({ id: 'c-9', object: 'chat.completion.chunk', created: 17, model: 'gpt-4o-mini',
          choices: [{ index: 0, delta: { content: 'y'.repeat(100) } }] }));
      }, 2);
    },
  });
  const response = await chat(gateway, { stream: true, stream_options: { include_usage: true } });
  assert.equal(response.status, 200);
  const events = (await response.text()).trim().split('\n\n').map((line) => line.replace(/^data: /, ''));
  assert.equal(events.at(-1), '[DONE]');
  const usage = JSON.parse(events.at(-2));
  assert.deepEqual(usage.choices, []);
  const last = JSON.parse(events.at(-3));
  assert.equal(last.id, 'c-9');
  assert.equal(last.choices[0].finish_reason, 'length');
  await until('the upstream call is cancelled', () => upstream.sockets.size === 0);
  const { used } = await settled(gateway, 'small');
  assert.ok(used > 0 && used <= 3000, `${used}`);
  assert.equal(used, usage.usage.total_tokens, 'what is charged is what was said');
  assert.ok(sent < 200);
  const line = await gateway.logLine(response.headers.get('x-sallyport-request-id'));
  assert.deepEqual([line.ended_by, line.step], ['quota', 'deliver']);
});

test('a stream that a quota of bytes stops within an event is cut, not ended there', async (t) => {
  const { gateway } = await start(t, {
    quotas: [{ tokens: '10M', per: 'day' }, { name: 'traffic', bytes: '300KiB', per: 'day' }],
    answer: (request, socket) => {
      socket.write(streamHead);
      socket.write(chunk({ id: 'c', choices: [{ index: 0, delta: { content: 'v'.repeat(300 * 1024) } }] }));
    },
  });
  const response = await chat(gateway, { stream: true });
  const parts = [];
  await assert.rejects(async () => {
    for await (const part of response.body) parts.push(part);
  });
  assert.doesNotMatch(Buffer.concat(parts).toString(), /DONE/);
  const line = await gateway.logLine(response.headers.get('x-sallyport-request-id'));
  assert.deepEqual([line.ended_by, line.step, line.quota], ['quota', 'deliver', 'traffic']);
  await gateway.metricIs(1, 'quota_rejected_total', { quota: 'traffic' });
});

test('a mark that is crossed while a stream goes on is warned of, once', async (t) => {
  const { gateway } = await start(t, {
    quotas: [{ name: 'daily', tokens: 10000, per: 'day', warn_at: '20%' }],
    answer: (request, socket) => {
      socket.write(streamHead);
      for (let i = 0; i < 60; i++) {
        socket.write(chunk({ id: 'c', choices: [{ index: 0, delta: { content: 'u'.repeat(50) } }] }));
      }
      socket.write(`${chunk('[DONE]')}0\r\n\r\n`);
    },
  });
  await (await chat(gateway, { stream: true })).text();
  await settled(gateway, 'daily');
  await gateway.metricIs(1, 'quota_warned_total', { quota: 'daily' });
});

test("Anthropic's streams are settled by message_delta, and end by its grammar", async (t) => {
  let endless = false;
  const { gateway } = await start(t, {
    provider: 'anthropic',
    quotas: [{ name: 'small', tokens: 4000, per: 'day' }],
    answer: (request, socket) => {
      socket.write(streamHead);
      socket.write(event({ type: 'message_start', message: { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-sonnet-4-5',
        content: [], stop_reason: null, usage: { input_tokens: 25, output_tokens: 1 } } }));
      socket.write(event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }));
      const delta = (text) => socket.write(event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }));
      if (endless) {
        const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : delta('z'.repeat(100))), 2);
        return;
      }
      delta('Hello');
      socket.write(event({ type: 'content_block_stop', index: 0 }));
      socket.write(event({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 15 } }));
      socket.write(`${event({ type: 'message_stop' })}0\r\n\r\n`);
    },
  });
  const ask = () => chat(gateway, { model: 'claude-sonnet-4-5', max_tokens: 8000, stream: true }, { path: '/ai/v1/messages' });
  const first = await ask();
  assert.match(await first.text(), /event: message_stop/);
  assert.equal((await settled(gateway, 'small')).used, 40);
  assert.ok(first.headers.get('anthropic-ratelimit-tokens-remaining'));
  endless = true;
  const text = await (await ask()).text();
  assert.match(text, /event: content_block_stop\n.*\n\nevent: message_delta\ndata: .*"stop_reason":"max_tokens".*\n\nevent: message_stop\n.*\n\n$/);
  assert.ok((await settled(gateway, 'small')).used <= 4000);
});

test('a client that leaves a stream pays for what had come', async (t) => {
  const { gateway, upstream } = await start(t, {
    quotas: [{ name: 'daily', tokens: '100k', per: 'day' }],
    answer: (request, socket) => {
      socket.write(streamHead);
      socket.write(chunk({ id: 'c', choices: [{ index: 0, delta: { content: 'w'.repeat(400) } }] }));
    },
  });
  const body = JSON.stringify({ model: 'gpt-4o-mini', stream: true, messages: [] });
  const client = await RawClient.connect(gateway.port);
  client.send(`POST /ai/v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Sallyport-Key: ${gateway.key}\r\n`
    + `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await client.until((c) => c.text.includes('wwww'));
  assert.ok(quotaOf(gateway, 'daily').reserved >= 1000);
  client.close();
  await until('the upstream call is cancelled', () => upstream.sockets.size === 0);
  const { used } = await settled(gateway, 'daily');
  assert.ok(used >= 100 && used <= 130, `${used}`);
});

test('rules by model: a pattern counts its own, an unreadable model is refused', async (t) => {
  const { gateway } = await start(t, {
    quotas: [{ name: 'mini', tokens: 1000, per: 'day', model: 'gpt-4o-mini*' }],
  });
  assert.equal((await chat(gateway, { max_tokens: 10 })).status, 200);
  assert.equal((await settled(gateway, 'mini')).used, 15);
  assert.equal((await chat(gateway, { model: 'gpt-4o', max_tokens: 100000 })).status, 200);
  assert.equal((await settled(gateway, 'mini')).used, 15);
  assert.equal((await chat(gateway, { model: undefined })).status, 400);
});

test('bodies that a quota cannot read are refused with the reason', async (t) => {
  const { gateway, upstream } = await start(t, { quotas: [{ name: 'daily', tokens: '1M', per: 'day' }] });
  const rows = [
    [{ raw: 'no json' }, /no JSON/],
    [{ raw: '{"model":"gpt-4o","model":"gpt-4o-mini"}' }, /"model" is there twice/],
    [{ raw: '{"model":"gpt-4o","mod\\u0065l":"gpt-4o-mini"}' }, /"model" is there twice/],
    [{ raw: '{"model":"gpt-4o","max_tokens":"100"}' }, /"max_tokens" is no whole number/],
    [{ raw: '{"model":"gpt-4o","max_tokens":-1}' }, /"max_tokens" is no whole number/],
    [{ raw: '{"model":"gpt-4o","max_tokens":1e30}' }, /"max_tokens" is no whole number/],
    [{ raw: '{"model":"gpt-4o","n":1000}' }, /"n" is no whole number from 1 to 128/],
    [{ raw: '[1]' }, /no JSON object/],
    [{ headers: { 'Content-Encoding': 'gzip' } }, /Content-Encoding/],
    [{ headers: { 'Content-Type': 'application/json; charset=utf-16' } }, /charset/],
  ];
  for (const [options, reason] of rows) {
    const response = await chat(gateway, {}, options);
    assert.equal(response.status, 400, JSON.stringify(options));
    assert.match((await response.json()).error.message, reason);
  }
  assert.equal(upstream.requests.length, 0);
  assert.equal(quotaOf(gateway, 'daily').used, 0);
});

test('an unknown model is estimated as the dearest, and pictures as the whole context', async (t) => {
  const { gateway } = await start(t, { quotas: [{ name: 'budget', cost: '0.01 USD', per: 'day' }] });
  assert.equal((await chat(gateway, { model: 'who-knows', max_tokens: 100 })).status, 429);
  assert.equal((await chat(gateway, { max_tokens: 100 })).status, 200);
  const image = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://x/y.png' } }] }];
  assert.equal((await chat(gateway, { messages: image, max_tokens: 100 })).status, 429);
});

test('a call without a body is not a matter of tokens', async (t) => {
  const { gateway } = await start(t, { quotas: [{ name: 'daily', tokens: 1, per: 'day' }] });
  const response = await fetch(`${gateway.url}/ai/v1/models`, { headers: { 'X-Sallyport-Key': gateway.key } });
  assert.equal(response.status, 200);
});

test('a chunked body is held whole where a quota reads it, and goes on with its length', async (t) => {
  const { gateway, upstream } = await start(t, { quotas: [{ name: 'daily', tokens: '1M', per: 'day' }] });
  const client = await RawClient.connect(gateway.port);
  client.send(`POST /ai/v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Sallyport-Key: ${gateway.key}\r\n`
    + 'Transfer-Encoding: chunked\r\n\r\n11\r\n{"model":"gpt-4o"\r\n');
  await sleep(50);
  assert.equal(upstream.requests.length, 0);
  client.send('13\r\n,"max_tokens":   9}\r\n0\r\n\r\n');
  await client.until((c) => c.statuses()[0] === 200);
  assert.match(upstream.requests[0].head, /content-length: 36/i);
  assert.doesNotMatch(upstream.requests[0].head, /transfer-encoding/i);
  client.close();
});
