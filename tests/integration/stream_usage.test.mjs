// A stream that tells its usage only if it is asked to is asked by the gateway, in the body that goes upstream;
// its caller gets what it would have got without that, byte for byte.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';

import { dechunk } from '../support/coded.mjs';
import { gatewayFor, sleep, until } from '../support/gateway.mjs';
import { chat, chunk, chunkedHead, metered, settled } from '../support/meter.mjs';
import { RawClient, upstreamFor } from '../support/wire.mjs';

const head = { id: 'c-1', object: 'chat.completion.chunk', created: 1, model: 'gpt-4o-mini' };
const line = (data, end = '\n') => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}${end}${end}`;
const hello = (end, asked) => line({ ...head, choices: [{ index: 0, delta: { content: 'Hello' } }], ...(asked ? { usage: null } : {}) }, end);
const stop = (end, asked) => line({ ...head, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], ...(asked ? { usage: null } : {}) }, end);
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const usageEvent = (end) => line({ ...head, choices: [], usage }, end);

// What the provider sends; `asked`: for its usage.
const streamOf = (asked, end = '\n') => hello(end, asked) + stop(end, asked) + (asked ? usageEvent(end) : '') + line('[DONE]', end);
const withoutEvent = (end = '\n') => streamOf(true, end).replace(usageEvent(end), '');

const whole = (text) => `${chunkedHead('text/event-stream')}${chunk(text)}0\r\n\r\n`;
const isAsked = (request) => JSON.parse(request.body).stream_options?.include_usage === true;
const provider = (request) => whole(streamOf(isAsked(request)));
const trailers = { TE: 'trailers', Connection: 'TE' };

// The same by hand; `chunks`: the body's length is not told.
async function send(gateway, body, { chunks = false } = {}) {
  const client = await RawClient.connect(gateway.port);
  return client.send(`POST /ai/v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Sallyport-Key: ${gateway.key}\r\nConnection: close\r\n`
    + (chunks ? `Transfer-Encoding: chunked\r\n\r\n${chunk(body)}0\r\n\r\n` : `Content-Length: ${body.length}\r\n\r\n${body}`));
}

const bodyOf = (text) => ({ raw: text });
const asking = '{"stream_options":{"include_usage":true},';

test('a caller that does not ask gets a stream without usage, whose usage is known all the same', async (t) => {
  const { gateway, upstream } = await metered(t, { answer: provider });
  const raw = '{ "model": "gpt-4o-mini",\n "stream": true, "messages": [{"role": "user", "content": "caf\\u00e9 \u20ac"}]}\n';
  const answer = await chat(gateway, {}, { raw, headers: trailers });
  const [{ head: sent, body }] = upstream.requests;
  assert.equal(Buffer.from(body, 'latin1').toString(), asking + raw.slice(1));
  assert.match(sent, new RegExp(`^content-length: ${Buffer.byteLength(asking) + Buffer.byteLength(raw) - 1}\r$`, 'im'));
  assert.equal(answer.status, 200);
  assert.equal(answer.body, withoutEvent());
  assert.deepEqual(answer.usage, { input: 10, output: 5 });
  assert.equal(answer.cost, 10 * 150 + 5 * 600);
  const logged = await gateway.logLine(answer.id);
  assert.deepEqual([logged.input_tokens, logged.output_tokens, logged.estimated], [10, 5, undefined]);
  assert.equal(logged.request_bytes, Buffer.byteLength(raw), 'the body as it came');
  assert.equal(logged.response_bytes, Buffer.byteLength(withoutEvent()), 'the answer as it went');
  await gateway.metricIs(0, 'usage_missing_total');
});

test('a caller that asks gets the event, and its body goes as it came', async (t) => {
  const { gateway, upstream } = await metered(t, { answer: provider });
  const raw = '{"stream":true,"stream_options" : {"include_usage" : true},"model":"gpt-4o-mini","messages":[]}';
  const answer = await chat(gateway, {}, { raw });
  assert.equal(upstream.requests[0].body, raw);
  assert.equal(answer.body, streamOf(true));
});

test('it is put in where it belongs, and nowhere else', async (t) => {
  const { gateway, upstream } = await metered(t, { answer: () => whole(streamOf(false)) });
  const cases = [
    ['"stream":true,"stream_options":{}', '"stream":true,"stream_options":{"include_usage":true}'],
    ['"stream":true,"stream_options":null', '"stream":true,"stream_options":{"include_usage":true}'],
    ['"stream_options":{"include_usage": false, "x":1},"stream":true', '"stream_options":{"include_usage": true, "x":1},"stream":true'],
    ['"stream_options":{"include_obfuscation":false},"stream":true', '"stream_options":{"include_usage":true,"include_obfuscation":false},"stream":true'],
    ['"stream":false'], ['"stream":null'], ['"x":{"stream":true}'], ['"stream":"true"'],
    ['"stream":true,"stream_options":[]'], ['"stream":true,"stream_options":true'],
    ['"stream":true,"stream_options":{"include_usage":1}'],
    ['"stream":true,"stream_options":{},"stream_options":{}'],
    ['"stream":true,"stream_options":{"include_usage":false,"include_usage":false}'],
    ['"stream":true,"stream":false'],
  ];
  for (const [given, wanted = given] of cases) {
    await chat(gateway, {}, bodyOf(`{${given}}`));
    assert.equal(upstream.requests.at(-1).body, `{${wanted}}`);
  }
  const raw = '{"stream":true}';
  await chat(gateway, {}, bodyOf('{"stream":true'));
  assert.equal(upstream.requests.at(-1).body, '{"stream":true', 'what is no JSON');
  const others = [
    [{ path: '/ai/v1/responses' }, raw],
    [{ headers: { 'Content-Encoding': 'gzip' } }, raw],
    [{ headers: { 'Content-Type': 'application/json; charset=utf-16' } }, raw],
    [{ path: '/ai/v1/completions' }, `${asking}"stream":true}`],
  ];
  for (const [options, wanted] of others) {
    await chat(gateway, {}, { ...options, raw });
    assert.equal(upstream.requests.at(-1).body, wanted, JSON.stringify(options));
  }
});

test('meter.stream_usage: false leaves bodies and streams as they are', async (t) => {
  const { gateway, upstream } = await metered(t, { route: { meter: { stream_usage: false } }, answer: () => whole(streamOf(true)) });
  const raw = '{"stream":true,"messages":[]}';
  const answer = await chat(gateway, {}, { raw, headers: { 'Accept-Encoding': 'gzip' } });
  assert.equal(upstream.requests[0].body, raw);
  assert.match(upstream.requests[0].head, /^accept-encoding: gzip\r$/im);
  assert.equal(answer.body, streamOf(true));
  await chat(gateway, {}, { raw });
});

test('the event is taken out however the stream is cut into pieces, framed and spaced', async (t) => {
  let send;
  const { gateway } = await metered(t, { answer: (request, socket) => send(socket) });
  const raw = '{"stream":true,"model":"gpt-4o-mini"}';
  const pieces = (text, size) => text.match(new RegExp(`[^]{1,${size}}`, 'g'));
  const check = async (sent, wanted, how) => {
    const answer = await chat(gateway, {}, { raw, headers: trailers });
    assert.equal(answer.body, wanted, how);
    assert.equal(answer.cut, false, how);
    assert.equal((await gateway.logLine(answer.id)).output_tokens, 5, how);
  };
  for (const end of ['\n', '\r\n', '\r']) {
    for (const size of [1, 7, 64, 10000]) {
      const text = streamOf(true, end);
      send = (socket) => socket.write(`${chunkedHead('text/event-stream')}${pieces(text, size).map(chunk).join('')}0\r\n\r\n`);
      await check(text, withoutEvent(end), `chunks of ${size} with ${JSON.stringify(end)}`);
    }
  }
  const variants = [
    [usageEvent('\n').replace('data: ', 'data:'), ''],
    [`: comment\n${usageEvent('\n')}`, ': comment\n'],
    [`event: message\nid: 1\n${usageEvent('\n')}`, ''],
    [`data: {"usage":{"prompt_tokens":10,\ndata: "completion_tokens":5},\ndata: "choices":[]}\n\n`, ''],
    [usageEvent('\n') + usageEvent('\n'), ''],
    [...Array(2).fill(line({ ...head, choices: [{ index: 0, delta: {} }], usage }))],
  ];
  for (const [i, [given, left]] of variants.entries()) {
    const [before, behind] = [hello('\n', true) + stop('\n', true), i % 2 === 0 ? line('[DONE]') : 'data: {"id":"c-1"}'];
    send = (socket) => socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: ${
      Buffer.byteLength(before + given + behind)}\r\n\r\n${before}${given}${behind}`);
    await check(given, before + left + behind, JSON.stringify(given));
    send = (socket) => socket.end(`HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n${before}${given}${behind}`);
    await check(given, before + left + behind, `${JSON.stringify(given)}, to the end of the connection`);
  }
});

test('what the model writes is not held back', async (t) => {
  let goOn;
  const { gateway } = await metered(t, {
    answer: async (request, socket) => {
      socket.write(chunkedHead('text/event-stream') + chunk(hello('\n', true)));
      await new Promise((resolve) => { goOn = resolve; });
      socket.write(chunk(usageEvent('\n').slice(0, -1)));
      await new Promise((resolve) => { goOn = resolve; });
      socket.write(`${chunk(`\n${line('[DONE]')}`)}0\r\n\r\n`);
    },
  });
  const client = await send(gateway, '{"stream":true}');
  await client.until(() => client.text.endsWith(chunk(hello('\n', true))));
  goOn();
  await sleep(100);
  assert.ok(client.text.endsWith(chunk(hello('\n', true))), 'an event that may be it is');
  goOn();
  await client.until(() => client.text.endsWith('0\r\n\r\n'));
  assert.ok(!client.text.includes('prompt_tokens'));
  client.close();
});

test('a stream that breaks off within the event is cut, without a part of it', async (t) => {
  let breakOff;
  const { gateway } = await metered(t, {
    answer: (request, socket) => {
      socket.write(chunkedHead('text/event-stream') + chunk(hello('\n', true) + usageEvent('\n').slice(0, -20)));
      breakOff = () => socket.destroy();
    },
  });
  const client = await send(gateway, '{"stream":true}');
  await client.until(() => client.text.endsWith(chunk(hello('\n', true))));
  breakOff();
  await client.untilClosed();
  assert.ok(client.text.endsWith(chunk(hello('\n', true))));
});

test('each attempt and each route is sent the body that is its own', async (t) => {
  const bodies = { first: [], second: [] };
  const first = await upstreamFor(t, (request) => {
    bodies.first.push(request.body);
    return 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n';
  });
  const second = await upstreamFor(t, (request) => {
    bodies.second.push(request.body);
    return provider(request);
  });
  const retry = { attempts: 2, base: '10ms', cap: '20ms', budget: '100%' };
  const route = (port, more) => ({ provider: 'openai', credential: 'none', upstream: port, retry, ...more });
  const gateway = await gatewayFor(t, {
    routes: {
      asks: route(first.port, { fallback: ['plain'] }),
      plain: route(second.port, { meter: { stream_usage: false } }),
      back: route(first.port, { meter: { stream_usage: false }, fallback: ['renamed'], models: { mini: 'gpt-4o-mini' } }),
      renamed: route(second.port, { models: { mini: 'gpt-4o' } }),
    },
  });
  const raw = '{"model":"mini","stream":true}';
  const call = (path) => chat(gateway, {}, { path: `/${path}/v1/chat/completions`, raw });
  let answer = await call('asks');
  assert.deepEqual(bodies.first.splice(0), Array(2).fill(`${asking}${raw.slice(1)}`));
  assert.deepEqual(bodies.second.splice(0), [raw]);
  assert.equal(answer.body, streamOf(false));
  answer = await call('back');
  assert.deepEqual(bodies.first.splice(0), Array(2).fill('{"model":"gpt-4o-mini","stream":true}'));
  assert.deepEqual(bodies.second.splice(0), [`${asking}"model":"gpt-4o","stream":true}`]);
  assert.equal(answer.body, withoutEvent());
});

test('a provider that refuses what was put in is sent the body as it came', async (t) => {
  const refusal = (status) => `HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`;
  const raw = '{"stream":true,"model":"gpt-4o-mini","messages":[]}';
  const edited = `${asking}${raw.slice(1)}`;
  for (const [status, quotas] of [[400, undefined], [422, [{ name: 'small', tokens: '100k', per: 'day' }]]]) {
    let always = false;
    const { gateway, upstream } = await metered(t, {
      route: { retry: 'off' }, quotas, answer: (request) => (always || isAsked(request) ? refusal(status) : provider(request)),
    });
    const answer = await chat(gateway, {}, { raw, headers: trailers });
    assert.deepEqual([answer.status, answer.body, answer.headers['x-sallyport-attempts']], [200, streamOf(false), '2']);
    assert.deepEqual(upstream.requests.splice(0).map((request) => request.body), [edited, raw]);
    const logged = await gateway.logLine(answer.id);
    assert.equal(logged.estimated, true);
    assert.deepEqual(logged.tries.map((one) => one.status), [status, 200].slice(0, logged.tries.length));
    if (quotas) assert.equal((await settled(gateway, 'small')).used, answer.usage.input + answer.usage.output);
    always = true;
    assert.equal((await chat(gateway, {}, { raw })).status, status, 'it was not for that');
    assert.deepEqual(upstream.requests.splice(0).map((request) => request.body), [edited, raw]);
    assert.equal((await chat(gateway, {}, { raw: edited })).status, status, 'the caller wrote it');
    assert.equal(upstream.requests.length, 1);
    assert.equal((await chat(gateway, {}, { raw: '{"model":"gpt-4o-mini"}' })).status, status);
    assert.equal(upstream.requests.length, 2);
  }
});

test('a body of more than retry.buffer is held for it, unless there is no memory', async (t) => {
  const { gateway, upstream } = await metered(t, {
    answer: provider, route: { retry: { buffer: '64KiB' } }, gateway: { limits: { buffered_bytes: '1MiB' } },
  });
  const text = (bytes) => `{"stream":true,"model":"gpt-4o-mini","messages":[{"role":"user","content":"${'x'.repeat(bytes)}"}]}`;
  const cases = [
    [300, withoutEvent()],
    [700, streamOf(false)], // no room for a copy with it
    [2048, streamOf(false)], // no room for the body
  ];
  for (const chunks of [false, true]) {
    for (const [size, wanted] of cases) {
      const client = await send(gateway, text(size * 1024), { chunks });
      await client.untilClosed();
      assert.equal(client.statuses()[0], 200);
      assert.equal(dechunk(client.received).body.toString(), wanted, `${size} KiB`);
      assert.equal(upstream.requests.at(-1).body === text(size * 1024), wanted === streamOf(false));
      await until('nothing is held', async () => await gateway.metric('buffered_bytes') === 0);
    }
  }
  await gateway.metricIs(4, 'usage_missing_total');
});

test('where a quota needs the body, or it may be sent again, no memory is a refusal as before', async (t) => {
  const large = `{"stream":true,"model":"gpt-4o-mini","x":"${'x'.repeat(2 * 1024 * 1024)}"}`;
  for (const [route, quotas] of [[{}, [{ tokens: '100M', per: 'day' }]], [{ retry: { buffer: '4MiB' } }, undefined]]) {
    const { gateway, upstream } = await metered(t, { answer: provider, route, quotas, gateway: { limits: { buffered_bytes: '1MiB' } } });
    for (const chunks of [false, true]) {
      const client = await send(gateway, large, { chunks });
      await client.until(() => client.statuses().length === 1);
      assert.match(client.text, /^HTTP\/1\.1 503 [^]*x-sallyport-error: overloaded/i);
      client.close();
    }
    assert.equal(upstream.requests.length, 0);
  }
});

test('the provider is asked for a stream that is not encoded; one that is goes as it is', async (t) => {
  let encoded = false;
  const { gateway, upstream } = await metered(t, {
    answer: (request) => (encoded
      ? Buffer.concat([
        Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nConnection: close\r\n'),
        (() => {
          const bytes = zlib.gzipSync(streamOf(true));
          return Buffer.concat([Buffer.from(`Content-Length: ${bytes.length}\r\n\r\n`), bytes]);
        })(),
      ])
      : provider(request)),
  });
  const options = { raw: '{"stream":true}', headers: { 'Accept-Encoding': 'gzip, br', ...trailers } };
  assert.equal((await chat(gateway, {}, options)).body, withoutEvent());
  assert.match(upstream.requests[0].head, /^accept-encoding: identity\r$/im);
  encoded = true;
  const answer = await chat(gateway, {}, options);
  assert.equal(zlib.gunzipSync(Buffer.from(answer.body, 'latin1')).toString(), streamOf(true));
  assert.equal((await gateway.logLine(answer.id)).output_tokens, 5);
});

test('a quota is settled to the usage; a stream that it ends tells none to a caller that did not ask', async (t) => {
  const { gateway, upstream } = await metered(t, {
    quotas: [{ name: 'small', tokens: 6000, per: 'day' }],
    answer: (request, socket) => {
      if (!request.body.includes('endless')) return provider(request);
      socket.write(chunkedHead('text/event-stream'));
      const timer = setInterval(() => (socket.destroyed ? clearInterval(timer)
        : socket.write(chunk(line({ ...head, choices: [{ index: 0, delta: { content: 'y'.repeat(100) } }], usage: null })))), 2);
      return undefined;
    },
  });
  assert.equal((await chat(gateway, { stream: true })).body, withoutEvent());
  assert.equal((await settled(gateway, 'small')).used, 15);
  const answer = await chat(gateway, { stream: true, user: 'endless' });
  assert.equal(isAsked(upstream.requests.at(-1)), true);
  const events = answer.body.trim().split('\n\n').map((one) => one.replace(/^data: /, ''));
  assert.equal(events.at(-1), '[DONE]');
  assert.equal(JSON.parse(events.at(-2)).choices[0].finish_reason, 'length');
  assert.ok(!answer.body.includes('prompt_tokens'));
});
