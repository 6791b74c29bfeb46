// Tokens that are had for a secret: one call for all who ask, renewed, refused, and not to be had.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { many, series, tally } from '../support/call.mjs';
import { gatewayFor, root, sallyport, sleep, until } from '../support/gateway.mjs';
import { endpointFor, granted } from '../support/token_endpoint.mjs';
import { upstreamFor } from '../support/wire.mjs';

const secret = 'my-client:a/secret+of 24 bytes';

function start(t, upstream, endpoint, { token = {}, route = {}, ...options } = {}) {
  return gatewayFor(t, {
    routes: {
      api: {
        upstream: upstream.port, provider: 'http', credential: { secret: 'k' },
        inject: { header: 'Authorization', value: 'Bearer {secret}' },
        token: { grant: 'client_credentials', url: endpoint.url, tls: { ca: endpoint.ca }, ...token }, ...route,
      },
    },
    secrets: { k: secret },
    ...options,
  });
}

async function call(gateway, options = {}) {
  const answer = await fetch(`${gateway.url}/api/x`, {
    ...options, headers: { 'x-sallyport-key': gateway.key, ...options.headers },
  });
  return { status: answer.status, code: answer.headers.get('x-sallyport-error'), text: await answer.text() };
}

const sent = (upstream, at = -1) => /^authorization: Bearer (.*)\r$/im.exec(upstream.requests.at(at).head)?.[1];
const unavailable = (answer, pattern) => {
  assert.equal(answer.status, 502);
  assert.equal(answer.code, 'credential_unavailable');
  assert.match(answer.text, pattern);
};
const answers = (status, body = 'ok', fields = '') =>
  `HTTP/1.1 ${status}\r\n${fields}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

test('client credentials, by header and by form; the token goes upstream, and neither comes back', async (t) => {
  const endpoint = await endpointFor(t);
  const upstream = await upstreamFor(t, ({ head }) => answers('200 OK', head));
  const gateway = await start(t, upstream, endpoint, { token: { scope: 'read write', audience: 'https://api' } });
  const answer = await call(gateway);
  assert.equal(sent(upstream), 'token-number-1');
  assert.match(answer.text, /Bearer \*{14}/);
  const [asked] = endpoint.calls;
  assert.equal(asked.method, 'POST');
  assert.equal(asked.path, '/oauth2/token');
  assert.deepEqual(asked.form, { grant_type: 'client_credentials', scope: 'read write', audience: 'https://api' });
  const basic = Buffer.from(asked.headers.authorization.replace('Basic ', ''), 'base64').toString();
  assert.deepEqual(basic.split(':').map(decodeURIComponent), ['my-client', 'a/secret+of 24 bytes']);
  assert.equal((await call(gateway)).status, 200);
  assert.equal(endpoint.calls.length, 1);
  await gateway.metricIs(1, 'credential_refreshes_total', { credential: 'k', grant: 'client_credentials', result: 'fetched' });
  assert.match(await gateway.metrics(), /sallyport_credential_token_age_seconds\{credential="k",grant="client_credentials"\} \d/);

  await gateway.reload((config) => { config.routes.api.token.client = 'body'; });
  await call(gateway);
  assert.equal(endpoint.calls[1].headers.authorization, undefined);
  assert.equal(endpoint.calls[1].form.client_id, 'my-client');
  assert.equal(endpoint.calls[1].form.client_secret, 'a/secret+of 24 bytes');
  const said = gateway.stderr + JSON.stringify(gateway.accessLog());
  assert.doesNotMatch(said, /token-number|a\/secret/);
});

// A thousand connections at once, to an upstream in this process.
const patient = { route: { timeouts: { connect: '40s', first_byte: '50s' } } };

test('a thousand who ask at once cause one call', async (t) => {
  let let_go;
  const held = new Promise((resolve) => { let_go = resolve; });
  const endpoint = await endpointFor(t, async (asked, number) => { await held; return granted(`the-token-of-all-${number}`); });
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, endpoint, patient);
  const all = many(1000, () => call(gateway));
  await until('all are there', async () => (await gateway.metric('exchanges')) === 1000);
  assert.equal(upstream.requests.length, 0);
  let_go();
  assert.deepEqual(tally((await all).map((answer) => answer.status)), { 200: 1000 });
  assert.equal(endpoint.calls.length, 1);
  assert.equal(upstream.requests.length, 1000);
  assert.ok(upstream.requests.every((request) => request.head.includes('Bearer the-token-of-all-1\r\n')));
});

test('near its end a token is had anew while it is still sent; behind it, all wait for one', async (t) => {
  let hold = null;
  const endpoint = await endpointFor(t, async (asked, number) => { await hold; return granted(`token-number-${number}`, { expires_in: number === 1 ? 2 : 3600 }); });
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, endpoint, patient);
  await call(gateway);
  let let_go;
  hold = new Promise((resolve) => { let_go = resolve; });
  await until('it is refreshed early', async () => { await call(gateway); return endpoint.calls.length === 2; });
  assert.equal(sent(upstream), 'token-number-1');
  await sleep(2000);
  const all = many(1000, () => call(gateway));
  await until('they wait', async () => (await gateway.metric('exchanges')) === 1000);
  let_go();
  assert.deepEqual(tally((await all).map((answer) => answer.status)), { 200: 1000 });
  assert.equal(endpoint.calls.length, 2);
  assert.ok(upstream.requests.slice(-1000).every((request) => request.head.includes('Bearer token-number-2\r\n')));
});

test('an endpoint that fails while a token still lives: that one is sent', async (t) => {
  const endpoint = await endpointFor(t, (asked, number) => (number === 1 ? granted('token-number-1', { expires_in: 10 }) : { status: 503, body: '' }));
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, endpoint);
  await until('it is to be had anew', async () => { await call(gateway); return endpoint.calls.length === 2; });
  assert.equal((await call(gateway)).status, 200);
  assert.equal(sent(upstream), 'token-number-1');
  await until('it has ended', async () => (await call(gateway)).status === 502);
});

test('a client that leaves while it waits is let go', async (t) => {
  const endpoint = await endpointFor(t, () => null);
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, endpoint);
  const leaving = new AbortController();
  const gone = call(gateway, { signal: leaving.signal }).catch((error) => error.name);
  await until('it waits', () => endpoint.calls.length === 1);
  leaving.abort();
  assert.equal(await gone, 'AbortError');
  await until('nothing is in flight', async () => (await gateway.metric('exchanges')) === 0);
  const line = await until('it is logged', () => gateway.accessLog().at(-1));
  assert.equal(line.step, 'mint');
  assert.equal(line.ended_by, 'client');
});

const liars = [
  ['500', { status: 500, body: 'oops' }, /answered 500/],
  ['an error code', { status: 401, body: { error: 'invalid_client', error_description: 'my-client is out' } }, /answered 401, error \\?"invalid_client\\?"/],
  ['a code that is none', { status: 400, body: { error: '<b>no</b>' } }, /answered 400[^,]/],
  ['10 MB', { body: JSON.stringify({ access_token: 'x'.repeat(10_000_000) }) }, /more than 65536 bytes/],
  ['no JSON', { body: '<html>' }, /no JSON object/],
  ['no token', { body: { token_type: 'Bearer' } }, /answered 200/],
  ['a time gone by', granted('a-token', { expires_in: -5 }), /expires_in/],
  ['a token with a line end', granted('a-token\r\nX-Evil: 1'), /no header can carry/],
  ['a token that wants a proof', granted('a-token', { token_type: 'DPoP' }), /no bearer token/],
  ['a connection that ends', { cut: true }, /cannot be reached|no whole answer/],
  ['a part of an answer', { cut: true, body: true }, /no whole answer/],
  ['a redirect', { status: 302, headers: { location: 'https://localhost/' }, body: '' }, /answered 302/],
];
for (const [what, lie, pattern] of liars) {
  test(`an endpoint that answers with ${what} is named, and left alone for a while`, async (t) => {
    const endpoint = await endpointFor(t, () => lie);
    const upstream = await upstreamFor(t);
    const gateway = await start(t, upstream, endpoint, { route: { retry: 'off' } });
    const first = await call(gateway);
    unavailable(first, pattern);
    assert.match(first.text, new RegExp(`localhost:${endpoint.port}`));
    assert.doesNotMatch(first.text + gateway.stderr, /a-token|my-client|xxx|<b>/);
    assert.deepEqual(tally((await many(20, () => call(gateway))).map((answer) => answer.status)), { 502: 20 });
    assert.ok(endpoint.calls.length <= 2, `${endpoint.calls.length} calls`);
    assert.equal(upstream.requests.length, 0);
  });
}

test('an endpoint that is gone is named; it is asked again, less and less often', async (t) => {
  const endpoint = await endpointFor(t);
  const upstream = await upstreamFor(t);
  await endpoint.stop();
  const gateway = await start(t, upstream, endpoint);
  unavailable(await call(gateway), /cannot be reached/);
  unavailable(await call(gateway), /asked again in [12] s/);
  assert.match((await gateway.ask('/readyz?verbose')).body, /credential_unavailable: no token for secret k: https:\/\/localhost:\d+\/oauth2\/token cannot be reached/);
  await sleep(1100);
  unavailable(await call(gateway), /cannot be reached/);
  await gateway.metricIs(2, 'credential_refreshes_total', { result: 'failed' });
});

test('a certificate that is not by the authority is not trusted', async (t) => {
  const endpoint = await endpointFor(t);
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, endpoint, { token: { tls: {} } });
  unavailable(await call(gateway), /cannot be reached/);
  assert.equal(endpoint.calls.length, 0);
});

test('an endpoint may be where routes may not', async (t) => {
  const endpoint = await endpointFor(t);
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, endpoint, { extra: { egress: {} } });
  const answer = await call(gateway);
  assert.equal(answer.code, 'egress_refused');
  assert.equal(endpoint.calls.length, 1);
});

test('an endpoint that says nothing: those who wait are told after 8 seconds', async (t) => {
  const endpoint = await endpointFor(t, () => null);
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, endpoint);
  const all = await many(10, () => call(gateway));
  for (const answer of all) unavailable(answer, /did not answer in time/);
  assert.equal(endpoint.calls.length, 1);
});

test('a 401 from the API: one new token, and the request is sent once more', async (t) => {
  const endpoint = await endpointFor(t);
  const upstream = await upstreamFor(t, ({ head }) =>
    (head.includes('token-number-1') ? answers('401 Unauthorized', 'no') : answers('200 OK')));
  const gateway = await start(t, upstream, endpoint);
  assert.equal((await call(gateway)).status, 200);
  assert.deepEqual([sent(upstream, 0), sent(upstream, 1)], ['token-number-1', 'token-number-2']);
  assert.equal(endpoint.calls.length, 2);
});

test('a POST is sent once more only where the provider says that the token was why', async (t) => {
  let fields = '';
  const endpoint = await endpointFor(t);
  const upstream = await upstreamFor(t, () => answers('401 Unauthorized', 'no', fields));
  const gateway = await start(t, upstream, endpoint);
  assert.equal((await call(gateway, { method: 'POST', body: 'x' })).status, 401);
  assert.equal(upstream.requests.length, 1);

  const other = await upstreamFor(t, () => answers('401 Unauthorized', 'no', 'WWW-Authenticate: Bearer realm="x", error="invalid_token"\r\n'));
  const second = await start(t, other, endpoint);
  assert.equal((await call(second, { method: 'POST', body: 'x' })).status, 401);
  assert.equal(other.requests.length, 2);
});

test('an API that answers 401 to everything does not make the gateway ask for tokens again and again', async (t) => {
  const endpoint = await endpointFor(t);
  const upstream = await upstreamFor(t, () => answers('401 Unauthorized', 'no'));
  const gateway = await start(t, upstream, endpoint);
  const all = await series(20, () => call(gateway));
  assert.deepEqual(tally(all.map((answer) => answer.status)), { 401: 20 });
  assert.equal(endpoint.calls.length, 2);
});

test('a new value of the secret has a token of its own', async (t) => {
  const folder = fs.mkdtempSync('/tmp/sallyport-tokens-');
  t.after(() => fs.rmSync(folder, { recursive: true }));
  fs.writeFileSync(path.join(folder, 'k'), 'first-client:first-secret-of-it');
  const endpoint = await endpointFor(t);
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, endpoint, { extra: { secrets: [{ type: 'directory', path: folder }] } });
  await call(gateway);
  fs.writeFileSync(path.join(folder, 'k'), 'second-client:second-secret-of-it');
  await until('the new value is used', async () => { await call(gateway); return endpoint.calls.length === 2; });
  assert.match(Buffer.from(endpoint.calls[1].headers.authorization.slice(6), 'base64').toString(), /^second-client:/);
  assert.equal(sent(upstream), 'token-number-2');
});

test('a reload while a token is fetched: who waits has it', async (t) => {
  let let_go;
  const held = new Promise((resolve) => { let_go = resolve; });
  const endpoint = await endpointFor(t, async (asked, number) => { await held; return granted(`token-number-${number}`); });
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, endpoint);
  const waiting = call(gateway);
  await until('it is asked for', () => endpoint.calls.length === 1);
  await gateway.reload((config) => { config.routes.api.timeouts = { total: '1m' }; });
  const second = call(gateway);
  await gateway.reload((config) => { delete config.routes.api; config.tenants.app.allow = []; });
  let_go();
  assert.deepEqual([(await waiting).status, (await second).status], [200, 200]);
  assert.equal(endpoint.calls.length, 1);
});

test('the gateway ends while a token is fetched', async (t) => {
  const endpoint = await endpointFor(t, () => null);
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, endpoint);
  const waiting = call(gateway).catch(() => 'cut');
  await until('it is asked for', () => endpoint.calls.length === 1);
  gateway.signal('SIGTERM');
  gateway.signal('SIGTERM');
  await until('it has ended', () => gateway.end);
  assert.equal(gateway.end.code, 0);
  await waiting;
});

test('a pool: a credential that no token is to be had for is passed over', async (t) => {
  const endpoint = await endpointFor(t, (asked, number) => {
    const [id] = Buffer.from(asked.headers.authorization.slice(6), 'base64').toString().split(':');
    return id === 'bad' ? { status: 401, body: { error: 'invalid_client' } } : granted(`token-number-${number}`);
  });
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, endpoint, {
    route: { credential: [{ secret: 'a' }, { secret: 'b' }] },
    secrets: { a: 'bad:secret-of-the-bad-one', b: 'good:secret-of-the-good-one' },
  });
  const all = await many(20, () => call(gateway));
  assert.deepEqual(tally(all.map((answer) => answer.status)), { 200: 20 });
});

test('the audit log tells of tokens, and not what they are', async (t) => {
  const endpoint = await endpointFor(t, (asked, number) =>
    (number === 1 ? { status: 400, body: { error: 'invalid_scope' } } : granted('the-token-itself')));
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, endpoint, { gateway: { audit_log: 'audit.log' } });
  unavailable(await call(gateway), /invalid_scope/);
  await until('it is had', async () => (await call(gateway)).status === 200);
  const lines = () => fs.readFileSync(path.join(gateway.folder, 'audit.log'), 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  const [failed, had] = await until('both are written', () => {
    const found = lines().filter((line) => line.event.startsWith('token_'));
    return found.length >= 2 && found;
  });
  assert.equal(failed.event, 'token_failed');
  assert.equal(failed.secret, 'k');
  assert.equal(failed.version, 1);
  assert.equal(had.event, 'token_had');
  assert.equal(had.text, 'a token by client_credentials, for 3600 s');
  assert.doesNotMatch(JSON.stringify(lines()), /the-token-itself|a\/secret/);
});

test('what is wrong with the config is said', (t) => {
  const folder = fs.mkdtempSync('/tmp/sallyport-tokens-');
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const check = (token, more = {}, top = {}) => {
    const file = path.join(folder, 'x.yaml');
    fs.writeFileSync(file, JSON.stringify({
      version: 1, secrets: [{ type: 'env' }], ...top,
      routes: {
        api: {
          provider: 'http', base_url: 'https://api.example.com', credential: { secret: 'k' },
          inject: { header: 'Authorization', value: 'Bearer {secret}' }, token, ...more,
        },
      },
    }));
    try {
      sallyport(['check', '-c', file], { stdio: 'pipe' });
      return '';
    } catch (error) {
      return String(error.stderr) + String(error.stdout);
    }
  };
  const url = 'https://login.example.com/token';
  assert.equal(check({ grant: 'client_credentials', url }), '');
  assert.equal(check({ grant: 'client_credentials', url: '/oauth/token' }), '');
  assert.equal(check('off'), '');
  assert.match(check({ grant: 'client_credential', url }), /no grant is called "client_credential"; write one of: client_credentials,/);
  assert.match(check({ url }), /grant is missing/);
  assert.match(check({ grant: 'client_credentials' }), /needs url/);
  assert.match(check({ grant: 'client_credentials', url: 'http://login.example.com' }), /write https:\/\//);
  assert.match(check({ grant: 'client_credentials', url, installation: 5 }), /has no installation/);
  assert.match(check({ grant: 'client_credentials', url, client: 'post' }), /write basic, body or jwt/);
  assert.match(check({ grant: 'azure_client', scope: 'x', directory: 'a/b' }), /no directory/);
  assert.match(check({ grant: 'github_app' }), /needs installation/);
  const own = JSON.parse(fs.readFileSync(path.join(root, 'routes/profiles/salesforce.json'), 'utf8'));
  Object.assign(own.token, { scop: 'x', installation: '5', client: 'post' });
  fs.mkdirSync(path.join(folder, 'profiles'));
  fs.writeFileSync(path.join(folder, 'profiles/mine.json'), JSON.stringify(own));
  const said = check(undefined, { provider: 'mine', inject: undefined }, { providers: { path: 'profiles' } });
  assert.match(said, /the token of provider mine has a member "scop", which none has/);
  assert.match(said, /installation in the token of provider mine: its grant has none/);
  assert.match(said, /client in the token of provider mine: write basic, body or jwt/);
  assert.match(check({ grant: 'client_credentials', url }, { credential: 'none', inject: undefined }), /no secret to have a token for/);
});
