// web-push, unmodified, through the gateway over TLS to two push services that verify the VAPID
// token and decrypt the message as a browser does (RFC 8291).
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, afterEach, before, test } from 'node:test';

import ece from 'http_ece';
import webpush from 'web-push';

import { Gateway } from '../support/gateway.mjs';
import { PushService, vapidKeys } from '../support/push_service.mjs';
import { OverTls } from './over_tls.mjs';

const tenants = vapidKeys(); // those that the app has: of no use at the push services
const keys = vapidKeys();
let secured;
let first;
let second;
let gateway;
let answer = () => undefined;

// What a browser keeps of its subscription.
const browser = crypto.createECDH('prime256v1');
const p256dh = browser.generateKeys().toString('base64url');
const auth = crypto.randomBytes(16).toString('base64url');

before(async () => {
  secured = new OverTls('DNS:localhost,DNS:fcm.localhost,DNS:*.notify.localhost,IP:127.0.0.1').trust();
  first = await PushService.start(secured.served, keys, { name: 'fcm.localhost', answer: (message) => answer(message) });
  second = await PushService.start(secured.served, keys, { name: 'db5p.notify.localhost' });
  gateway = await Gateway.start({
    routes: {
      'web-push': {
        hosts: [first.host, second.host.replace('db5p', '*')], credential: { secret: 'vapid' },
        token: { subject: 'mailto:push@example.com' }, ...secured.upstream,
      },
    },
    secrets: { vapid: keys.privateKey },
    gateway: secured.gateway,
    tenants: { app: { allow: ['web-push'] }, stranger: { allow: [] } },
  });
});

afterEach(() => {
  answer = () => undefined;
  for (const service of [first, second]) service?.check();
});

after(async () => {
  await gateway?.stop();
  await Promise.all([first, second].map((service) => service?.stop()));
  secured?.remove();
});

// As docs/PROVIDERS.md says.
function send(endpoint, payload, { key = gateway.key, ...more } = {}) {
  const vapidDetails = { subject: 'https://example.com', publicKey: tenants.publicKey, privateKey: tenants.privateKey };
  const subscription = { endpoint: endpoint.replace('https://', `https://localhost:${gateway.port}/web-push/`), keys: { p256dh, auth } };
  return webpush.sendNotification(subscription, payload, { vapidDetails, headers: { 'X-Sallyport-Key': key }, ...more });
}

const decrypted = (body) => ece.decrypt(body, { version: 'aes128gcm', privateKey: browser, authSecret: auth }).toString();

test('a message reaches the push service of its subscription, encrypted as it was, with the gateway\'s VAPID', async () => {
  const sent = await send(`https://${first.host}/fcm/send/a:b`, '{"title":"Hello"}', { TTL: 30, urgency: 'high', topic: 'news' });
  assert.equal(sent.statusCode, 201);
  assert.equal((await send(`https://${second.host}/w/?token=BQYAAA%3d%3d`, 'Ciao')).statusCode, 201);
  const [message] = first.messages;
  assert.equal(decrypted(message.body), '{"title":"Hello"}');
  assert.deepEqual([message.headers.ttl, message.headers.urgency, message.headers.topic], ['30', 'high', 'news']);
  assert.equal(message.headers['content-encoding'], 'aes128gcm');
  assert.equal(message.headers['x-sallyport-key'], undefined);
  assert.equal(decrypted(second.messages[0].body), 'Ciao');
  assert.equal(second.messages[0].path, '/w/?token=BQYAAA%3d%3d');
});

test('a subscription that is gone is the library\'s own error', async () => {
  answer = () => ({ status: 410, headers: {}, body: 'gone' });
  await assert.rejects(send(`https://${first.host}/fcm/send/gone`, 'x'), { name: 'WebPushError', statusCode: 410, body: 'gone' });
});

test('a host that is no push service, and a key that may not call, are 403 and never 404', async () => {
  const seen = first.connections + second.connections;
  await assert.rejects(send('https://internal.example/x', 'x'), (error) => {
    assert.equal(error.statusCode, 403);
    assert.equal(JSON.parse(error.body).error, 'Forbidden');
    return true;
  });
  await assert.rejects(send(`https://${first.host}/fcm/send/a`, 'x', { key: gateway.keys.stranger }), { statusCode: 403 });
  await assert.rejects(send(`https://${first.host}/fcm/send/a`, 'x', { key: 'wrong' }), { statusCode: 401 });
  assert.equal(first.connections + second.connections, seen);
});
