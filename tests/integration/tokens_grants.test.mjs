// The grants, each against an endpoint, or an API, that verifies what is sent.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { many } from '../support/call.mjs';
import { Gateway, gatewayFor, sallyport, until } from '../support/gateway.mjs';
import { serviceAccount, serviceAccountClaims, verified } from '../support/service_account.mjs';
import { endpointFor, granted } from '../support/token_endpoint.mjs';
import { upstreamFor } from '../support/wire.mjs';

const pem = (key) => key.export({ type: 'pkcs8', format: 'pem' });
const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
const p256 = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });

const routeOf = (upstream, token, more = {}) => ({
  upstream: upstream.port, provider: 'http', credential: { secret: 'k' },
  inject: { header: 'Authorization', value: 'Bearer {secret}' }, token, ...more,
});
const start = (t, upstream, token, secret, more = {}) => gatewayFor(t, {
  routes: { api: routeOf(upstream, token, more) }, secrets: { k: secret },
});
const at = (endpoint, more = {}) => ({ url: endpoint.url, tls: { ca: endpoint.ca }, ...more });
const call = async (gateway, route = 'api') => {
  const answer = await fetch(`${gateway.url}/${route}/x`, { headers: { 'x-sallyport-key': gateway.key } });
  return { status: answer.status, text: await answer.text() };
};
const sent = (upstream) => /^authorization: (.*)\r$/im.exec(upstream.requests.at(-1).head)?.[1];

const account = serviceAccount();

test('a service account of Google', async (t) => {
  const endpoint = await endpointFor(t, ({ form }) => {
    const claims = serviceAccountClaims(account, form.assertion);
    assert.equal(claims.iss, account.email);
    assert.equal(claims.aud, endpoint.url);
    assert.equal(claims.scope, 'https://www.googleapis.com/auth/cloud-platform');
    return granted('ya29.the-token-of-google');
  });
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, { grant: 'google_service_account', scope: 'https://www.googleapis.com/auth/cloud-platform', ...at(endpoint) }, account.json);
  assert.equal((await call(gateway)).status, 200);
  assert.equal(sent(upstream), 'Bearer ya29.the-token-of-google');
});

test('an endpoint whose clock differs: what is signed goes by it, and it is said', async (t) => {
  const ahead = 15 * 60;
  const endpoint = await endpointFor(t, ({ form }) => {
    const now = Date.now() / 1000 + ahead;
    const headers = { date: new Date(now * 1000).toUTCString() };
    const claims = serviceAccountClaims(account, form.assertion);
    return Math.abs(claims.iat - now) > 60
      ? { status: 400, headers, body: { error: 'invalid_grant' } }
      : { ...granted('ya29.the-token-of-google'), headers };
  });
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, { grant: 'google_service_account', scope: 'x', ...at(endpoint) }, account.json);
  assert.equal((await call(gateway)).status, 200);
  assert.equal(endpoint.calls.length, 2);
  await gateway.says(/the clock of localhost is (89|90)\d s ahead of ours/);
});

test('an app of GitHub', async (t) => {
  const endpoint = await endpointFor(t, (asked) => {
    const { claims } = verified(asked.headers.authorization.replace('Bearer ', ''), rsa.publicKey, 'RS256');
    assert.equal(claims.iss, '12345');
    assert.ok(claims.exp - claims.iat <= 600);
    assert.equal(asked.path, '/app/installations/678/access_tokens');
    assert.equal(asked.text, '');
    const expires = new Date(Date.now() + 3600_000).toISOString().replace(/\.\d+/, '');
    return { status: 201, body: { token: 'ghs_the-token-of-the-installation', expires_at: expires, permissions: {} } };
  });
  const upstream = await upstreamFor(t);
  const url = `https://localhost:${endpoint.port}/app/installations/{installation}/access_tokens`;
  const gateway = await start(t, upstream, { grant: 'github_app', installation: '678', ...at(endpoint), url }, `12345:${pem(rsa.privateKey)}`);
  assert.equal((await call(gateway)).status, 200);
  assert.equal(sent(upstream), 'Bearer ghs_the-token-of-the-installation');
});

test('a client of Azure, by secret and by certificate', async (t) => {
  const endpoint = await endpointFor(t, ({ form }) => {
    assert.equal(form.grant_type, 'client_credentials');
    assert.equal(form.client_id, 'my-id');
    assert.equal(form.scope, 'https://graph.microsoft.com/.default');
    if (form.client_secret) return granted('eyJ0.by-secret.x');
    const { header, claims } = verified(form.client_assertion, p.publicKey, 'PS256');
    assert.equal(header['x5t#S256'], thumbprint);
    assert.deepEqual([claims.iss, claims.sub, claims.aud], ['my-id', 'my-id', endpoint.url]);
    return granted('eyJ0.by-certificate.x');
  });
  const folder = fs.mkdtempSync('/tmp/sallyport-tokens-');
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const p = rsa;
  fs.writeFileSync(path.join(folder, 'key'), pem(p.privateKey));
  const { execFileSync } = await import('node:child_process');
  const certificate = execFileSync('openssl', ['req', '-x509', '-key', path.join(folder, 'key'), '-subj', '/CN=app', '-days', '2']).toString();
  const thumbprint = crypto.createHash('sha256').update(new crypto.X509Certificate(certificate).raw).digest('base64url');
  const upstream = await upstreamFor(t);
  const token = { grant: 'azure_client', directory: 'contoso.example', ...at(endpoint), scope: 'https://graph.microsoft.com/.default' };
  const first = await start(t, upstream, token, 'my-id:a-secret-of-azure~');
  assert.equal((await call(first)).status, 200);
  assert.equal(sent(upstream), 'Bearer eyJ0.by-secret.x');
  const second = await start(t, upstream, token, `my-id:${pem(p.privateKey)}${certificate}`);
  assert.equal((await call(second)).status, 200);
  assert.equal(sent(upstream), 'Bearer eyJ0.by-certificate.x');
});

test('a JWT as the grant, by ES256', async (t) => {
  const endpoint = await endpointFor(t, ({ form }) => {
    const { header, claims } = verified(form.assertion, p256.publicKey, 'ES256');
    assert.equal(form.grant_type, 'urn:ietf:params:oauth:grant-type:jwt-bearer');
    assert.equal(header.kid, 'my-key');
    assert.deepEqual([claims.iss, claims.sub, claims.aud, claims.scope], ['me', 'you', 'https://login', 'signature']);
    return granted('the-token-for-the-jwt', { expires_in: undefined });
  });
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, {
    grant: 'jwt_bearer', issuer: 'me', subject: 'you', audience: 'https://login', algorithm: 'ES256', key_id: 'my-key',
    claims: { scope: 'signature' }, ...at(endpoint),
  }, pem(p256.privateKey));
  assert.equal((await call(gateway)).status, 200);
  assert.equal(sent(upstream), 'Bearer the-token-for-the-jwt');
});

test('a token is exchanged for another', async (t) => {
  const endpoint = await endpointFor(t, ({ form }) => {
    assert.equal(form.subject_token, 'the-token-of-the-workload');
    return granted('the-token-in-exchange', { token_type: 'N_A', issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' });
  });
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, { grant: 'token_exchange', audience: 'api', ...at(endpoint) }, 'the-token-of-the-workload');
  assert.equal((await call(gateway)).status, 200);
  assert.equal(sent(upstream), 'Bearer the-token-in-exchange');
});

test('on behalf of: the token that a caller sends is exchanged, each for its own; it is not sent on', async (t) => {
  const endpoint = await endpointFor(t, ({ form, headers }) => {
    assert.equal(Buffer.from(headers.authorization.slice(6), 'base64').toString(), 'my-id:my-secret-of-it');
    return form.subject_token === 'token-of-nobody' ? { status: 400, body: { error: 'invalid_grant' } } : granted(`for-${form.subject_token}`);
  });
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, { grant: 'token_exchange', subject_header: 'X-User-Token', ...at(endpoint) }, 'my-id:my-secret-of-it');
  const as = (...users) => fetch(`${gateway.url}/api/x`, { headers: [['x-sallyport-key', gateway.key], ...users.map((user) => ['x-user-token', user])] });
  for (const user of ['token-of-ann', 'Bearer token-of-bob', 'token-of-ann', 'bearer token-of-bob']) {
    assert.equal((await as(user)).status, 200);
    assert.equal(sent(upstream), `Bearer for-${user.split(' ').at(-1)}`);
    assert.doesNotMatch(upstream.requests.at(-1).head, /x-user-token/i);
  }
  assert.equal(endpoint.calls.length, 2);
  const nobody = await as('token-of-nobody');
  assert.equal(nobody.status, 502);
  assert.match(await nobody.text(), /invalid_grant/);
  assert.equal((await as('token-of-ann')).status, 200);
  for (const users of [[], ['token-of-ann', 'token-of-bob'], ['']]) {
    const answer = await as(...users);
    assert.equal(answer.status, 400);
    assert.match(await answer.text(), /X-User-Token/);
  }
  await many(40, (i) => as(`token-of-user-${i}`));
  assert.doesNotMatch(gateway.stderr, /token-of/);
  await gateway.metricIs(1, 'credential_refreshes_total', { result: 'failed' });
});

test('Apple\'s: signed here, and the same for all', async (t) => {
  const upstream = await upstreamFor(t, () => 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno');
  const gateway = await start(t, upstream, { grant: 'apns' }, `TEAM000001:KEY0000001:${pem(p256.privateKey)}`);
  await many(20, () => call(gateway));
  const tokens = new Set(upstream.requests.map(({ head }) => /^authorization: Bearer (.*)\r$/im.exec(head)[1]));
  assert.equal(tokens.size, 1);
  const { header, claims } = verified([...tokens][0], p256.publicKey, 'ES256');
  assert.equal(header.kid, 'KEY0000001');
  assert.equal(claims.iss, 'TEAM000001');
  assert.ok(Math.abs(claims.iat - Date.now() / 1000) < 60);
});

test('web push: the audience is the push service; the JWT does not come back', async (t) => {
  const upstream = await upstreamFor(t, ({ head }) => {
    const jwt = /t=([^,]*)/.exec(head)[1];
    return `HTTP/1.1 201 Created\r\nContent-Length: ${jwt.length}\r\n\r\n${jwt}`;
  });
  const gateway = await start(t, upstream, { grant: 'vapid', subject: 'mailto:push@example.com' },
    p256.privateKey.export({ format: 'jwk' }).d, { inject: { header: 'Authorization', value: 'vapid {secret}' } });
  const answer = await call(gateway);
  assert.match(answer.text, /^\*+$/);
  const [, jwt, key] = /^vapid t=([^,]*), k=(.*)$/.exec(sent(upstream));
  const { claims } = verified(jwt, p256.publicKey, 'ES256');
  assert.equal(claims.aud, `http://127.0.0.1:${upstream.port}`);
  assert.equal(claims.sub, 'mailto:push@example.com');
  const { x, y } = p256.publicKey.export({ format: 'jwk' });
  assert.equal(key, Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]).toString('base64url'));
});

// Each refresh token is good once.
async function rotatingFor(t) {
  const state = { good: 'refresh-token-number-0', reused: 0 };
  state.endpoint = await endpointFor(t, async ({ form }, number) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (form.refresh_token !== state.good) {
      state.reused++;
      return { status: 400, body: { error: 'invalid_grant' } };
    }
    state.good = `refresh-token-number-${number}`;
    return granted(`access-token-number-${number}`, { refresh_token: state.good, expires_in: state.life ?? 3600 });
  });
  return state;
}

function sealed(folder, value) {
  const files = { path: path.join(folder, 'secrets.sealed'), key_file: path.join(folder, 'master.key') };
  sallyport(['secrets', 'set', 'k', '--file', files.path, '--key-file', files.key_file], { input: value });
  return [{ type: 'sealed', ...files }];
}

test('rotating refresh tokens: the last one is known after a restart; a new secret begins anew', async (t) => {
  const folder = fs.mkdtempSync('/tmp/sallyport-tokens-');
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const rotating = await rotatingFor(t);
  const upstream = await upstreamFor(t);
  const options = {
    routes: { api: routeOf(upstream, { grant: 'refresh_token', ...at(rotating.endpoint) }) },
    extra: { secrets: sealed(folder, 'my-id:my-secret-of-it:refresh-token-number-0') },
  };
  for (const number of [1, 2, 3]) {
    const gateway = await Gateway.start(options);
    assert.equal((await call(gateway)).status, 200);
    assert.equal(sent(upstream), `Bearer access-token-number-${number}`);
    await gateway.stop();
    assert.doesNotMatch(gateway.stderr, /refresh-token|access-token/);
  }
  assert.equal(rotating.reused, 0);
  assert.doesNotMatch(fs.readFileSync(path.join(folder, 'secrets.sealed'), 'latin1'), /refresh-token/);

  rotating.good = 'refresh-token-of-an-operator';
  const gateway = await gatewayFor(t, options);
  sealed(folder, 'my-id:my-secret-of-it:refresh-token-of-an-operator');
  await until('the new secret is used', async () => (await call(gateway)).status === 200);
  assert.equal(rotating.good, `refresh-token-number-${rotating.endpoint.calls.length}`);
});

test('two routes with one rotating refresh token take turns', async (t) => {
  const folder = fs.mkdtempSync('/tmp/sallyport-tokens-');
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const rotating = await rotatingFor(t);
  const upstream = await upstreamFor(t);
  const token = { grant: 'refresh_token', ...at(rotating.endpoint) };
  const gateway = await gatewayFor(t, {
    routes: {
      a: routeOf(upstream, { ...token, scope: 'a' }), b: routeOf(upstream, { ...token, scope: 'b' }), c: routeOf(upstream, { ...token, scope: 'c' }),
    },
    extra: { secrets: sealed(folder, 'my-id:my-secret-of-it:refresh-token-number-0') },
  });
  const all = await Promise.all(['a', 'b', 'c'].map((route) => call(gateway, route)));
  assert.deepEqual(all.map((answer) => answer.status), [200, 200, 200]);
  assert.equal(rotating.reused, 0);
});

test('without a sealed file a rotated refresh token is kept in memory, which is said', async (t) => {
  const rotating = await rotatingFor(t);
  rotating.life = 1;
  const upstream = await upstreamFor(t);
  const gateway = await start(t, upstream, { grant: 'refresh_token', ...at(rotating.endpoint) }, 'my-id:my-secret-of-it:refresh-token-number-0');
  await until('it was had three times', async () => {
    assert.equal((await call(gateway)).status, 200);
    return rotating.endpoint.calls.length >= 3;
  });
  assert.equal(rotating.reused, 0);
  await gateway.says(/secret "k": its endpoint gave a new refresh token, which is lost when the gateway ends/);
});
