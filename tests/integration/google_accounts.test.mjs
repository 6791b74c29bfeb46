// Google's files beside a service account's key: external accounts (workload identity federation) and
// impersonated service accounts, against a pretend STS and IAM that verify each call.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { gatewayFor, temporaryFolder, until } from '../support/gateway.mjs';
import { serviceAccount, serviceAccountClaims } from '../support/service_account.mjs';
import { endpointFor, granted } from '../support/token_endpoint.mjs';
import { upstreamFor } from '../support/wire.mjs';

const SCOPE = 'https://www.googleapis.com/auth/devstorage.read_only';
const WIDE = 'https://www.googleapis.com/auth/cloud-platform';
const AUDIENCE = '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q';
const ACCOUNT = '/v1/projects/-/serviceAccounts/robot@p.iam.gserviceaccount.com:generateAccessToken';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';

// Google and the workload's own cloud, on one server.
async function googleFor(t, { subject = () => 'subject-of-the-workload', sts = () => undefined } = {}) {
  const endpoint = await endpointFor(t, (call) => {
    if (call.path === '/v1/token') {
      assert.equal(call.form.grant_type, 'urn:ietf:params:oauth:grant-type:token-exchange');
      assert.equal(call.form.audience, AUDIENCE);
      assert.equal(call.form.subject_token_type, JWT);
      assert.equal(call.form.requested_token_type, 'urn:ietf:params:oauth:token-type:access_token');
      if (call.form.subject_token !== 'subject-of-the-workload') return { status: 400, body: { error: 'invalid_grant' } };
      return sts(call) ?? granted(call.form.scope === WIDE ? 'federated-and-wide' : 'federated-token', { issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' });
    }
    if (call.path === ACCOUNT) {
      assert.equal(call.headers['content-type'], 'application/json');
      if (!['Bearer federated-and-wide', 'Bearer token-of-the-source'].includes(call.headers.authorization)) return { status: 403, body: { error: { code: 403 } } };
      endpoint.asked = JSON.parse(call.text);
      return { body: { accessToken: 'token-of-the-robot', expireTime: new Date(Date.now() + 3600_000).toISOString() } };
    }
    if (call.path === '/oauth2/token') return granted('token-of-the-source');
    assert.equal(call.method, 'GET');
    return { body: subject(call) };
  });
  endpoint.origin = `https://localhost:${endpoint.port}`;
  return endpoint;
}

const external = (google, source, more = {}) => ({
  type: 'external_account', audience: AUDIENCE, subject_token_type: JWT, token_url: `${google.origin}/v1/token`, credential_source: source, ...more,
});
const impersonated = (google) => ({ service_account_impersonation_url: `${google.origin}${ACCOUNT}` });

async function scene(t, google, file, token = {}) {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    routes: { gcs: { upstream: upstream.port, credential: { secret: 'google' }, token: { scope: SCOPE, url: google.url, tls: { ca: google.ca }, ...token } } },
    secrets: { google: JSON.stringify(file) },
  });
  const call = async () => {
    const answer = await fetch(`${gateway.url}/gcs/x`, { headers: { authorization: `Bearer ${gateway.key}` } });
    return { status: answer.status, text: await answer.text() };
  };
  return { gateway, upstream, call, sent: () => /^authorization: (.*)\r$/im.exec(upstream.requests.at(-1).head)?.[1] };
}

test('a subject\'s token in a file is exchanged', async (t) => {
  const google = await googleFor(t);
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'token');
  fs.writeFileSync(file, 'subject-of-the-workload\n');
  const { call, sent } = await scene(t, google, external(google, { file }));
  assert.equal((await call()).status, 200);
  assert.equal((await call()).status, 200);
  assert.equal(sent(), 'Bearer federated-token');
  assert.deepEqual(google.calls.map((one) => `${one.method} ${one.path}`), ['POST /v1/token']);
  assert.equal(google.calls[0].form.scope, SCOPE);
});

test('one in a JSON file, for a token of a service account; the client shows who it is', async (t) => {
  const google = await googleFor(t);
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'token.json');
  fs.writeFileSync(file, JSON.stringify({ id_token: 'subject-of-the-workload' }));
  const { call, sent } = await scene(t, google, external(google, { file, format: { type: 'json', subject_token_field_name: 'id_token' } }, {
    ...impersonated(google), client_id: 'me', client_secret: 'my-secret', service_account_impersonation: { token_lifetime_seconds: 1800 },
  }), { scope: `${SCOPE} b` });
  assert.equal((await call()).status, 200);
  assert.equal(sent(), 'Bearer token-of-the-robot');
  assert.deepEqual(google.asked, { delegates: [], scope: [SCOPE, 'b'], lifetime: '1800s' });
  assert.deepEqual(google.calls.map((one) => one.path), ['/v1/token', ACCOUNT]);
  assert.equal(google.calls[0].form.scope, WIDE);
  assert.equal(Buffer.from(google.calls[0].headers.authorization.slice(6), 'base64').toString(), 'me:my-secret');
});

test('one from a URL, with headers and a query, again with each token', async (t) => {
  const google = await googleFor(t, {
    subject: (call) => {
      assert.equal(call.path, '/metadata/identity?api-version=2018-02-01&resource=api%3A%2F%2Fx');
      assert.equal(call.headers.metadata, 'True');
      assert.equal(call.headers['content-length'], undefined);
      return { access_token: 'subject-of-the-workload' };
    },
    sts: () => granted('federated-token', { expires_in: 4 }),
  });
  const source = {
    url: `${google.origin}/metadata/identity?api-version=2018-02-01&resource=api%3A%2F%2Fx`, headers: { Metadata: 'True' },
    format: { type: 'json', subject_token_field_name: 'access_token' },
  };
  const { call, sent } = await scene(t, google, external(google, source));
  assert.equal((await call()).status, 200);
  assert.equal(sent(), 'Bearer federated-token');
  await until('a new one was had', async () => (await call()).status === 200 && google.calls.length >= 4);
  assert.deepEqual(google.calls.slice(0, 4).map((one) => one.method), ['GET', 'POST', 'GET', 'POST']);
});

test('an impersonated service account, by a user\'s credentials and by a service account\'s', async (t) => {
  const account = serviceAccount();
  const sources = [
    { type: 'authorized_user', client_id: 'a', client_secret: 'b', refresh_token: '1//c' },
    JSON.parse(account.json),
  ];
  for (const source_credentials of sources) {
    const google = await googleFor(t);
    const { call, sent } = await scene(t, google, { type: 'impersonated_service_account', delegates: ['projects/-/serviceAccounts/between'], source_credentials, ...impersonated(google) });
    assert.equal((await call()).status, 200);
    assert.equal(sent(), 'Bearer token-of-the-robot');
    assert.deepEqual(google.asked, { delegates: ['projects/-/serviceAccounts/between'], scope: [SCOPE], lifetime: '3600s' });
    const [first] = google.calls;
    if (source_credentials.type === 'authorized_user') assert.equal(first.form.refresh_token, '1//c');
    else assert.equal(serviceAccountClaims(account, first.form.assertion).scope, WIDE);
  }
});

test('what is wrong is said, and no step behind it is made; secrets are in no answer and no log', async (t) => {
  const google = await googleFor(t, { subject: () => 'subject-of-somebody-else' });
  const cases = [
    [external(google, { environment_id: 'aws1', url: 'http://169.254.169.254/x' }), /AWS's/, 0],
    [external(google, { executable: { command: '/bin/true' } }), /neither a file nor a url/, 0],
    [external(google, { file: '/nowhere/at/all' }), /the file of the secret's credential_source cannot be read/, 0],
    [external(google, { file: '/dev/null' }), /cannot be read/, 0],
    [external(google, { url: 'http://localhost:1/x' }), /neither https nor http:\/\/169\.254\.169\.254/, 0],
    [external(google, { url: 'http://169.254.169.254:8080/x' }), /neither https nor/, 0],
    [external(google, { url: 'http://169.254.169.254@localhost/x' }), /a URL in the secret is none/, 0],
    [external(google, { url: `${google.origin}/x`, headers: { Host: 'other' } }), /headers that cannot be sent/, 0],
    [external(google, { url: `${google.origin}/x`, headers: { A: 'b\r\nC: d' } }), /headers that cannot be sent/, 0],
    [external(google, { url: `${google.origin}/x` }, { token_url: 'https://evil.example/v1/token' }), /neither to https at googleapis\.com nor/, 1],
    [external(google, { url: `${google.origin}/x` }, { token_url: 'https://evilgoogleapis.com/v1/token' }), /neither to https at googleapis\.com nor/, 1],
    [external(google, { url: `${google.origin}/x` }, { token_url: 'http://sts.googleapis.com/v1/token' }), /neither to https at googleapis\.com nor/, 1],
    [external(google, { url: `${google.origin}/x` }), /answered 400, error .*invalid_grant/, 2],
    [external(google, { url: `${google.origin}/x`, format: { type: 'json', subject_token_field_name: 'a' } }), /no JSON object with the text/, 1],
    [{ type: 'impersonated_service_account', source_credentials: { type: 'external_account' }, ...impersonated(google) }, /neither service_account nor/, 0],
  ];
  for (const [file, why, calls] of cases) {
    const before = google.calls.length;
    const { gateway, upstream, call } = await scene(t, google, file);
    const refused = await call();
    assert.equal(refused.status, 502, JSON.stringify(file));
    assert.match(refused.text, why);
    assert.equal(google.calls.length - before, calls, JSON.stringify(file));
    assert.equal(upstream.requests.length, 0);
    assert.doesNotMatch(gateway.stderr + refused.text, /somebody-else/);
  }
});
