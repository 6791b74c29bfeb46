// Deny rules: by path, header, model and body, in any spelling; what cannot be read is refused, before
// anything is charged.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import zlib from 'node:zlib';

import { binary, gatewayFor } from '../support/gateway.mjs';
import { upstreamFor } from '../support/wire.mjs';

async function worldFor(t, deny, { provider = 'http', routes = {}, quotas } = {}) {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    routes: { api: { upstream: upstream.port, provider, credential: 'none', ...routes.api }, other: { upstream: upstream.port, provider: 'http' } },
    tenants: { app: { allow: ['api', 'other'], deny, ...(quotas && { quotas }) }, free: { allow: ['api', 'other'] } },
  });
  // As it is written: fetch() would normalize the path. `body`: a text, buffer, or a list of chunks.
  const call = (method, target, { headers = {}, body, key = gateway.key } = {}) => new Promise((resolve, reject) => {
    const req = http.request({ port: gateway.port, host: '127.0.0.1', method, path: target, headers: { 'x-sallyport-key': key, ...headers }, agent: false }, (res) => {
      let text = '';
      res.on('data', (data) => (text += data));
      res.on('end', () => resolve({ status: res.statusCode, code: res.headers['x-sallyport-error'], text }));
    });
    req.on('error', reject);
    if (Array.isArray(body)) {
      body.forEach((piece) => req.write(piece));
      req.end();
    } else {
      req.end(body);
    }
  });
  const post = (target, body, more = {}) => call('POST', target, {
    ...more, body: typeof body === 'object' && !Array.isArray(body) && !Buffer.isBuffer(body) ? JSON.stringify(body) : body,
    headers: { 'content-type': 'application/json', ...more.headers },
  });
  return { upstream, gateway, call, post };
}

function forbidden(answer, rule) {
  assert.equal(answer.status, 403, answer.text);
  assert.equal(answer.code, 'route_not_allowed');
  assert.ok(answer.text.includes(`${rule} forbids it`), answer.text);
}

function bad(answer, expected) {
  assert.equal(answer.status, 400, answer.text);
  assert.equal(answer.code, 'bad_request');
  assert.match(answer.text, expected);
}

test('paths and methods are denied in any spelling, and to this tenant and route alone', async (t) => {
  const { upstream, gateway, call } = await worldFor(t, ['api:DELETE /*', { route: 'api', path: '/v1/files/*' }, 'api:GET /v1/keys']);
  for (const [method, target, rule] of [
    ['DELETE', '/api/x', 0], ['DELETE', '/api', 0], ['GET', '/api/v1/files/a', 1], ['POST', '/api/v1%2Ffiles/a', 1],
    ['GET', '/api/V1/FILES/a/b', 1], ['GET', '/api/v1//files/a', 1], ['GET', '/api/v1;a=b/files/a', 1], ['GET', '/api/v1/keys', 2],
    ['GET', '/api/v1/keys/', 2], ['GET', '/api/v1/k%65ys?x=1', 2],
  ]) forbidden(await call(method, target), `tenants.app.deny[${rule}]`);
  assert.equal(upstream.requests.length, 0);
  for (const [method, target, key] of [['GET', '/api/x'], ['GET', '/api/v1/keys/7'], ['DELETE', '/other/x'],
    ['DELETE', '/api/x', gateway.keys.free], ['GET', '/api/v1/filesystem']]) {
    assert.equal((await call(method, target, { key })).status, 200, target);
  }
});

test('methods and headers deny as an upstream may read them, and so do values of bodies', async (t) => {
  const { upstream, call, post } = await worldFor(t, ['api:DELETE /v1/*', { route: 'api', header: { 'X-Beta': 'tools' } },
    { route: 'api', path: '/chat', field: { '/tools': '*' } }, { route: 'api', path: '/chat', field: { '/n': '5' } }]);
  forbidden(await call('delete', '/api/v1/x'), 'tenants.app.deny[0]');
  forbidden(await call('Delete', '/api//v1/'), 'tenants.app.deny[0]');
  forbidden(await call('GET', '/api/x', { headers: { 'x-beta': 'cache, tools' } }), 'tenants.app.deny[1]');
  forbidden(await call('GET', '/api/x', { headers: { X_Beta: 'tools' } }), 'tenants.app.deny[1]');
  forbidden(await post('/api/chat', { tools: [{ type: 'function' }] }), 'tenants.app.deny[2]');
  forbidden(await post('/api/chat', { tools: {} }), 'tenants.app.deny[2]');
  forbidden(await post('/api/chat', { tools: 'x'.repeat(1000) }), 'tenants.app.deny[2]');
  forbidden(await post('/api/chat', '{"n":5.0}'), 'tenants.app.deny[3]');
  forbidden(await post('/api/chat', '{"n":0.05e2}'), 'tenants.app.deny[3]');
  assert.equal(upstream.requests.length, 0);
  assert.equal((await post('/api/chat', '{"n":5.5}')).status, 200);
  assert.equal((await call('GET', '/api/x', { headers: { 'x-beta': 'cache' } })).status, 200);
});

test('a body whose charset could be another is refused, wherever that is said', async (t) => {
  const { upstream, post } = await worldFor(t, [{ route: 'api', field: { '/model': 'big' } }]);
  const hidden = '{"+AG0-odel":"big"}'; // "model" in UTF-7
  for (const type of ['application/json; charset=utf-8; charset=utf-7', 'application/json; charset = utf-7', 'application/json;charset\t=utf-7',
    "application/json; charset*=utf-8''utf-7", 'application/json; charset="utf-7"']) {
    bad(await post('/api/x', hidden, { headers: { 'content-type': type } }), /charset must be UTF-8/);
  }
  assert.equal(upstream.requests.length, 0);
  for (const type of ['application/json; charset=UTF-8', 'application/json;charset="utf-8" ; x=y', 'application/json; charset = utf-8']) {
    assert.equal((await post('/api/x', { model: 'small' }, { headers: { 'content-type': type } })).status, 200, type);
  }
});

test('header fields deny with any of their values', async (t) => {
  const { call } = await worldFor(t, [{ route: 'api', header: { 'X-Env': 'test*', 'X-Team': '*' } }]);
  forbidden(await call('GET', '/api/x', { headers: { 'x-env': 'test', 'x-team': 'a' } }), 'tenants.app.deny[0]');
  forbidden(await call('GET', '/api/x', { headers: { 'x-env': ['prod', 'test-1'], 'x-team': 'a' } }), 'tenants.app.deny[0]');
  assert.equal((await call('GET', '/api/x', { headers: { 'x-env': 'test' } })).status, 200);
  assert.equal((await call('GET', '/api/x', { headers: { 'x-env': 'prod', 'x-team': 'a' } })).status, 200);
});

test('a model is denied wherever the call names it; one that cannot be read refuses', async (t) => {
  const { upstream, post, call } = await worldFor(t, [{ route: 'api', model: 'gpt-4*' }], { provider: 'openai' });
  const chat = '/api/v1/chat/completions';
  const rule = 'tenants.app.deny[0]';
  const messages = [{ role: 'user', content: 'hi' }];
  forbidden(await post(chat, { model: 'gpt-4o', messages }), rule);
  forbidden(await post(chat, '{"m\\u006fdel":"gpt\\u002d4"}'), rule);
  forbidden(await post(chat, ['{"model":"gp', 't-4o","messages":[]}']), rule); // chunked
  forbidden(await post(chat, { messages: [{ role: 'user', content: 'x'.repeat(3 << 20) }], model: 'gpt-4o' }), rule); // beyond retry.buffer
  forbidden(await post('/api/v1/anything', { model: 'gpt-4o' }), rule);
  bad(await post(chat, { messages }), /tenants\.app\.deny\[0\] goes by the model: the body does not say which/);
  bad(await post(chat, '{"model":"gpt-3","model":"gpt-4o"}'), /model/);
  bad(await post(chat, '{"model":7}'), /model/);
  bad(await post(chat, 'model=gpt-4o', { headers: { 'content-type': 'application/x-www-form-urlencoded' } }), /goes by the model/);
  bad(await post('/api/v1/audio/transcriptions', '--x\r\nContent-Disposition: form-data; name="model"\r\n\r\ngpt-4o\r\n--x--\r\n',
    { headers: { 'content-type': 'multipart/form-data; boundary=x' } }), /goes by the model/);
  bad(await post(chat, zlib.gzipSync(JSON.stringify({ model: 'gpt-4o' })), { headers: { 'content-encoding': 'gzip' } }), /a rule has to read the body, so it cannot be encoded/);
  bad(await post(chat, Buffer.from(JSON.stringify({ model: 'gpt-4o' }), 'utf16le'), { headers: { 'content-type': 'application/json; charset=utf-16' } }), /charset must be UTF-8/);
  bad(await post(chat, Buffer.from('{"model":"\xff"}', 'latin1')), /goes by the model/);
  bad(await post(chat, '{"model":"gpt-3"}{"model":"gpt-4o"}'), /goes by the model/);
  assert.equal(upstream.requests.length, 0);
  assert.equal((await post(chat, { model: 'gpt-3.5-turbo', messages })).status, 200);
  assert.equal((await call('GET', '/api/v1/models')).status, 200); // no body, no model
});

test('a model that the path names counts, however it is written', async (t) => {
  const { post } = await worldFor(t, [{ route: 'api', model: 'big*' }], { provider: 'azure-openai' });
  const at = (name) => `/api/openai/deployments/${name}/chat/completions?api-version=1`;
  forbidden(await post(at('big-one'), { messages: [] }), 'tenants.app.deny[0]');
  forbidden(await post(at('big-one'), { messages: [], model: 'small' }), 'tenants.app.deny[0]');
  forbidden(await post('/api/v1/chat', { messages: [], model: 'big-one' }), 'tenants.app.deny[0]'); // no call with one in its path
  forbidden(await post(at('b%69g-one'), { messages: [] }), 'tenants.app.deny[0]');
  for (const target of ['/api/openai//deployments/big-one/chat/completions', '/api/OpenAI/Deployments/big-one/chat/completions',
    '/api/openai/deployments/big-one/chat/completions/', '/api/openai/deployments/big-one/chat%2Fcompletions']) {
    bad(await post(target, { messages: [], model: 'small' }), /the path is not written as the provider has it/);
  }
  assert.equal((await post(at('small'), { messages: [], model: 'small' })).status, 200);
});

test('fields of a JSON body deny by pointer; what cannot be read in one way is 400', async (t) => {
  const { upstream, post } = await worldFor(t, [
    { route: 'api', method: 'POST', path: '/v1/*', field: { '/metadata/tier': 'gold*' } },
    { route: 'api', method: 'POST', path: '/v1/*', field: { '/items/*/kind': 'x', '/dry': 'false' } },
    { route: 'api', method: 'POST', path: '/v1/*', field: { '/tags': 'secret' } },
  ]);
  forbidden(await post('/api/v1/a', { metadata: { tier: 'golden' } }), 'tenants.app.deny[0]');
  forbidden(await post('/api/v1/a', '{"meta\\u0064ata":{"tier":"\\u0067old"}}'), 'tenants.app.deny[0]');
  forbidden(await post('/api/v1/a', { items: [{ kind: 'y' }, { kind: 'x' }], dry: false }), 'tenants.app.deny[1]');
  forbidden(await post('/api/v1/a', { tags: 'secret' }), 'tenants.app.deny[2]');
  forbidden(await post('/api/v1/a', { tags: ['a', 'secret'] }), 'tenants.app.deny[2]');
  bad(await post('/api/v1/a', '{"metadata":{"tier":"iron","tier":"gold"}}'), /twice/);
  bad(await post('/api/v1/a', '{"metadata":{"tier":"iron"},"metadata":{"tier":"gold"}}'), /twice/);
  bad(await post('/api/v1/a', 'metadata[tier]=gold'), /the body is no JSON/);
  bad(await post('/api/v1/a', { metadata: { tier: 'x'.repeat(300) + 'gold' } }), /longer than 256 bytes/);
  bad(await post('/api/v1/a', '{"metadata":'), /the body is no JSON/);
  assert.equal(upstream.requests.length, 0);
  for (const body of [{ metadata: { tier: 'iron' } }, { tier: 'gold' }, { items: [{ kind: 'x' }], dry: true }, { metadata: [{ tier: 'gold' }] }]) {
    assert.equal((await post('/api/v1/a', body)).status, 200, JSON.stringify(body));
  }
  assert.equal((await post('/api/v2/a', 'metadata[tier]=gold')).status, 200); // no rule looks at it
  const large = { pad: 'x'.repeat(2 << 20), metadata: { tier: 'iron' } };
  assert.equal((await post('/api/v1/a', large)).status, 200);
  assert.equal(upstream.requests.at(-1).body.length, JSON.stringify(large).length);
});

test('what is denied costs no quota, and what passes is counted once', async (t) => {
  const { gateway, post } = await worldFor(t, [{ route: 'api', model: 'gpt-4*' }], {
    provider: 'openai', quotas: [{ name: 'day', requests: 100, per: 'day' }, { name: 'tokens', tokens: '1M', per: 'day' }] });
  forbidden(await post('/api/v1/chat/completions', { model: 'gpt-4o', messages: [] }), 'tenants.app.deny[0]');
  bad(await post('/api/v1/chat/completions', { messages: [] }), /goes by the model/);
  await gateway.metricIs(0, 'quota_used', { quota: 'day' });
  assert.equal((await post('/api/v1/chat/completions', { model: 'gpt-3.5-turbo', messages: [] })).status, 200);
  await gateway.metricIs(1, 'quota_used', { quota: 'day' });
});

test('a body that is too large for memory is refused, not passed on unread', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    routes: { api: { upstream: upstream.port, provider: 'http' } },
    tenants: { app: { allow: ['api'], deny: [{ route: 'api', field: { '/a': 'x' } }] } },
    gateway: { limits: { body_bytes: '64KiB', buffered_bytes: '1MiB' } },
  });
  for (const body of [JSON.stringify({ pad: 'x'.repeat(100_000), a: 'x' })]) {
    const answer = await fetch(`${gateway.url}/api/y`, { method: 'POST', body, headers: { 'x-sallyport-key': gateway.key } });
    assert.equal(answer.status, 413);
  }
  assert.equal(upstream.requests.length, 0);
});

test('a fallback does not lead around a rule', async (t) => {
  const failing = await upstreamFor(t, () => 'HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n');
  const second = await upstreamFor(t);
  const config = (deny) => ({
    routes: {
      first: { upstream: failing.port, provider: 'openai', credential: 'none', fallback: ['second'], retry: { attempts: 1 } },
      second: { upstream: second.port, provider: 'openai', credential: 'none' },
    },
    tenants: { app: { allow: ['first', 'second'], deny } },
  });
  const chat = (gateway, model) => fetch(`${gateway.url}/first/v1/chat/completions`, {
    method: 'POST', body: JSON.stringify({ model, messages: [] }), headers: { 'x-sallyport-key': gateway.key, 'content-type': 'application/json' } });
  const gateway = await gatewayFor(t, config([{ route: 'second', model: 'gpt-4*' }]));
  assert.equal((await chat(gateway, 'gpt-4o')).status, 503);
  assert.equal(second.requests.length, 0);
  assert.equal((await chat(gateway, 'gpt-3.5-turbo')).status, 200);
  assert.equal(second.requests.length, 1);
});

test('what a rule may not say is told with its place', async (t) => {
  const { gateway } = await worldFor(t, ['api:DELETE /*']);
  for (const [deny, expected] of [
    [['nowhere:GET /x'], /deny\[0\]: no route is called "nowhere"/],
    [['api:get /x'], /"get" is no method/],
    [[{ model: 'x' }], /route is missing/],
    [[{ route: 'apo' }], /did you mean "api"/],
    [[{ route: 'api', modle: 'x' }], /did you mean "model"/],
    [[{ route: 'api', path: 'x' }], /path/],
    [[{ route: 'api', field: { tier: 'x' } }], /no JSON Pointer/],
    [[{ route: 'api', field: { '/a~3': 'x' } }], /no JSON Pointer/],
    [[{ route: 'api', header: { 'a b': 'x' } }], /no header can have this name/],
    [Array(65).fill('api'), /65 rules, and 64 are the most/],
    [[{ route: 'api', field: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`/${i}`, 'x'])) }], /65 fields of bodies, and 64 are the most/],
  ]) {
    const config = structuredClone(gateway.config);
    config.tenants.app.deny = deny;
    const file = path.join(gateway.folder, 'other.yaml');
    fs.writeFileSync(file, JSON.stringify(config));
    const said = spawnSync(binary, ['check', '-c', file], { encoding: 'utf8' });
    assert.equal(said.status, 2, JSON.stringify(deny).slice(0, 200));
    assert.match(said.stderr, expected);
  }
});
