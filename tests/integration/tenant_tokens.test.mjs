// Tenants' JSON Web Tokens: who is taken for whom, everything that is refused, and key sets that are
// rotated, slow, large, wrong or away.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';

import { authorityFor } from '../support/certificates.mjs';
import { binary, gatewayFor, newKey, sleep, until } from '../support/gateway.mjs';
import { movingClock } from '../support/preload.mjs';
import { issuerFor, newSigner, newToken, seconds } from '../support/tokens.mjs';
import { upstreamFor } from '../support/wire.mjs';

const url64 = (value) => Buffer.from(value).toString('base64url');

// `tenants`: a function of the issuer. By default `checkout` takes tokens, `other` has a key alone.
async function worldFor(t, { tenants, provider = 'http', workers = 1, env } = {}) {
  const authority = authorityFor(t);
  const issuer = await issuerFor(t, authority);
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    routes: { api: { upstream: upstream.port, provider, credential: 'none' } },
    tenants: tenants?.(issuer) ?? { checkout: { allow: ['api'], keys: [], jwt: issuer.config() }, other: { allow: ['api'] } },
    gateway: { audit_log: 'audit.json', workers }, env,
  });
  const call = (token, headers = {}) =>
    fetch(`${gateway.url}/api/x`, { headers: { 'x-sallyport-key': token, connection: 'close', ...headers } }); // clocks that jump end kept ones
  return { authority, issuer, upstream, gateway, call };
}

const auditText = (gateway) => fs.readFileSync(path.join(gateway.folder, 'audit.json'), 'utf8');
const refusals = (gateway) => auditText(gateway).split('\n').filter(Boolean).map((line) => JSON.parse(line))
  .filter((line) => line.event === 'key_refused');

// The audit log takes 10 refusals a second: they are made slowly.
async function refused(world, token, expected, headers) {
  const before = refusals(world.gateway).length;
  const answer = await world.call(token, headers);
  const body = await answer.text();
  assert.equal(answer.status, 401, body);
  assert.equal(answer.headers.get('x-sallyport-error'), 'tenant_unknown');
  assert.match(body, expected);
  const line = await until('it is audited', () => refusals(world.gateway)[before]);
  assert.match(line.text, expected);
  await sleep(110);
  return line;
}

// No part of a token may be anywhere; the header's part is the same in all and short, so it counts, too.
function nothingLeaked({ gateway, upstream }, tokens) {
  const all = auditText(gateway) + gateway.stderr + gateway.stdout + JSON.stringify(gateway.accessLog())
    + upstream.requests.map(({ head }) => head).join('');
  for (const token of tokens) {
    for (const part of token.split('.').slice(1).filter((text) => text.length > 20)) {
      assert.ok(!all.includes(part), `leaked: ${part}`);
    }
  }
}

test('a token is its tenant, in the slots of the profile and in X-Sallyport-Key, with each algorithm', async (t) => {
  const world = await worldFor(t, { provider: 'openai' });
  const { issuer, upstream, gateway } = world;
  const tokens = [];
  for (const alg of ['ES256', 'RS256', 'EdDSA']) {
    const signer = issuer.add(alg, `of-${alg}`);
    if (alg === 'ES256') issuer.signers.shift(); // the set is not fetched before the first token
  }
  for (const signer of issuer.signers) {
    const token = issuer.token({ aud: ['elsewhere', 'sallyport'] }, { signer });
    tokens.push(token);
    for (const headers of [{ 'x-sallyport-key': token }, { authorization: `Bearer ${token}` },
      { authorization: `Bearer ${token}`, 'x-sallyport-key': token }]) {
      const answer = await fetch(`${gateway.url}/api/x`, { headers });
      assert.equal(answer.status, 200, await answer.text());
      assert.ok(!upstream.requests.at(-1).head.includes(token));
      const line = await gateway.logLine(answer.headers.get('x-sallyport-request-id'));
      assert.equal(line.tenant, 'checkout');
    }
  }
  assert.equal(issuer.fetches, 1);
  // A placeholder beside it does no harm; a key of another tenant does.
  assert.equal((await fetch(`${gateway.url}/api/x`, {
    headers: { 'x-sallyport-key': tokens[0], authorization: 'Bearer placeholder' } })).status, 200);
  const both = await fetch(`${gateway.url}/api/x`, {
    headers: { 'x-sallyport-key': tokens[0], authorization: `Bearer ${gateway.keys.other}` } });
  assert.equal(both.status, 401);
  assert.match(await both.text(), /two tenants/);
  nothingLeaked(world, tokens);
});

test('what is wrong with a token is 401, audited with issuer and key id, and leaks nothing', async (t) => {
  const world = await worldFor(t);
  const { issuer } = world;
  const signer = issuer.signers[0];
  const rsa = issuer.add('RS256', 'rsa');
  const stranger = newSigner('ES256', 'k1');
  const tokens = [];
  const good = issuer.token();
  const [head, claims, sign] = good.split('.');
  const hmac = (key, header) => {
    const front = `${url64(JSON.stringify(header))}.${url64(JSON.stringify(issuer.claims()))}`;
    return `${front}.${crypto.createHmac('sha256', key).update(front).digest('base64url')}`;
  };
  const other = (of, header, text) => newToken(of, issuer.claims(), { header, text });
  const cases = [
    [issuer.token({ exp: seconds(-61) }), /it has expired/],
    [issuer.token({ exp: undefined }), /exp is missing/],
    [issuer.token({ exp: 'tomorrow' }), /no whole number/],
    [issuer.token({ exp: seconds(300) + 0.5 }), /no whole number/],
    [issuer.token({ exp: -5 }), /no whole number/],
    [issuer.token({ nbf: seconds(120) }), /nbf is still to come/],
    [issuer.token({ iat: seconds(120) }), /iat is still to come/],
    [issuer.token({ iss: 'https://login.example/' }), /no tenant takes tokens of its issuer/],
    [issuer.token({ iss: undefined }), /no tenant takes tokens of its issuer/],
    [issuer.token({ iss: ['https://login.example'] }), /no tenant takes tokens of its issuer/],
    [issuer.token({ aud: 'sallyport2' }), /no tenant takes its audience/],
    [issuer.token({ aud: undefined }), /no tenant takes its audience/],
    [issuer.token({ sub: 'Checkout' }), /no tenant takes its audience/],
    [issuer.token({ sub: 'checkout\u0000' }), /no JWT/],
    [issuer.token({ sub: 7 }), /no tenant takes its audience/],
    [issuer.token({ sub: { checkout: true } }), /no tenant takes its audience/],
    [newToken(stranger, issuer.claims()), /its signature is wrong/],
    // Who has no signature does not learn what is somebody's.
    [newToken(stranger, issuer.claims({ sub: 'nobody' })), /its signature is wrong/],
    [newToken(stranger, issuer.claims({ aud: 'elsewhere' })), /its signature is wrong/],
    [`${head}.${claims}.${url64(Buffer.alloc(64))}`, /its signature is wrong/],
    [`${head}.${claims}.`, /no JWT/],
    [`${head}.${url64(JSON.stringify(issuer.claims({ sub: 'checkout', more: 1 })))}.${sign}`, /its signature is wrong/],
    [`${head}.${claims}.${sign}.x`, /no tenant key/],
    [`${head}=.${claims}.${sign}`, /no JWT/],
    [other(signer, { alg: 'none' }, ''), /not signed with/],
    [other(signer, { alg: 'NONE' }), /not signed with/],
    [other(signer, { alg: 'ES384' }), /not signed with/],
    [other(signer, { alg: 'RS256' }), /has no key of this kid and algorithm/],
    [other(rsa, { alg: 'ES256', kid: 'k1' }), /no JWT/], // of another length
    [hmac(rsa.publicKey.export({ type: 'spki', format: 'pem' }), { alg: 'HS256', kid: 'rsa' }), /not signed with/],
    [hmac(rsa.publicKey.export({ type: 'spki', format: 'pem' }), { alg: 'RS256', kid: 'rsa' }), /its signature is wrong/],
    [other(signer, { crit: ['exp'] }), /crit/],
    [other(signer, { crit: ['b64'], b64: false }), /crit/],
    [newToken(signer, `{"iss":"${issuer.name}","aud":"sallyport","sub":"other","sub":"checkout","exp":${seconds(300)}}`), /each name once/],
    [newToken(signer, issuer.claims(), { header: '{"alg":"ES256","kid":"k1","kid":"k2"}' }), /each name once/],
    [newToken(stranger, issuer.claims(), { header: { jwk: stranger.jwk, jku: 'https://127.0.0.1:1/', x5u: 'https://127.0.0.1:1/', x5c: ['AAAA'] } }),
      /its signature is wrong/],
    [other(signer, { kid: '../../../../etc/passwd' }), /has no key of this kid/],
    [other(signer, { kid: "' OR 1=1 --" }), /no JWT/],
    [other(signer, { kid: 'k'.repeat(10240) }), /no JWT/],
    [other(signer, { kid: null }), /no JWT/],
    [other(stranger, { kid: undefined }), /its signature is wrong/],
    [other(signer, { kid: 7 }), /no JWT/],
    [issuer.token({ fill: 'x'.repeat(16384) }), /no JWT of up to 16 KiB/],
    [newToken(signer, '[]'), /no JWT/],
    [newToken(signer, `{"a":${'['.repeat(100)}${']'.repeat(100)}}`), /no JWT/],
    [newToken(signer, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]).toString('latin1')), /no JWT|issuer/],
  ];
  for (const [token, expected] of cases) {
    tokens.push(token);
    const line = await refused(world, token, expected);
    if (/its signature/.test(line.text)) assert.match(line.text, /; iss https:\/\/login\.example(; kid (k1|rsa))?$/);
  }
  assert.equal(world.upstream.requests.length, 0);
  assert.equal(issuer.fetches, 1, 'unknown key ids make no calls within a minute');
  // Even beside a good key of its own tenant or another: who sends it is not who it says.
  const beside = await world.call(cases[0][0], { authorization: `Bearer ${world.gateway.keys.other}` });
  assert.equal(beside.status, 401);
  assert.equal((await world.call(good)).status, 200);
  assert.equal((await world.call(issuer.token({ exp: seconds(-30), nbf: seconds(30), iat: seconds(30) }))).status, 200);
  nothingLeaked(world, [...tokens, good]);
});

test('a token of an issuer that nobody lists is no credential: a key beside it counts', async (t) => {
  const world = await worldFor(t, { provider: 'openai' });
  const user = newToken(newSigner('ES256', 'x'), { iss: 'https://elsewhere', aud: 'me', exp: seconds(60) });
  const answer = await fetch(`${world.gateway.url}/api/x`, {
    headers: { 'x-sallyport-key': world.gateway.keys.other, authorization: `Bearer ${user}` } });
  assert.equal(answer.status, 200);
  nothingLeaked(world, [user]);
});

test('audiences, claims and pointers choose the tenant; a token of two is refused', async (t) => {
  const world = await worldFor(t, {
    tenants: (issuer) => ({
      search: { allow: ['api'], keys: [], jwt: [issuer.config({ claims: { '/realm/roles': 'search', azp: 'batch' } }),
        issuer.config({ audience: 'search-only', claims: { sub: 'search' } })] },
      billing: { allow: ['api'], keys: [], jwt: issuer.config({ claims: { '/realm/roles': 'billing', azp: 'batch' } }) },
      named: { allow: ['api'], keys: [], jwt: issuer.config({ claims: { 'https://corp/team': 'a/b~c', sub: 'team' } , audience: 'named' }) },
      escaped: { allow: ['api'], keys: [], jwt: issuer.config({ claims: { '/a~1b/c~0d': 'x' }, audience: 'escaped' }) },
      narrow: { allow: ['api'], keys: [], jwt: issuer.config({ claims: { sub: 'narrow' }, audience: 'narrow', algorithms: ['RS256'] }) },
    }),
  });
  const { issuer, gateway, call } = world;
  const rsa = issuer.add('RS256', 'rsa');
  for (const [claims, tenant, options] of [
    [{ realm: { roles: ['x', 'search'] }, azp: 'batch' }, 'search'],
    [{ realm: { roles: 'billing' }, azp: 'batch' }, 'billing'],
    [{ aud: 'search-only', sub: 'search' }, 'search'],
    [{ aud: 'named', sub: 'team', 'https://corp/team': 'a/b~c' }, 'named'],
    [{ aud: 'escaped', 'a/b': { 'c~d': ['x'] } }, 'escaped'],
    [{ aud: 'narrow', sub: 'narrow' }, 'narrow', { signer: rsa }],
  ]) {
    const answer = await call(issuer.token(claims, options));
    assert.equal(answer.status, 200, `${tenant}: ${await answer.text()}`);
    assert.equal((await gateway.logLine(answer.headers.get('x-sallyport-request-id'))).tenant, tenant);
  }
  await refused(world, issuer.token({ realm: { roles: ['search', 'billing'] }, azp: 'batch' }), /fit two tenants/);
  await refused(world, issuer.token({ aud: ['search-only', 'narrow'], sub: 'narrow' }), /no tenant takes/); // ES256
  await refused(world, issuer.token({ realm: [{ roles: 'search' }], azp: 'batch' }), /no tenant takes/);
  await refused(world, issuer.token({ realm: { roles: 'search' } }), /no tenant takes/);
});

test('keys are rotated: an unknown key id makes one fetch a minute, a removed key ends its tokens', async (t) => {
  const world = await worldFor(t);
  const { issuer, call, gateway } = world;
  const old = issuer.token();
  assert.equal((await call(old)).status, 200);
  const next = issuer.add('ES256', 'k2');
  await refused(world, issuer.token({}, { signer: next }), /has no key of this kid/); // fetched just now
  assert.equal(issuer.fetches, 1);
  assert.equal((await call(old)).status, 200);
  // With the config of a new file the old set is still known; with another endpoint it is fetched.
  issuer.signers.shift();
  await gateway.reload((config) => { config.tenants.checkout.jwt.jwks = `${issuer.jwks}/v2`; });
  assert.equal((await call(issuer.token())).status, 200);
  await refused(world, old, /has no key of this kid/); // it was remembered, but its key is gone
  assert.equal(issuer.fetches, 2);
  // A tenant that no longer takes tokens.
  const last = issuer.token();
  assert.equal((await call(last)).status, 200);
  await gateway.reload((config) => { config.tenants.checkout = { allow: ['api'], keys: [newKey().hash] }; });
  assert.equal((await call(last)).status, 401);
});

test('a token without kid goes by the only key of its algorithm, and by none of several', async (t) => {
  const world = await worldFor(t);
  const { issuer, call } = world;
  const rsa = issuer.add('RS256', 'rsa');
  delete rsa.jwk.kid; // nor need keys have one
  const kidless = (signer, more) => issuer.token(more, { signer, header: { kid: undefined } });
  assert.equal((await call(kidless(issuer.signers[0]))).status, 200);
  assert.equal((await call(kidless(rsa))).status, 200);
  await refused(world, issuer.token({}, { signer: rsa, header: { kid: 'rsa' } }), /has no key of this kid/);
  const before = issuer.fetches;
  await refused(world, kidless(newSigner('EdDSA', 'x')), /has no key of this kid and algorithm/);
  assert.equal(issuer.fetches, before); // for the kid before it was asked anew, so not within a minute
  await refused(world, kidless(newSigner('ES256', 'k1')), /its signature is wrong/);
  // Another world, whose set has two of a kind.
  const two = await worldFor(t);
  two.issuer.add('ES256', 'k2');
  assert.equal((await two.call(two.issuer.token())).status, 200);
  await refused(two, issuer.token({}, { signer: two.issuer.signers[1], header: { kid: undefined } }), /has no kid, and its issuer has several keys of its algorithm/);
  assert.equal(two.issuer.fetches, 1); // no reason to ask for another set
});

test('as time goes on: new keys, removed keys, an endpoint that is away for an hour, tokens that end', async (t) => {
  const clock = movingClock();
  const world = await worldFor(t, { env: clock.env });
  const { issuer, call } = world;
  const long = issuer.token({ exp: seconds(100_000) });
  const short = issuer.token({ exp: seconds(100) });
  assert.equal((await call(long)).status, 200);
  assert.equal((await call(short)).status, 200);
  const next = issuer.add('ES256', 'k2');
  const later = issuer.token({ exp: seconds(100_000) }, { signer: next });
  await refused(world, later, /has no key of this kid/);
  clock.ahead(61);
  assert.equal((await call(later)).status, 200);
  assert.equal(issuer.fetches, 2);
  clock.ahead(161); // with the leeway
  await refused(world, short, /it has expired/);
  issuer.signers.shift();
  assert.equal((await call(long)).status, 200);
  clock.ahead(61 + 601); // Cache-Control: max-age=600
  await until('the set is fetched anew, and without its key the token is nobody', async () => (await call(long)).status === 401);
  assert.equal(issuer.fetches, 3);
  assert.equal((await call(later)).status, 200);
  issuer.answer = (res) => res.destroy();
  clock.ahead(3000);
  assert.equal((await call(later)).status, 200);
  await until('it was asked again', () => issuer.fetches === 4);
  assert.equal((await call(later)).status, 200);
  clock.ahead(61 + 601 + 600 + 3601);
  const away = await call(later);
  assert.equal(away.status, 503);
  issuer.answer = null;
  clock.ahead(61 + 601 + 600 + 3610);
  assert.equal((await call(later)).status, 200);
});

test('a key set is asked for by its path and query as they are written; logs show no query', async (t) => {
  const targets = ['/keys?p=b2c_1_signin&x=a%20b', '/keys?p=other', '/keys/', '/?v=1', '?v=2', '/none?p=b2c_1_signin'];
  const names = targets.map((_, i) => `https://login.example/${i}`);
  const world = await worldFor(t, { tenants: (issuer) => Object.fromEntries(targets.map((target, i) => [`t${i}`, {
    allow: ['api'], jwt: { ...issuer.config(), issuer: names[i], jwks: issuer.jwks.replace('/keys', target) } }])) });
  const { issuer, call, gateway } = world;
  const asked = [];
  issuer.answer = (res, req) => { // each its own key
    asked.push(req.url);
    if (req.url.startsWith('/none')) return res.writeHead(404).end();
    res.end(JSON.stringify({ keys: [issuer.signers[targets.findIndex((target) => req.url === target.replace(/^[?]/, '/?'))].jwk] }));
  };
  for (let i = 1; i < targets.length; i++) issuer.add('ES256', 'k1');
  for (const [i, iss] of names.entries()) {
    const answer = await call(issuer.token({ iss }, { signer: issuer.signers[i] }));
    assert.equal(answer.status, targets[i].startsWith('/none') ? 503 : 200, targets[i]);
  }
  assert.deepEqual(asked, ['/keys?p=b2c_1_signin&x=a%20b', '/keys?p=other', '/keys/', '/?v=1', '/?v=2', '/none?p=b2c_1_signin']);
  await until('it is logged', () => /jwks: https:\/\/localhost:\d+\/none cannot be fetched: status 404/.test(gateway.stderr));
  assert.ok(!gateway.stderr.includes('b2c_1'));
});

test('many requests for one set make one fetch, and a client that leaves meanwhile is let go', async (t) => {
  const world = await worldFor(t);
  const { issuer, gateway, call } = world;
  const token = issuer.token();
  let release;
  const open = new Promise((resolve) => (release = resolve));
  issuer.answer = async (res) => { await open; res.end(issuer.document()); };
  const sockets = Array.from({ length: 3 }, () => {
    const socket = net.connect(gateway.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`GET /api/x HTTP/1.1\r\nHost: x\r\nX-Sallyport-Key: ${token}\r\n\r\n`);
    return socket;
  });
  const calls = Array.from({ length: 20 }, () => call(token));
  await until('all wait', async () => (await gateway.metric('exchanges')) === 23 && issuer.fetches === 1);
  // Others are served meanwhile.
  assert.equal((await call(gateway.keys.other)).status, 200);
  for (const socket of sockets) socket.destroy();
  await until('they are gone', async () => (await gateway.metric('exchanges')) === 20);
  release();
  for (const answer of await Promise.all(calls)) assert.equal(answer.status, 200);
  assert.equal(issuer.fetches, 1);
  await until('they are logged', () => gateway.accessLog()
    .filter(({ ended_by: by, step }) => by === 'client' && step === 'identify').length === 3);
});

test('a key set that cannot be had is 503, not 401, and takes nothing down', async (t) => {
  const world = await worldFor(t);
  const { issuer, gateway, call } = world;
  const lies = [
    ['10 MB', (res) => { res.writeHead(200); res.end(' '.repeat(10 << 20)); }, /262144 bytes and more than is taken/],
    ['endless', (res) => { res.writeHead(200); const pump = () => { while (res.write('x'.repeat(65536))); res.once('drain', pump); }; pump(); }, /more than is taken/],
    ['cut', (res) => { res.writeHead(200, { 'content-length': 1000 }); res.write('{"keys":'); setTimeout(() => res.destroy(), 20); }, /cannot be fetched/],
    ['an error page', (res) => { res.writeHead(200); res.end('<html>'); }, /has no usable key/],
    ['no keys', (res) => { res.writeHead(200); res.end('{"keys":[]}'); }, /has no usable key/],
    ['HMAC keys', (res) => { res.writeHead(200); res.end('{"keys":[{"kty":"oct","kid":"k1","k":"AAAA"}]}'); }, /has no usable key/],
    ['a redirect', (res) => { res.writeHead(302, { location: issuer.jwks }); res.end(); }, /status 302/],
    ['an error', (res) => { res.writeHead(500); res.end(issuer.document()); }, /status 500/],
    ['silence', () => {}, /cannot be fetched/], // 8 s
    ['nothing', (res) => res.destroy(), /cannot be fetched/],
  ];
  const token = issuer.token();
  for (const [name, answer, logged] of lies) {
    issuer.answer = answer;
    const seen = gateway.stderr.length;
    // A set that is not there is asked for again in 5 s; a new place at once.
    await gateway.reload((config) => { config.tenants.checkout.jwt.jwks = `${issuer.jwks}/${name.replaceAll(' ', '-')}`; });
    const said = await call(token);
    assert.equal(said.status, 503, name);
    assert.equal(said.headers.get('x-sallyport-error'), 'store_unavailable');
    assert.ok(Number(said.headers.get('retry-after')) >= 1);
    assert.match(await said.text(), /keys of the token's issuer cannot be had now/);
    await until(`it is logged: ${name}`, () => logged.test(gateway.stderr.slice(seen))).catch(() => assert.match(gateway.stderr.slice(seen), logged, name));
    assert.equal((await call(gateway.keys.other)).status, 200);
  }
  issuer.answer = null;
  await until('it is well again', async () => (await call(token)).status === 200, { timeout: 30000, every: 500 });
  assert.equal(world.upstream.requests.length, lies.length + 1);
  nothingLeaked(world, [token]);
});

test('an endpoint whose certificate is not trusted gives no keys', async (t) => {
  const world = await worldFor(t, { tenants: (issuer) => {
    const { tls, ...rest } = issuer.config();
    return { checkout: { allow: ['api'], keys: [], jwt: rest } };
  } });
  const answer = await world.call(world.issuer.token());
  assert.equal(answer.status, 503);
  assert.equal(world.issuer.fetches, 0);
});

test('keys of a file: read at start and with a reload', async (t) => {
  const signer = newSigner('EdDSA', 'one');
  const authority = authorityFor(t);
  const file = path.join(authority.folder, 'keys.json');
  fs.writeFileSync(file, JSON.stringify({ keys: [signer.jwk] }));
  const world = await worldFor(t, { tenants: (issuer) => ({
    checkout: { allow: ['api'], keys: [], jwt: { issuer: issuer.name, audience: 'sallyport', jwks: file, claims: { sub: 'checkout' } } } }) });
  const { issuer, call, gateway } = world;
  const token = issuer.token({}, { signer });
  assert.equal((await call(token)).status, 200);
  assert.equal((await call(token)).status, 200);
  const next = newSigner('RS256', 'two');
  fs.writeFileSync(file, JSON.stringify({ keys: [next.jwk] }));
  await gateway.reload();
  await refused(world, token, /has no key of this kid/);
  assert.equal((await call(issuer.token({}, { signer: next }))).status, 200);
  assert.equal(issuer.fetches, 0);
  fs.writeFileSync(file, '{}');
  assert.match(await gateway.reload(), /reload refused.*jwks: no usable key is in it/);
  assert.equal((await call(issuer.token({}, { signer: next }))).status, 200);
});

test('what the config may not say of tokens is told with its place', async (t) => {
  const { gateway, issuer, authority } = await worldFor(t);
  const good = issuer.config();
  const tenants = (jwt, second) => ({ one: { allow: ['api'], jwt }, ...(second && { two: { allow: ['api'], jwt: second } }) });
  for (const [config, expected] of [
    [tenants({ ...good, claims: {} }), /jwt\.claims: without a claim any token/],
    [tenants({ ...good, claims: undefined }), /claims is missing/],
    [tenants({ ...good, issuer: undefined }), /issuer is missing/],
    [tenants({ ...good, audience: undefined }), /audience is missing/],
    [tenants({ ...good, jwks: undefined }), /jwks is missing/],
    [tenants({ ...good, jwks: 'http://login.example/keys' }), /write an https URL, or a file/],
    [tenants({ ...good, jwks: 'https://u:hunter2@login.example/keys' }), /jwks: (?!.*hunter2)/],
    [tenants({ ...good, jwks: 'https://u:hunter2@login.example/keys?a=b' }), /jwks: (?!.*hunter2)/],
    [tenants({ ...good, jwks: 'https://login.example/keys?a=b#c' }), /no '#'/],
    [tenants({ ...good, jwks: 'https://login.example/keys#c?a=b' }), /no '\?' and no '#'/],
    [tenants({ ...good, jwks: 'https://login.example/keys?a=b c' }), /a query may have/],
    [tenants({ ...good, jwks: 'https://login.example/keys?a=b\r\nX-Y: z' }), /a query may have/],
    [tenants({ ...good, jwks: `https://login.example/keys?${'a'.repeat(513)}` }), /longer than 512 bytes/],
    [tenants({ ...good, jwks: '/does/not/exist' }), /cannot use the file/],
    [tenants({ ...good, jwks: authority.file }), /no usable key is in it/],
    [tenants({ ...good, algorithms: ['HS256'] }), /"HS256" is not taken; write RS256, ES256 or EdDSA/],
    [tenants({ ...good, algorithms: ['none'] }), /"none" is not taken/],
    [tenants({ ...good, leeway: '1h' }), /too large/],
    [tenants({ ...good, claims: { '/a/~2': 'x' } }), /no JSON Pointer/],
    [tenants({ ...good, claims: { '/1/2/3/4/5/6/7/8/9': 'x' } }), /no JSON Pointer of up to 8/],
    [tenants(good, good), /one token could be of this tenant and of "one"/],
    [tenants(good, { ...good, claims: { azp: 'x' } }), /one token could be of this tenant and of "one"/],
    [tenants(good, { ...good, claims: { sub: 'checkout', azp: 'x' } }), /one token could be of this tenant and of "one"/],
    [tenants(good, { ...good, claims: { sub: 'x' }, jwks: 'https://login.example/keys' }), /this issuer has another key set/],
    [{ one: { allow: ['api'] } }, /tenants\.one: keys is missing; write keys: .* or jwt/],
  ]) {
    const file = path.join(gateway.folder, 'other.yaml');
    fs.writeFileSync(file, JSON.stringify({ ...gateway.config, tenants: config }));
    const said = spawnSync(binary, ['check', '-c', file], { encoding: 'utf8' });
    assert.equal(said.status, 2, JSON.stringify(config));
    assert.match(said.stderr, expected);
  }
  for (const config of [tenants(good, { ...good, claims: { sub: 'x' } }), tenants(good, { ...good, audience: 'x' }),
    tenants([good, { ...good, claims: { azp: 'x' } }])]) {
    const file = path.join(gateway.folder, 'other.yaml');
    fs.writeFileSync(file, JSON.stringify({ ...gateway.config, tenants: config }));
    const said = spawnSync(binary, ['check', '-c', file], { encoding: 'utf8' });
    assert.equal(said.status, 0, said.stderr);
  }
});
