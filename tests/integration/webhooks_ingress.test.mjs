// Webhooks that come in: verified, stored before they are acknowledged, refused without a word of
// why, and that word in the log.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { freePort, temporaryFolder, until } from '../support/gateway.mjs';
import { preloaded } from '../support/preload.mjs';
import { events, hookLines, hooksFor, lines as linesOf, nowhere, post, sign } from '../support/webhooks.mjs';
import { RawClient } from '../support/wire.mjs';

const secret = 'whsec_test_secret';
const standardSecret = `whsec_${Buffer.from('a key of twenty-four byt').toString('base64')}`;
const secrets = { 'stripe-hook': secret, 'stripe-old': 'whsec_old_secret', 'git-hook': secret, 'std-hook': standardSecret };
const stripeHook = { provider: 'stripe', secrets: ['stripe-hook'] };
const gitHook = { provider: 'github', secrets: ['git-hook'] };
const stripeEvent = (id = `evt_${crypto.randomUUID()}`, more = {}) => JSON.stringify({ id, type: 'invoice.paid', data: { object: { id: 'in_1' } }, ...more });

const sendStripe = (gateway, body, { t, key = secret, headers = {}, target = '/hooks/stripe' } = {}) =>
  post(gateway, target, body, { ...sign.stripe(key, body, t), ...headers });

test('a signed event is acknowledged, and in the queue as it came', async (t) => {
  const gateway = await hooksFor(t, { stripe: stripeHook }, { secrets });
  const body = stripeEvent('evt_1');
  const answer = await sendStripe(gateway, body, { headers: {
    'Content-Type': 'application/json', 'User-Agent': 'Stripe/1.0', 'X-Forwarded-For': '10.0.0.1', Cookie: 'a=b', Authorization: 'Bearer x',
  } });
  assert.equal(answer.status, 200);
  assert.equal(answer.body, '');
  const [event, ...more] = events(gateway);
  assert.equal(more.length, 0);
  assert.match(event.id, /^msg_[0-9a-f]{32}$/);
  assert.equal(event.event_id, 'evt_1');
  assert.equal(event.type, 'invoice.paid');
  assert.equal(event.body.toString(), body);
  assert.equal(event.deliveries, 1);
  assert.match(event.fields, /^Stripe-Signature: t=\d+,v1=[0-9a-f]{64}\r$/m);
  assert.match(event.fields, /^Content-Type: application\/json\r$/m);
  assert.match(event.fields, /^User-Agent: Stripe\/1\.0\r$/m);
  assert.doesNotMatch(event.fields, /forwarded|cookie|authorization|host|content-length|connection/i);

  const [line] = await hookLines(gateway, 1);
  assert.deepEqual({ ...line, time: 0, duration_ms: 0 }, {
    time: 0, source: '127.0.0.1', hook: 'stripe', provider: 'stripe', webhook_id: event.id, event_id: 'evt_1', event_type: 'invoice.paid',
    outcome: 'accepted', method: 'POST', path: '/hooks/stripe', status: 200, request_bytes: body.length, duration_ms: 0,
  });
  await gateway.metricIs(1, 'webhooks_received_total', { hook: 'stripe' });
  await gateway.metricIs(1, 'webhooks_verified_total', { hook: 'stripe' });
  await gateway.metricIs(0, 'webhooks_refused_total');
});

test('what is not verified is refused with its status, and the log alone says why', async (t) => {
  const gateway = await hooksFor(t, { stripe: { ...stripeHook, rate: 'off', body_bytes: '5MiB' } }, { secrets });
  const body = stripeEvent('evt_1');
  const now = Math.floor(Date.now() / 1000);
  const chunked = { 'Transfer-Encoding': 'chunked' };
  const cases = [
    ['a bad signature', 401, 'signature_mismatch', () => sendStripe(gateway, body, { key: 'another' })],
    ['an old one', 401, 'timestamp_expired', () => sendStripe(gateway, body, { t: now - 310 })],
    ['one from the future', 401, 'timestamp_future', () => sendStripe(gateway, body, { t: now + 310 })],
    ['none', 401, 'header_missing', () => post(gateway, '/hooks/stripe', body)],
    ['a broken one', 401, 'header_malformed', () => post(gateway, '/hooks/stripe', body, { 'Stripe-Signature': 'x' })],
    ['a body of 10 MB', 413, 'too_large', () => post(gateway, '/hooks/stripe', Buffer.alloc(10_000_000), { 'Stripe-Signature': 't=1,v1=0' })],
    ['one of them in chunks', 413, 'too_large', () => post(gateway, '/hooks/stripe', Buffer.alloc(6_000_000), Object.entries(chunked))],
    ['a compressed body', 415, 'encoded', () => sendStripe(gateway, body, { headers: { 'Content-Encoding': 'gzip' } })],
    ['another method', 405, 'method', () => post(gateway, '/hooks/stripe', undefined, {}, { method: 'GET' })],
    ['HEAD', 405, 'method', () => post(gateway, '/hooks/stripe', undefined, {}, { method: 'HEAD' })],
  ];
  for (const [index, [what, status, reason, send]] of cases.entries()) {
    const answer = await send();
    assert.equal(answer.status || status, status, what); // one that is sent too much may see a reset
    if (answer.status) assert.equal(answer.body, '', what);
    if (status === 405) assert.equal(answer.headers.allow, 'POST');
    const line = (await hookLines(gateway, index + 1))[index];
    assert.deepEqual([line.outcome, line.reason, line.status], ['refused', reason, status], what);
  }
  assert.equal(events(gateway).length, 0);
  await gateway.metricIs(2, 'webhooks_refused_total', { hook: 'stripe', reason: 'too_large' });
  await gateway.metricIs(2, 'webhooks_refused_total', { hook: 'stripe', reason: 'method' });
  assert.equal((await post(gateway, '/hooks/nobody', body)).status, 404);
  assert.equal((await post(gateway, '/hooks/stripe/', body)).status, 404);
  assert.equal((await post(gateway, '/hooks/Stripe', body)).status, 404);
});

test('sources that are not listed are refused before anything is read of them', async (t) => {
  const gateway = await hooksFor(t, { stripe: { ...stripeHook, sources: ['192.0.2.0/24'] } }, { secrets });
  assert.equal((await sendStripe(gateway, stripeEvent())).status, 403);
  await gateway.reload((config) => { config.webhooks.stripe.sources = ['192.0.2.0/24', '127.0.0.0/8']; });
  assert.equal((await sendStripe(gateway, stripeEvent())).status, 200);
  const [line] = await hookLines(gateway, 1);
  assert.deepEqual([line.outcome, line.reason], ['refused', 'source']);
});

test('a source that sends too much that does not verify is told to wait; what verifies is taken', async (t) => {
  const gateway = await hooksFor(t, { stripe: { ...stripeHook, rate: { requests: 5, per: '15m', each: 'ip' } } }, { secrets });
  const statuses = [];
  for (let i = 0; i < 8; i++) statuses.push((await sendStripe(gateway, stripeEvent(), { key: 'bad' })).status);
  assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
  const refused = await sendStripe(gateway, stripeEvent(), { key: 'bad' });
  assert.ok(Number(refused.headers['retry-after']) > 100 && Number(refused.headers['retry-after']) <= 180, refused.headers['retry-after']);
  for (let i = 0; i < 20; i++) assert.equal((await sendStripe(gateway, stripeEvent())).status, 200);
  await gateway.metricIs(4, 'webhooks_refused_total', { reason: 'rate' });
});

test('with count: all, what verifies is counted and refused, too', async (t) => {
  const gateway = await hooksFor(t, { stripe: { ...stripeHook, rate: { requests: 3, per: '15m', each: 'ip', count: 'all' } } }, { secrets });
  const statuses = [];
  for (let i = 0; i < 4; i++) statuses.push((await sendStripe(gateway, stripeEvent())).status);
  assert.deepEqual(statuses, [200, 200, 200, 429]);
});

test('a repeat is acknowledged and not stored again: by the signed id, whatever the body', async (t) => {
  const gateway = await hooksFor(t, { stripe: stripeHook }, { secrets });
  assert.equal((await sendStripe(gateway, stripeEvent('evt_1'))).status, 200);
  assert.equal((await sendStripe(gateway, stripeEvent('evt_1'))).status, 200);
  assert.equal((await sendStripe(gateway, stripeEvent('evt_1', { more: 1 }))).status, 200);
  assert.equal((await sendStripe(gateway, stripeEvent('evt_2'))).status, 200);
  const stored = events(gateway);
  assert.deepEqual(stored.map((event) => event.event_id), ['evt_1', 'evt_2']);
  const lines = await hookLines(gateway, 4);
  assert.deepEqual(lines.map((line) => line.outcome), ['accepted', 'duplicate', 'duplicate', 'accepted']);
  assert.equal(lines[1].webhook_id, stored[0].id);
  await gateway.metricIs(2, 'webhooks_duplicates_total', { hook: 'stripe' });
});

test('where the id is not signed, the same content under another one is delivered and said; strict drops it', async (t) => {
  const gateway = await hooksFor(t, { git: gitHook, strict: { ...gitHook, dedupe: 'strict' } }, { secrets });
  for (const [hook, outcome] of [['git', 'suspect'], ['strict', 'duplicate']]) {
    const body = JSON.stringify({ ref: 'main', hook });
    const send = (id, text = body) => post(gateway, `/hooks/${hook}`, text, sign.github(secret, text, { id }));
    for (const id of ['a', 'a', 'b', 'b']) assert.equal((await send(id)).status, 200);
    assert.equal((await send('a', JSON.stringify({ ref: 'other' }))).status, 200); // a swapped id
    const lines = (await hookLines(gateway, 1)).filter((line) => line.hook === hook);
    await until('all are logged', () => gateway.accessLog().filter((line) => line.hook === hook).length === 5);
    assert.deepEqual(gateway.accessLog().filter((line) => line.hook === hook).map((line) => line.outcome),
      ['accepted', 'duplicate', outcome, 'duplicate', 'accepted'], lines);
  }
  assert.deepEqual(events(gateway).map((event) => [event.event_id, event.suspect]), [['a', 0], ['b', 1], ['a', 0], ['a', 0], ['a', 0]]);
  await gateway.metricIs(1, 'webhooks_suspect_total', { hook: 'git' });
});

test('events that nobody wants are acknowledged and seen, and go to no target; others to those that want them', async (t) => {
  const gateway = await hooksFor(t, { stripe: {
    ...stripeHook, events: ['invoice.*', 'charge.*'], untyped: 'drop',
    deliver: [{ ...nowhere, name: 'all' }, { ...nowhere, name: 'charges', events: ['charge.*'] }],
  } }, { secrets });
  const send = (id, type) => sendStripe(gateway, JSON.stringify({ id, type }));
  for (const [id, type] of [['1', 'invoice.paid'], ['2', 'charge.failed'], ['3', 'payout.paid'], ['4', undefined], ['3', 'payout.paid']]) {
    assert.equal((await send(id, type)).status, 200);
  }
  const lines = await hookLines(gateway, 5);
  assert.deepEqual(lines.map((line) => line.outcome), ['accepted', 'accepted', 'dropped', 'dropped', 'duplicate']);
  assert.deepEqual(events(gateway).filter((event) => event.deliveries > 0).map((event) => [event.event_id, event.deliveries]), [['1', 1], ['2', 2]]);
});

test('what a provider wants to hear as an acknowledgement', async (t) => {
  const url = 'https://hooks.example.com/hooks/twilio';
  const gateway = await hooksFor(t, {
    twilio: { provider: 'twilio', secrets: ['git-hook'], public_url: url },
    graph: { provider: 'microsoft-graph', secrets: ['git-hook'] },
  }, { secrets });
  const form = { MessageSid: 'SM1', Body: 'hello' };
  const twilio = await post(gateway, '/hooks/twilio', new URLSearchParams(form).toString(),
    { ...sign.twilio(secret, url, form), 'Content-Type': 'application/x-www-form-urlencoded' });
  assert.deepEqual([twilio.status, twilio.headers['content-type'], twilio.body], [200, 'text/xml', '<Response/>']);
  const graph = await post(gateway, '/hooks/graph', JSON.stringify({ value: [{ clientState: secret, changeType: 'created' }] }));
  assert.deepEqual([graph.status, graph.body], [202, '']);
});

test('handshakes are answered: Slack signed, Meta by its token, Graph and X for anybody, within the rate', async (t) => {
  const gateway = await hooksFor(t, {
    slack: { provider: 'slack', secrets: ['git-hook'] },
    meta: { provider: 'meta', secrets: ['git-hook'], verify_token: 'std-hook' },
    x: { provider: 'twitter', secrets: ['git-hook'], rate: { requests: 3, per: '15m', each: 'ip' } },
  }, { secrets });
  const body = JSON.stringify({ type: 'url_verification', challenge: 'c-1' });
  const slack = await post(gateway, '/hooks/slack', body, sign.slack(secret, body));
  assert.deepEqual([slack.status, slack.headers['content-type'], slack.headers['x-content-type-options'], slack.body],
    [200, 'text/plain', 'nosniff', 'c-1']);
  assert.equal((await post(gateway, '/hooks/slack', body, sign.slack('bad', body))).status, 401);

  const meta = (token) => post(gateway, `/hooks/meta?hub.mode=subscribe&hub.challenge=42&hub.verify_token=${encodeURIComponent(token)}`,
    undefined, {}, { method: 'GET' });
  const right = await meta(standardSecret);
  assert.deepEqual([right.status, right.body], [200, '42']);
  assert.equal((await meta('guess')).status, 403);
  assert.equal((await post(gateway, '/hooks/meta', undefined, {}, { method: 'GET' })).status, 400);

  const crc = () => post(gateway, '/hooks/x?crc_token=abc', undefined, {}, { method: 'GET' });
  const mac = crypto.createHmac('sha256', secret).update('abc').digest('base64');
  for (let i = 0; i < 3; i++) assert.deepEqual(JSON.parse((await crc()).body), { response_token: `sha256=${mac}` });
  assert.equal((await crc()).status, 429);
  assert.equal(events(gateway).length, 0);
  const lines = await hookLines(gateway, 9);
  assert.deepEqual(lines.map((line) => line.outcome), ['challenge', 'refused', 'challenge', 'refused', 'refused', 'challenge', 'challenge', 'challenge', 'refused']);
});

test('a handshake may be a HEAD, as Intercom\'s, and no other hook takes one', async (t) => {
  const gateway = await hooksFor(t, { intercom: { provider: 'intercom', secrets: ['git-hook'] }, git: gitHook }, { secrets });
  const head = (path) => post(gateway, path, undefined, {}, { method: 'HEAD' });
  assert.deepEqual([(await head('/hooks/intercom')).status, (await head('/hooks/git')).status], [200, 405]);
  assert.deepEqual((await hookLines(gateway, 2)).map((line) => line.outcome), ['challenge', 'refused']);
  assert.equal(events(gateway).length, 0);
});

test('broken UTF-8, hostile ids and odd content types are kept as they are, and escaped in the log', async (t) => {
  const gateway = await hooksFor(t, { git: gitHook, gitlab: { provider: 'gitlab', secrets: ['git-hook'] } }, { secrets });
  const body = Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x0a, 0x7d]);
  const hostile = '"},{"outcome":"accepted\u00e9';
  const answer = await post(gateway, '/hooks/git', body, { ...sign.github(secret, body, { id: 'x' }), 'X-GitHub-Event': hostile, 'Content-Type': 'image/png; "' });
  assert.equal(answer.status, 200);
  const [event] = events(gateway);
  assert.deepEqual(event.body, body);
  const [line] = await hookLines(gateway, 1);
  assert.equal(line.outcome, 'accepted');
  assert.ok(line.event_type.startsWith('"},{"outcome":"accepted'));

  assert.equal((await post(gateway, '/hooks/gitlab', '{}', sign.gitlab(secret))).status, 200);
  const files = fs.readdirSync(gateway.folder).filter((name) => name.startsWith('webhooks.db'));
  for (const name of files) {
    assert.ok(!fs.readFileSync(path.join(gateway.folder, name)).includes(secret), `the secret is in ${name}`);
  }
  assert.ok(!fs.readFileSync(gateway.config.gateway.access_log).includes(secret));
});

test('a client that leaves in the middle of its body leaves nothing behind', async (t) => {
  const gateway = await hooksFor(t, { stripe: stripeHook }, { secrets });
  const client = await RawClient.connect(gateway.port);
  client.send('POST /hooks/stripe HTTP/1.1\r\nHost: gw\r\nContent-Length: 1000000\r\n\r\n').send(Buffer.alloc(500_000));
  await until('it is in flight', async () => (await gateway.metric('exchanges')) === 1);
  client.close();
  const [line] = await hookLines(gateway, 1);
  assert.deepEqual([line.outcome, line.status], ['client_left', 0]);
  await gateway.metricIs(1, 'webhooks_refused_total', { reason: 'client_left' });
  await until('nothing is in flight', async () => (await gateway.metric('exchanges')) === 0);
});

test('a client that waits for 100 Continue is told to go on, one that sends too much is not', async (t) => {
  const gateway = await hooksFor(t, { stripe: { ...stripeHook, body_bytes: '1KiB' } }, { secrets });
  const body = stripeEvent();
  const head = (length) => `POST /hooks/stripe HTTP/1.1\r\nHost: gw\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n`
    + `Stripe-Signature: ${sign.stripe(secret, body)['Stripe-Signature']}\r\n\r\n`;
  const client = await RawClient.connect(gateway.port);
  client.send(head(body.length));
  await client.until((c) => c.text.includes('100 Continue'));
  client.send(body);
  await client.until((c) => c.statuses().includes(200));
  client.send(head(2000));
  await client.until((c) => c.statuses().includes(413));
  assert.deepEqual(client.statuses(), [100, 200, 413]);
  assert.match(client.text, /Connection: close\r\n/);
  client.close();
});

test('a body in pieces is one, and the connection serves the next request', async (t) => {
  const gateway = await hooksFor(t, { stripe: stripeHook }, { secrets });
  const client = await RawClient.connect(gateway.port);
  for (const framing of ['length', 'chunked']) {
    const body = stripeEvent(`evt_${framing}`, { pad: 'x'.repeat(100_000) });
    const middle = body.length / 2 | 0;
    const parts = [body.slice(0, middle), body.slice(middle)];
    const headers = `Host: gw\r\nStripe-Signature: ${sign.stripe(secret, body)['Stripe-Signature']}\r\n`;
    const chunked = framing === 'chunked';
    client.send(`POST /hooks/stripe HTTP/1.1\r\n${headers}${chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`}\r\n\r\n`);
    for (const part of parts) {
      client.send(chunked ? `${part.length.toString(16)}\r\n${part}\r\n` : part);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (chunked) client.send('0\r\n\r\n');
    await client.until((c) => c.statuses().length === (chunked ? 2 : 1));
  }
  assert.deepEqual(client.statuses(), [200, 200]);
  assert.deepEqual(events(gateway).map((event) => [event.event_id, event.body.length > 100_000]), [['evt_length', true], ['evt_chunked', true]]);
  client.close();
});

test('a hundred at once are all stored, and the same one a hundred times at once is stored once', async (t) => {
  const gateway = await hooksFor(t, { stripe: stripeHook }, { secrets, gateway: { workers: 2 } });
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => sendStripe(gateway, stripeEvent(`evt_${i}`))));
  assert.ok(answers.every((answer) => answer.status === 200));
  assert.equal(events(gateway).length, 100);
  const same = stripeEvent('evt_same');
  const repeats = await Promise.all(Array.from({ length: 100 }, () => sendStripe(gateway, same)));
  assert.ok(repeats.every((answer) => answer.status === 200));
  assert.equal(events(gateway).length, 101);
  await gateway.metricIs(99, 'webhooks_duplicates_total');
});

test('a reload rotates secrets, brings the first hook, and takes one away', async (t) => {
  const gateway = await hooksFor(t, {}, { secrets, extra: { webhooks: undefined, webhook_queue: undefined } });
  assert.equal((await sendStripe(gateway, stripeEvent())).status, 404);
  await gateway.reload((config) => {
    config.webhook_queue = { url: 'sqlite:webhooks.db' };
    config.webhooks = { stripe: { ...stripeHook, secrets: ['stripe-old'], deliver: nowhere } };
  });
  assert.equal((await sendStripe(gateway, stripeEvent(), { key: secrets['stripe-old'] })).status, 200);
  assert.equal((await sendStripe(gateway, stripeEvent())).status, 401);
  await gateway.reload((config) => { config.webhooks.stripe.secrets = ['stripe-hook', 'stripe-old']; });
  for (const key of [secrets['stripe-old'], secret]) assert.equal((await sendStripe(gateway, stripeEvent(), { key })).status, 200);
  await gateway.reload((config) => { config.webhooks.stripe.secrets = ['stripe-hook']; });
  assert.equal((await sendStripe(gateway, stripeEvent(), { key: secrets['stripe-old'] })).status, 401);
  await gateway.reload((config) => { delete config.webhooks; });
  assert.equal((await sendStripe(gateway, stripeEvent())).status, 404);
  assert.equal(events(gateway).length, 3);
});

test('a listener for webhooks alone serves nothing else', async (t) => {
  const port = await freePort();
  const gateway = await hooksFor(t, { stripe: stripeHook }, {
    secrets, gateway: { webhook_listen: [`127.0.0.1:${port}`] },
    routes: { api: { base_url: 'http://127.0.0.1:9', provider: 'http' } }, tenants: undefined,
  });
  const body = stripeEvent();
  assert.equal((await post(gateway, '/hooks/stripe', body, sign.stripe(secret, body), { port })).status, 200);
  const other = await post(gateway, '/api/x', '', { 'X-Sallyport-Key': gateway.key }, { port });
  assert.deepEqual([other.status, other.body], [404, '']);
  assert.equal((await post(gateway, '/api/x', '', { 'X-Sallyport-Key': gateway.key })).status, 502);
  const client = await RawClient.connect(port);
  client.send('GET / HTTP/9.9\r\n\r\n');
  await client.untilClosed();
  assert.deepEqual(client.statuses(), [505]);
  assert.doesNotMatch(client.text, /sallyport/i);
});

test('an event of one object is put in its line, one without the object in none', async (t) => {
  const gateway = await hooksFor(t, { stripe: { ...stripeHook, deliver: { ...nowhere, order: 'object', order_key: '/data/object/id' } } }, { secrets });
  for (const [id, object] of [['1', 'cus_1'], ['2', 'cus_1'], ['3', 'cus_2'], ['4', undefined]]) {
    assert.equal((await sendStripe(gateway, stripeEvent(id, { data: { object: { id: object } } }))).status, 200);
  }
  assert.deepEqual(linesOf(gateway), [
    { held_back: 0, ordered: 1 }, { held_back: 1, ordered: 1 }, { held_back: 0, ordered: 1 }, { held_back: 0, ordered: 0 },
  ]);
});

test('a secret that cannot be read now is not the sender\'s fault: 503', async (t) => {
  const gateway = await hooksFor(t, { stripe: { ...stripeHook, secrets: ['stripe-hook', 'missing'] } }, { secrets });
  assert.equal((await sendStripe(gateway, stripeEvent())).status, 200);
  const other = await sendStripe(gateway, stripeEvent(), { key: 'what it is, who knows' });
  assert.equal(other.status, 503);
  assert.equal(other.headers['retry-after'], '30');
});

test('a stop waits for what is being put; nothing that was acknowledged is lost', async (t) => {
  const gateway = await hooksFor(t, { stripe: stripeHook }, { secrets, gateway: { workers: 2 } });
  const answers = [];
  const senders = Array.from({ length: 40 }, async (_, i) => {
    for (let k = 0; k < 25; k++) {
      const answer = await sendStripe(gateway, stripeEvent(`evt_${i}_${k}`));
      answers.push([`evt_${i}_${k}`, answer.status]);
      if (answer.status !== 200) return;
    }
  });
  await until('some are in', () => answers.length > 100);
  const folder = gateway.folder;
  const copy = `${folder}-copy`;
  gateway.signal('SIGTERM');
  gateway.signal('SIGINT'); // the second one does not wait for what is in flight
  const end = await gateway.exited;
  assert.deepEqual(end, { code: 0, signal: null }, gateway.stderr);
  await Promise.all(senders);
  fs.cpSync(folder, copy, { recursive: true });
  t.after(() => fs.rmSync(copy, { recursive: true }));
  const stored = new Set(events({ folder: copy }).map((event) => event.event_id));
  for (const [id, status] of answers) {
    if (status === 200) assert.ok(stored.has(id), `${id} was acknowledged`);
  }
});

test('a full queue is 503, so that the provider comes again, and what it holds already is still known', async (t) => {
  const gateway = await hooksFor(t, { stripe: stripeHook }, { secrets, extra: { webhook_queue: { url: 'sqlite:webhooks.db', max_events: 2 } } });
  const statuses = [];
  for (const id of ['1', '2', '3', '1']) statuses.push((await sendStripe(gateway, stripeEvent(id))).status);
  assert.deepEqual(statuses, [200, 200, 503, 200]);
  const lines = await hookLines(gateway, 4);
  assert.deepEqual([lines[2].outcome, lines[2].reason, lines[3].outcome], ['refused', 'queue_full', 'duplicate']);
  await gateway.metricIs(1, 'webhooks_refused_total', { reason: 'queue_full' });
  await gateway.reload((config) => { config.webhook_queue.max_events = 3; });
  assert.equal((await sendStripe(gateway, stripeEvent('3'))).status, 200);
});

test('a client that leaves while its event is put leaves the event, and nothing else', async (t) => {
  const gateway = await hooksFor(t, { stripe: stripeHook }, { secrets, gateway: { workers: 2 } });
  const clients = await Promise.all(Array.from({ length: 50 }, () => RawClient.connect(gateway.port)));
  for (const [index, client] of clients.entries()) {
    const body = stripeEvent(`evt_${index}`, { pad: 'x'.repeat(20_000) });
    client.socket.write(`POST /hooks/stripe HTTP/1.1\r\nHost: gw\r\nContent-Length: ${body.length}\r\n`
      + `Stripe-Signature: ${sign.stripe(secret, body)['Stripe-Signature']}\r\n\r\n${body}`, () => client.socket.resetAndDestroy());
  }
  const lines = await hookLines(gateway, 50);
  await until('nothing is in flight', async () => (await gateway.metric('exchanges')) === 0);
  const stored = new Set(events(gateway).map((event) => event.event_id));
  for (const line of lines) {
    if (line.outcome === 'accepted') assert.ok(stored.has(line.event_id));
  }
  assert.equal(lines.filter((line) => line.outcome === 'accepted').length, stored.size);
  assert.equal(lines.filter((line) => !['accepted', 'client_left'].includes(line.outcome)).length, 0);
});

test('what is held of bodies, and how many are in flight, is bounded together with all other requests', async (t) => {
  const gateway = await hooksFor(t, { stripe: { ...stripeHook, body_bytes: '900KiB' } }, {
    secrets, gateway: { limits: { buffered_bytes: '1MiB', exchanges: 3 } },
  });
  const head = 'POST /hooks/stripe HTTP/1.1\r\nHost: gw\r\nContent-Length: 800000\r\n\r\n';
  const clients = [];
  for (let i = 0; i < 2; i++) {
    clients.push((await RawClient.connect(gateway.port)).send(head).send(Buffer.alloc(100_000)));
    await until('it is in flight, or refused', async () => clients[i].statuses().length > 0
      || (await gateway.metric('exchanges')) === i + 1);
  }
  await clients[1].until((c) => c.statuses().length > 0);
  assert.deepEqual(clients[1].statuses(), [503]);
  assert.match(clients[1].text, /^Retry-After: 1\r$/m);
  assert.equal((await sendStripe(gateway, stripeEvent())).status, 200);

  for (let i = 0; i < 2; i++) clients.push((await RawClient.connect(gateway.port)).send(head));
  await until('three are in flight', async () => (await gateway.metric('exchanges')) === 3);
  assert.equal((await sendStripe(gateway, stripeEvent())).status, 503);
  for (const client of clients) client.close();
  await until('nothing is in flight', async () => (await gateway.metric('exchanges')) === 0);
  assert.equal((await sendStripe(gateway, stripeEvent())).status, 200);
  const reasons = () => gateway.accessLog().filter((line) => line.outcome === 'refused').map((line) => line.reason);
  await until('both are logged', () => reasons().length === 2);
  assert.deepEqual(reasons(), ['overloaded', 'overloaded']);
});

test('a disk that takes too long is 503 before the provider gives up; then it is a repeat', { timeout: 60000 }, async (t) => {
  const folder = temporaryFolder();
  const flag = path.join(folder, 'slow');
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const gateway = await hooksFor(t, { stripe: stripeHook }, { secrets, env: { ...preloaded('slow_disk'), SYNC_SECONDS: '9', SLOW_WHILE: flag } });
  fs.writeFileSync(flag, '');
  const began = Date.now();
  const late = await sendStripe(gateway, stripeEvent('evt_1'));
  assert.equal(late.status, 503);
  assert.ok(Date.now() - began > 7000 && Date.now() - began < 12000);
  fs.rmSync(flag);
  const [line] = await hookLines(gateway, 1);
  assert.deepEqual([line.outcome, line.reason, line.status], ['accepted', 'queue_late', 503]);
  assert.equal((await sendStripe(gateway, stripeEvent('evt_1'))).status, 200);
  assert.equal((await hookLines(gateway, 2))[1].outcome, 'duplicate');
  assert.equal(events(gateway).length, 1);
});

test('a body that stops coming is 408', async (t) => {
  const gateway = await hooksFor(t, { stripe: stripeHook }, { secrets, gateway: { timeouts: { body_idle: '1s' } } });
  const client = await RawClient.connect(gateway.port);
  client.send('POST /hooks/stripe HTTP/1.1\r\nHost: gw\r\nContent-Length: 100\r\n\r\nabc');
  await client.untilClosed();
  assert.deepEqual(client.statuses(), [408]);
  const broken = await RawClient.connect(gateway.port);
  broken.send('POST /hooks/stripe HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n');
  await broken.untilClosed();
  assert.deepEqual(broken.statuses(), [400]);
  assert.deepEqual((await hookLines(gateway, 2)).map((line) => line.reason), ['body_late', 'body_framing']);
});
