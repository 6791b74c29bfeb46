// The providers' own libraries as the other side of webhooks: what they sign is accepted and
// delivered, what was changed on the way is refused; what is delivered, they verify.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Webhooks } from '@octokit/webhooks';
import { EventWebhook } from '@sendgrid/eventwebhook';
import bolt from '@slack/bolt';
import OpenAI from 'openai';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import Stripe from 'stripe';
import { Webhook as SvixWebhook } from 'svix';
import twilio from 'twilio';

import { Child, Gateway } from '../support/gateway.mjs';
import { Receiver } from '../support/receiver.mjs';

const publicUrl = 'https://hooks.example.com';
const standardSecret = () => 'whsec_' + crypto.randomBytes(24).toString('base64');
const secrets = {
  stripe: 'whsec_of_the_sdk_tests_0123456789',
  github: 'a secret of the SDK tests',
  slack: '8f742231b10e8888abcd99yyyzzz85a5',
  twilio: '12345678901234567890123456789012',
  standard: standardSecret(),
  svix: standardSecret(),
  openai: standardSecret(),
  sendgrid: '', // its public key
  receiver: standardSecret(),
};
const sendgridKeys = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
secrets.sendgrid = sendgridKeys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');

const providers = {
  stripe: 'stripe', github: 'github', slack: 'slack', twilio: 'twilio', 'twilio-json': 'twilio-json', standard: 'standard-webhooks',
  svix: 'svix', openai: 'openai', sendgrid: 'sendgrid',
};
let receiver;
let gateway;

before(async () => {
  receiver = await Receiver.start();
  const webhooks = {};
  for (const [name, provider] of Object.entries(providers)) {
    webhooks[name] = {
      provider, secrets: `${name.split('-')[0]}-hook`, public_url: `${publicUrl}/hooks/${name}`,
      deliver: { to: receiver.url(`/${name}`), secret: 'receiver-hook' },
    };
  }
  gateway = await Gateway.start({
    secrets: Object.fromEntries(Object.entries(secrets).map(([name, value]) => [`${name}-hook`, value])),
    extra: { webhooks, webhook_queue: { url: 'sqlite:webhooks.db' } },
  });
});

after(async () => {
  await gateway.stop();
  await receiver.stop();
});

const seconds = () => Math.floor(Date.now() / 1000);

async function post(name, { headers, body, query = '' }) {
  const response = await fetch(`${gateway.url}/hooks/${name}${query}`, { method: 'POST', headers, body, redirect: 'manual' });
  return { status: response.status, body: await response.text() };
}

// One is accepted and delivered as it is, under a signature of our own; a changed one is refused.
async function acceptedAndTampered(name, event, { type = 'application/json' } = {}) {
  const before = receiver.at(`/${name}`).length;
  const headers = { 'content-type': type, ...event.headers };
  const { status } = await post(name, { ...event, headers });
  assert.ok(status >= 200 && status < 300, `${name}: ${status}`);
  const delivered = (await receiver.until(`/${name}`, before + 1))[before];
  assert.equal(delivered.body.toString(), event.body);
  assert.equal(delivered.headers['content-type'], type);
  assertSigned(delivered);

  const changed = event.body.replace(/[a-z](?=[^a-z]*$)/, (letter) => (letter === 'x' ? 'y' : 'x'));
  assert.notEqual(changed, event.body);
  assert.equal((await post(name, { ...event, headers, body: changed })).status, 401, 'a changed body');
  const spoiled = Object.fromEntries(Object.entries(headers).map(([key, value]) =>
    [key, /signature/i.test(key) ? value.replace(/[a-zA-Z](?=[^a-zA-Z]*$)/, (letter) => (letter === 'a' ? 'b' : 'a')) : value]));
  assert.equal((await post(name, { ...event, headers: spoiled })).status, 401, 'another signature');
  assert.equal(receiver.at(`/${name}`).length, before + 1, 'neither of them is delivered');
  return delivered;
}

function assertSigned({ headers, body }) {
  const text = body.toString();
  const at = new Date(Number(headers['webhook-timestamp']) * 1000);
  assert.equal(new StandardWebhook(secrets.receiver).sign(headers['webhook-id'], at, text), headers['webhook-signature']);
}

test('stripe: generateTestHeaderString', async () => {
  const body = JSON.stringify({ id: 'evt_1', object: 'event', type: 'invoice.paid', data: { object: { id: 'in_1' } } });
  const header = Stripe.webhooks.generateTestHeaderString({ payload: body, secret: secrets.stripe });
  const delivered = await acceptedAndTampered('stripe', { body, headers: { 'Stripe-Signature': header } });
  const event = Stripe.webhooks.constructEvent(delivered.body, delivered.headers['stripe-signature'], secrets.stripe);
  assert.equal(event.id, 'evt_1', 'the provider\'s own headers are kept, so its library verifies the delivery, too');
});

test('stripe: too old, and of another secret', async () => {
  const body = JSON.stringify({ id: 'evt_2', type: 'invoice.paid' });
  const sign = (more) => ({ 'Stripe-Signature': Stripe.webhooks.generateTestHeaderString({ payload: body, secret: secrets.stripe, ...more }) });
  assert.equal((await post('stripe', { body, headers: sign({ timestamp: seconds() - 400 }) })).status, 401);
  assert.equal((await post('stripe', { body, headers: sign({ secret: 'whsec_other' }) })).status, 401);
  assert.equal((await post('stripe', { body, headers: {} })).status, 401);
});

test('@octokit/webhooks: sign and verify', async () => {
  const octokit = new Webhooks({ secret: secrets.github });
  const body = JSON.stringify({ action: 'opened', issue: { number: 1, title: 'Grüße' } });
  const headers = {
    'X-Hub-Signature-256': await octokit.sign(body), 'X-GitHub-Event': 'issues', 'X-GitHub-Delivery': crypto.randomUUID(),
  };
  const delivered = await acceptedAndTampered('github', { body, headers });
  assert.equal(delivered.headers['x-github-event'], 'issues');
  assert.equal(delivered.headers['x-github-delivery'], headers['X-GitHub-Delivery']);
  assert.ok(await octokit.verify(delivered.body.toString(), delivered.headers['x-hub-signature-256']));
});

test('standardwebhooks: signs what comes, verifies what is delivered', async () => {
  const id = `msg_${crypto.randomUUID()}`;
  const at = new Date();
  const body = JSON.stringify({ type: 'user.created', data: { id: 7 } });
  const headers = {
    'webhook-id': id, 'webhook-timestamp': String(Math.floor(at / 1000)),
    'webhook-signature': new StandardWebhook(secrets.standard).sign(id, at, body),
  };
  const delivered = await acceptedAndTampered('standard', { body, headers });
  assert.deepEqual(new StandardWebhook(secrets.receiver).verify(delivered.body, delivered.headers), JSON.parse(body));
  assert.throws(() => new StandardWebhook(secrets.standard).verify(delivered.body, delivered.headers), 'it is signed anew');
});

test('svix: signs what comes, verifies what is delivered', async () => {
  const id = `msg_${crypto.randomUUID()}`;
  const at = new Date();
  const body = JSON.stringify({ type: 'invoice.paid', data: { id: 8 } });
  const headers = {
    'svix-id': id, 'svix-timestamp': String(Math.floor(at / 1000)),
    'svix-signature': new SvixWebhook(secrets.svix).sign(id, at, body),
  };
  const delivered = await acceptedAndTampered('svix', { body, headers });
  assert.deepEqual(new SvixWebhook(secrets.receiver).verify(delivered.body.toString(), delivered.headers), JSON.parse(body));
});

test('openai: webhooks.unwrap', async () => {
  const client = new OpenAI({ apiKey: 'none', webhookSecret: secrets.openai });
  const id = `wh_${crypto.randomUUID()}`;
  const at = new Date();
  const body = JSON.stringify({ id: 'evt_3', object: 'event', type: 'response.completed', created_at: seconds(), data: { id: 'resp_1' } });
  const headers = {
    'webhook-id': id, 'webhook-timestamp': String(Math.floor(at / 1000)),
    'webhook-signature': new StandardWebhook(secrets.openai).sign(id, at, body),
  };
  assert.equal((await client.webhooks.unwrap(body, headers)).id, 'evt_3');
  const delivered = await acceptedAndTampered('openai', { body, headers });
  const event = await client.webhooks.unwrap(delivered.body.toString(), delivered.headers, secrets.receiver);
  assert.equal(event.type, 'response.completed');
});

test('@sendgrid/eventwebhook: a key pair of its own', async () => {
  const library = new EventWebhook();
  const body = JSON.stringify([{ email: 'a@example.com', event: 'delivered', sg_event_id: 'e1' }]) + '\r\n';
  const timestamp = String(seconds());
  const signature = crypto.sign('sha256', Buffer.from(timestamp + body), sendgridKeys.privateKey).toString('base64');
  const key = library.convertPublicKeyToECDSA(secrets.sendgrid);
  assert.ok(library.verifySignature(key, body, signature, timestamp));
  await acceptedAndTampered('sendgrid', {
    body,
    headers: {
      'X-Twilio-Email-Event-Webhook-Signature': signature, 'X-Twilio-Email-Event-Webhook-Timestamp': timestamp,
    },
  });
});

test('twilio: a form, signed over the URL and its sorted parameters', async () => {
  const parameters = { MessageSid: 'SM1', MessageStatus: 'delivered', From: '+15005550006', Body: 'a & b=ü' };
  const body = new URLSearchParams(parameters).toString();
  const signature = twilio.getExpectedTwilioSignature(secrets.twilio, `${publicUrl}/hooks/twilio`, parameters);
  assert.ok(twilio.validateRequest(secrets.twilio, signature, `${publicUrl}/hooks/twilio`, parameters));
  const event = { body, headers: { 'X-Twilio-Signature': signature } };
  await acceptedAndTampered('twilio', event, { type: 'application/x-www-form-urlencoded' });
});

test('twilio: JSON, whose hash is in the URL', async () => {
  const body = JSON.stringify({ event: 'recording', sid: 'RE1' });
  const query = `?bodySHA256=${twilio.getExpectedBodyHash(body)}`;
  const url = `${publicUrl}/hooks/twilio-json${query}`;
  const signature = twilio.getExpectedTwilioSignature(secrets.twilio, url, {});
  assert.ok(twilio.validateRequestWithBody(secrets.twilio, signature, url, body));
  await acceptedAndTampered('twilio-json', { body, query, headers: { 'X-Twilio-Signature': signature } });
});

const slackSigned = (body, timestamp = seconds()) => ({
  'x-slack-request-timestamp': String(timestamp),
  'x-slack-signature': 'v0=' + crypto.createHmac('sha256', secrets.slack).update(`v0:${timestamp}:${body}`).digest('hex'),
});
// Bolt has no function that signs: its verifier says that what we sign is as Slack would.
const boltAccepts = (body, headers) => bolt.verifySlackRequest({
  signingSecret: secrets.slack, body,
  headers: { ...headers, 'x-slack-request-timestamp': Number(headers['x-slack-request-timestamp']) },
});

test('@slack/bolt: what its verifier accepts, and what it does not', async () => {
  const body = JSON.stringify({ type: 'event_callback', event_id: 'Ev1', event: { type: 'message', text: 'hello' } });
  const headers = slackSigned(body);
  boltAccepts(body, headers);
  const delivered = await acceptedAndTampered('slack', { body, headers });
  boltAccepts(delivered.body.toString(), delivered.headers);
  const old = slackSigned(body, seconds() - 400);
  assert.throws(() => boltAccepts(body, old));
  assert.equal((await post('slack', { body, headers: old })).status, 401);
});

test('@slack/bolt: its handshake is answered, and not delivered', async () => {
  const body = JSON.stringify({ type: 'url_verification', challenge: '3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P' });
  const headers = slackSigned(body);
  boltAccepts(body, headers);
  const before = receiver.at('/slack').length;
  assert.deepEqual(await post('slack', { body, headers }), { status: 200, body: JSON.parse(body).challenge });
  assert.equal(receiver.at('/slack').length, before);
});

// What `sallyport webhooks send` posts as a provider's event: {url, headers, body}.
async function sent(provider, secret, ...more) {
  const file = path.join(gateway.folder, `${provider}.secret`);
  fs.writeFileSync(file, secret);
  const here = () => receiver.requests.filter(({ url }) => url.split('?')[0] === `/sent/${provider}`);
  const before = here().length;
  const command = new Child(['webhooks', 'send', '--provider', provider, '--to', receiver.url(`/sent/${provider}`),
    '--secret-file', file, ...more]);
  assert.equal((await command.exited).code, 0, command.stderr);
  return here()[before];
}

test('webhooks send: what it makes is what the libraries accept', async () => {
  const stripe = await sent('stripe', secrets.stripe, '--type', 'invoice.paid', '--id', 'evt_sent');
  const event = Stripe.webhooks.constructEvent(stripe.body, stripe.headers['stripe-signature'], secrets.stripe);
  assert.deepEqual([event.id, event.type], ['evt_sent', 'invoice.paid']);

  const github = await sent('github', secrets.github);
  const octokit = new Webhooks({ secret: secrets.github });
  assert.ok(await octokit.verify(github.body.toString(), github.headers['x-hub-signature-256']));

  const slack = await sent('slack', secrets.slack);
  boltAccepts(slack.body.toString(), slack.headers);

  for (const [provider, Library] of [['standard-webhooks', StandardWebhook], ['svix', SvixWebhook]]) {
    const { body, headers } = await sent(provider, secrets.standard);
    assert.deepEqual(new Library(secrets.standard).verify(body.toString(), headers), JSON.parse(body));
  }
  const openai = await sent('openai', secrets.openai);
  const client = new OpenAI({ apiKey: 'none', webhookSecret: secrets.openai });
  assert.ok((await client.webhooks.unwrap(openai.body.toString(), openai.headers)).type);

  const form = await sent('twilio', secrets.twilio);
  const parameters = Object.fromEntries(new URLSearchParams(form.body.toString()));
  assert.ok(twilio.validateRequest(secrets.twilio, form.headers['x-twilio-signature'], receiver.url('/sent/twilio'), parameters));
  const json = await sent('twilio-json', secrets.twilio);
  assert.ok(twilio.validateRequestWithBody(secrets.twilio, json.headers['x-twilio-signature'], receiver.url(json.url), json.body.toString()));
});
