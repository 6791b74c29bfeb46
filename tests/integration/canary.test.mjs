// Secrets, bodies and queries that are known go through every way that there is; then everything that comes out of the
// gateway is searched for them: answers, logs, metrics, the admin API, commands, and each file that it writes.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { call, series } from '../support/call.mjs';
import { answer, cutBody, cutHead, faultyFor, garbage, hang, json, reset } from '../support/faulty.mjs';
import { binary, freePort, gatewayFor, newKey, sallyport, temporaryFolder, until } from '../support/gateway.mjs';
import { redisFor } from '../support/redis.mjs';

const canary = (name) => `canary-${name}-${crypto.randomBytes(12).toString('hex')}`;

// How a text may lie in another.
function formsOf(text) {
  const bytes = Buffer.from(text);
  const aligned = [0, 1, 2].map((shift) => {
    const coded = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64').replace(/=+$/, '');
    return coded.slice(Math.ceil(shift * 8 / 6), -1);
  });
  const percent = [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  return [text, encodeURIComponent(text), JSON.stringify(text).slice(1, -1), percent, percent.toUpperCase(),
    bytes.toString('hex'), bytes.toString('hex').toUpperCase(), ...aligned, ...aligned.map((one) => one.replaceAll('+', '-').replaceAll('/', '_'))];
}

// secrets: {name: text}. Fails with the name of the first that is in one of `outputs` ({where: text}).
function assertNowhere(secrets, outputs) {
  for (const [where, text] of Object.entries(outputs)) {
    for (const [name, secret] of Object.entries(secrets)) {
      for (const form of formsOf(secret)) assert.ok(!text.includes(form), `${name} is in ${where}, as ${form}`);
    }
  }
}

const filesBelow = (folder) => fs.readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));

// An upstream that says back what it was told, in head and body, whatever it is told to do besides.
const echo = (status, more = {}) => (request) => json(status, { url: request.path, headers: request.headers },
  { 'X-Echo': JSON.stringify(request.headers).replace(/[^ -~]/g, ''), ...more });

function play(request) {
  const name = /\/(\w+)(?:\?|$)/.exec(request.path)?.[1];
  const ways = {
    reset: reset(), cuthead: cutHead(), cutbody: cutBody(), garbage: garbage(), hang: hang(), refused: echo(401), busy: echo(429, { 'Retry-After': '1' }),
    broken: echo(500), moved: echo(302, { Location: `http://elsewhere.test/?k=${encodeURIComponent(request.headers.authorization ?? '')}` }),
    stream: answer(200, { 'Content-Type': 'text/event-stream' }, `data: ${JSON.stringify(request.headers)}\n\n`.repeat(5)),
  };
  const way = ways[name] ?? echo(200);
  return typeof way === 'function' ? way(request) : way;
}

test('known secrets go through every way, and come out of none', { timeout: 120000 }, async (t) => {
  const vault = temporaryFolder();
  t.after(() => fs.rmSync(vault, { recursive: true }));
  const sealed = path.join(vault, 'secrets.sealed');
  const keyFile = path.join(vault, 'master.key');
  const given = { env: canary('env'), file: canary('file'), file_later: canary('later'), sealed: canary('sealed'), basic: canary('basic') };
  const redis = await redisFor(t, { password: canary('redis') });
  fs.mkdirSync(path.join(vault, 'files'));
  fs.writeFileSync(path.join(vault, 'files/file-key'), given.file);
  sallyport(['secrets', 'set', 'sealed-key', '--file', sealed, '--key-file', keyFile], { input: given.sealed });
  const upstream = await faultyFor(t, play);
  const quick = { retry: { attempts: 2, base: '1ms', cap: '2ms' }, timeouts: { first_byte: '300ms' }, breaker: 'off' };
  const http = (credential, more = {}) => ({ provider: 'http', upstream: upstream.port, credential: { secret: credential }, ...quick, ...more });
  const gateway = await gatewayFor(t, {
    gateway: { audit_log: 'audit.json', reload: 'signal' },
    routes: {
      header: http('env-key', { inject: { header: 'Authorization', value: 'Bearer {secret}' } }),
      query: http('file-key', { inject: { query: 'key' } }),
      path: http('sealed-key', { inject: { path: '/{secret}' } }),
      basic: http('basic-key', { inject: { basic: '{secret}' } }),
      openai: { provider: 'openai', upstream: upstream.port, credential: [{ secret: 'env-key' }, { secret: 'sealed-key' }], ...quick, fallback: ['dead'] },
      dead: { provider: 'openai', base_url: `http://127.0.0.1:${await freePort()}`, credential: { secret: 'file-key' }, ...quick },
      unreadable: http('nowhere-key', { inject: { header: 'X-Key' } }),
    },
    env: { CANARY_ENV_KEY: given.env, CANARY_BASIC_KEY: `AC0123456789abcdef0123456789abcdef:${given.basic}`, STORE_PASSWORD: redis.options.password },
    tenants: {
      app: {
        allow: ['header', 'query', 'path', 'basic', 'openai', 'dead', 'unreadable'],
        quotas: [{ name: 'calls', requests: 60, per: 'day', route: 'header' }, { name: 'tokens', tokens: '10k', per: 'day' }],
      },
    },
    extra: {
      secrets: [
        { type: 'env', prefix: 'CANARY_' }, { type: 'directory', path: path.join(vault, 'files') }, { type: 'sealed', path: sealed, key_file: keyFile },
      ],
      store: { url: redis.url.replace(redis.options.password, '${env:STORE_PASSWORD}'), name: 'canary' },
    },
  });
  const seen = { body: canary('body'), query: canary('query'), cookie: canary('cookie'), idempotency: canary('idempotency') };
  const strangers = { unknown: newKey('stranger').key, broken: `${gateway.key.slice(0, -1)}${gateway.key.endsWith('a') ? 'b' : 'a'}`, bearer: canary('bearer') };
  const answers = [];
  const ask = async (where, options = {}) => answers.push(await call(gateway, where, options).catch((error) => ({ body: error.message, headers: {} })));

  const names = ['ok', 'reset', 'cuthead', 'cutbody', 'garbage', 'hang', 'refused', 'busy', 'broken', 'moved', 'stream'];
  for (const route of ['header', 'query', 'path', 'basic', 'openai', 'dead', 'unreadable']) {
    for (const name of names) {
      const headers = { Cookie: seen.cookie, 'Idempotency-Key': seen.idempotency, 'X-Api-Key': strangers.bearer };
      await ask(`/${route}/v1/${name}?q=${seen.query}`);
      await ask(`/${route}/v1/${name}?q=${seen.query}`, { method: 'POST', body: JSON.stringify({ model: 'gpt-4o-mini', x: seen.body, max_tokens: 3 }), headers: { 'Content-Type': 'application/json', ...headers } });
    }
  }
  for (const [key, value] of Object.entries(strangers)) {
    await ask(`/header/${key}?q=${seen.query}`, { headers: { 'x-sallyport-key': value } });
    await ask(`/openai/v1/models`, { headers: { 'x-sallyport-key': '', Authorization: `Bearer ${value}` } });
  }
  await ask('/nowhere/x', { body: seen.body });
  await series(65, () => ask('/header/ok')); // the quota ends

  fs.writeFileSync(path.join(vault, 'files/file-key'), given.file_later);
  await gateway.reload();
  await ask('/query/v1/ok');
  const original = structuredClone(gateway.config);
  await gateway.reload((config) => {
    config.routes.header.credential = { secret: given.env, value: given.sealed }; // someone puts it where it does not belong
    config.store.url = `redis://:${redis.options.password}@127.0.0.1:1`;
  });
  await gateway.reload((config) => Object.assign(config, original));
  await redis.stop();
  await ask('/openai/v1/ok', { body: '{"model":"gpt-4o-mini"}' });

  const token = fs.readFileSync(path.join(gateway.folder, 'admin.token'), 'utf8').trim();
  const outputs = { stderr: gateway.stderr, stdout: gateway.stdout ?? '' };
  for (const name of ['/metrics', '/readyz?verbose', '/livez', '/', '/api/v1/status', '/api/v1/config', '/api/v1/routes', '/api/v1/tenants', '/api/v1/quotas', '/api/v1/breakers', '/api/v1/usage', '/api/v1/errors']) {
    const response = await fetch(`http://127.0.0.1:${gateway.adminPort}${name}`, { headers: { Authorization: `Bearer ${token}` } });
    outputs[name] = [...response.headers].join('\n') + (await response.text());
  }
  const env = { ...process.env, CANARY_ENV_KEY: given.env, STORE_PASSWORD: redis.options.password };
  for (const args of [['check'], ['check', '--json'], ['quotas'], ['quotas', 'audit'], ['breakers'], ['keys', 'list', '--tenant', 'app'], ['usage'], ['explain', '0'.repeat(32)]]) {
    const result = spawnSync(binary, [...args, '-c', gateway.file], { encoding: 'utf8', env });
    outputs[`sallyport ${args.join(' ')}`] = result.stdout + result.stderr;
  }
  outputs['sallyport secrets list'] = sallyport(['secrets', 'list', '--file', sealed, '--key-file', keyFile]);
  await until('the log is written', () => gateway.accessLog().length >= 200);
  for (const file of filesBelow(gateway.folder)) {
    if (file !== gateway.file && !file.endsWith('admin.token')) outputs[file] = fs.readFileSync(file, 'latin1');
  }
  outputs['the sealed file'] = fs.readFileSync(sealed, 'latin1');
  outputs['the command line'] = fs.readFileSync(`/proc/${gateway.pid}/cmdline`, 'utf8');

  // What the gateway knows comes out nowhere, nor do callers' keys, bodies, queries and cookies reach what it keeps.
  const keys = { 'the tenant key': gateway.key, 'the admin token': token, 'the store password': redis.options.password, ...strangers };
  assertNowhere({ ...given, ...keys, ...seen }, outputs);
  assert.ok(answers.length > 200 && answers.some((one) => one.body?.includes('***')), 'the upstream did say them back');
  assert.ok(answers.some((one) => one.body?.includes(seen.query)) && upstream.requests.some((one) => one.body?.includes(seen.body)), 'and had it');
  assertNowhere({ ...given, 'the tenant key': gateway.key, 'the admin token': token, 'the store password': redis.options.password },
    Object.fromEntries(answers.map((one, i) => [`answer ${i}`, JSON.stringify(one.headers) + one.body])));
  assert.match(fs.readFileSync(`/proc/${gateway.pid}/limits`, 'utf8'), /^Max core file size\s+0\s+0\s/m, 'no core is written');
});
