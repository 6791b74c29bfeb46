// All of tests/data/webhooks through the ingress itself, over a socket, at the time that each was made
// for; and the keys, confirmations and sets of keys that have to be fetched, from servers that are
// the providers' as far as the gateway can tell.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { test } from 'node:test';

import { tally } from '../support/call.mjs';
import { authorityFor } from '../support/certificates.mjs';
import { root, until } from '../support/gateway.mjs';
import { preloaded } from '../support/preload.mjs';
import { events, hooksFor } from '../support/webhooks.mjs';
import { RawClient } from '../support/wire.mjs';

const read = (name) => JSON.parse(fs.readFileSync(path.join(root, 'tests/data/webhooks', name), 'utf8'));
const { certificates, vectors } = read('vectors.json');
const challenges = read('challenges.json');
const plaidLogin = { 'plaid-id': 'the client', 'plaid-secret': 'its "secret"' };

// What the providers' hosts answer, by what the vectors say, and a list of what they were asked.
async function providersFor(t, vectorList) {
  const authority = authorityFor(t);
  const hosts = ['sns.us-west-2.amazonaws.com', 'api.paypal.com', 'api.sandbox.paypal.com', 'www.googleapis.com', 'production.plaid.com'];
  const pems = {};
  const keys = {};
  for (const { certs = {}, jwks = {} } of vectorList) {
    for (const [url, name] of Object.entries(certs)) pems[url] = certificates[name];
    Object.assign(keys, jwks);
  }
  const providers = { asked: [], status: null, hangs: false, pems, keys, hidden: new Set() };
  const answer = (url, body) => {
    if (providers.status) return [providers.status, ''];
    if (url === 'https://www.googleapis.com/oauth2/v3/certs') {
      return [200, JSON.stringify({ keys: Object.values(keys).filter((key) => !providers.hidden.has(key.kid)) })];
    }
    if (url === 'https://production.plaid.com/webhook_verification_key/get') {
      const { client_id: client, secret, key_id: kid } = JSON.parse(body);
      if (client !== plaidLogin['plaid-id'] || secret !== plaidLogin['plaid-secret'] || !keys[kid]) return [400, '{}'];
      return [200, JSON.stringify({ key: keys[kid], request_id: 'r' })];
    }
    if (url.includes('Action=ConfirmSubscription')) return [200, '<ConfirmSubscriptionResponse/>'];
    return pems[url] ? [200, pems[url]] : [404, ''];
  };
  const server = https.createServer(authority.sign(hosts.map((host) => `DNS:${host}`).join(',')), (request, response) => {
    const parts = [];
    request.on('data', (data) => parts.push(data));
    request.on('end', () => {
      const url = `https://${request.headers.host}${request.url}`;
      const [status, body] = answer(url, Buffer.concat(parts).toString());
      providers.asked.push(`${request.method} ${url}`);
      if (providers.hangs) return;
      response.writeHead(status, { 'Content-Type': 'application/octet-stream' }).end(body);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  return Object.assign(providers, { env: { HTTPS_PORT: String(server.address().port), SSL_CERT_FILE: authority.file } });
}

const names = new Map();
const nameOf = (value) => {
  if (!names.has(value)) names.set(value, `s-${names.size}`);
  return names.get(value);
};

// A hook of the vector's own, found by its host.
function hookOf(vector, index) {
  const url = new URL(vector.url);
  const { topic_arns: topics, audience, email } = vector.config ?? {};
  const secrets = vector.provider === 'plaid' ? Object.keys(plaidLogin) : vector.secrets.map(nameOf);
  const token = vector.verify_token ?? vector.config?.verify_token;
  return {
    host: `v${index}.test`, path: url.pathname, provider: vector.provider, rate: 'off', public_url: vector.url.split('?')[0],
    ...(secrets.length > 0 ? { secrets } : {}),
    ...(topics ? { topics } : {}), ...(audience ? { audience, service_account: email } : {}),
    ...(token ? { verify_token: nameOf(token) } : {}),
  };
}

async function gatewayWith(t, list, providers, more = {}) {
  const hooks = Object.fromEntries(list.map((vector, index) => [`v${index}`, hookOf(vector, index)]));
  const env = { ...preloaded('outside'), CLOCK_AT: String(list[0].now), ...providers.env };
  const secrets = { ...plaidLogin, ...Object.fromEntries([...names].map(([value, name]) => [name, value])) };
  return hooksFor(t, hooks, { secrets, env, gateway: { workers: 2, limits: { connections: 2000 } }, ...more });
}

// {status, head, body}
async function send(gateway, vector, index) {
  const url = vector.url.slice(new URL(vector.url).origin.length);
  const body = Buffer.from(vector.body_base64 ?? '', 'base64');
  const headers = vector.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const client = await RawClient.connect(gateway.port);
  const length = vector.method === 'GET' && body.length === 0 ? '' : `Content-Length: ${body.length}\r\n`;
  client.send(`${vector.method} ${url} HTTP/1.1\r\nHost: v${index}.test\r\nConnection: close\r\n${length}${headers}\r\n`).send(body);
  await client.untilClosed({ timeout: 30000 });
  const [head, ...rest] = client.received.toString('utf8').split('\r\n\r\n');
  return { status: client.statuses()[0], head, body: rest.join('\r\n\r\n') };
}

async function inTurn(list, what, width = 16) {
  let next = 0;
  await Promise.all(Array.from({ length: width }, async () => {
    while (next < list.length) {
      const index = next++;
      await what(list[index], index);
    }
  }));
}

const byTime = Map.groupBy ? Map.groupBy(vectors, (vector) => vector.now)
  : vectors.reduce((map, vector) => map.set(vector.now, [...(map.get(vector.now) ?? []), vector]), new Map());

for (const [now, list] of byTime) {
  test(`the ${list.length} vectors of the time ${now} are judged as they want to be`, { timeout: 240000 }, async (t) => {
    const providers = await providersFor(t, list);
    for (const vector of list) vector.secrets.forEach(nameOf);
    const gateway = await gatewayWith(t, list, providers);
    const wrong = [];
    await inTurn(list, async (vector, index) => {
      const { status } = await send(gateway, vector, index);
      // Other methods than POST are nobody's webhooks; their signatures are tested without a socket.
      const wanted = vector.method !== 'POST' ? [405] : vector.expect === 'accept' ? [200, 202, 204] : [400, 401];
      if (!wanted.includes(status)) wrong.push(`${vector.id}: ${status}, expected to ${vector.expect}`);
    });
    assert.deepEqual(wrong, []);
    const lines = await until('all are logged', () => {
      const all = gateway.accessLog().filter((line) => line.outcome);
      return all.length >= list.length && all;
    });
    for (const line of lines) {
      const vector = list[Number(line.hook.slice(1))];
      // What is no signature may be told from a wrong one only after it was tried.
      const same = vector.reason === line.reason || `${vector.reason} ${line.reason}` === 'header_malformed signature_mismatch';
      if (line.reason && line.reason !== 'method' && !same) wrong.push(`${vector.id}: ${line.reason}, not ${vector.reason}`);
    }
    assert.deepEqual(wrong, []);
    const accepted = list.filter((vector) => vector.expect === 'accept' && vector.method === 'POST').length;
    assert.equal(events(gateway).length + lines.filter((line) => line.outcome === 'challenge').length, accepted);
    const asked = tally(providers.asked.filter((url) => url.startsWith('GET') && !url.includes('Confirm')));
    assert.ok(Object.values(asked).every((times) => times <= 2), JSON.stringify(asked)); // of two workers
  });
}

test('handshakes are answered as the providers want it', { timeout: 120000 }, async (t) => {
  const providers = await providersFor(t, challenges);
  for (const vector of challenges) {
    vector.secrets.forEach(nameOf);
    const token = vector.verify_token ?? vector.config?.verify_token;
    if (token) nameOf(token);
  }
  const gateway = await gatewayWith(t, challenges, providers);
  for (const [index, vector] of challenges.entries()) {
    const { status, head, body } = await send(gateway, vector, index);
    assert.equal(status, vector.expect.status, vector.id);
    if (vector.expect.content_type) assert.match(head, new RegExp(`^Content-Type: ${vector.expect.content_type}`, 'm'), vector.id);
    if (vector.expect.body !== undefined) assert.equal(body, vector.expect.body, vector.id);
    if (vector.expect.json) assert.deepEqual(JSON.parse(body), vector.expect.json, vector.id);
  }
});

const one = (id) => vectors.find((vector) => vector.id === id);

test('a subscription is confirmed by its URL, after its signature, and told to come again if that fails', async (t) => {
  const vector = one('aws-sns/valid_subscription_confirmation');
  const providers = await providersFor(t, [vector]);
  const gateway = await gatewayWith(t, [vector], providers);
  assert.equal((await send(gateway, vector, 0)).status, 200);
  assert.equal(providers.asked.length, 2);
  assert.match(providers.asked[1], /^GET https:\/\/sns\.us-west-2\.amazonaws\.com\/\?Action=ConfirmSubscription&/);
  providers.status = 500;
  assert.equal((await send(gateway, vector, 0)).status, 503);
  assert.equal(events(gateway).length, 0);
});

test('a certificate is fetched once for many; one that cannot be had is not the sender\'s fault', async (t) => {
  const vector = one('aws-sns/valid_version_2');
  const providers = await providersFor(t, [vector]);
  const gateway = await gatewayWith(t, [vector], providers, { gateway: { workers: 1 } });
  providers.status = 500;
  const early = await send(gateway, vector, 0);
  assert.equal(early.status, 503);
  assert.match(early.head, /^Retry-After: \d+\r?$/m);
  assert.equal((await send(gateway, vector, 0)).status, 503);
  assert.equal(providers.asked.length, 1, 'it is not asked for again at once');
  await gateway.stop();

  providers.status = null;
  providers.asked.length = 0;
  const other = await gatewayWith(t, [vector], providers, { gateway: { workers: 1 } });
  const answers = await Promise.all(Array.from({ length: 20 }, () => send(other, vector, 0)));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.equal(providers.asked.length, 1);
});

test('nothing is fetched for a source that has sent too much, nor from anywhere but the provider\'s hosts', async (t) => {
  const vector = one('aws-sns/valid_version_2');
  const evil = vectors.filter((entry) => entry.provider === 'aws-sns' && Object.keys(entry.certs ?? {}).some((url) => /evil|^http:|s3|Action/.test(url)));
  const providers = await providersFor(t, [vector]);
  const gateway = await gatewayWith(t, [vector, ...evil], providers, { gateway: { workers: 1 } });
  for (const [index, entry] of evil.entries()) assert.equal((await send(gateway, entry, index + 1)).status, 401, entry.id);
  assert.deepEqual(providers.asked, []);
  await gateway.reload((config) => { config.webhooks.v0.rate = { requests: 2, per: '15m', each: 'ip' }; });
  const bad = { ...vector, body_base64: Buffer.from('{}').toString('base64') };
  for (const status of [401, 401, 429]) assert.equal((await send(gateway, bad, 0)).status, status);
  assert.equal((await send(gateway, vector, 0)).status, 429);
  assert.deepEqual(providers.asked, []);
});

test('a key that a set lacks makes it be fetched anew, once a minute', async (t) => {
  const vector = one('google-pubsub/valid');
  const providers = await providersFor(t, [vector]);
  const gateway = await gatewayWith(t, [vector], providers, { gateway: { workers: 1 } });
  providers.hidden.add('k1');
  for (let i = 0; i < 3; i++) assert.equal((await send(gateway, vector, 0)).status, 401);
  assert.equal(providers.asked.length, 1);
  providers.hidden.clear();
  assert.equal((await send(gateway, vector, 0)).status, 401, 'not within the minute');
});

test('who does not answer for a key is waited for some seconds; a sender that leaves meanwhile is forgotten', { timeout: 60000 }, async (t) => {
  const vector = one('aws-sns/valid_version_2');
  const providers = await providersFor(t, [vector]);
  const gateway = await gatewayWith(t, [vector], providers, { gateway: { workers: 1 } });
  providers.hangs = true;
  const began = Date.now();
  const late = send(gateway, vector, 0);
  await until('the key is asked for', () => providers.asked.length === 1);
  const leaver = await RawClient.connect(gateway.port);
  const body = Buffer.from(vector.body_base64, 'base64');
  leaver.send(`POST /hooks/aws-sns HTTP/1.1\r\nHost: v0.test\r\nContent-Length: ${body.length}\r\n\r\n`).send(body);
  await until('both wait', async () => (await gateway.metric('exchanges')) === 2);
  leaver.close();
  await until('one waits', async () => (await gateway.metric('exchanges')) === 1);
  assert.equal((await late).status, 503);
  assert.ok(Date.now() - began > 6000 && Date.now() - began < 14000);
  assert.equal(providers.asked.length, 1);
});
