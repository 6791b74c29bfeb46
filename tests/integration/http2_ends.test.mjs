// HTTP/2 upstreams that refuse, go away, reset, break off, break the protocol, or say nothing: what is tried again,
// what is cut, and that no answer is completed falsely.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';

import { gatewayFor, until } from '../support/gateway.mjs';
import { fields, frame, frameTypes, framesFor, number } from '../support/http2.mjs';

const one = { gateway: { workers: 1 } };
const quick = { retry: { attempts: 3, base: '5ms', cap: '10ms', budget: '100%' }, breaker: 'off' };
const END_STREAM = 1;
const END_HEADERS = 4;
const codes = { none: 0, internal: 2, refused: 7, cancel: 8 };

const headers = (stream, pairs, flags = END_HEADERS) => frame('headers', flags, stream, fields(...pairs));
const data = (stream, text, flags = 0) => frame('data', flags, stream, Buffer.from(text));
const reset = (stream, code) => frame('reset', 0, stream, number(code));
const goaway = (last, code = 0) => frame('goaway', 0, 0, Buffer.concat([number(last), number(code)]));
const ok = (stream) => Buffer.concat([headers(stream, [[':status', '200']]), data(stream, 'ok', END_STREAM)]);

function call(gateway, { method = 'GET', body, path = 'api/x' } = {}) {
  return new Promise((resolve) => {
    let answered = false;
    const request = http.request(`${gateway.url}/${path}`, { method, headers: { 'x-sallyport-key': gateway.key }, agent: false }, (res) => {
      answered = true;
      const it = { status: res.statusCode, headers: res.headers, body: '', whole: false, code: res.headers['x-sallyport-error'], attempts: Number(res.headers['x-sallyport-attempts']) };
      res.on('data', (bytes) => (it.body += bytes));
      res.on('error', () => {});
      res.on('end', () => (it.whole = true));
      res.on('close', () => resolve(it));
    });
    request.on('error', (error) => answered || resolve({ error }));
    request.end(body);
  });
}

const post = { method: 'POST', body: 'pay' };

async function reasonOf(gateway, answer) {
  return (await gateway.logLine(answer.headers['x-sallyport-request-id'])).reason ?? '';
}

test('a refused stream was not looked at: a POST is tried again', async (t) => {
  let asked = 0;
  const upstream = await framesFor(t, (send, stream) => (++asked, stream === 1 || asked > 3 ? send(ok(stream)) : send(reset(stream, codes.refused))));
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route(quick) } });
  assert.equal((await call(gateway)).status, 200);
  const answer = await call(gateway, post);
  assert.deepEqual([answer.status, answer.body, answer.attempts], [200, 'ok', 3]);
  assert.equal(upstream.connections, 1);
  assert.equal(asked, 4);
});

test('a POST that was reset otherwise is not tried again; a GET is', async (t) => {
  let asked = 0;
  const upstream = await framesFor(t, (send, stream) => (++asked % 3 === 0 ? send(ok(stream)) : send(reset(stream, codes.internal))));
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route(quick) } });
  const answer = await call(gateway, post);
  assert.deepEqual([answer.status, answer.code, answer.attempts], [502, 'upstream_unreachable', 1]);
  assert.match(await reasonOf(gateway, answer), /127\.0\.0\.1 ended the request without an answer: INTERNAL_ERROR/);
  assert.equal(asked, 1);
  const got = await call(gateway);
  assert.deepEqual([got.status, got.attempts], [200, 2]);
});

test('what a provider that goes away has not looked at goes elsewhere, and is no retry', async (t) => {
  const seen = [];
  const upstream = await framesFor(t, (send, stream, socket) => {
    seen.push(stream);
    if (upstream.connections === 1 && stream === 3) return send(goaway(1));
    send(ok(stream));
  });
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route({ ...quick, retry: { attempts: 1 } }) } });
  assert.equal((await call(gateway)).status, 200);
  const answer = await call(gateway, post);
  assert.deepEqual([answer.status, answer.attempts], [200, 1]);
  assert.deepEqual(seen, [1, 3, 1]);
  assert.equal(upstream.connections, 2);
  await gateway.metricIs(1, 'upstream_resends_total');
});

test('a stream that a provider still answers after it said goodbye is answered; new ones go elsewhere', async (t) => {
  let held;
  const upstream = await framesFor(t, (send, stream) => {
    if (upstream.connections > 1) return send(ok(stream));
    if (stream > 1) return; // was on its way, and goes elsewhere
    held = () => send(ok(stream));
    send(goaway(stream));
  });
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route(quick) } });
  const first = call(gateway, post);
  await until('it is asked', () => held);
  assert.equal((await call(gateway, post)).body, 'ok');
  assert.equal(upstream.connections, 2);
  held();
  const a = await first;
  assert.deepEqual([a.status, a.body], [200, "ok"]);
  await until('the old connection is closed', async () => (await gateway.metric('upstream_connections')) === 1);
});

test('a connection that dies before the answer: a POST may have been executed', async (t) => {
  let asked = 0;
  const upstream = await framesFor(t, (send, stream, socket) => (++asked % 2 === 0 ? send(ok(stream)) : socket.destroy()));
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route(quick) } });
  const answer = await call(gateway, post);
  assert.deepEqual([answer.status, answer.code, answer.attempts], [502, 'upstream_unreachable', 1]);
  assert.equal(asked, 1);
  assert.deepEqual((({ status, attempts }) => [status, attempts])(await call(gateway)), [200, 1]);
  const again = await call(gateway, post); // on a kept connection, which dies
  assert.deepEqual([again.status, again.attempts], [502, 1]);
  assert.equal(asked, 3);
});

test('an answer that breaks off is cut, never completed', async (t) => {
  const ways = {
    reset: (send, stream) => send(reset(stream, codes.internal)),
    cancelled: (send, stream) => send(reset(stream, codes.cancel)),
    'reset with no error': (send, stream) => send(reset(stream, codes.none)),
    'refused too late': (send, stream) => send(reset(stream, codes.refused)),
    closed: (send, stream, socket) => socket.end(),
    died: (send, stream, socket) => socket.resetAndDestroy(),
    'goodbye and closed': (send, stream, socket) => (send(goaway(0, codes.internal)), socket.end()),
    'the protocol broken': (send) => send(frame('window', 0, 0, number(0))),
  };
  const names = Object.keys(ways);
  let turn = 0;
  const upstream = await framesFor(t, (send, stream, socket) => {
    const length = turn % 2 === 0 ? [] : [['content-length', '10']];
    send(headers(stream, [[':status', '200'], ...length]), data(stream, 'half'));
    const way = ways[names[Math.floor(turn++ / 2)]];
    setTimeout(() => way(send, stream, socket), 50);
  });
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route(quick) } });
  for (const name of names) {
    for (let i = 0; i < 2; i++) {
      const answer = await call(gateway);
      assert.deepEqual([answer.status, answer.body, answer.whole], [200, 'half', false], name);
    }
  }
  await gateway.metricIs(2 * names.length, 'responses_cut_total');
});

test('an answer that is whole is whole, whatever follows it', async (t) => {
  const upstream = await framesFor(t, (send, stream) => send(ok(stream), reset(stream, codes.none)));
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route(quick) } });
  for (const options of [{}, post, { method: 'POST', body: Buffer.alloc(5_000_000) }]) {
    const answer = await call(gateway, options);
    if (answer.error) continue; // the client was still sending when the connection was closed
    assert.deepEqual([answer.status, answer.body, answer.whole], [200, 'ok', true]);
  }
});

test('what breaks HTTP is no answer', async (t) => {
  const status = [':status', '200'];
  const ways = {
    'no status': [(s) => headers(s, [['x', 'y']])],
    'a status that is none': [(s) => headers(s, [[':status', '99']])],
    '101': [(s) => headers(s, [[':status', '101']])],
    'another pseudo field': [(s) => headers(s, [status, [':path', '/']])],
    'a pseudo field behind others': [(s) => headers(s, [['a', 'b'], status])],
    'two of it': [(s) => headers(s, [status, status])],
    'a name in upper case': [(s) => headers(s, [status, ['X-Upper', 'y']])],
    'a name with a blank': [(s) => headers(s, [status, ['x y', 'y']])],
    'a line break in a value': [(s) => headers(s, [status, ['x', 'a\r\nset-cookie: b']])],
    'NUL in a value': [(s) => headers(s, [status, ['x', 'a\0b']])],
    'connection': [(s) => headers(s, [status, ['connection', 'close']])],
    'transfer-encoding': [(s) => headers(s, [status, ['transfer-encoding', 'chunked']])],
    'keep-alive': [(s) => headers(s, [status, ['keep-alive', 'timeout=5']])],
    'upgrade': [(s) => headers(s, [status, ['upgrade', 'h2c']])],
    'two lengths': [(s) => headers(s, [status, ['content-length', '2'], ['content-length', '3']])],
    'a length that is none': [(s) => headers(s, [status, ['content-length', '2x']])],
    'a head that is too large': [(s) => headers(s, [status, ...Array.from({ length: 5 }, (_, i) => [`x${i}`, 'y'.repeat(3200)])], 0),
      ...Array.from({ length: 20 }, (_, i) => (s) => frame('continuation', i === 19 ? END_HEADERS : 0, s, fields([`z${i}`, 'y'.repeat(3200)])))],
    'too many fields': [(s) => headers(s, [status, ...Array.from({ length: 300 }, (_, i) => [`x${i}`, 'y'])])],
    'data before the head': [(s) => data(s, 'x')],
    'too many interim answers': [(s) => Buffer.concat(Array.from({ length: 40 }, () => headers(s, [[':status', '103']])))],
    'an end without an answer': [(s) => headers(s, [[':status', '103']], END_HEADERS | END_STREAM)],
    'a length above what comes': [(s) => headers(s, [status, ['content-length', '5']], END_HEADERS | END_STREAM)],
    'a push': [(s) => frame(5, END_HEADERS, s, Buffer.concat([number(2), fields([':method', 'GET'], [':path', '/'], [':scheme', 'http'], [':authority', 'x'])]))],
    'a frame that is too large': [() => frame('data', 0, 1, Buffer.alloc(20000))],
    'no HPACK': [(s) => frame('headers', END_HEADERS, s, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))],
    'HTTP/1.1': [() => Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')],
  };
  const names = Object.keys(ways);
  let turn = 0;
  const upstream = await framesFor(t, (send, stream) => send(...ways[names[turn]].map((make) => make(stream))));
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route({ ...quick, retry: { attempts: 1 } }) } });
  for (const name of names) {
    const answer = await call(gateway);
    assert.deepEqual([answer.status, answer.code], [502, 'upstream_invalid_response'], name);
    assert.match(await reasonOf(gateway, answer), /^invalid answer from 127\.0\.0\.1: ./, name);
    turn++;
  }
});

test('a body that is longer or shorter than said is cut', async (t) => {
  let turn = 0;
  const upstream = await framesFor(t, (send, stream) => {
    send(headers(stream, [[':status', '200'], ['content-length', turn++ === 0 ? '4' : '6']]), data(stream, 'half'));
    setTimeout(() => send(data(stream, turn === 1 ? '!' : '', END_STREAM)), 50);
  });
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route(quick) } });
  for (let i = 0; i < 2; i++) {
    const answer = await call(gateway);
    assert.equal(answer.status, 200);
    assert.equal(answer.body, 'half', 'not a byte more');
    if (i === 1) assert.equal(answer.whole, false);
  }
});

test('trailers that may not be are no end', async (t) => {
  const bad = [[['content-length', '3']], [['host', 'x']], [[':status', '200']], [['connection', 'close']], [['x', 'y'.repeat(9000)]]];
  let turn = 0;
  const upstream = await framesFor(t, (send, stream) => {
    send(headers(stream, [[':status', '200']]), data(stream, 'half'));
    setTimeout(() => send(headers(stream, bad[turn++], END_HEADERS | END_STREAM)), 50);
  });
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route(quick) } });
  for (const what of bad) {
    const answer = await call(gateway);
    assert.deepEqual([answer.status, answer.body, answer.whole], [200, 'half', false], JSON.stringify(what).slice(0, 60));
  }
});

test('no answer in time is 504, and its stream is reset; a connection that is dead is left', async (t) => {
  const upstream = await framesFor(t, (send, stream) => upstream.connections > 1 && send(ok(stream)));
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route({ ...quick, timeouts: { first_byte: '200ms' } }) } });
  const answer = await call(gateway, post);
  assert.deepEqual([answer.status, answer.code], [504, 'upstream_timeout']);
  assert.match(await reasonOf(gateway, answer), /no answer from 127\.0\.0\.1 within timeouts\.first_byte \(200 ms\)/);
  await until('it is reset', () => upstream.frames.some((it) => it.type === frameTypes.reset && it.payload.readUInt32BE(0) === codes.cancel));
  assert.equal((await call(gateway, post)).status, 200);
  assert.equal(upstream.connections, 2, 'nothing had come on the first');
});

test('an answer that stands still is cut after timeouts.idle', async (t) => {
  const upstream = await framesFor(t, (send, stream) => send(headers(stream, [[':status', '200']]), data(stream, 'half')));
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route({ ...quick, timeouts: { idle: '200ms' } }) } });
  const answer = await call(gateway);
  assert.deepEqual([answer.body, answer.whole], ['half', false]);
});

test('a body that is not taken is given up after timeouts.idle', async (t) => {
  const upstream = await framesFor(t, () => {}); // never a WINDOW_UPDATE
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route({ ...quick, timeouts: { idle: '300ms' } }) } });
  const answer = await call(gateway, { method: 'POST', body: Buffer.alloc(500_000) });
  assert.deepEqual([answer.status, answer.code], [504, 'upstream_timeout']);
  assert.match(await reasonOf(gateway, answer), /127\.0\.0\.1 took nothing for timeouts\.idle/);
  assert.equal(upstream.frames.filter((it) => it.type === frameTypes.data).reduce((sum, it) => sum + it.payload.length, 0), 65535);
});

test('an interim answer during the upload leaves the deadline on: what is not taken is given up', { timeout: 20000 }, async (t) => {
  const upstream = await framesFor(t, (send, stream) => send(headers(stream, [[':status', '103'], ['link', '</x>; rel=preload']])));
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route({ ...quick, timeouts: { idle: '300ms' } }) } });
  for (const body of [Buffer.alloc(500_000), Buffer.alloc(5_000_000)]) { // held, and streamed
    const answer = await call(gateway, { method: 'POST', body });
    assert.deepEqual([answer.status, answer.code], [504, 'upstream_timeout']);
    assert.match(await reasonOf(gateway, answer), /127\.0\.0\.1 took nothing for timeouts\.idle/);
  }
});

test('a body of which not a byte is taken is given up, too, and the connection with it', async (t) => {
  const shut = frame('settings', 0, 0, Buffer.concat([Buffer.from([0, 4]), number(0)])); // INITIAL_WINDOW_SIZE
  const upstream = await framesFor(t, (send, stream) => stream === 1 && send(shut, ok(stream)));
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route({ ...quick, timeouts: { idle: '300ms' } }) } });
  assert.equal((await call(gateway)).status, 200);
  const answer = await call(gateway, post);
  assert.deepEqual([answer.status, answer.code], [504, 'upstream_timeout']);
  assert.match(await reasonOf(gateway, answer), /127\.0\.0\.1 took nothing for timeouts\.idle/);
});

test('windows are kept to, and opened only as the client reads', async (t) => {
  let send;
  let given = 0;
  const upstream = await framesFor(t, (it, stream) => {
    send = () => {
      const left = 65535 + windowOf(stream) - given;
      for (let i = 0; i + 16000 <= left; i += 16000, given += 16000) it(data(stream, Buffer.alloc(16000, 'x')));
    };
    it(headers(stream, [[':status', '200']]));
    send();
  });
  const windowOf = (stream) => upstream.frames.filter((it) => it.type === frameTypes.window && it.stream === stream)
    .reduce((sum, it) => sum + it.payload.readUInt32BE(0), 0);
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route(quick) } });
  const slow = await new Promise((resolve) => http.get(`${gateway.url}/api/x`, { headers: { 'x-sallyport-key': gateway.key } }, resolve));
  slow.pause();
  const sending = setInterval(() => send(), 1);
  let before = -1;
  await until('it stands still', async () => {
    const same = before === given;
    before = given;
    await new Promise((resolve) => setTimeout(resolve, 300));
    return same;
  });
  clearInterval(sending);
  assert.ok(given < 20e6, `${given}`);
  let got = 0;
  slow.on('data', (bytes) => (got += bytes.length)).resume();
  await until('all that was sent is read', () => got === given);
  slow.destroy();
});

test('a ping is answered, and none is sent', async (t) => {
  const upstream = await framesFor(t, (send, stream) => send(frame('ping', 0, 0, Buffer.from('12345678')), ok(stream)));
  const gateway = await gatewayFor(t, { ...one, routes: { api: upstream.route(quick) } });
  assert.equal((await call(gateway)).status, 200);
  await until('it is answered', () => upstream.frames.some((it) => it.type === frameTypes.ping));
  assert.deepEqual(upstream.frames.filter((it) => it.type === frameTypes.ping).map((it) => it.flags), [1]);
});
