// The demo provider as a receiver of webhooks: it takes what is signed for it, and nothing else.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';

import { Child, freePort, until } from '../support/gateway.mjs';

async function start(t, secret) {
  const port = await freePort();
  const env = secret === undefined ? {} : { SALLYPORT_DEMO_WEBHOOK_SECRET: secret };
  const demo = new Child(['demo', '--listen', `127.0.0.1:${port}`], { env });
  t.after(() => demo.stop());
  await until('the demo listens', () => demo.stdout.includes('listening') || demo.end);
  demo.url = `http://127.0.0.1:${port}/receiver`;
  return demo;
}

const key = crypto.randomBytes(32);
const secret = `whsec_${key.toString('base64')}`;
const now = () => Math.floor(Date.now() / 1000);

function signed({ id = 'msg_1', timestamp = now(), body = '{"type":"invoice.paid"}', by = key, before = '' } = {}) {
  const mac = crypto.createHmac('sha256', by).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    method: 'POST', body,
    headers: { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': `${before}v1,${mac}` },
  };
}

test('what is signed is taken, told and shown', async (t) => {
  const demo = await start(t, secret);
  assert.equal((await fetch(demo.url, signed())).status, 204);
  assert.equal((await fetch(demo.url, signed({ id: 'msg_2', before: 'v1,AAAA v1a,BBBB ' }))).status, 204, 'one of several');
  assert.equal((await fetch(demo.url, signed())).status, 204, 'once more');
  const { received } = await (await fetch(demo.url)).json();
  assert.deepEqual(received.map(({ webhook_id, times }) => [webhook_id, times]), [['msg_2', 1], ['msg_1', 2]]);
  assert.equal(received[0].body, '{"type":"invoice.paid"}');
  assert.match(demo.stdout, /webhook msg_2: the signature is right, 23 bytes/);
});

test('what is not signed for it is refused', async (t) => {
  const demo = await start(t, secret);
  const refused = async (request, says) => {
    const answer = await fetch(demo.url, request);
    assert.equal(answer.status, 401);
    assert.match((await answer.json()).error, says);
  };
  await refused({ method: 'POST', body: 'x' }, /no webhook-id/);
  await refused(signed({ by: crypto.randomBytes(32) }), /signature is wrong/);
  await refused({ ...signed(), body: '{"type":"invoice.paie"}' }, /signature is wrong/);
  await refused(signed({ timestamp: now() - 400 }), /not of now/);
  await refused(signed({ timestamp: now() + 400 }), /not of now/);
  const { headers, ...rest } = signed();
  delete headers['webhook-signature'];
  await refused({ ...rest, headers }, /signature is wrong/);
  assert.deepEqual((await (await fetch(demo.url)).json()).received, []);
});

test('only the last ones are kept', async (t) => {
  const demo = await start(t, secret);
  for (let i = 0; i < 25; i++) await fetch(demo.url, signed({ id: `msg_${i}`, body: 'x'.repeat(3000) }));
  const { received } = await (await fetch(demo.url)).json();
  assert.equal(received.length, 20);
  assert.equal(received[0].webhook_id, 'msg_24');
  assert.equal(received[0].body.length, 2000);
  assert.equal(received[0].body_bytes, 3000);
});

test('a secret that is none is said', async (t) => {
  const demo = await start(t, 'whsec_not base64');
  assert.match((await demo.exited, demo.stderr), /secret of webhooks.*whsec_/);
  assert.equal(demo.end.code, 2);
  demo.stop = async () => {};
});
