// Every profile that is built in, through the real binary: the tenant key is found in each of its
// slots and does not go upstream, the credential arrives where the profile says and nowhere else,
// and errors that the gateway makes have the profile's shape.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Gateway, newKey, root } from '../support/gateway.mjs';
import { RawUpstream } from '../support/wire.mjs';

const folder = path.join(root, 'routes/profiles');
const profiles = Object.fromEntries(fs.readdirSync(folder).filter((file) => file.endsWith('.json'))
  .map((file) => [file.slice(0, -5), JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8'))]));
// A token is had for the secret, or the request is signed with it: tests of their own follow those.
const injecting = Object.entries(profiles).filter(([, profile]) => profile.credential && !profile.token);
const user = 'user-part-0123456789';
const password = 'pw/part+of the=secret:0123456789';
const secret = `${user}:${password}`;

let upstream;
let gateway;

before(async () => {
  upstream = await RawUpstream.start(() => 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}');
  gateway = await Gateway.start({
    routes: Object.fromEntries(injecting.map(([name]) => [name, {
      provider: name, upstream: `${upstream.port}/base`, credential: { secret: 'all' }, retry: 'off',
      ...(name === 'http' && { inject: profiles.http.credential.in && { header: 'Authorization', value: 'Bearer {secret}' } }),
    }])),
    secrets: { all: secret },
  });
});

after(async () => {
  await gateway.stop();
  await upstream.stop();
});

const base64 = (text) => Buffer.from(text).toString('base64');

// A request with `key` in this slot: {target, headers}.
function inSlot(slot, key) {
  switch (slot.in) {
    case 'header': return { headers: { [slot.name]: `${slot.prefix ?? ''}${key}` } };
    case 'query': return { query: `?${slot.name}=${key}&a=1` };
    case 'basic': return { headers: { authorization: `Basic ${base64(slot.part === 'user' ? `${key}:x` : `x:${key}`)}` } };
    case 'path': return { segment: `/${slot.prefix ?? ''}${key}` };
    case 'aws': return { headers: { authorization: `AWS4-HMAC-SHA256 Credential=${key}/20261127/eu-central-1/x/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}` } };
    default: throw new Error(`a slot in ${slot.in}`);
  }
}

async function call(name, { headers = {}, query = '', segment = '' }) {
  const answer = await fetch(`${gateway.url}/${name}${segment}/some/thing${query}`, {
    method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json', ...headers },
  });
  return { answer, text: await answer.text() };
}

const filled = (template = '{secret}') => template.replaceAll('{secret}', secret).replaceAll('{user}', user).replaceAll('{password}', password);
const places = (credential) => (Array.isArray(credential) ? credential : [credential]);

// What arrived, with the credential checked and taken out: nothing of it may be left.
function checkArrived(name, credential, { head, body }) {
  const [line, ...lines] = head.trimEnd().split('\r\n');
  let target = line.split(' ')[1];
  let rest = lines;
  let left = body;
  for (const place of places(credential)) {
    const text = filled(place.value);
    const encoded = place.value?.replace(/\{(\w+)\}/g, (mark) => encodeURIComponent(filled(mark))) ?? encodeURIComponent(secret);
    if (place.in === 'header' || place.in === 'basic') {
      const header = place.in === 'basic' ? 'authorization' : place.name.toLowerCase();
      const wanted = place.in === 'basic' ? `Basic ${base64(text)}` : text;
      const found = rest.filter((field) => field.toLowerCase().startsWith(`${header}:`));
      assert.deepEqual(found.map((field) => field.slice(header.length + 2)), [wanted], `${name}: ${header}`);
      rest = rest.filter((field) => !found.includes(field));
    } else if (place.in === 'query') {
      const parameters = target.slice(target.indexOf('?') + 1).split('&').filter((part) => part.startsWith(`${place.name}=`));
      assert.deepEqual(parameters, [`${place.name}=${encoded}`], name);
      target = target.replace(parameters[0], '');
    } else if (place.in === 'path') {
      assert.ok(target.startsWith(`/base/${encoded}/some/thing`), `${name}: ${target}`);
      target = target.replace(encoded, '');
    } else {
      assert.equal(JSON.parse(left)[place.name], text, name);
      left = JSON.stringify({ ...JSON.parse(left), [place.name]: undefined });
    }
  }
  assert.match(target, /^\/base\/.*some\/thing(\?|$)/, name);
  assert.equal(left, '{"a":1}', name);
  const all = `${target}\n${rest.join('\n')}\n${left}`;
  for (const part of [user, password, base64(password).slice(0, 24), encodeURIComponent(password)]) {
    assert.ok(!all.includes(part), `${name}: ${part} is somewhere else, too\n${all}`);
  }
}

test('in every slot of every profile the tenant key is taken, and the credential alone goes up', async () => {
  assert.ok(injecting.length >= 60);
  for (const [name, { slots, credential }] of injecting) {
    for (const slot of slots) {
      if (slot.in === 'header' && slot.name === 'x-sentry-auth') continue; // a list, in which no key is looked for
      const seen = upstream.requests.length;
      const { answer, text } = await call(name, inSlot(slot, gateway.key));
      assert.equal(answer.status, 200, `${name} ${JSON.stringify(slot)}: ${text}`);
      assert.equal(upstream.requests.length, seen + 1);
      const request = upstream.requests.at(-1);
      const raw = `${request.head}${request.body}`;
      for (const form of [gateway.key, base64(`x:${gateway.key}`), base64(`${gateway.key}:x`)]) {
        assert.ok(!raw.includes(form), `${name} ${JSON.stringify(slot)}: the key went up\n${raw}`);
      }
      checkArrived(name, credential, request);
    }
  }
  assert.ok(!JSON.stringify(gateway.accessLog()).includes(gateway.key), 'nor is it logged');
});

// The template as an expression: what is literal in it must be there.
function shape({ body }) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const escaped = text.replace(/[.*+?^$()|[\]\\{}]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/\\\{(message|type|code|status|request_id)\\\}/g, '[^"]*?(?:\\\\"[^"]*?)*')}\\n?$`);
}

test('an error of the gateway has the shape and the media type of the provider\'s', async () => {
  const stranger = newKey('nobody').key;
  for (const [name, profile] of injecting) {
    const slot = profile.slots.find((one) => one.name !== 'x-sentry-auth');
    const { answer, text } = await call(name, inSlot(slot, stranger));
    assert.equal(answer.status, 401, name);
    assert.equal(answer.headers.get('x-sallyport-error'), 'tenant_unknown', name);
    assert.equal(answer.headers.get('content-type'), profile.error?.content_type ?? 'application/problem+json', name);
    if (profile.error) assert.match(text, shape(profile.error), name);
    assert.match(text, /no tenant has this key/, name);
    if (/json/.test(answer.headers.get('content-type'))) JSON.parse(text);
  }
  assert.ok(!JSON.stringify(gateway.accessLog()).includes(stranger), 'the key that nobody has is not logged');
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

test('a slot without a prefix takes nothing from a path but a tenant key', async () => {
  const headers = { 'x-sallyport-key': gateway.key, 'content-type': 'application/json' };
  await fetch(`${gateway.url}/posthog/batch/`, { method: 'POST', body: '{}', headers });
  assert.equal(requestLine(), 'POST /base/batch/ HTTP/1.1');
  await fetch(`${gateway.url}/posthog/${gateway.key}/batch/?a=1`, { method: 'POST', body: '{"api_key":"mine"}', headers: { 'content-type': 'application/json' } });
  assert.equal(requestLine(), 'POST /base/batch/?a=1 HTTP/1.1');
  assert.deepEqual(JSON.parse(last().body), { api_key: secret });
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
