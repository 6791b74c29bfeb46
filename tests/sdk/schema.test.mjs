// The JSON Schema of the config, as a validator reads it: it takes every example that there is and
// what the parser takes, and refuses what is plainly wrong.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import Ajv from 'ajv/dist/2020.js';
import YAML from 'yaml';

import { binary, root, sallyport, temporaryFolder } from '../support/gateway.mjs';

const schema = JSON.parse(sallyport(['schema']));
const validate = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true }).compile(schema);

const hash = `sha256:${'0'.repeat(64)}`;
const read = (file) => fs.readFileSync(path.join(root, file), 'utf8');

function accepted(config, what = '') {
  const value = typeof config === 'string' ? YAML.parse(config) : config;
  assert.ok(validate(value), `${what}\n${JSON.stringify(validate.errors, null, 1)}`);
}

// Because of the value at `place`, a JSON pointer.
function refused(config, place) {
  assert.ok(!validate(config), `accepted: ${JSON.stringify(config)}`);
  const places = validate.errors.map((error) => error.instancePath);
  assert.ok(places.includes(place), `${place} is not among ${places}`);
}

const parserTakes = (config) => {
  const folder = temporaryFolder();
  const file = path.join(folder, 'sallyport.yaml');
  fs.writeFileSync(file, JSON.stringify(config));
  const { status, stderr } = spawnSync(binary, ['check', '-c', file], {
    encoding: 'utf8', env: { ...process.env, WORD: 'auto', NUMBER: '5', NAME: 'api' },
  });
  fs.rmSync(folder, { recursive: true });
  return { taken: status === 0, stderr };
};

// A config with one thing more, merged in by keys.
function withMore(...more) {
  const merge = (to, from) => {
    for (const [key, value] of Object.entries(from)) {
      const both = to[key]?.constructor === Object && value?.constructor === Object;
      to[key] = both ? merge(to[key], value) : value;
    }
    return to;
  };
  return more.reduce(merge, {
    version: 1,
    secrets: [{ type: 'env' }],
    routes: { api: { provider: 'http', base_url: 'https://api.example.com' }, openai: { credential: { secret: 'key' } } },
    tenants: { app: { keys: [hash], allow: ['api', 'openai'] } },
  });
}

const hook = (keys) => ({ webhooks: { h: { provider: 'stripe', secrets: 's', deliver: { to: 'http://a' }, ...keys } } });

// Fenced as yaml, or indented, from "version: 1" to the first line that is not.
function examplesOf(file) {
  const text = read(file);
  const fenced = [...text.matchAll(/```yaml\n(.*?)```/gs)].map((match) => match[1]);
  const indented = [...text.matchAll(/^ {4}version: 1\n(?: {4}.*\n)*/gm)].map((match) => match[0]);
  return [...fenced, ...indented].map((example) => example.replaceAll('sha256:…', hash));
}

test('what is in the repository is valid', () => {
  accepted(read('config/quickstart.yaml'), 'quickstart');
  const documents = ['README.md', ...fs.readdirSync(path.join(root, 'docs'))
    .filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];
  const examples = documents.flatMap((file) => examplesOf(file).map((text) => ({ file, text })));
  assert.ok(examples.some(({ file }) => file === 'README.md'));
  assert.ok(examples.some(({ file }) => file === 'docs/CONFIG.md'));
  for (const { file, text } of examples) accepted(text, file);
});

test('docs/WEBHOOKS.md has each scheme, with a config that the parser takes', () => {
  const text = read('docs/WEBHOOKS.md');
  const schemes = fs.readdirSync(path.join(root, 'auth/inbound/schemes')).filter((name) => name.endsWith('.json'));
  for (const name of schemes.map((file) => file.replace('.json', ''))) {
    const { title, doc } = JSON.parse(read(`auth/inbound/schemes/${name}.json`));
    const section = text.split('\n### ').find((part) => part.startsWith(`${title}: \`${name}\`\n`)) ?? '';
    assert.ok(section.includes(doc), `${name}: its section, with a link to ${doc}`);
    assert.match(section, new RegExp(`^    provider: ${name}$`, 'm'));
  }
  for (const example of examplesOf('docs/WEBHOOKS.md')) {
    const { taken, stderr } = parserTakes(YAML.parse(example));
    assert.ok(taken && !stderr.includes('warning'), `${example}\n${stderr}`);
  }
});

test('docs/TOKENS.md has each grant, with configs that the parser takes', () => {
  const text = read('docs/TOKENS.md');
  const grants = [...read('auth/outbound/token_grants.c').matchAll(/\.name = "([a-z_]+)"/g)].map((match) => match[1]);
  assert.ok(grants.length >= 9);
  for (const grant of grants) assert.match(text, new RegExp(`^## .*\`${grant}\``, 'm'));
  for (const example of examplesOf('docs/TOKENS.md')) {
    const { taken, stderr } = parserTakes(YAML.parse(example));
    assert.ok(taken, `${example}\n${stderr}`);
  }
});

test('the configs of the benchmark are valid', () => {
  const fill = (text) => text.replaceAll('@TENANT_HASH@', hash).replaceAll('@SCHEME@', 'http')
    .replaceAll('@ACCESS_LOG@', 'off').replaceAll('@FOLDER@', '/tmp').replaceAll('@TLS@', '').replace(/@[A-Z_]+PORT@|@PORT@/g, '8080');
  const texts = new Map(fs.readdirSync(path.join(root, 'bench/peers')).filter((name) => name.endsWith('.yaml.in'))
    .map((name) => [name, fill(read(`bench/peers/${name}`))]));
  const isWhole = (text) => /^version:/m.test(text);
  assert.ok([...texts.values()].some(isWhole) && ![...texts.values()].every(isWhole));
  for (const [name, text] of texts) accepted(isWhole(text) ? text : texts.get('sallyport.yaml.in') + text, name); // put behind it
});

test('what the parser takes is valid', () => {
  for (const more of [
    {},
    { gateway: { listen: '127.0.0.1:0', workers: 'auto' } },
    { gateway: { listen: ['127.0.0.1:0'], workers: '2', limits: { header_count: '1k', body_bytes: '0B' } } },
    { gateway: { timeouts: { drain: '0s' } }, store: null, quotas: null },
    { gateway: null, admin: { listen: 'off', hosts: null } },
    { gateway: { workers: '${env:WORD}', limits: { header_count: '10${env:NUMBER}' } } },
    { routes: { api: { credential: 'none', retry: 'off', breaker: 'off' } } },
    { routes: { api: { retry: { statuses: [429, '503'], budget: '0%', jitter: 'none' }, breaker: { slow: 'off' } } } },
    { routes: { api: { credential: { secret: 'k' }, inject: { header: 'X-Key' } } } },
    { routes: { api: { credential: [{ secret: 'k', account: 1 }, { secret: 'l', account: 'b', weight: 2 }],
      inject: { query: 'key', value: '{secret}' } } } },
    { routes: { api: { headers: { set: { 'X-A': 5, 'X-B': true, 'X-C': '${env:NAME}' }, drop: ['X-D'] } } } },
    { routes: { '${env:NAME}-2': { provider: 'http', base_url: 'https://${env:NAME}.example.com' } } },
    { tenants: { app: { quotas: [
      { requests: 600, per: '1m', burst: 100, wait: '2s' },
      { requests: '2k', per: 'day', route: '${env:NAME}', each: 'header:X-User', name: 7 },
      { cost: '0.50 USD', per: 'month', warn_at: '80%', action: 'warn' },
      { bytes: '10GiB', per: '7d', on_failure: 'deny' },
      { concurrency: '${env:NUMBER}' },
    ] } } },
    { gateway: { webhook_listen: '127.0.0.1:1', trusted_proxies: ['10.0.0.0/8'], proxy_protocol: 'on' },
      ...hook() },
    hook({ secrets: ['a', 'b'], events: 'a.*', untyped: 'drop', rate: 'off', dedupe: 'strict', sources: '10.0.0.0/8' }),
    hook({ rate: { requests: '1k', per: '15m', each: 'ip', count: 'all' }, body_bytes: '1MiB' }),
    hook({ deliver: [{ to: 'http://a', name: 'a', schedule: '1s' }, { to: 'https://b/c?d=e', name: 'b', breaker: 'off' }] }),
    hook({ deliver: { to: 'http://a', schedule: ['0s', '5m', '1d'], order: 'object', order_key: '/a~1b/~0c', secrets: ['a', 'b'],
      rate: { requests: 5 }, transform: { drop: '/a', rename: { '/b': '/c' } } } }),
    hook({ provider: undefined, scheme: { algorithm: 'token', signature: 'header X-Token' } }),
    hook({ provider: undefined, scheme: { algorithm: 'hmac-sha512', signature: 'signed header X', signed: '{t}.{body}',
      timestamp: 'json /t', tolerance: 60, event_id: 'json /id', event_type: ['json /a', 'header B'], url_ports: false } }),
    { webhook_queue: { url: 'sqlite:q.db', keep: '0s', max_age: '1d', max_events: '2k', max_size: '1MiB' }, webhooks: null },
  ]) {
    const config = JSON.parse(JSON.stringify(withMore(more)));
    const { taken, stderr } = parserTakes(config);
    assert.ok(taken, stderr); // else this test is wrong
    accepted(config);
  }
});

test('what is wrong is refused, at its place, as by the parser', () => {
  const quota = (keys) => ({ quotas: [keys] });
  for (const [more, place] of [
    [{ gatewy: {} }, ''],
    [{ gateway: { workerz: 2 } }, '/gateway'],
    [{ routes: { api: { retry: { attemps: 2 } } } }, '/routes/api/retry'],
    [quota({ requets: 5, per: '1m' }), '/quotas/0'],
    [{ version: 2 }, '/version'],
    [{ version: undefined }, ''],
    [{ secrets: [{ path: 'x' }] }, '/secrets/0'],
    [{ tenants: { app: { keys: [{ expires: '2027-01-01T00:00:00Z' }] } } }, '/tenants/app/keys/0'],
    [{ tenants: { app: { keys: [{ hash, expires: 'soon' }] } } }, '/tenants/app/keys/0'],
    [{ tenants: { app: { jwt: { issuer: 'x', audience: 'y', jwks: 'z' } } } }, '/tenants/app/jwt'],
    [{ gateway: [] }, '/gateway'],
    [{ gateway: 'on' }, '/gateway'],
    [{ routes: ['api'] }, '/routes'],
    [{ routes: { API: { provider: 'http', base_url: 'https://a.example.com' } } }, '/routes'],
    [{ gateway: { workers: 'many' } }, '/gateway/workers'],
    [{ gateway: { workers: 0 } }, '/gateway/workers'],
    [{ gateway: { workers: 1.5 } }, '/gateway/workers'],
    [{ gateway: { listen: { host: 'a' } } }, '/gateway/listen'],
    [{ gateway: { listen: [['127.0.0.1:1']] } }, '/gateway/listen/0'],
    [{ gateway: { access_log: '' } }, '/gateway/access_log'],
    [{ gateway: { access_log: null } }, '/gateway/access_log'],
    [{ gateway: { limits: { body_bytes: 1000 } } }, '/gateway/limits/body_bytes'],
    [{ gateway: { limits: { body_bytes: '1 MB' } } }, '/gateway/limits/body_bytes'],
    [{ gateway: { timeouts: { header: '5 parsecs' } } }, '/gateway/timeouts/header'],
    [{ store: { on_failure: 'panic' } }, '/store/on_failure'],
    [{ routes: { api: { retry: 'on' } } }, '/routes/api/retry'],
    [{ routes: { api: { retry: { statuses: [200] } } } }, '/routes/api/retry/statuses/0'],
    [{ routes: { api: { retry: { budget: 20 } } } }, '/routes/api/retry/budget'],
    [{ routes: { api: { credential: { secret: 'a b' }, inject: { header: 'X' } } } }, '/routes/api/credential/secret'],
    [quota({ requests: -5, per: '1m' }), '/quotas/0/requests'],
    [quota({ requests: '-5', per: '1m' }), '/quotas/0/requests'],
    [quota({ requests: 0, per: '1m' }), '/quotas/0/requests'],
    [quota({ requests: 5, per: 60 }), '/quotas/0/per'],
    [quota({ cost: '5 EUR', per: 'day' }), '/quotas/0/cost'],
    [quota({ cost: 5, per: 'day' }), '/quotas/0/cost'],
    [quota({ tokens: '5 ${ENV}', per: 'day' }), '/quotas/0/tokens'],
    [quota({ tokens: '$${env:NUMBER}', per: 'day' }), '/quotas/0/tokens'],
    [quota({ requests: 5, per: '1m', warn_at: '100%' }), '/quotas/0/warn_at'],
    [quota({ requests: 5, per: '1m', each: 'user' }), '/quotas/0/each'],
    [quota({ requests: 5, per: '1m', name: 'Much' }), '/quotas/0/name'],
    [hook({ deliver: undefined }), '/webhooks/h'],
    [hook({ deliver: { name: 'a' } }), '/webhooks/h/deliver'],
    [hook({ deliver: { to: 'http://a', schedule: ['soon'] } }), '/webhooks/h/deliver/schedule/0'],
    [hook({ deliver: { to: 'http://a', order: 'object', order_key: 'a' } }), '/webhooks/h/deliver/order_key'],
    [hook({ deliver: { to: 'http://a', transform: { drop: ['/a~2'] } } }), '/webhooks/h/deliver/transform/drop/0'],
    [hook({ provider: undefined, scheme: { algorithm: 'md5', signature: 'header X', signed: '{body}' } }), '/webhooks/h/scheme/algorithm'],
    [hook({ provider: undefined, scheme: { algorithm: 'token', signature: 'X-Token' } }), '/webhooks/h/scheme/signature'],
    [hook({ rate: { each: 'tenant' } }), '/webhooks/h/rate/each'],
    [hook({ body_bytes: 5 }), '/webhooks/h/body_bytes'],
    [{ webhook_queue: { url: 'webhooks.db' } }, '/webhook_queue/url'],
  ]) {
    const config = JSON.parse(JSON.stringify(withMore(more)));
    assert.ok(!parserTakes(config).taken, JSON.stringify(more)); // else this test is wrong
    refused(config, place);
  }
});

test('an editor can say what a key means, and what it is without being written', () => {
  const of = (section) => schema.properties[section].anyOf.find((one) => one.properties).properties;
  assert.equal(of('gateway').workers.default, 'auto');
  assert.equal(of('store').timeout.default, '25ms');
  assert.equal(of('store').gateways.default, 1);
  assert.equal(of('store').on_failure.default, 'local');
  assert.match(of('store').timeout.description, /How long .* From 1ms to 10s\./);
  assert.match(of('gateway').time_zone.description, /Default: UTC\. Example: `Europe\/Berlin`\./);
  assert.equal(schema.properties.version.default, undefined);
});

// ---- profiles ----

const profileSchema = JSON.parse(sallyport(['schema', '--profile']));
const validateProfile = new Ajv({ strict: true, strictRequired: false, allErrors: true }).compile(profileSchema);
const profileFolder = path.join(root, 'routes/profiles');

test('profiles: the schema takes every one that is built in', () => {
  for (const file of fs.readdirSync(profileFolder).filter((name) => name.endsWith('.json'))) {
    const profile = JSON.parse(fs.readFileSync(path.join(profileFolder, file), 'utf8'));
    assert.ok(validateProfile(profile), `${file}\n${JSON.stringify(validateProfile.errors, null, 1)}`);
  }
});

// What `check` says of a profile of one's own.
function profileProblems(profile) {
  const folder = temporaryFolder();
  fs.mkdirSync(path.join(folder, 'profiles'));
  fs.writeFileSync(path.join(folder, 'profiles/own.json'), JSON.stringify(profile));
  fs.writeFileSync(path.join(folder, 'sallyport.yaml'), 'version: 1\nproviders: {path: profiles}\n');
  const { stderr } = spawnSync(binary, ['check', '-c', path.join(folder, 'sallyport.yaml')], { encoding: 'utf8' });
  fs.rmSync(folder, { recursive: true });
  return stderr;
}

test('profiles: the schema and the reader know the same members of each object', () => {
  const defs = profileSchema.$defs;
  const at = (name) => profileSchema.properties[name];
  for (const [what, object, profile] of [
    ['root', profileSchema, (it) => it],
    ['credential', defs.place, (it) => ({ credential: it })],
    ['slots', defs.slot, (it) => ({ slots: [it] })],
    ['user_token', at('user_token'), (it) => ({ user_token: it })],
    ['sign', at('sign'), (it) => ({ sign: it })],
    ['error', at('error'), (it) => ({ error: it })],
    ['error_types', at('error_types').items, (it) => ({ error_types: [it] })],
    ['calls', defs.call, (it) => ({ calls: [it] })],
    ['calls.nested', defs.call.properties.nested,
      (it) => ({ calls: [{ method: 'POST', path: '/', model: 'm', usage: 'openai-chat', nested: it }] })],
    ['objects', defs.object, (it) => ({ objects: [it] })],
    ['repeatable', at('repeatable').items, (it) => ({ repeatable: [it] })],
    ['retry', at('retry'), (it) => ({ retry: it })],
    ['retry.after', at('retry').properties.after.items, (it) => ({ retry: { after: [it] } })],
    ['retry.throttled', defs.mark, (it) => ({ retry: { throttled: [it] } })],
    ['retry.limits', at('retry').properties.limits.items, (it) => ({ retry: { limits: [it] } })],
    ['idempotency', at('idempotency'), (it) => ({ idempotency: it })],
    ['domains', at('domains').items, (it) => ({ domains: [it] })],
    ['sdk', at('sdk'), (it) => ({ sdk: it })],
  ]) {
    const said = profileProblems({ title: 'T', ...profile({ unheard: 1 }) });
    const known = /unheard: unknown member; known here: (.*)/.exec(said);
    assert.ok(known, `${what}: ${said}`);
    assert.deepEqual(known[1].split(', ').sort(), Object.keys(object.properties).sort(), what);
  }
});

test('profiles: what the schema refuses the reader refuses, too', () => {
  for (const slip of [
    {}, { title: 1 }, { title: '' }, { base_url: 'http://x' }, { base_url: 'https://x/' }, { credential: [] }, { credential: { in: 'cookie' } },
    { credential: { in: 'header' } }, { credential: { in: 'query', name: 'k', value: 'no mark' } }, { slots: [{ in: 'basic' }] }, { slots: [{ in: 'header' }] },
    { user_token: {} }, { headers: { a: 1 } }, { error: { body: {} } }, { error_types: [{ status: 200, type: 'x' }] }, { calls: [{ method: 'POST' }] },
    { retry: { after: [{ header: 'A', form: 'seconds' }] } }, { retry: { limits: [{ limit: 'a' }] } }, { idempotency: { header: 'K', max_length: 5 } },
    { sdk: { language: 'C', lines: [] } }, { domain_by_model: 1 },
  ]) {
    const profile = Object.keys(slip).length === 0 ? slip : { title: 'T', ...slip };
    assert.ok(!validateProfile(profile), `the schema takes ${JSON.stringify(slip)}`);
    assert.match(profileProblems(profile), /profiles\/own\.json: profile own: /, JSON.stringify(slip));
  }
});
