// What a call cost and used is known of every call whose profile knows how, with a quota or without; and the
// answer tells it, where it is known in time.
import assert from 'node:assert/strict';
import test from 'node:test';

import { gatewayFor, sleep, until } from '../support/gateway.mjs';
import {
  chat, chunk, chunkedHead, completion, delta, event, json, longCompletion, metered, quotaOf, settled, stream,
} from '../support/meter.mjs';
import { RawClient, upstreamFor } from '../support/wire.mjs';

const MINI = { input: 150, cached: 75, output: 600 }; // nano-USD a token of gpt-4o-mini

// A call by hand, for clients of other habits. `fields`: of the head; resolves to the client.
async function rawChat(gateway, { fields = '', version = '1.1', body = '{"model":"gpt-4o-mini","messages":[]}' } = {}) {
  const client = await RawClient.connect(gateway.port);
  return client.send(`POST /ai/v1/chat/completions HTTP/${version}\r\nHost: x\r\nX-Sallyport-Key: ${gateway.key}\r\n`
    + `Content-Type: application/json\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`);
}

test('a plain answer tells its cost and usage in its head, without any quota', async (t) => {
  const { gateway, upstream } = await metered(t);
  const answer = await chat(gateway);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['x-sallyport-cost-usd'], '0.000004500');
  assert.equal(answer.headers['x-sallyport-usage'], 'input=10;output=5');
  assert.deepEqual(JSON.parse(answer.body), completion());
  assert.equal(upstream.requests.length, 1);
  const line = await gateway.logLine(answer.id);
  assert.deepEqual([line.model, line.input_tokens, line.output_tokens, line.cost_nanousd], ['gpt-4o-mini', 10, 5, 4500]);
  const labels = { tenant: 'app', route: 'ai', model: 'gpt-4o-mini' };
  await gateway.metricIs(10, 'tokens_total', { ...labels, kind: 'input' });
  await gateway.metricIs(5, 'tokens_total', { ...labels, kind: 'output' });
  assert.match(await gateway.metrics(), /^sallyport_cost_usd_total\{tenant="app",route="ai",model="gpt-4o-mini"\} 0\.000004500$/m);
  await gateway.metricIs(0, 'usage_missing_total');
});

test('tokens of a cache are told apart, and cost what they cost', async (t) => {
  const usage = { prompt_tokens: 1000, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 900 } };
  const { gateway } = await metered(t, { answer: () => json(completion(usage)) });
  const answer = await chat(gateway);
  assert.equal(answer.headers['x-sallyport-usage'], 'input=100;cache_read=900;output=7');
  assert.equal(answer.cost, 100 * MINI.input + 900 * MINI.cached + 7 * MINI.output);
  await gateway.metricIs(900, 'tokens_total', { kind: 'cache_read' });
});

test('the receipt is what the quota is charged with', async (t) => {
  const { gateway } = await metered(t, { quotas: [{ name: 'budget', cost: '1 USD', per: 'month' }] });
  const { cost } = await chat(gateway, { max_tokens: 100 });
  assert.equal((await settled(gateway, 'budget')).used, cost);
});

test('an estimate is told, too, and is what is charged', async (t) => {
  const { gateway } = await metered(t, {
    quotas: [{ name: 'budget', cost: '1 USD', per: 'month' }], answer: () => json(completion(null)),
  });
  const answer = await chat(gateway, { max_tokens: 100 });
  assert.ok(answer.cost > 0);
  assert.equal((await settled(gateway, 'budget')).used, answer.cost);
  assert.equal((await gateway.logLine(answer.id)).estimated, true);
  await gateway.metricIs(1, 'usage_missing_total', { route: 'ai' });
});

test('an estimate is never above the reservation, in tokens as in money', async (t) => {
  const { gateway } = await metered(t, {
    quotas: [{ name: 'tokens', tokens: 100000, per: 'month' }, { name: 'budget', cost: '1 USD', per: 'month' }],
    answer: () => chunkedHead('text/event-stream') + delta('x'.repeat(4000)) + event('[DONE]') + '0\r\n\r\n',
  });
  const answer = await chat(gateway, { max_tokens: 2, stream: true }, { headers: { TE: 'trailers' } });
  const { used } = await settled(gateway, 'tokens');
  assert.ok(used > 2 && used < 200, `${used}`);
  assert.equal(answer.usage.input + answer.usage.output, used);
  assert.equal(answer.cost, (await settled(gateway, 'budget')).used);
  const line = await gateway.logLine(answer.id);
  assert.deepEqual([line.input_tokens + line.output_tokens, line.estimated], [used, true]);
  const told = ['input', 'output'].map((kind) => gateway.metric('tokens_total', { kind }));
  assert.equal((await told[0]) + (await told[1]), used);
});

test('an error of the provider without usage costs nothing, and says so', async (t) => {
  const { gateway } = await metered(t, { answer: () => json({ error: { message: 'no' } }, '400 Bad Request') });
  const answer = await chat(gateway);
  assert.deepEqual([answer.status, answer.cost, answer.usage], [400, 0, { input: 0, output: 0 }]);
});

test('an answer longer than meter.hold goes without, whole; 0B holds none', async (t) => {
  for (const hold of ['16KiB', '0B']) {
    const { gateway } = await metered(t, { route: { meter: { hold } }, answer: () => json(longCompletion(20000)) });
    const answer = await chat(gateway);
    assert.deepEqual([answer.status, answer.cost, answer.usage], [200, undefined, undefined]);
    assert.deepEqual(JSON.parse(answer.body), longCompletion(20000));
    assert.equal((await gateway.logLine(answer.id)).cost_nanousd, 4500, 'the log has it all the same');
  }
});

test('an answer of unknown length is held as far as meter.hold, then it goes as it comes', async (t) => {
  let held;
  const { gateway } = await metered(t, {
    route: { meter: { hold: '64KiB' } },
    answer: async (request, socket) => {
      const text = JSON.stringify(longCompletion(request.body.includes('"long"') ? 200000 : 50000));
      socket.write(chunkedHead() + chunk(text.slice(0, 40000)));
      await held;
      socket.write(`${chunk(text.slice(40000))}0\r\n\r\n`);
    },
  });
  let release;
  held = new Promise((resolve) => (release = resolve));
  const client = await rawChat(gateway);
  await until('bytes are held', async () => (await gateway.metric('buffered_bytes')) >= 40000);
  assert.equal(client.text, '', 'nothing has left');
  release();
  await client.until((c) => c.text.endsWith('0\r\n\r\n'));
  assert.match(client.text, /X-Sallyport-Cost-USD: 0\.000004500\r\n/);
  client.close();
  const long = await chat(gateway, { user: 'long' });
  assert.deepEqual([long.status, long.cost], [200, undefined]);
  assert.deepEqual(JSON.parse(long.body), longCompletion(200000));
  await until('nothing is held', async () => (await gateway.metric('buffered_bytes')) === 0);
});

test('a held answer that breaks off is an error, not a part; what it may have used is charged', async (t) => {
  const text = JSON.stringify(completion());
  for (const [head, body] of [
    [`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n`, text.slice(0, -5)],
    [chunkedHead(), chunk(text)], // whole JSON, but no last chunk
  ]) {
    const { gateway } = await metered(t, {
      quotas: [{ name: 'budget', cost: '1 USD', per: 'month' }],
      answer: (request, socket) => void socket.write(head + body, () => socket.end()),
    });
    const answer = await chat(gateway, { max_tokens: 100 });
    assert.deepEqual([answer.status, answer.cut, answer.headers['x-sallyport-error']], [502, false, 'upstream_unreachable']);
    assert.doesNotMatch(answer.body, /"usage"/);
    assert.ok(answer.cost > 0);
    assert.equal((await settled(gateway, 'budget')).used, answer.cost);
    await gateway.metricIs(0, 'responses_cut_total');
  }
});

test('a longer answer that breaks off is cut', async (t) => {
  const { gateway } = await metered(t, {
    route: { meter: { hold: '16KiB' } },
    answer: (request, socket) => void socket.write(chunkedHead() + chunk('x'.repeat(30000)), () => socket.end()),
  });
  const answer = await chat(gateway);
  assert.deepEqual([answer.status, answer.cut], [200, true]);
  await gateway.metricIs(1, 'responses_cut_total');
});

test('what is held counts against buffered_bytes; without room the answer goes without a receipt', async (t) => {
  const waiting = [];
  const { gateway } = await metered(t, {
    gateway: { workers: 1, limits: { body_bytes: '1MiB', buffered_bytes: '1MiB' } },
    route: { meter: { hold: '1MiB' } },
    answer: (request, socket) => {
      const text = json(longCompletion(700000));
      socket.write(text.slice(0, 100000));
      waiting.push(() => socket.write(text.slice(100000)));
    },
  });
  const first = chat(gateway);
  await until('the first is held', async () => (await gateway.metric('buffered_bytes')) >= 700000);
  const second = chat(gateway);
  await until('the second is there', () => waiting.length === 2);
  for (const go of waiting) go();
  const answers = await Promise.all([first, second]);
  assert.deepEqual(answers.map((answer) => answer.cost), [4500, undefined]);
  for (const answer of answers) assert.deepEqual(JSON.parse(answer.body), longCompletion(700000));
  await until('nothing is held', async () => (await gateway.metric('buffered_bytes')) === 0);
});

test('a slow client gets a held answer whole, and one that leaves holds nothing', async (t) => {
  const { gateway } = await metered(t, { route: { meter: { hold: '16MiB' } }, answer: () => json(longCompletion(12000000)) });
  const client = await rawChat(gateway);
  await client.until((c) => c.text.includes('X-Sallyport-Cost-USD'));
  client.socket.pause();
  await sleep(300);
  client.socket.resume();
  const size = JSON.stringify(longCompletion(12000000)).length;
  await client.until((c) => c.received.length > size, { timeout: 30000 });
  assert.deepEqual(JSON.parse(client.text.slice(client.text.indexOf('\r\n\r\n') + 4)), longCompletion(12000000));
  client.close();
  const other = await rawChat(gateway);
  await other.until((c) => c.text.includes('X-Sallyport-Cost-USD'), { timeout: 30000 });
  other.close();
  await until('nothing is held', async () => (await gateway.metric('buffered_bytes')) === 0);
  await until('both are logged', () => gateway.accessLog().length === 2);
  assert.deepEqual(gateway.accessLog().map((line) => line.cost_nanousd), [4500, 4500]);
});

test('an event stream tells it in trailers, where the client asked for them', async (t) => {
  const { gateway } = await metered(t, { answer: () => stream() });
  const answer = await chat(gateway, { stream: true }, { headers: { TE: 'trailers' } });
  assert.match(answer.body, /data: \[DONE\]\n\n$/);
  assert.equal(answer.headers['x-sallyport-cost-usd'], undefined);
  assert.equal(answer.headers.trailer, 'X-Sallyport-Cost-USD, X-Sallyport-Usage');
  assert.equal(answer.trailers['x-sallyport-cost-usd'], '0.000004500');
  assert.equal(answer.trailers['x-sallyport-usage'], 'input=10;output=5');
  const without = await chat(gateway, { stream: true });
  assert.deepEqual([without.trailers, without.headers.trailer], [{}, undefined]);
  assert.equal((await gateway.logLine(without.id)).cost_nanousd, 4500);
});

test('an event stream is never held, and HTTP/1.0 gets no trailers', async (t) => {
  let end;
  const { gateway } = await metered(t, {
    answer: (request, socket) => {
      socket.write(chunkedHead('text/event-stream') + delta('first'));
      end = () => socket.write(`${event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } })}${event('[DONE]')}0\r\n\r\n`);
    },
  });
  const client = await rawChat(gateway, { version: '1.0', fields: 'TE: trailers\r\n' });
  await client.until((c) => c.text.includes('first'));
  end();
  await client.untilClosed();
  assert.match(client.text, /data: \[DONE\]\n\n$/);
  assert.doesNotMatch(client.text, /X-Sallyport-Cost|Trailer:/i);
});

test('a stream that a quota ends tells what it cost all the same', async (t) => {
  const { gateway } = await metered(t, {
    quotas: [{ name: 'budget', cost: '0.001 USD', per: 'month' }],
    answer: (request, socket) => {
      socket.write(chunkedHead('text/event-stream'));
      const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : socket.write(delta('y'.repeat(100)))), 2);
    },
  });
  const answer = await chat(gateway, { stream: true }, { headers: { TE: 'trailers' } });
  assert.match(answer.body, /data: \[DONE\]\n\n$/);
  assert.ok(answer.cost > 0 && answer.cost <= 1000000);
  assert.equal((await settled(gateway, 'budget')).used, answer.cost);
});

test('a stream that breaks off has no trailers, and is cut', async (t) => {
  const { gateway } = await metered(t, {
    answer: (request, socket) => void socket.write(chunkedHead('text/event-stream') + delta('part'), () => socket.end()),
  });
  const answer = await chat(gateway, { stream: true }, { headers: { TE: 'trailers' } });
  assert.deepEqual([answer.status, answer.cut, answer.cost], [200, true, undefined]);
  const line = await gateway.logLine(answer.id);
  assert.ok(line.cost_nanousd > 0 && line.estimated);
});

test('a caller cannot pass a receipt of its own off as ours, nor can a provider', async (t) => {
  const { gateway } = await metered(t, {
    answer: () => json(completion(), '200 OK', 'X-Sallyport-Cost-USD: 9.000000000\r\nX-Sallyport-Usage: input=9\r\n'),
  });
  const client = await rawChat(gateway, { fields: 'Connection: close\r\n' });
  await client.untilClosed();
  assert.deepEqual(client.text.match(/X-Sallyport-Cost-USD: .*/g), ['X-Sallyport-Cost-USD: 0.000004500']);
  assert.deepEqual(client.text.match(/X-Sallyport-Usage: .*/g), ['X-Sallyport-Usage: input=10;output=5']);
});

test('attempts that were lost are summed in the receipt', async (t) => {
  const { gateway } = await metered(t, {
    quotas: [{ name: 'budget', cost: '1 USD', per: 'month' }],
    route: { retry: { attempts: 2, base: '1ms' }, timeouts: { first_byte: '300ms' } },
    answer: (request, socket, count) => (count === 1 ? undefined : json(completion())),
  });
  const answer = await chat(gateway, { max_tokens: 50 });
  assert.deepEqual([answer.status, answer.headers['x-sallyport-attempts']], [200, '2']);
  assert.ok(answer.cost > 4500 + 50 * MINI.output);
  assert.equal((await settled(gateway, 'budget')).used, answer.cost);
  assert.equal((await gateway.logLine(answer.id)).cost_nanousd, answer.cost);
});

test('lost attempts are charged without a quota, too, and an error of ours tells it', async (t) => {
  const { gateway } = await metered(t, {
    route: { retry: { attempts: 2, base: '1ms' }, timeouts: { first_byte: '200ms' } }, answer: () => undefined,
  });
  const answer = await chat(gateway);
  assert.deepEqual([answer.status, answer.headers['x-sallyport-attempts']], [504, '2']);
  assert.equal(answer.usage.input, 2 * Math.ceil('{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}'.length / 4));
  assert.equal((await gateway.logLine(answer.id)).cost_nanousd, answer.cost);
});

test('a lost attempt is charged once, with the one that came, wherever it is told', async (t) => {
  for (const quotas of [undefined, [{ name: 'budget', cost: '1 USD', per: 'month' }, { name: 'tokens', tokens: 100000, per: 'month' }]]) {
    let calls = 0;
    const { gateway } = await metered(t, {
      quotas, route: { retry: { attempts: 2, base: '1ms' }, timeouts: { first_byte: '200ms' } },
      answer: () => (calls++ === 0 ? undefined : json(completion())),
    });
    const answer = await chat(gateway, { max_tokens: 20 });
    const { input, output } = answer.usage;
    assert.deepEqual([answer.status, answer.headers['x-sallyport-attempts']], [200, '2']);
    assert.ok(input > 10 + 10 && input < 10 + 60, `${input}`);
    assert.equal(output, quotas ? 5 + 20 : 5, 'where nothing was reserved, nothing is known of it');
    assert.equal(answer.cost, input * MINI.input + output * MINI.output);
    if (quotas) assert.deepEqual([(await settled(gateway, 'budget')).used, (await settled(gateway, 'tokens')).used], [answer.cost, input + output]);
    assert.equal((await gateway.logLine(answer.id)).cost_nanousd, answer.cost);
    assert.match(await gateway.metrics(), new RegExp(`^sallyport_cost_usd_total\\{.*\\} 0\\.0*${answer.cost}$`, 'm'));
  }
});

test('what the first route used is told with what the fallback used', async (t) => {
  const slow = await upstreamFor(t, () => undefined);
  const well = await upstreamFor(t, () => json(completion()));
  const gateway = await gatewayFor(t, {
    routes: {
      ai: { provider: 'openai', credential: 'none', upstream: slow.port, fallback: ['other'], retry: 'off', timeouts: { first_byte: '200ms' } },
      other: { provider: 'openai', credential: 'none', upstream: well.port },
    },
  });
  const answer = await chat(gateway);
  assert.equal(answer.headers['x-sallyport-route'], 'other');
  assert.ok(answer.usage.input > 10 && answer.usage.output === 5, JSON.stringify(answer.usage));
  assert.equal(answer.cost, answer.usage.input * MINI.input + answer.usage.output * MINI.output);
  const line = await gateway.logLine(answer.id);
  assert.deepEqual([line.cost_nanousd, line.input_tokens], [answer.cost, answer.usage.input]);
});

test('a body that no quota reads is not refused, whatever it is; the answer tells the model', async (t) => {
  const { gateway, upstream } = await metered(t, { quotas: [{ requests: 1000, per: '1m' }] });
  const rows = [
    { raw: 'no json' },
    { raw: '{"model":"gpt-4o","model":"gpt-4o-mini"}' },
    { raw: '{"model":"gpt-4o-mini","max_tokens":"100"}' },
    { raw: '[1]' },
    { headers: { 'Content-Encoding': 'gzip' } },
    { headers: { 'Content-Type': 'application/json; charset=utf-16' } },
  ];
  for (const options of rows) {
    const answer = await chat(gateway, {}, options);
    assert.deepEqual([answer.status, answer.cost], [200, 4500], JSON.stringify(options));
    assert.equal((await gateway.logLine(answer.id)).model, 'gpt-4o-mini');
  }
  assert.equal(upstream.requests.length, rows.length);
});

test('a long body streams although it is metered, and the answer tells the model', async (t) => {
  let began = 0;
  const { gateway, upstream } = await metered(t, { route: { retry: 'off', meter: { stream_usage: false } } });
  const client = await RawClient.connect(gateway.port);
  const body = JSON.stringify({ messages: [{ role: 'user', content: 'a'.repeat(300000) }], model: 'gpt-4o' });
  client.send(`POST /ai/v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Sallyport-Key: ${gateway.key}\r\n`
    + `Connection: close\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 200000)}`);
  await until('the upstream has a connection, before the body is whole', () => (began = upstream.connections));
  assert.equal(began, 1);
  client.send(body.slice(200000));
  await client.untilClosed();
  assert.match(client.text, /X-Sallyport-Cost-USD: 0\.000004500\r\n/);
  assert.equal(upstream.requests[0].body, body);
});

test('a quota of requests or bytes alone asks nothing more of its store', async (t) => {
  const { gateway } = await metered(t, {
    quotas: [{ name: 'calls', requests: 1000, per: 'day' }, { name: 'traffic', bytes: '10MiB', per: 'day' }],
    route: { retry: { attempts: 2, base: '1ms' } },
    answer: (request, socket, count) => (count === 1 ? json({}, '503 Service Unavailable') : json(completion())),
  });
  const answer = await chat(gateway);
  assert.deepEqual([answer.status, answer.cost], [200, 4500]);
  assert.equal(quotaOf(gateway, 'calls').used, 1);
});

test('models that callers make up do not fill the metrics', async (t) => {
  const { gateway } = await metered(t, { gateway: { workers: 1 } });
  for (let i = 0; i < 130; i++) await chat(gateway, { model: `made-up-${i}` });
  await chat(gateway);
  const models = new Set([...(await gateway.metrics()).matchAll(/sallyport_tokens_total\{.*model="([^"]*)"/g)].map((match) => match[1]));
  assert.equal(models.size, 102);
  assert.ok(models.has('__other__') && models.has('gpt-4o-mini'));
  await gateway.metricIs(30 * 5, 'tokens_total', { model: '__other__', kind: 'output' });
});

test('calls that no profile knows have no receipt, and are not held', async (t) => {
  const { gateway } = await metered(t);
  const answer = await chat(gateway, {}, { path: '/ai/v1/other' });
  assert.deepEqual([answer.status, answer.cost, answer.usage], [200, undefined, undefined]);
  assert.equal((await gateway.logLine(answer.id)).cost_nanousd, undefined);
});
