// What tests that walk all built-in profiles have in common: where a tenant key is put, and what has
// to have arrived of the credential.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import { root } from './gateway.mjs';

const folder = path.join(root, 'routes/profiles');

// {name: profile}
export const profiles = Object.fromEntries(fs.readdirSync(folder).filter((file) => file.endsWith('.json'))
  .map((file) => [file.slice(0, -5), JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8'))]));

// [name, profile] of each; together they are all.
export const walks = {
  injecting: Object.entries(profiles).filter(([, { credential, token }]) => credential && !token), // the secret itself is sent
  minting: Object.entries(profiles).filter(([, { token }]) => token), // a token that is had for it
  signing: Object.entries(profiles).filter(([, { sign }]) => sign), // a signature with it
};

export const base64 = (text) => Buffer.from(text).toString('base64');

// A request with `key` in this slot: {headers, query, segment}.
export function inSlot(slot, key) {
  switch (slot.in) {
    case 'header': return {
      headers: { [slot.name]: slot.parameter ? `Scheme a=b, ${slot.parameter}=${key}, c=d` : `${slot.prefix ?? ''}${key}${slot.until ? `${slot.until}anything` : ''}` },
    };
    case 'query': return { query: `?${slot.name}=${key}&a=1` };
    case 'basic': return { headers: { authorization: `Basic ${base64(slot.part === 'user' ? `${key}:x` : `x:${key}`)}` } };
    case 'path': return { segment: `/${slot.prefix ?? ''}${key}` };
    case 'aws': return { headers: { authorization: `AWS4-HMAC-SHA256 Credential=${key}/20261127/eu-central-1/x/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}` } };
    default: throw new Error(`a slot in ${slot.in}`);
  }
}

export async function callRoute(gateway, name, { headers = {}, query = '', segment = '' }) {
  const answer = await fetch(`${gateway.url}/${name}${segment}/some/thing${query}`, {
    method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json', ...headers },
  });
  return { answer, text: await answer.text() };
}

export function checkNoKey(what, key, { head, body }) {
  for (const form of [key, base64(`x:${key}`), base64(`${key}:x`)]) {
    assert.ok(!`${head}${body}`.includes(form), `${what}: the key went up\n${head}${body}`);
  }
}

// What arrived, with the credential checked and taken out: nothing of it may be left. `values`:
// {secret, user, password}; the request is one of callRoute()'s, behind /base.
export function checkArrived(name, credential, values, { head, body }) {
  const filled = (template = '{secret}') => template.replace(/\{(secret|user|password)\}/g, (mark, part) => values[part]);
  const [line, ...lines] = head.trimEnd().split('\r\n');
  let target = line.split(' ')[1];
  let rest = lines;
  let left = body;
  for (const place of [credential].flat()) {
    const text = filled(place.value);
    const encoded = place.value?.replace(/\{(\w+)\}/g, (mark) => encodeURIComponent(filled(mark))) ?? encodeURIComponent(values.secret);
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
  for (const part of Object.values(values).flatMap((value) => [value, base64(value).slice(0, 24), encodeURIComponent(value)])) {
    assert.ok(!all.includes(part), `${name}: ${part} is somewhere else, too\n${all}`);
  }
}

// The template as an expression: what is literal in it must be there.
function shape({ body }) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const escaped = text.replace(/[.*+?^$()|[\]\\{}]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/\\\{(message|type|code|status|request_id)\\\}/g, '[^"]*?(?:\\\\"[^"]*?)*')}\\n?$`);
}

// A key that nobody has is refused, in the provider's own words. `more`: of the request.
export async function checkRefused(gateway, name, profile, key, more = {}) {
  const { answer, text } = await callRoute(gateway, name, { ...inSlot(profile.slots[0], key), ...more });
  assert.equal(answer.status, 401, name);
  assert.equal(answer.headers.get('x-sallyport-error'), 'tenant_unknown', name);
  assert.equal(answer.headers.get('content-type'), profile.error?.content_type ?? 'application/problem+json', name);
  if (profile.error) assert.match(text, shape(profile.error), name);
  assert.match(text, /no tenant has this key/, name);
  if (/json/.test(answer.headers.get('content-type'))) JSON.parse(text);
}
