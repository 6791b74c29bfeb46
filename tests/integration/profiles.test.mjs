// Every profile that is built in and sends the secret itself, through the real binary: the tenant key is found in each of its
// slots and does not go upstream, the credential arrives where the profile says and nowhere else,
// and errors that the gateway makes have the profile's shape.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Gateway, newKey } from '../support/gateway.mjs';
import { callRoute, checkArrived, checkNoKey, checkRefused, inSlot, profiles, walks } from '../support/profiles.mjs';
import { RawUpstream } from '../support/wire.mjs';

const user = 'user-part-0123456789';
const password = 'pw/part+of the=secret:0123456789';
const secret = `${user}:${password}`;

let upstream;
let gateway;

before(async () => {
  upstream = await RawUpstream.start(() => 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}');
  gateway = await Gateway.start({
    routes: Object.fromEntries(walks.injecting.map(([name]) => [name, {
      provider: name, upstream: `${upstream.port}/base`, credential: { secret: 'all' }, retry: 'off',
      ...(name === 'http' && { inject: profiles.http.credential.in && { header: 'Authorization', value: 'Bearer {secret}' } }),
    }])),
    secrets: { all: secret },
    tenants: { app: { allow: walks.injecting.map(([name]) => name) }, other: { allow: ['sentry'] } },
  });
});

after(async () => {
  await gateway.stop();
  await upstream.stop();
});

test('in every slot of every profile the tenant key is taken, and the credential alone goes up', async () => {
  assert.ok(walks.injecting.length >= 60);
  for (const [name, { slots, credential }] of walks.injecting) {
    for (const slot of slots) {
      const seen = upstream.requests.length;
      const { answer, text } = await callRoute(gateway, name, inSlot(slot, gateway.key));
      assert.equal(answer.status, 200, `${name} ${JSON.stringify(slot)}: ${text}`);
      assert.equal(upstream.requests.length, seen + 1);
      checkNoKey(`${name} ${JSON.stringify(slot)}`, gateway.key, upstream.requests.at(-1));
      checkArrived(name, credential, { secret, user, password }, upstream.requests.at(-1));
    }
  }
  assert.ok(!JSON.stringify(gateway.accessLog()).includes(gateway.key), 'nor is it logged');
});

test('an error of the gateway has the shape and the media type of the provider\'s', async () => {
  const stranger = newKey('nobody').key;
  for (const [name, profile] of walks.injecting) await checkRefused(gateway, name, profile, stranger);
  assert.ok(!JSON.stringify(gateway.accessLog()).includes(stranger), 'the key that nobody has is not logged');
});

test('every profile is walked: here, in profiles_tokens, or in tests/sdk/profiles_signed', () => {
  const walked = new Set(Object.values(walks).flat().map(([name]) => name));
  assert.deepEqual(Object.keys(profiles).filter((name) => !walked.has(name)), []);
});

// ---- keys in the path ----

const last = () => upstream.requests.at(-1);
const requestLine = () => last().head.split('\r\n')[0];
const field = (name) => new RegExp(`^${name}: (.*)\\r$`, 'im').exec(last().head)?.[1];

test('a key in the path is cut out before anything else sees the path', async () => {
  const answer = await fetch(`${gateway.url}/telegram/bot${gateway.key}/sendMessage?chat_id=1&text=a%20b`);
  assert.equal(answer.status, 200);
  assert.equal(requestLine(), `GET /base/bot${encodeURIComponent(secret)}/sendMessage?chat_id=1&text=a%20b HTTP/1.1`);
  const line = await gateway.logLine(answer.headers.get('x-sallyport-request-id'));
  assert.equal(line.path, '/telegram/sendMessage');
});

test('a provider\'s own token in such a path is neither sent on nor logged', async () => {
  const seen = upstream.requests.length;
  const answer = await fetch(`${gateway.url}/telegram/bot123456:AAH-a-real-token-of-somebody/getMe`);
  assert.equal(answer.status, 401);
  assert.equal(upstream.requests.length, seen);
  await gateway.logLine(answer.headers.get('x-sallyport-request-id'));
  assert.ok(!JSON.stringify(gateway.accessLog()).includes('AAH-a-real-token'));
});

test('a key in a path that no route has is not logged', async () => {
  const answer = await fetch(`${gateway.url}/telegrm/bot${gateway.key}/sendMessage`);
  assert.equal(answer.status, 404);
  const line = await gateway.logLine(answer.headers.get('x-sallyport-request-id'));
  assert.equal(line.path, '/telegrm/bot');
});

test('a key in another place of a path is not logged', async () => {
  const answer = await fetch(`${gateway.url}/telegram/file/bot${gateway.key}/photos/1.jpg`);
  assert.equal(answer.status, 401);
  const line = await gateway.logLine(answer.headers.get('x-sallyport-request-id'));
  assert.equal(line.path, '/telegram/file/bot');
  const twice = await fetch(`${gateway.url}/telegram/bot${gateway.key}/bot${gateway.key}/getMe`);
  assert.equal((await gateway.logLine(twice.headers.get('x-sallyport-request-id'))).path, '/telegram/bot');
  assert.ok(!JSON.stringify(gateway.accessLog()).includes(gateway.key));
});

test('a key in a place of the URL that is not taken out does not go up', async () => {
  const headers = { 'x-sallyport-key': gateway.key };
  const seen = upstream.requests.length;
  for (const target of [`/telegram/file/bot${gateway.key}/photos/1.jpg`, `/openai/v1/models?apikey=${gateway.key}`, `/gemini/v1beta/models?key=${gateway.key}&k=${gateway.key}`,
    `/openai/v1/models?next=${newKey().key}${gateway.key}`]) {
    const answer = await fetch(gateway.url + target, { headers });
    const text = await answer.text();
    assert.equal(answer.status, 400, target);
    assert.match(text, /a tenant key stands in the URL/);
    assert.ok(!text.includes(gateway.key));
  }
  assert.equal(upstream.requests.length, seen);
  assert.equal((await fetch(`${gateway.url}/gemini/v1beta/models?key=${gateway.key}&a=b`)).status, 200);
  assert.equal((await fetch(`${gateway.url}/openai/v1/models?of=${newKey().key}`, { headers })).status, 200); // nobody's here
  assert.ok(!JSON.stringify(gateway.accessLog()).includes(gateway.key));
});

test('a slot without a prefix takes nothing from a path but a tenant key', async () => {
  const headers = { 'x-sallyport-key': gateway.key, 'content-type': 'application/json' };
  await fetch(`${gateway.url}/posthog/batch/`, { method: 'POST', body: '{}', headers });
  assert.equal(requestLine(), 'POST /base/batch/ HTTP/1.1');
  await fetch(`${gateway.url}/posthog/${gateway.key}/batch/?a=1`, { method: 'POST', body: '{"api_key":"mine"}', headers: { 'content-type': 'application/json' } });
  assert.equal(requestLine(), 'POST /base/batch/?a=1 HTTP/1.1');
  assert.deepEqual(JSON.parse(last().body), { api_key: secret });
});

// ---- keys in a list ----

test('a key in a list of a header is found wherever it stands there, and only under its name', async () => {
  const say = async (value) => {
    const answer = await fetch(`${gateway.url}/sentry/api/1/store/`, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json', 'x-sentry-auth': value } });
    return [answer.status, answer.headers.get('x-sallyport-error')];
  };
  const { key, keys: { other } } = gateway;
  for (const list of [
    `Sentry sentry_version=7, sentry_key=${key}, sentry_client=a/1`, `Sentry sentry_key=${key}`, `sentry_key=${key}`,
    `Sentry sentry_version=7,sentry_key=${key},sentry_secret=x`, `Sentry  sentry_key=${key} ,`, `Sentry sentry_key=${key}, sentry_key=${key}`, `,,=, sentry_key=${key}`,
  ]) {
    assert.deepEqual(await say(list), [200, null], list);
    assert.equal(requestLine(), `POST /base/api/1/store/?sentry_key=${encodeURIComponent(secret)} HTTP/1.1`);
    assert.equal(field('x-sentry-auth'), undefined);
  }
  for (const list of [`Sentry sentry_secret=${key}`, `Sentry xsentry_key=${key}`, `Sentry sentry_key`, 'Sentry sentry_key=', ',', `Sentry a=sentry_key=${key}`]) {
    assert.equal((await say(list))[0], 401, list);
  }
  assert.equal((await say(`Sentry sentry_key=${key}, sentry_key=${other}`))[0], 401, 'two tenants');
});

// ---- an end user's own token ----

const jwt = `${Buffer.from('{"alg":"HS256"}').toString('base64url')}.${Buffer.from('{"sub":"somebody","iss":"supabase"}').toString('base64url')}.c2lnbmF0dXJl`;

test('an end user\'s token beside the key goes through as it is', async () => {
  const get = (headers) => fetch(`${gateway.url}/supabase/rest/v1/notes`, { headers });
  await get({ apikey: gateway.key, authorization: `Bearer ${jwt}` });
  assert.equal(field('authorization'), `Bearer ${jwt}`);
  assert.equal(field('apikey'), secret);
  await get({ apikey: gateway.key, authorization: `Bearer ${gateway.key}` });
  assert.equal(field('authorization'), `Bearer ${secret}`);
  await get({ apikey: gateway.key });
  assert.equal(field('authorization'), `Bearer ${secret}`);
  await get({ apikey: gateway.key, authorization: 'Basic eDp5' });
  assert.equal(field('authorization'), `Bearer ${secret}`, 'another scheme is none of the user\'s');
});

test('an end user\'s token alone says nothing of the tenant', async () => {
  const seen = upstream.requests.length;
  const answer = await fetch(`${gateway.url}/supabase/rest/v1/notes`, { headers: { authorization: `Bearer ${jwt}` } });
  assert.equal(answer.status, 401);
  assert.equal(upstream.requests.length, seen);
});

test('where the profile names no place for it a user\'s token does not go through', async () => {
  await fetch(`${gateway.url}/brevo/v3/account`, { headers: { 'api-key': gateway.key, authorization: `Bearer ${jwt}` } });
  assert.equal(field('authorization'), undefined);
  assert.equal(field('api-key'), secret);
});
