// Encoded answers: they arrive as they were sent, but were read on the way: their usage is found, and a
// credential in them, or what cannot be read, never arrives.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import zlib from 'node:zlib';

import { coded, codedHead, codings, dechunk, noise, piece, plainAnswer, writeLate } from '../support/coded.mjs';
import { gatewayFor, isSanitized, binary, sleep, until } from '../support/gateway.mjs';
import { chat, completion, metered, settled } from '../support/meter.mjs';
import { RawClient, upstreamFor } from '../support/wire.mjs';

const secret = 'sk-test-0123456789abcdefghijklmnop/+"';
const all = 'gzip, deflate, br, zstd';

async function start(t, answer, more = {}) {
  const upstream = await upstreamFor(t, answer);
  const gateway = await gatewayFor(t, {
    routes: {
      api: {
        upstream: upstream.port, provider: 'http', credential: { secret: 'api-key' },
        inject: { header: 'Authorization', value: 'Bearer {secret}' }, retry: 'off', ...more.route,
      },
      open: { upstream: upstream.port, provider: 'http', credential: 'none', retry: 'off' },
    },
    secrets: { 'api-key': secret },
    gateway: { workers: 1, ...more.gateway },
  });
  return { gateway, upstream };
}

// Bytes as they come: fetch() would decode them.
function get(gateway, path = '/api/x', { method = 'GET', headers = {} } = {}) {
  return new Promise((resolve) => {
    const result = { status: 0, headers: {}, cut: false };
    const request = http.request({
      port: gateway.port, host: '127.0.0.1', path, method, agent: false,
      headers: { 'X-Sallyport-Key': gateway.key, 'Accept-Encoding': all, ...headers },
    }, (response) => {
      const parts = [];
      Object.assign(result, { status: response.statusCode, headers: response.headers });
      response.on('data', (data) => parts.push(data));
      response.on('error', () => {});
      response.on('close', () =>
        resolve(Object.assign(result, { body: Buffer.concat(parts), cut: !response.complete })));
    });
    // A cut is a reset: it may be an error of the request and of the answer, of which the second resolves.
    request.on('error', (error) => result.status === 0 && resolve(Object.assign(result, { error })));
    request.end();
  });
}

async function streamClient(t, gateway, path = '/api/stream') {
  const client = await RawClient.connect(gateway.port);
  t.after(() => client.close());
  return client.send(`GET ${path} HTTP/1.1\r\nHost: gw\r\nX-Sallyport-Key: ${gateway.key}\r\nAccept-Encoding: ${all}\r\n\r\n`);
}

const streamText = (usage = { prompt_tokens: 10, completion_tokens: 5 }) =>
  [{ choices: [{ index: 0, delta: { content: 'Hello, world' } }] }, ...(usage ? [{ choices: [], usage }] : [])]
    .map((data) => `data: ${JSON.stringify(data)}\n\n`).join('') + 'data: [DONE]\n\n';

const nothingHeld = (gateway) =>
  until('nothing is held', async () => (await gateway.metric('buffered_bytes')) === 0);

const accepted = (upstream) => /^accept-encoding: (.*)\r$/im.exec(upstream.requests.at(-1).head)?.[1];

// ---- what is asked for ----

test('the provider is asked for what can be read, in the order of the caller', async (t) => {
  const { gateway, upstream } = await start(t);
  for (const [sent, arrives] of [
    [all, 'gzip, br, zstd'],
    ['br;q=0.5, deflate, gzip;q=0.25', 'br;q=0.5, gzip;q=0.25'],
    ['deflate', 'identity'],
    ['*', 'gzip, br, zstd, identity'],
    ['gzip;q=1.0, *;q=0', 'gzip;q=1.0, *;q=0'],
  ]) {
    await get(gateway, '/api/x', { headers: { 'Accept-Encoding': sent } });
    assert.equal(accepted(upstream), arrives);
  }
});

test('a caller that says nothing has nothing said', async (t) => {
  const { gateway, upstream } = await start(t);
  const client = await RawClient.connect(gateway.port);
  t.after(() => client.close());
  client.send(`GET /api/x HTTP/1.1\r\nHost: gw\r\nX-Sallyport-Key: ${gateway.key}\r\n\r\n`);
  await client.until((c) => c.text.endsWith('ok'));
  assert.equal(accepted(upstream), undefined);
});

test('parts of an answer are asked for as they are', async (t) => {
  const { gateway, upstream } = await start(t);
  await get(gateway, '/api/x', { headers: { Range: 'bytes=0-10' } });
  assert.equal(accepted(upstream), 'identity');
});

test('a stream that a quota may have to end is asked for as it is', async (t) => {
  const { gateway, upstream } = await metered(t, { quotas: [{ tokens: 100000, per: 'day' }] });
  await chat(gateway, { stream: true, max_tokens: 10 }, { headers: { 'Accept-Encoding': all } });
  assert.equal(accepted(upstream), 'identity');
  await chat(gateway, { max_tokens: 10 }, { headers: { 'Accept-Encoding': all } });
  assert.equal(accepted(upstream), 'gzip, br, zstd');
});

test('where there is nothing to be read all passes as it is', async (t) => {
  const body = Buffer.from('neither gzip nor anything else');
  const { gateway, upstream } = await start(t, () => coded('deflate, gzip', body, { status: '206 Partial Content' }));
  const answer = await get(gateway, '/open/x');
  assert.equal(accepted(upstream), all);
  assert.deepEqual([answer.status, answer.headers['content-encoding'], answer.body.equals(body)], [206, 'deflate, gzip', true]);
});

// ---- what arrives ----

for (const [name, coding] of Object.entries(codings)) {
  test(`${name}: a metered answer arrives as it was sent, and its usage is known`, async (t) => {
    const body = coding.encode(JSON.stringify(completion()));
    const { gateway } = await metered(t, { answer: () => coded(name, body) });
    const answer = await chat(gateway, {}, { headers: { 'Accept-Encoding': all } });
    assert.deepEqual([answer.status, answer.headers['content-encoding']], [200, name]);
    assert.equal(Number(answer.headers['content-length']), body.length);
    assert.ok(Buffer.from(answer.body, 'latin1').equals(body));
    assert.deepEqual([answer.cost, answer.usage], [4500, { input: 10, output: 5 }]);
    await gateway.metricIs(0, 'usage_missing_total');
    await nothingHeld(gateway);
  });

  test(`${name}: the usage of an encoded event stream is in its trailers`, async (t) => {
    const events = ['{"choices":[{"index":0,"delta":{"content":"Hello"}}]}',
      '{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}', '[DONE]'].map((data) => `data: ${data}\n\n`);
    const pieces = await coding.pieces(events);
    const { gateway } = await metered(t, {
      answer: (_, socket) => {
        socket.write(codedHead(name, 'text/event-stream'));
        for (const bytes of pieces) if (bytes.length > 0) socket.write(piece(bytes));
        socket.write('0\r\n\r\n');
      },
    });
    const answer = await chat(gateway, { stream: true }, { headers: { 'Accept-Encoding': all, TE: 'trailers', Connection: 'TE' } });
    assert.equal(coding.decode(Buffer.from(answer.body, 'latin1')).toString(), events.join(''));
    assert.deepEqual([answer.cut, answer.cost, answer.usage], [false, 4500, { input: 10, output: 5 }]);
    await nothingHeld(gateway);
  });

  // A stream is asked for as it is where a quota counts it; one that comes encoded all the same counts as well.
  for (const [what, body, plain, type] of [
    ['a plain answer', {}, JSON.stringify(completion()), 'application/json'],
    ['an event stream', { stream: true }, streamText(), 'text/event-stream'],
    ['an answer that tells nothing', {}, JSON.stringify(completion(null)), 'application/json'],
    ['an event stream that tells nothing', { stream: true }, streamText(null), 'text/event-stream'],
  ]) {
    test(`${name}: ${what} is charged as it is without a coding`, async (t) => {
      const charged = [];
      for (const answer of [plainAnswer(plain, type), coded(name, coding.encode(plain), { type })]) {
        const { gateway } = await metered(t, {
          quotas: [{ name: 'tokens', tokens: 1e6, per: 'day' }, { name: 'cost', cost: '100 USD', per: 'day' }],
          answer: () => answer,
        });
        const { id, status } = await chat(gateway, { max_tokens: 500, ...body }, { headers: { 'Accept-Encoding': all } });
        assert.equal(status, 200);
        const { used: tokens } = await settled(gateway, 'tokens');
        const { used: cost } = await settled(gateway, 'cost');
        const { usage, cost_usd: told } = await gateway.logLine(id);
        charged.push({ tokens, cost, usage, told, missing: await gateway.metric('usage_missing_total') });
      }
      assert.ok(Number(charged[0].tokens) > 0);
      assert.deepEqual(charged[1], charged[0]);
    });
  }

  test(`${name}: each event arrives before the next is sent`, async (t) => {
    const events = Array.from({ length: 8 }, (_, i) => `data: event number ${i}\n\n`);
    const pieces = await coding.pieces(events);
    let socket;
    const { gateway } = await start(t, (_, s) => ((socket = s), codedHead(name, 'text/event-stream')));
    const client = await streamClient(t, gateway);
    await client.until((c) => c.statuses().length === 1);
    let sent = 0;
    for (const bytes of pieces.filter((each) => each.length > 0)) {
      socket.write(piece(bytes));
      sent += bytes.length;
      await client.until((c) => dechunk(c.received).body.length === sent);
    }
    socket.write('0\r\n\r\n');
    await client.until((c) => dechunk(c.received).whole);
    assert.equal(coding.decode(dechunk(client.received).body).toString(), events.join(''));
  });

  test(`${name}: a long answer arrives byte for byte, through a small window of memory`, async (t) => {
    const body = coding.encode(noise(6e6));
    let most = 0;
    const { gateway } = await start(t, () => coded(name, body, { type: 'text/plain' }));
    const watch = setInterval(async () => (most = Math.max(most, await gateway.metric('buffered_bytes'))), 20);
    const answer = await get(gateway);
    clearInterval(watch);
    assert.ok(answer.body.equals(body));
    assert.ok(most < 10e6, `${most} bytes were held`);
    t.diagnostic(`${body.length} bytes, at most ${most} held`);
    await nothingHeld(gateway);
  });

  // ---- the credential ----

  for (const [form, text] of [
    ['raw', secret], ['as hex', Buffer.from(secret).toString('hex')], ['as base64', Buffer.from(secret).toString('base64')],
  ]) {
    test(`${name}: a credential in a plain answer is 502 and never arrives: ${form}`, async (t) => {
      const body = coding.encode(JSON.stringify({ padding: 'x'.repeat(3000), echo: text }));
      const { gateway } = await start(t, () => coded(name, body));
      const answer = await get(gateway);
      assert.deepEqual([answer.status, answer.headers['x-sallyport-error']], [502, 'upstream_invalid_response']);
      const { reason } = await gateway.logLine(answer.headers['x-sallyport-request-id']);
      assert.match(reason, /is encoded, and has the credential in it/);
      await gateway.metricIs(1, 'scrubbed_total');
      await nothingHeld(gateway);
    });
  }

  for (const at of [1, 10, secret.length - 1]) {
    test(`${name}: a stream is cut before a credential whose first ${at} bytes came before`, async (t) => {
      const parts = ['data: before\n\n', `data: ${secret.slice(0, at)}`, `${secret.slice(at)}\n\n`];
      const pieces = await coding.pieces(parts);
      let socket;
      const { gateway } = await start(t, (_, s) => ((socket = s), codedHead(name, 'text/event-stream')));
      const client = await streamClient(t, gateway);
      await client.until((c) => c.statuses().length === 1);
      socket.write(piece(pieces[0]));
      await client.until((c) => dechunk(c.received).body.length === pieces[0].length);
      socket.write(piece(pieces[1]));
      await sleep(100);
      assert.equal(dechunk(client.received).body.length, pieces[0].length); // it is held back
      socket.write(piece(pieces[2]));
      await client.untilClosed();
      const { body, whole } = dechunk(client.received);
      assert.deepEqual([body.equals(pieces[0]), whole], [true, false]);
      await gateway.metricIs(1, 'responses_cut_total');
      await nothingHeld(gateway);
    });

    test(`${name}: what only looked like a credential arrives (${at} bytes of it)`, async (t) => {
      const parts = [`data: ${secret.slice(0, at)}`, `other\n\n`];
      const pieces = await coding.pieces(parts);
      const { gateway } = await start(t, (_, socket) => {
        socket.write(codedHead(name));
        for (const bytes of pieces) if (bytes.length > 0) socket.write(piece(bytes));
        socket.write('0\r\n\r\n');
      });
      const answer = await get(gateway);
      assert.deepEqual([answer.cut, coding.decode(answer.body).toString()], [false, parts.join('')]);
    });
  }

  // Of what arrives, nothing can be read beyond the byte before the credential.
  test(`${name}: wherever a credential or its code is split, no byte of it arrives`, async (t) => {
    const [first, before, after] = ['data: first\n\n', 'data: ', ' after\n\n'];
    const whole = coding.encode(first + before + secret + after);
    const splits = Array.from({ length: whole.length - 1 }, (_, i) => [whole.subarray(0, i + 1), whole.subarray(i + 1)]);
    for (let at = 1; at < secret.length; at++) {
      splits.push(await coding.pieces([first, before + secret.slice(0, at), secret.slice(at) + after]));
    }
    const { gateway } = await start(t, async ({ head }, socket) => {
      const pieces = splits[Number(/x\/(\d+) /.exec(head)[1])];
      socket.write(codedHead(name, 'text/event-stream'));
      for (const bytes of pieces.filter((each) => each.length > 0)) {
        socket.write(piece(bytes));
        await sleep(3);
      }
      socket.write('0\r\n\r\n');
    });
    const answers = await Promise.all(splits.map((_, i) => get(gateway, `/api/x/${i}`)));
    for (const [i, { error, cut, body }] of answers.entries()) {
      assert.ok(cut || error, `${i}`); // a reset may overtake the head
      const read = body?.length > 0 ? coding.decodePart(body).toString() : '';
      assert.ok((first + before).startsWith(read), `${i}: ${JSON.stringify(read)} could be read`);
    }
    let arrived = answers.some(({ body }) => body?.length > 0);
    let more = 0; // alone, should each reset have overtaken all on a busy machine
    for (; !arrived && more < 50; more++) arrived = (await get(gateway, `/api/x/${splits.length - 1}`)).body?.length > 0;
    assert.ok(arrived);
    await gateway.metricIs(splits.length + more, 'scrubbed_total');
    await nothingHeld(gateway);
  });

  test(`${name}: a long answer is cut in front of a credential at its end`, async (t) => {
    const body = coding.encode(`${noise(1e6)}${secret}\n`);
    const { gateway } = await start(t, (_, socket) => writeLate(socket, coded(name, body, { type: 'text/plain' }), 30000));
    const answer = await get(gateway);
    assert.equal(answer.status, 200);
    assert.ok(answer.cut && answer.body.length > body.length / 4 && answer.body.length < body.length);
    assert.ok(answer.body.equals(body.subarray(0, answer.body.length)));
    await nothingHeld(gateway);
  });

  // ---- what cannot be read ----

  // All of it that came can be read, but it is not the end, whatever its length says.
  test(`${name}: a long answer that ends too early never looks complete`, async (t) => {
    const text = `${noise(4e5)}\n`;
    const body = name === 'zstd' ? coding.encode(text).subarray(0, -5) : (await coding.pieces([text, 'the end\n']))[0];
    const { gateway } = await start(t, (_, socket) => writeLate(socket, coded(name, body, { type: 'text/plain' }), 3));
    const answer = await get(gateway);
    assert.deepEqual([answer.status, answer.cut, answer.body.length < body.length], [200, true, true]);
    await nothingHeld(gateway);
  });

  const good = () => coding.encode(JSON.stringify({ a: 'x'.repeat(100), b: 'some more text' }));
  for (const [what, body] of [
    ['something else', () => Buffer.from('{"error":"not encoded at all, whatever the head says"}')],
    ['one that breaks off', () => good().subarray(0, -5)],
    ['bytes behind its end', () => Buffer.concat([good(), Buffer.from('garbage')])],
    ['a bomb', () => coding.encode(Buffer.alloc(100e6))],
  ]) {
    test(`${name}: ${what} is 502`, async (t) => {
      const bytes = body();
      const { gateway } = await start(t, () => coded(name, bytes));
      const answer = await get(gateway);
      assert.deepEqual([answer.status, answer.headers['x-sallyport-error']], [502, 'upstream_invalid_response']);
      await nothingHeld(gateway);
    });
  }

  test(`${name}: a bomb does not hold up others, and a stream of it is cut`, async (t) => {
    const bomb = coding.encode(Buffer.alloc(100e6));
    const { gateway } = await start(t, ({ head }) => (head.includes('/bomb')
      ? Buffer.concat([Buffer.from(codedHead(name, 'text/event-stream')), piece(bomb)])
      : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    const bombs = Array.from({ length: 6 }, () => get(gateway, '/api/bomb'));
    const waits = [];
    for (let i = 0; i < 10; i++) {
      const before = performance.now();
      assert.equal((await get(gateway)).status, 200);
      waits.push(performance.now() - before);
    }
    for (const answer of await Promise.all(bombs)) assert.deepEqual([answer.status, answer.cut], [200, true]);
    t.diagnostic(`others waited at most ${Math.max(...waits).toFixed(0)} ms`);
    assert.ok(Math.max(...waits) < (isSanitized(binary) ? 3000 : 1000));
    await nothingHeld(gateway);
  });

  test(`${name}: where there is no memory left to read it, it is 503`, async (t) => {
    const { gateway } = await start(t, ({ head }) => (head.includes('/stream') ? codedHead(name, 'text/event-stream') : coded(name, good())),
      { gateway: { limits: { buffered_bytes: '1MiB' } } });
    const clients = [];
    for (let i = 0; i < 70; i++) clients.push(await streamClient(t, gateway));
    for (const client of clients) await client.until((c) => c.statuses().length === 1);
    const answer = await get(gateway);
    assert.deepEqual([answer.status, answer.headers['x-sallyport-error']], [503, 'overloaded']);
    for (const client of clients) client.close();
    await nothingHeld(gateway);
    assert.equal((await get(gateway)).status, 200);
  });

  test(`${name}: a stream that a quota ends although it is encoded is cut`, async (t) => {
    const pieces = await coding.pieces(Array.from({ length: 40 }, (_, i) =>
      `data: {"choices":[{"index":0,"delta":{"content":"${`${i}`.repeat(300)}"}}]}\n\n`));
    const { gateway } = await metered(t, {
      quotas: [{ tokens: 2500, per: 'day' }],
      answer: async (_, socket) => {
        socket.write(codedHead(name, 'text/event-stream'));
        for (const bytes of pieces) {
          if (bytes.length > 0) socket.write(piece(bytes));
          await sleep(10);
        }
      },
    });
    const answer = await chat(gateway, { stream: true, messages: [] });
    assert.deepEqual([answer.status, answer.cut], [200, true]);
    assert.ok(answer.body.length < Buffer.concat(pieces).length);
    await nothingHeld(gateway);
  });
}

for (const [what, answer] of [
  ['deflate', () => coded('deflate', zlib.deflateSync('text'))],
  ['one upon the other', () => coded('gzip, gzip', zlib.gzipSync(zlib.gzipSync('text')))],
  ['two fields', () => coded('gzip', zlib.gzipSync('text'), { fields: 'Content-Encoding: br\r\n' })],
  ['a part', () => coded('gzip', zlib.gzipSync('text'), { status: '206 Partial Content', fields: 'Content-Range: bytes 0-9/99\r\n' })],
  ['a window above the cap', () => coded('zstd', Buffer.from('28b52ffd0069010000', 'hex'))],
  ['a dictionary', () => coded('zstd', Buffer.from('28b52ffd010007010000', 'hex'))],
  ['a frame to be skipped', () => coded('zstd', Buffer.from('502a4d1804000000736b6970', 'hex'))],
  ['a large window', () => coded('br', zlib.brotliCompressSync('text', { params: {
    [zlib.constants.BROTLI_PARAM_LARGE_WINDOW]: 1, [zlib.constants.BROTLI_PARAM_LGWIN]: 25,
  } }))],
]) {
  test(`what cannot be read is 502: ${what}`, async (t) => {
    const { gateway } = await start(t, answer);
    const result = await get(gateway);
    assert.deepEqual([result.status, result.headers['x-sallyport-error']], [502, 'upstream_invalid_response']);
    assert.doesNotMatch(result.body.toString('latin1'), /text/);
    await nothingHeld(gateway);
  });
}

// A gzip header may carry a name, in the open, beside what it decodes to.
test('a credential beside what is encoded does not arrive either', async (t) => {
  const plain = zlib.gzipSync('text');
  const named = Buffer.concat([Buffer.from('1f8b0808000000000003', 'hex'), Buffer.from(`${secret}\0`), plain.subarray(10)]);
  assert.equal(zlib.gunzipSync(named).toString(), 'text');
  const { gateway } = await start(t, () => coded('gzip', named));
  const answer = await get(gateway);
  assert.equal(answer.status, 502);
  assert.ok(!answer.body.includes(secret.slice(0, 16)));
});

test('several members are one answer', async (t) => {
  const body = Buffer.concat([zlib.gzipSync('{"one":'), zlib.gzipSync('"two"}')]);
  const { gateway } = await start(t, () => coded('gzip', body));
  const answer = await get(gateway);
  assert.deepEqual([answer.status, answer.body.equals(body)], [200, true]);
});

for (const [what, method, answer] of [
  ['HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 77\r\n\r\n'],
  ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Encoding: deflate\r\nETag: "x"\r\n\r\n'],
  ['204', 'GET', 'HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n'],
]) {
  test(`an answer without a body is not decoded: ${what}`, async (t) => {
    const { gateway } = await start(t, () => answer);
    const result = await get(gateway, '/api/x', { method });
    assert.equal(result.status, Number(/ (\d{3}) /.exec(answer)[1]));
    assert.match(result.headers['content-encoding'], /gzip|deflate/);
  });
}

test('an empty encoded answer is one', async (t) => {
  const { gateway } = await start(t, () => `${codedHead('gzip')}0\r\n\r\n`);
  const answer = await get(gateway);
  assert.deepEqual([answer.status, answer.cut, answer.body.length], [200, false, 0]);
});

test('an encoded answer that breaks off is cut, and trailers pass', async (t) => {
  const body = zlib.gzipSync('data: one\n\n');
  const { gateway } = await start(t, ({ head }, socket) => {
    socket.write(codedHead('gzip', 'text/event-stream'));
    socket.write(piece(body));
    if (head.includes('/cut')) socket.end();
    else socket.write('0\r\nX-Sum: 1\r\n\r\n');
  });
  assert.equal((await get(gateway, '/api/cut')).cut, true);
  const client = await RawClient.connect(gateway.port);
  t.after(() => client.close());
  client.send(`GET /api/x HTTP/1.1\r\nHost: gw\r\nTE: trailers\r\nConnection: TE\r\nX-Sallyport-Key: ${gateway.key}\r\n\r\n`);
  await client.until((c) => /0\r\nX-Sum: 1\r\n\r\n$/.test(c.text));
});

test('a client that decodes by itself reads what it asked for', async (t) => {
  const { gateway } = await start(t, ({ head }) => {
    const wanted = /^accept-encoding: ([a-z]+)/im.exec(head)?.[1] ?? 'identity';
    const text = JSON.stringify({ wanted });
    return wanted === 'identity'
      ? `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`
      : coded(wanted, codings[wanted].encode(text));
  });
  for (const [sent, gets] of [['gzip, deflate, br, zstd', 'gzip'], ['br', 'br'], ['deflate', 'identity'], ['', 'identity']]) {
    const answer = await fetch(`${gateway.url}/api/x`, { headers: { 'x-sallyport-key': gateway.key, 'accept-encoding': sent } });
    assert.deepEqual(await answer.json(), { wanted: gets });
  }
});

test('a slow reader of an encoded answer slows the provider, in bounded memory', async (t) => {
  let sent = 0;
  const block = zlib.gzipSync(Buffer.from(Array.from({ length: 65536 }, (_, i) => (i * 7919 + (i >> 3) * 31) & 255)), { level: 1 });
  const { gateway } = await start(t, (_, socket) => {
    socket.write(codedHead('gzip', 'application/octet-stream'));
    const more = () => {
      while (!socket.destroyed && socket.write(piece(block))) sent += block.length;
      socket.once('drain', more);
    };
    more();
  }, { gateway: { timeouts: { write_idle: '60s' } } });
  const client = await streamClient(t, gateway);
  await client.until((c) => c.statuses().length === 1);
  client.socket.pause();
  let last = -1;
  await until('the provider stands still', async () => {
    const still = sent === last && sent > 0;
    last = sent;
    await sleep(500);
    return still;
  });
  assert.ok(sent < 60e6, `the provider could send ${sent} bytes`);
  assert.ok((await gateway.metric('buffered_bytes')) < 2e6);
  client.close();
  await nothingHeld(gateway);
});
