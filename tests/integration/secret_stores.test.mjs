// Secrets in a store that is asked over the network: found, rotated, away, lying; and nothing of them leaks.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { many, tally } from '../support/call.mjs';
import { binary, Child, Gateway, gatewayFor, sleep, until } from '../support/gateway.mjs';
import { vaultFor } from '../support/vault.mjs';
import { upstreamFor } from '../support/wire.mjs';

const TOKEN = 'hvs.the-static-token-of-this-test';

const source = (vault, more = {}) => ({
  type: 'vault', url: vault.url, ca: vault.ca, path: 'sallyport', refresh: '1s',
  auth: { token: { secret: 'vault-token' } }, ...more,
});

const route = (upstream, secret) => ({
  upstream: upstream.port, provider: 'http', credential: { secret },
  inject: { header: 'Authorization', value: 'Bearer {secret}' },
});

async function options(t, vault, { more, names = ['openai-key'], ...rest } = {}) {
  const upstream = await upstreamFor(t);
  vault.token(TOKEN);
  return {
    upstream,
    gateway: { audit_log: 'audit.json' },
    secrets: { 'vault-token': TOKEN },
    routes: Object.fromEntries(names.map((name) => [name, route(upstream, name)])),
    extra: { secrets: [{ type: 'env' }, source(vault, more)] },
    ...rest,
  };
}

async function start(t, vault, given) {
  const all = await options(t, vault, given);
  const gateway = await gatewayFor(t, all);
  gateway.upstream = all.upstream;
  return gateway;
}

async function call(gateway, name = 'openai-key') {
  const answer = await fetch(`${gateway.url}/${name}/x`, { headers: { 'x-sallyport-key': gateway.key } });
  return { status: answer.status, code: answer.headers.get('x-sallyport-error'), text: await answer.text() };
}

const sent = (gateway) => /^authorization: Bearer (.*)\r$/im.exec(gateway.upstream.requests.at(-1).head)?.[1];
const audited = (gateway) => fs.readFileSync(path.join(gateway.folder, 'audit.json'), 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
const works = async (gateway, value, name) => {
  assert.equal((await call(gateway, name)).status, 200);
  assert.equal(sent(gateway), value);
};
const uses = (gateway, value) => until(`${value} is used`, async () => (await call(gateway)).status === 200 && sent(gateway) === value);
const unavailable = async (gateway, name) => {
  const answer = await call(gateway, name);
  assert.equal(answer.status, 502);
  assert.equal(answer.code, 'credential_unavailable');
  return answer.text;
};

// All that the process says of itself.
async function everything(gateway) {
  const pages = await Promise.all(['/metrics', '/readyz', '/api/v1/config', '/api/v1/status', '/api/v1/routes', '/api/v1/secrets'].map(async (page) => (await gateway.ask(page)).body));
  return [gateway.stderr, gateway.stdout, JSON.stringify(gateway.accessLog()), JSON.stringify(audited(gateway)), ...pages].join('\n');
}

test('a secret is there from the first request on; a new version is used within the refresh and is in the audit log', async (t) => {
  const vault = await vaultFor(t);
  vault.put('secret/sallyport/openai-key', 'first-value-of-the-secret');
  const gateway = await start(t, vault);
  await works(gateway, 'first-value-of-the-secret');
  assert.equal(vault.reads()[0].path, '/v1/secret/data/sallyport/openai-key');
  assert.equal(vault.reads()[0].token, TOKEN);
  vault.put('secret/sallyport/openai-key', 'second-value-of-the-secret');
  await uses(gateway, 'second-value-of-the-secret');
  const lines = await until('both are audited', () => {
    const found = audited(gateway).filter((one) => one.event === 'secret_read' && one.secret === 'openai-key');
    return found.length === 2 && found;
  });
  assert.match(JSON.stringify(lines[0]), /vault https:\/\/localhost:\d+\/secret\/sallyport, version 1"/);
  assert.match(JSON.stringify(lines[1]), /, version 2"/);
  assert.match(await gateway.metrics(), /^sallyport_secret_age_seconds\{name="openai-key"\} [0-9]+$/m);
  const listed = await new Promise((resolve, reject) => execFile(binary, ['secrets', 'list', '--in-use', '-c', gateway.file, '--json'],
    (error, stdout) => (error ? reject(error) : resolve(JSON.parse(stdout).secrets))));
  assert.deepEqual(listed.map(({ age_seconds, ...rest }) => rest).sort((a, b) => a.secret.localeCompare(b.secret)), [
    { secret: 'openai-key', state: 'in force', source: 'vault', source_version: '2', version: 2 },
    { secret: 'vault-token', state: 'in force', source: 'env', source_version: '', version: 1 },
  ]);
  assert.ok(await gateway.metric('secret_refreshes_total', { source: 'vault', result: 'read' }) >= 2);
  assert.doesNotMatch(await everything(gateway), /first-value|second-value|static-token/);
});

test('version 1, a namespace, a mount, a field and names that lie elsewhere', async (t) => {
  const vault = await vaultFor(t);
  vault.mounts = { kv: 1 };
  vault.namespace = 'team-a';
  vault.put('kv/sallyport/one', { key: 'value-of-one-in-its-field', value: 'not this one' });
  vault.put('kv/llm/two', { key: 'not this one', api_key: 'value-of-two-elsewhere' });
  const gateway = await start(t, vault, {
    names: ['one', 'two'],
    more: { mount: 'kv', version: 1, namespace: 'team-a', field: 'key', names: { two: 'llm/two#api_key' } },
  });
  await works(gateway, 'value-of-one-in-its-field', 'one');
  await works(gateway, 'value-of-two-elsewhere', 'two');
});

test('only not found goes on to the next source', async (t) => {
  const vault = await vaultFor(t);
  const other = await vaultFor(t);
  other.token(TOKEN);
  vault.put('secret/sallyport/both', 'value-from-the-first-store');
  vault.put('secret/sallyport/deleted', 'gone');
  vault.kv['secret/sallyport/deleted'].push(null);
  other.put('secret/sallyport/both', 'value-from-the-second-store');
  other.put('secret/sallyport/deleted', 'value-of-the-deleted-one');
  const all = await options(t, vault, { names: ['both', 'deleted'] });
  all.extra.secrets.push(source(other));
  const gateway = await gatewayFor(t, all);
  gateway.upstream = all.upstream;
  await works(gateway, 'value-from-the-first-store', 'both');
  await works(gateway, 'value-of-the-deleted-one', 'deleted');
  vault.sealed = true;
  await until('it is said', () => /"both": vault .* answered 503: it is sealed/.test(gateway.stderr));
  await works(gateway, 'value-from-the-first-store', 'both'); // not the second store's
});

test('a thousand calls at once, and a thousand refused ones, cause no further read', async (t) => {
  const vault = await vaultFor(t);
  vault.put('secret/sallyport/openai-key', 'the-value-of-all');
  const gateway = await start(t, vault, { more: { refresh: '1h' } });
  assert.equal(vault.reads().length, 1);
  assert.deepEqual(tally((await many(1000, () => call(gateway))).map((answer) => answer.status)), { 200: 1000 });
  assert.equal(vault.reads().length, 1);
});

test('a 401 of the provider has it read early, once a minute at most', async (t) => {
  const vault = await vaultFor(t);
  vault.put('secret/sallyport/openai-key', 'the-value-of-before');
  const all = await options(t, vault, { more: { refresh: '1h' } });
  const refusing = await upstreamFor(t, ({ head }) => head.includes('of-before')
    ? 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n' : 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  all.routes['openai-key'].upstream = refusing.port;
  const gateway = await gatewayFor(t, all);
  vault.put('secret/sallyport/openai-key', 'the-value-of-after');
  await until('the new one is used', async () => (await call(gateway)).status === 200);
  assert.equal(vault.reads().length, 2);
  vault.put('secret/sallyport/openai-key', 'back-to-the-one-of-before');
  await many(200, () => call(gateway));
  await sleep(1500);
  assert.equal(vault.reads().length, 2);
});

test('away at start: it serves, says what is missing, and takes it when the store is there', async (t) => {
  const vault = await vaultFor(t);
  vault.put('secret/sallyport/openai-key', 'value-that-comes-late');
  await vault.stop();
  const all = await options(t, vault);
  all.routes.other = { ...route(all.upstream, 'vault-token') };
  all.tenants = { app: { allow: ['openai-key', 'other'] } };
  const gateway = await Gateway.start(all);
  t.after(() => gateway.stop());
  gateway.upstream = all.upstream;
  await gateway.says(/secret "openai-key": vault https:\/\/localhost:\d+\/secret\/sallyport cannot be reached/);
  await unavailable(gateway);
  assert.equal((await call(gateway, 'other')).status, 200);
  await vault.listen();
  await uses(gateway, 'value-that-comes-late');
});

test('a store that hangs holds a start up for its timeout, and nobody later', async (t) => {
  const vault = await vaultFor(t);
  vault.put('secret/sallyport/openai-key', 'value-of-the-slow-store');
  vault.lie = () => null;
  const gateway = await start(t, vault, { more: { timeout: '500ms' } });
  await gateway.says(/did not answer in time/);
  await unavailable(gateway);
  await gateway.reload((config) => { config.routes['openai-key'].path = '/again'; });
  vault.lie = null;
  await until('it is there', async () => (await call(gateway, 'again')).status === 200);
});

test('gone for longer than max_stale: served until then, then not; and it comes back', async (t) => {
  const vault = await vaultFor(t);
  vault.put('secret/sallyport/openai-key', 'value-that-gets-stale');
  const gateway = await start(t, vault, { more: { max_stale: '4s' } });
  await vault.stop();
  await until('it is said', () => /cannot be reached.*the old value stays in force/.test(gateway.stderr));
  await works(gateway, 'value-that-gets-stale');
  await until('it is too old', async () => (await call(gateway)).status === 502);
  await gateway.says(/its routes answer 502/);
  await vault.listen();
  await uses(gateway, 'value-that-gets-stale');
});

test('deleted in the store: it is out of force within the refresh', async (t) => {
  const vault = await vaultFor(t);
  vault.put('secret/sallyport/openai-key', 'value-that-is-deleted');
  const gateway = await start(t, vault);
  vault.kv['secret/sallyport/openai-key'].push(null);
  await until('it is gone', async () => (await call(gateway)).status === 502);
  await unavailable(gateway);
});

test('AppRole: logs in once, renews at two thirds of the life, logs in again when that fails', async (t) => {
  const vault = await vaultFor(t);
  vault.roles['the-role'] = 'secret-id-of-the-role';
  vault.life = { lease_duration: 3, renewable: true };
  for (const name of ['one', 'two', 'three']) vault.put(`secret/sallyport/${name}`, `the-value-of-${name}`);
  const gateway = await start(t, vault, {
    names: ['one', 'two', 'three'],
    secrets: { 'role-secret': 'secret-id-of-the-role' },
    more: { auth: { approle: { role_id: 'the-role', secret_id: { secret: 'role-secret' } } } },
  });
  await works(gateway, 'the-value-of-two', 'two');
  assert.equal(vault.logins().length, 1);
  await until('it is renewed', () => vault.renewals().length >= 2);
  assert.equal(vault.logins().length, 1);
  vault.tokens = {}; // revoked: the renewal and the reads are refused
  await until('it logs in again', () => vault.logins().length === 2);
  const before = vault.reads().length;
  await until('it is read again', () => vault.reads().length >= before + 3);
  await works(gateway, 'the-value-of-one', 'one');
  assert.doesNotMatch(await everything(gateway), /session-number|secret-id-of|the-value-of/);
});

test('a renewal does not stand for a login with the secret that came meanwhile', async (t) => {
  const vault = await vaultFor(t);
  vault.roles['the-role'] = 'secret-id-of-the-first-day';
  vault.life = { lease_duration: 3, renewable: true };
  vault.put('secret/sallyport/openai-key', 'the-value-of-before');
  const folder = fs.mkdtempSync('/tmp/sallyport-role-');
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'role-secret');
  fs.writeFileSync(file, 'secret-id-of-the-first-day', { mode: 0o600 });
  const all = await options(t, vault);
  const refusing = await upstreamFor(t, ({ head }) => head.includes('of-before')
    ? 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n' : 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  all.routes['openai-key'].upstream = refusing.port;
  const auth = { approle: { role_id: 'the-role', secret_id: { secret: 'role-secret' } } };
  all.extra = { secrets: [{ type: 'directory', path: folder }, source(vault, { refresh: '1h', auth })] };
  const gateway = await gatewayFor(t, all);
  assert.equal(vault.logins().length, 1);
  vault.roles['the-role'] = 'secret-id-of-the-second-day';
  fs.writeFileSync(file, 'secret-id-of-the-second-day', { mode: 0o600 });
  await gateway.says(/secret "role-secret": a new value is in force(.|\n)*secret "role-secret": a new value is in force/);
  const before = vault.renewals().length;
  await until('it is renewed', () => vault.renewals().length >= before + 2);
  vault.put('secret/sallyport/openai-key', 'the-value-of-after');
  await until('the new one is used', async () => (await call(gateway)).status === 200);
  assert.deepEqual(vault.logins().map((one) => one.json.secret_id), ['secret-id-of-the-first-day', 'secret-id-of-the-second-day']);
});

test('a static token is renewed, too; Kubernetes logs in with the file as it is then', async (t) => {
  const vault = await vaultFor(t);
  vault.put('secret/sallyport/openai-key', 'value-by-service-account');
  vault.services.sallyport = 'jwt-of-the-service-account';
  const folder = fs.mkdtempSync('/tmp/sallyport-jwt-');
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'token');
  fs.writeFileSync(file, 'jwt-of-the-service-account\n');
  const gateway = await start(t, vault, { more: { auth: { kubernetes: { role: 'sallyport', token_file: file } } } });
  await works(gateway, 'value-by-service-account');
  assert.equal(vault.logins().length, 1);
  vault.services.sallyport = 'jwt-of-the-next-day';
  fs.writeFileSync(file, 'jwt-of-the-next-day');
  vault.tokens = {};
  await until('it logs in again', () => vault.logins().length === 2);

  vault.life = { lease_duration: 3600, renewable: true };
  vault.token(TOKEN, { ttl: 2, renewable: true });
  await gateway.reload((config) => { config.secrets[1].auth = { token: { secret: 'vault-token' } }; });
  await until('the token is renewed', () => vault.renewals().some((one) => one.token === TOKEN));
});

const liars = [
  ['10 MB', () => ({ body: 'x'.repeat(10 * 1024 * 1024) }), /answered 200 with more than 128 KiB/],
  ['broken JSON', () => ({ body: '{"data":{"data":{"value":"stolen-value-of-the-liar"' }), /answered 200 with what is not its JSON/],
  ['no data', () => ({ body: {} }), /as a mount of version 1|without the secret's data/],
  ['no such field', () => ({ body: { data: { data: { other: 'stolen-value-of-the-liar' }, metadata: { version: 1 } } } }), /has no field "value"/],
  ['a number', () => ({ body: { data: { data: { value: 12345678901234 }, metadata: { version: 1 } } } }), /is no text/],
  ['a NUL', () => ({ body: { data: { data: { value: 'a\u0000stolen-value-of-the-liar' }, metadata: { version: 1 } } } }), /is not its JSON|control characters/],
  ['a control character', () => ({ body: { data: { data: { value: 'a\u0001stolen-value-of-the-liar' }, metadata: { version: 1 } } } }), /control characters/],
  ['nothing', () => ({ body: { data: { data: { value: '\n' }, metadata: { version: 1 } } } }), /is empty there/],
  ['403', () => ({ status: 403, body: { errors: ['stolen-value-of-the-liar'] } }), /answered 403/],
  ['a page', () => ({ status: 404, body: '<html>stolen-value-of-the-liar</html>' }), /answered 404 with what is not its JSON/],
  ['no route', () => ({ status: 404, body: { errors: ['no handler for route'] } }), /nothing is mounted there/],
  ['a redirect', () => ({ status: 307, headers: { location: 'https://elsewhere.test/' }, body: '' }), /answered 307/],
];
for (const [what, lie, pattern] of liars) {
  test(`a store that answers with ${what} fails, and the next source is not asked`, async (t) => {
    const vault = await vaultFor(t);
    const all = await options(t, vault);
    vault.lie = (asked) => (asked.path.startsWith('/v1/auth/') ? undefined : lie(asked));
    all.extra.secrets.push({ type: 'env', prefix: 'NEXT_' });
    all.env = { NEXT_OPENAI_KEY: 'value-of-the-next-source' };
    const gateway = await gatewayFor(t, all);
    await gateway.says(pattern);
    await unavailable(gateway);
    assert.doesNotMatch(await everything(gateway), /stolen-value|static-token/);
  });
}

test('a value with a line end in it never gets into a head', async (t) => {
  const vault = await vaultFor(t);
  vault.put('secret/sallyport/openai-key', 'first-line\r\nX-Injected: yes');
  const gateway = await start(t, vault);
  const answer = await call(gateway);
  assert.equal(answer.status, 502);
  assert.equal(gateway.upstream.requests.length, 0);
  assert.doesNotMatch(answer.text + await everything(gateway), /X-Injected|first-line/);
});

test('a reload keeps what is known, and has new names before it serves', async (t) => {
  const vault = await vaultFor(t);
  vault.put('secret/sallyport/openai-key', 'value-that-is-kept');
  vault.put('secret/sallyport/new-one', 'value-of-the-new-one');
  const gateway = await start(t, vault, { more: { refresh: '1h' } });
  const reads = vault.reads().length;
  await gateway.reload((config) => {
    config.secrets[1].refresh = '30m';
    config.routes['new-one'] = { ...config.routes['openai-key'], credential: { secret: 'new-one' } };
    config.tenants.app.allow.push('new-one');
  });
  await works(gateway, 'value-of-the-new-one', 'new-one');
  await works(gateway, 'value-that-is-kept');
  assert.equal(vault.reads('openai-key').length, reads);
  await vault.stop();
  await gateway.reload((config) => { config.secrets[1].field = 'other'; });
  await works(gateway, 'value-that-is-kept'); // it cannot be asked as it is set now
  await gateway.reload((config) => { config.secrets = [{ type: 'env' }]; });
  await unavailable(gateway);
});

test("a source's own secret comes only from the sources above it", async (t) => {
  const vault = await vaultFor(t);
  const all = await options(t, vault);
  const { config } = Gateway.config({ ...all, folder: '/tmp', port: 1, adminPort: 2, keys: {} });
  const folder = fs.mkdtempSync('/tmp/sallyport-stores-');
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'c.yaml');
  const check = async (change, env = {}) => {
    const copy = structuredClone(config);
    change(copy);
    fs.writeFileSync(file, JSON.stringify(copy, null, 1));
    const child = new Child(['check', '-c', file], { env }); // the store is in this process
    const end = await child.stop({ signal: 0, expected: null });
    return { status: end.code, text: child.stdout + child.stderr };
  };
  const first = await check((copy) => copy.secrets.reverse());
  assert.equal(first.status, 2);
  assert.match(first.text, /secrets\[0\]\.auth\.token\.secret: a source's own secret comes from the sources above it/);
  for (const [change, pattern] of [
    [(copy) => { copy.secrets[1].url = 'http://vault.internal:8200'; }, /secrets\[1\]\.url: .*write https/],
    [(copy) => { copy.secrets[1].auth = {}; }, /has 0 of token, approle and kubernetes/],
    [(copy) => { copy.secrets[1].path = '../x'; }, /is no path of a store/],
    [(copy) => { copy.secrets[1].names = { a: '#b' }; }, /is no place in a store/],
    [(copy) => { copy.secrets[0].url = 'https://x'; }, /secrets\[0\]\.url: belongs to type: vault/],
  ]) {
    const result = await check(change);
    assert.equal(result.status, 2, result.text);
    assert.match(result.text, pattern);
  }
  // The token would be in the store itself: a circle that is none.
  vault.put('secret/sallyport/vault-token', TOKEN);
  vault.put('secret/sallyport/openai-key', 'value-behind-the-circle');
  const circle = await check(() => {});
  assert.equal(circle.status, 0, circle.text);
  assert.match(circle.text, /note: secret "openai-key": vault .* its own secret "vault-token" is in none of the sources above it/);
  assert.equal(vault.calls.length, 0);
  const good = await check(() => {}, { SALLYPORT_SECRET_VAULT_TOKEN: TOKEN });
  assert.equal(good.status, 0, good.text);
  assert.doesNotMatch(good.text, /note: secret/);
  assert.equal(vault.reads().length, 1);
});
