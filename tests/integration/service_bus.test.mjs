// Azure Service Bus by its HTTP API, through the gateway, against a queue that verifies the shared
// access signature as Microsoft publishes it.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import { test } from 'node:test';

import { gatewayFor } from '../support/gateway.mjs';

const NAME = 'RootManageSharedAccessKey';
const KEY = crypto.randomBytes(32).toString('base64');

// One namespace; each queue holds its messages in order, and those that are locked.
class Bus {
  constructor() {
    this.queues = new Map();
    this.signatures = [];
    this.server = http.createServer((request, response) => this.serve(request, response));
  }

  async listen() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    return this;
  }

  // null: it is good.
  wrong(request) {
    const [, text] = /^SharedAccessSignature (.*)$/.exec(request.headers.authorization ?? '') ?? [];
    if (text === undefined) return 'no signature';
    const { sr, sig, se, skn } = Object.fromEntries(new URLSearchParams(text));
    const encoded = /sr=([^&]*)/.exec(text)[1];
    const expected = crypto.createHmac('sha256', KEY).update(`${encoded}\n${se}`).digest('base64');
    this.signatures.push({ sr, sig, se, skn });
    if (skn !== NAME) return `key ${skn}`;
    if (sig !== expected) return 'signature';
    if (!`http://${request.headers.host}${request.url}`.startsWith(sr)) return `resource ${sr}`;
    return Number(se) > Date.now() / 1000 && Number(se) <= Date.now() / 1000 + 3600 ? null : 'expired';
  }

  async serve(request, response) {
    let body = '';
    for await (const chunk of request) body += chunk;
    const why = this.wrong(request);
    const answer = (status, headers = {}, text = '') => response.writeHead(status, headers).end(text);
    if (why !== null) return answer(401, { 'content-type': 'application/xml' }, `<Error><Code>401</Code><Detail>${why} ${request.headers.authorization} ${/&sig=([^&]*)/.exec(request.headers.authorization)?.[1]}</Detail></Error>`);
    const [, queue, ...rest] = new URL(request.url, 'http://x').pathname.split('/');
    const state = this.queues.get(queue) ?? { waiting: [], locked: new Map() };
    this.queues.set(queue, state);
    const what = `${request.method} ${rest.join('/')}`;
    if (what === 'POST messages') {
      state.waiting.push({ body, properties: request.headers.brokerproperties });
      return answer(201);
    }
    if (what === 'POST messages/head' || what === 'DELETE messages/head') {
      const message = state.waiting.shift();
      if (!message) return answer(204);
      const headers = { brokerproperties: message.properties };
      if (request.method === 'POST') {
        const lock = crypto.randomUUID();
        state.locked.set(lock, message);
        headers.location = `http://${request.headers.host}/${queue}/messages/1/${lock}`;
      }
      return answer(request.method === 'POST' ? 201 : 200, headers, message.body);
    }
    const message = state.locked.get(rest[2]);
    if (!message) return answer(404);
    if (request.method !== 'POST') state.locked.delete(rest[2]); // POST renews
    if (request.method === 'PUT') state.waiting.unshift(message);
    return answer(200);
  }
}

async function scene(t, secret) {
  const bus = await new Bus().listen();
  t.after(() => new Promise((resolve) => bus.server.close(resolve)));
  const gateway = await gatewayFor(t, {
    routes: { bus: { provider: 'azure-service-bus', upstream: bus.port, credential: { secret: 'bus' } } }, secrets: { bus: secret },
  });
  const ask = async (method, target, { headers = {}, body } = {}) => {
    const url = target.startsWith('http') ? target : `${gateway.url}/bus/${target}`;
    const answer = await fetch(url, { method, body, headers: { authorization: `Bearer ${gateway.key}`, ...headers } });
    return { status: answer.status, text: await answer.text(), location: answer.headers.get('location'), properties: answer.headers.get('brokerproperties') };
  };
  return { bus, gateway, ask };
}

test('send; receive and delete; lock, renew, unlock and complete', async (t) => {
  const { bus, gateway, ask } = await scene(t, `${NAME}:${KEY}`);
  const properties = '{"Label":"M1","TimeToLive":10}';
  for (const body of ['one', 'two']) {
    assert.equal((await ask('POST', 'orders/messages', { body, headers: { brokerproperties: properties } })).status, 201);
  }
  const taken = await ask('DELETE', 'orders/messages/head?timeout=1');
  assert.deepEqual([taken.status, taken.text, taken.properties], [200, 'one', properties]);
  const locked = await ask('POST', 'orders/messages/head?timeout=1', { body: '' });
  assert.deepEqual([locked.status, locked.text], [201, 'two']);
  assert.ok(locked.location.startsWith(`${gateway.url}/bus/orders/messages/1/`), locked.location);
  assert.equal((await ask('POST', locked.location, { body: '' })).status, 200);
  assert.equal((await ask('PUT', locked.location, { body: '' })).status, 200);
  const again = await ask('POST', 'orders/messages/head', { body: '' });
  assert.equal(again.text, 'two');
  assert.equal((await ask('DELETE', again.location)).status, 200);
  assert.equal((await ask('DELETE', 'orders/messages/head')).status, 204);
  assert.deepEqual(bus.queues.get('orders'), { waiting: [], locked: new Map() });
  const [first] = bus.signatures;
  assert.equal(first.sr, `http://127.0.0.1:${bus.port}`);
  assert.ok(bus.signatures.every(({ sig }) => sig === first.sig), 'one is signed for all');
});

test('a connection string is a secret, too; a key that is refused is 401, and no part of what was sent comes back', async (t) => {
  const good = await scene(t, `Endpoint=sb://elsewhere.example/;SharedAccessKeyName=${NAME};SharedAccessKey=${KEY}`);
  assert.equal((await good.ask('POST', 'q/messages', { body: 'x' })).status, 201);
  const bad = await scene(t, `${NAME}:another-key-that-is-not-known`);
  const refused = await bad.ask('POST', 'q/messages', { body: 'x' });
  assert.equal(refused.status, 401);
  assert.match(refused.text, /<Detail>signature SharedAccessSignature \*+ \*+<\/Detail>/);
  const none = await scene(t, 'no-key-at-all');
  const unsigned = await none.ask('POST', 'q/messages', { body: 'x' });
  assert.equal(unsigned.status, 502);
  assert.match(unsigned.text, /KEY_NAME:KEY/);
  assert.deepEqual(none.bus.signatures, []);
});
