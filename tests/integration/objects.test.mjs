// What a call makes at its provider, a payment or a message, is in the ledger, by its provider's id.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import test from 'node:test';
import zlib from 'node:zlib';

import { binary, gatewayFor } from '../support/gateway.mjs';
import { ask, ledgerFile, rowOf, withLedger, written } from '../support/ledger.mjs';
import { chat, chunk, chunkedHead, completion, json, stream } from '../support/meter.mjs';
import { upstreamFor } from '../support/wire.mjs';

const secret = 'payment-key-0123456789abcdef';

// A gateway with a route `api` of that provider, whose answers are given one by one.
async function gatewayOf(t, provider, answer, more = {}) {
  const upstream = await upstreamFor(t, answer);
  return gatewayFor(t, {
    ...withLedger(), secrets: { key: secret }, tenants: { app: { allow: ['api'] } },
    routes: { api: { provider, credential: { secret: 'key' }, upstream: upstream.port, ...more } },
  });
}

const post = (gateway, path, options = {}) => chat(gateway, {}, { path: `/api${path}`, ...options });
const objectOf = async (gateway, { id }) => (await rowOf(gateway, id)).object;
const usage = (gateway, ...args) => {
  const result = spawnSync(binary, ['usage', '--objects', '-c', gateway.file, ...args], { encoding: 'utf8' });
  assert.equal(result.status, 0, result.stderr);
  return result.stdout;
};

test('a payment, its refund and a subscription are told, listed, and found by their ids', async (t) => {
  const answers = {
    '/v1/payment_intents': { id: 'pi_123', object: 'payment_intent', amount: 1250, amount_received: 0, currency: 'eur', status: 'succeeded', charges: { object: 'list', data: [{ id: 'ch_1', amount: 1250 }] } },
    '/v1/refunds': { id: 're_1', object: 'refund', amount: -300, currency: 'eur', status: 'pending' },
    '/v1/subscriptions': { id: 'sub_1', object: 'subscription', currency: 'usd', status: 'active' },
    '/v1/payment_intents/pi_123/capture': { id: 'pi_123', object: 'payment_intent', amount: 1250, currency: 'eur', status: 'captured' },
  };
  const gateway = await gatewayOf(t, 'stripe', ({ head }) => json(answers[/^\w+ (\S+)/.exec(head)[1]]));
  const made = {};
  for (const path of Object.keys(answers)) made[path] = await post(gateway, path);
  const got = await new Promise((resolve) => fetch(`http://127.0.0.1:${gateway.port}/api/v1/refunds`, { headers: { 'X-Sallyport-Key': gateway.key } }).then(resolve));
  await got.text();
  await written(gateway, 5);

  const row = await rowOf(gateway, made['/v1/payment_intents'].id);
  assert.deepEqual(row.object, { id: 'pi_123', type: 'payment_intent', status: 'succeeded', currency: 'eur', amount: 1250, amount_text: '1250' });
  assert.deepEqual([row.cost_nanousd, row.metered], [0, false]);
  assert.equal((await rowOf(gateway, got.headers.get('x-sallyport-request-id'))).object, undefined, 'reading makes nothing');

  const { objects } = JSON.parse(usage(gateway, '--json'));
  assert.deepEqual(objects.map((one) => [one.tenant, one.route, one.type, one.id, one.status, one.amount, one.currency, one.cost_usd]), [
    ['app', 'api', 'payment_intent', 'pi_123', 'succeeded', 1250, 'eur', '0.000000000'],
    ['app', 'api', 'refund', 're_1', 'pending', -300, 'eur', '0.000000000'],
    ['app', 'api', 'subscription', 'sub_1', 'active', null, 'usd', '0.000000000'],
    ['app', 'api', 'payment_intent', 'pi_123', 'captured', 1250, 'eur', '0.000000000'],
  ]);
  assert.equal(objects[1].request_id, made['/v1/refunds'].id);
  assert.deepEqual(JSON.parse(usage(gateway, '--json', '--type', 'refund')).objects.map((one) => one.id), ['re_1']);
  assert.deepEqual(JSON.parse(usage(gateway, '--json', '--route', 'other')).objects, []);
  const csv = usage(gateway, '--csv', '--type', 'refund').split('\r\n');
  assert.equal(csv[0], 'time,request_id,tenant,route,type,id,status,amount,currency,cost_usd');
  assert.match(csv[1], new RegExp(`^20[^,]+,${made['/v1/refunds'].id},app,api,refund,re_1,pending,-300,eur,0\\.000000000$`));
  assert.match(usage(gateway), new RegExp(`app +api +refund +re_1 +pending +-300 eur +0\\.000000000  ${made['/v1/refunds'].id}\n`));

  const answer = await ask(gateway, '/api/v1/usage/objects?since=1h&type=payment_intent');
  assert.deepEqual(answer.body.objects.map((one) => one.status), ['captured', 'succeeded'], 'the newest first');
  assert.equal((await ask(gateway, '/api/v1/usage/objects?object=re_1')).body.objects.length, 1);
  assert.equal((await ask(gateway, '/api/v1/requests?object=pi_123')).body.id, made['/v1/payment_intents'].id, 'the one that made it');
  assert.equal((await ask(gateway, '/api/v1/requests?object=pi_9')).status, 404);
  assert.equal((await ask(gateway, '/api/v1/requests')).status, 400);

  const explain = (...args) => spawnSync(binary, ['explain', ...args, '-c', gateway.file], { encoding: 'utf8' });
  const told = explain('--object', 'pi_123');
  assert.match(told.stdout, new RegExp(`^${made['/v1/payment_intents'].id}  20`));
  assert.match(told.stdout, /^object +payment_intent pi_123, succeeded, amount 1250 eur in its smallest unit$/m);
  assert.match(explain(made['/v1/subscriptions'].id).stdout, /^object +subscription sub_1, active$/m);
  assert.match(explain('--object', 'pi_9').stderr, /no request in the ledger made "pi_9"/);
  assert.equal(explain('--object', 'pi_123', '0'.repeat(32)).status, 2);
});

test('what is not successful, no JSON, or not exact is not told', async (t) => {
  const { length } = secret;
  const cases = [
    [json({ id: 'pi_1', object: 'payment_intent' }, '402 Payment Required'), undefined],
    [json({ error: { id: 'x' } }), undefined],
    ['HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n{"id":"pi_1"}', undefined],
    [json('{"id":"pi_1",}'), undefined],
    [json('[{"id":"pi_1"}]'), undefined],
    [json(`{"id":"pi_1","amount":1${'0'.repeat(30)}}`), { id: 'pi_1' }],
    [json('{"id":"pi_1","amount":"1250"}'), { id: 'pi_1' }],
    [json('{"id":"pi_1","amount":12.5}'), { id: 'pi_1' }],
    [json('{"id":"pi_1","amount":-9007199254740993}'), { id: 'pi_1', amount: -9007199254740992, amount_text: '-9007199254740993' }],
    [json({ id: '\u001b[31m=cmd|\r\n\u0000<b>\u0085', object: '\ud800x'.slice(1) }), { id: '?[31m=cmd|???<b>?', type: 'x' }],
    [json({ id: 'x'.repeat(5000), object: 'ü'.repeat(500) }), { id: 'x'.repeat(79), type: 'ü'.repeat(19) }],
    [json({ id: `pi_${secret}_1`, object: secret }), { id: `pi_${'*'.repeat(length)}_1`, type: '*'.repeat(length) }],
  ];
  let next;
  const gateway = await gatewayOf(t, 'stripe', () => next);
  for (const [answer, object] of cases) {
    next = answer;
    assert.deepEqual(await objectOf(gateway, await post(gateway, '/v1/payment_intents')), object, answer);
  }
  assert.ok(!fs.readFileSync(ledgerFile(gateway)).includes(secret));
  assert.ok(!fs.readFileSync(`${ledgerFile(gateway)}-wal`).includes(secret));
  const csv = usage(gateway, '--csv');
  assert.doesNotMatch(csv, /[\u0000\u001b\u0085]/);
  const { stdout } = spawnSync(binary, ['explain', '--object', 'x'.repeat(5000), '-c', gateway.file], { encoding: 'utf8' });
  assert.equal(stdout, '', 'longer than an id may be');
  assert.match(spawnSync(binary, ['explain', '--object', 'x'.repeat(200), '-c', gateway.file], { encoding: 'utf8' }).stdout, /^object +ü+ x{79}$/m);
});

test('each provider says it in its own way', async (t) => {
  const cases = [
    ['sendgrid', '/v3/mail/send', 'HTTP/1.1 202 Accepted\r\nX-Message-Id: 14c5d75ce93.dfd\r\nContent-Length: 0\r\n\r\n', { id: '14c5d75ce93.dfd', type: 'email' }],
    ['twilio', '/2010-04-01/Accounts/AC1/Messages.json', json({ sid: 'SM1', status: 'queued', price: '-0.00750', price_unit: 'USD', num_segments: '1' }, '201 Created'), { id: 'SM1', type: 'message', status: 'queued' }],
    ['resend', '/emails', json({ id: '49a3999c' }), { id: '49a3999c', type: 'email' }],
    ['square', '/v2/payments', json({ payment: { id: 'p1', status: 'COMPLETED', amount_money: { amount: 500, currency: 'USD' } } }), { id: 'p1', type: 'payment', status: 'COMPLETED', currency: 'USD', amount: 500, amount_text: '500' }],
    ['adyen', '/v71/payments', json({ pspReference: 'P1', resultCode: 'Authorised', amount: { currency: 'EUR', value: 1000 } }), { id: 'P1', type: 'payment', status: 'Authorised', currency: 'EUR', amount: 1000, amount_text: '1000' }],
    ['github', '/repos/acme/shop/issues', json({ id: 1, node_id: 'I_1', number: 7, state: 'open' }, '201 Created'), { id: 'I_1', type: 'issue', status: 'open' }],
    ['openai', '/v1/chat/completions', json(completion()), { id: 'c-1', type: 'chat.completion' }],
    ['openai', '/v1/chat/completions', stream(), undefined],
    ['openai', '/v1/responses', json({ id: 'resp_1', object: 'response', status: 'completed', output: [], usage: { input_tokens: 1, output_tokens: 1 } }), { id: 'resp_1', type: 'response', status: 'completed' }],
    ['anthropic', '/v1/messages', json({ id: 'msg_1', type: 'message', usage: { input_tokens: 1, output_tokens: 1 } }), { id: 'msg_1', type: 'message' }],
    ['http', '/anything', json({ id: 'x', object: 'y' }), undefined],
  ];
  for (const [provider, path, answer, object] of cases) {
    const more = provider === 'http' ? { credential: 'none' } : {};
    const gateway = await gatewayOf(t, provider, () => answer, more);
    const { id, status } = await post(gateway, path);
    const row = await rowOf(gateway, id);
    assert.deepEqual([row.object, Math.floor(status / 100)], [object, 2], `${provider} ${path}`);
  }
});

test('a payment whose caller leaves, and one whose answer breaks off, are known all the same', async (t) => {
  const part = `${chunkedHead()}${chunk('{"id":"pi_cut","object":"payment_intent","amount":125')}`;
  const gateway = await gatewayOf(t, 'stripe', (request, socket) => void socket.write(part, () => setTimeout(() => socket.end(), 100)));
  const answer = await post(gateway, '/v1/payment_intents');
  assert.equal(answer.cut, true);
  assert.deepEqual(await objectOf(gateway, answer), { id: 'pi_cut', type: 'payment_intent' }, 'half an amount is none');
});

test('an encoded answer is read as it goes by', async (t) => {
  const body = zlib.gzipSync(JSON.stringify({ id: 'pi_gz', object: 'payment_intent', amount: 7, currency: 'eur' }));
  const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`;
  const gateway = await gatewayOf(t, 'stripe', () => Buffer.concat([Buffer.from(head), body]));
  const answer = await post(gateway, '/v1/payment_intents', { headers: { 'Accept-Encoding': 'gzip' } });
  assert.equal(answer.status, 200);
  assert.equal((await objectOf(gateway, answer)).id, 'pi_gz');
});
