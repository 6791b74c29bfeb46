// What a route asks of bodies: types, sizes, members, schemas; refused in the provider's own shape,
// before any quota.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { binary, gatewayFor, temporaryFolder } from '../support/gateway.mjs';
import { upstreamFor } from '../support/wire.mjs';

async function worldFor(t, validate, provider = 'openai') {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    // Others before and behind it, of which none of it is asked.
    routes: { aaa: { upstream: upstream.port, provider, credential: 'none' }, api: { upstream: upstream.port, provider, credential: 'none', validate },
      zzz: { upstream: upstream.port, provider, credential: 'none' } },
    tenants: { app: { allow: ['aaa', 'api', 'zzz'], quotas: [{ name: 'day', requests: 1000, per: 'day' }] } },
  });
  const call = (method, target, body, headers = { 'content-type': 'application/json' }) => fetch(gateway.url + target, {
    method, headers: { 'x-sallyport-key': gateway.key, ...headers }, duplex: 'half',
    body: body === undefined || typeof body === 'string' || body instanceof ReadableStream || body instanceof Uint8Array ? body : JSON.stringify(body) });
  const refused = async (answering, expected, status = 400) => {
    const answer = await answering;
    const text = await answer.text();
    assert.equal(answer.status, status, text);
    assert.equal(answer.headers.get('x-sallyport-error'), status === 413 ? 'body_too_large' : 'bad_request');
    assert.match(provider === 'openai' ? JSON.parse(text).error.message : text, expected);
  };
  return { upstream, gateway, call, refused };
}

const chat = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] };
const stream = (...pieces) => new ReadableStream({ start(controller) {
  for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
  controller.close();
} });

test('content types, sizes, members and their types', async (t) => {
  const { upstream, gateway, call, refused } = await worldFor(t, {
    path: '/v1/chat/*', content_types: ['application/json'], max_body: '1KiB', required: ['/model', '/messages'],
    types: { '/model': 'string', '/messages': 'array', '/stream': 'boolean' } });
  const at = '/api/v1/chat/completions';
  assert.equal((await call('POST', at, chat)).status, 200);
  assert.equal((await call('POST', at, chat, { 'content-type': 'Application/JSON; charset=utf-8' })).status, 200);
  assert.equal((await call('POST', at, stream(JSON.stringify(chat)))).status, 200);
  assert.equal(upstream.requests.length, 3);
  assert.equal(JSON.parse(upstream.requests[0].body).model, 'gpt-4o');
  await refused(call('POST', at, chat, { 'content-type': 'text/plain' }), /Content-Type is not one that is taken here \(routes\.api\.validate\)/);
  await refused(call('POST', at, new TextEncoder().encode(JSON.stringify(chat)), {}), /Content-Type/);
  await refused(call('POST', at, { ...chat, pad: 'x'.repeat(2000) }), /longer than max_body, 1024 bytes/, 413);
  await refused(call('POST', at, stream(JSON.stringify({ ...chat, pad: 'x'.repeat(2000) }))), /longer than max_body/, 413);
  await refused(call('POST', at, { model: 'gpt-4o' }), /the body lacks "messages"/);
  await refused(call('POST', at, { ...chat, messages: 'hi' }), /the body's \/messages has another type/);
  await refused(call('POST', at, { ...chat, stream: 'yes' }), /\/stream has another type/);
  await refused(call('POST', at, '{"model":"a","model":"b","messages":[]}'), /\/model occurs twice/);
  await refused(call('POST', at, 'model=x'), /the body is no JSON/);
  await refused(call('POST', at, chat, { 'content-type': 'application/json', 'content-encoding': 'gzip' }), /cannot be encoded/);
  await refused(call('POST', at), /the body is missing/);
  await refused(call('POST', '/api/V1//chat/completions/', { model: 'x' }), /lacks "messages"/); // in any spelling
  assert.equal((await call('GET', at)).status, 200);
  assert.equal((await call('POST', '/api/v1/embeddings', 'anything')).status, 200); // no rule covers it
  for (const other of ['aaa', 'zzz']) assert.equal((await call('POST', `/${other}/v1/chat/completions`, 'anything')).status, 200);
  assert.equal(upstream.requests.length, 7);
  await gateway.metricIs(7, 'quota_used', { quota: 'day' });
});

test('a JSON Schema in a file, one of several rules', async (t) => {
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'chat.json');
  fs.writeFileSync(file, JSON.stringify({
    $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', required: ['model', 'messages'],
    properties: {
      model: { enum: ['gpt-4o-mini', 'gpt-4o'] }, temperature: { type: 'number', minimum: 0, maximum: 2 },
      messages: { type: 'array', minItems: 1, items: { type: 'object', required: ['role'], properties: { role: { enum: ['system', 'user', 'assistant'] }, content: { maxLength: 20 } } } },
    },
    additionalProperties: false,
  }));
  const { call, refused, gateway } = await worldFor(t, [{ max_body: '64KiB' }, { method: 'POST', path: '/v1/chat/completions', schema: file }]);
  const at = '/api/v1/chat/completions';
  assert.equal((await call('POST', at, { ...chat, temperature: 1.5 })).status, 200);
  await refused(call('POST', at, { ...chat, model: 'gpt-5' }), /\/model is none of the values .*validate\[1\]/);
  await refused(call('POST', at, { ...chat, temperature: 3 }), /\/temperature is too large/);
  await refused(call('POST', at, { ...chat, messages: [] }), /\/messages has too few items/);
  await refused(call('POST', at, { ...chat, messages: [...chat.messages, { role: 'root' }] }), /\/messages\/1\/role is none of the values/);
  await refused(call('POST', at, { ...chat, messages: [{ role: 'user', content: 'x'.repeat(21) }] }), /\/messages\/0\/content is too long/);
  await refused(call('POST', at, { ...chat, tools: [] }), /is a member that is not known/);
  await refused(call('POST', '/api/v1/embeddings', 'x'.repeat(70_000)), /max_body/, 413);
  // The file is read with a reload; one that cannot be enforced is refused.
  fs.writeFileSync(file, JSON.stringify({ properties: { model: { pattern: '^gpt' } } }));
  assert.match(await gateway.reload(), /reload refused.*schema.*"pattern" is not supported/);
  await refused(call('POST', at, { ...chat, model: 'gpt-5' }), /\/model is none of the values/);
  fs.writeFileSync(file, '{}');
  await gateway.reload();
  assert.equal((await call('POST', at, { ...chat, model: 'gpt-5' })).status, 200);
});

test('a call that falls back has to meet what that route asks, or stays', async (t) => {
  const failing = await upstreamFor(t, () => 'HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n');
  const second = await upstreamFor(t);
  const third = await upstreamFor(t);
  const at = (upstream, more) => ({ upstream: upstream.port, provider: 'openai', credential: 'none', retry: { attempts: 1 }, ...more });
  const gateway = await gatewayFor(t, {
    routes: {
      first: at(failing, { fallback: ['second'] }), both: at(failing, { fallback: ['second', 'third'] }),
      second: at(second, { validate: [{ path: '/v1/chat/*', content_types: ['application/json'], max_body: '200B', types: { '/stream': 'boolean' }, required: ['/user'] }] }),
      third: at(third),
    },
    tenants: { app: { allow: ['first', 'both', 'second', 'third'], quotas: [{ name: 'day', requests: 1000, per: 'day' }] } },
  });
  const post = (route, body, type = 'application/json') => fetch(`${gateway.url}/${route}/v1/chat/completions`, { method: 'POST', duplex: 'half',
    body: body instanceof ReadableStream ? body : JSON.stringify(body), headers: { 'x-sallyport-key': gateway.key, 'content-type': type } });
  const good = { ...chat, user: 'u' };
  for (const [body, type] of [[chat], [{ ...good, stream: 'yes' }], [{ ...good, pad: 'x'.repeat(200) }], [good, 'text/plain'],
    [stream(JSON.stringify({ ...good, pad: 'x'.repeat(200) }))], [stream(JSON.stringify(chat))]]) {
    assert.equal((await post('first', body, type)).status, 503, JSON.stringify([body, type]));
  }
  assert.equal(second.requests.length, 0);
  assert.equal((await post('both', chat)).status, 200); // to the next that takes it
  assert.equal(third.requests.length, 1);
  assert.equal((await post('first', good)).status, 200);
  assert.equal((await post('first', stream(JSON.stringify(good)))).status, 200);
  assert.equal(second.requests.length, 2);
});

test('what a rule may not say is told with its place', async (t) => {
  const { gateway } = await worldFor(t, []);
  for (const [validate, expected] of [
    [{ content_types: ['json'] }, /"json" is no media type/],
    [{ content_types: 'application/json; charset=utf-8' }, /is no media type/],
    [{ required: ['model'] }, /no JSON Pointer/],
    [{ types: { '/model': 'text' } }, /no type is called "text"/],
    [{ method: 'post' }, /"post" is no method/],
    [{ path: 'v1' }, /path/],
    [{ schema: '/nowhere' }, /cannot use the file/],
    [{ max: 1 }, /unknown key/],
    [Array(17).fill({}), /17 rules, and 16 are the most/],
    [{ required: Array.from({ length: 65 }, (_, i) => `/${i}`) }, /more than 64 names/],
  ]) {
    const config = structuredClone(gateway.config);
    config.routes.api.validate = validate;
    const file = path.join(gateway.folder, 'other.yaml');
    fs.writeFileSync(file, JSON.stringify(config));
    const said = spawnSync(binary, ['check', '-c', file], { encoding: 'utf8' });
    assert.equal(said.status, 2, JSON.stringify(validate).slice(0, 100));
    assert.match(said.stderr, expected);
  }
});
