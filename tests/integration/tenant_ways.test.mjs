// Which ways in a tenant has, as the admin API shows them: keys, tokens, certificates; what is denied;
// and no secret.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import https from 'node:https';

import { authorityFor } from '../support/certificates.mjs';
import { gatewayFor, newKey } from '../support/gateway.mjs';
import { upstreamFor } from '../support/wire.mjs';

test('keys with their time, issuers, names of certificates and counts of denials are shown, and no secret', async (t) => {
  const authority = authorityFor(t);
  const pair = authority.sign('DNS:localhost,IP:127.0.0.1');
  const files = Object.fromEntries(['cert', 'key'].map((name) => [name, path.join(authority.folder, `server.${name}`)]));
  fs.writeFileSync(files.cert, pair.cert);
  fs.writeFileSync(files.key, pair.key);
  const keys = [newKey(), newKey(), newKey()];
  const upstream = await upstreamFor(t);
  const token = { issuer: 'https://login.example', audience: 'gw', jwks: 'https://login.example/keys?policy=hidden' };
  const gateway = await gatewayFor(t, {
    routes: { api: { upstream: upstream.port, provider: 'http', credential: 'none' } },
    gateway: { tls: { ...files, client_ca: authority.file } },
    tenants: {
      app: {
        allow: ['api:GET /v1/*', 'api:DELETE /*'], deny: ['api:DELETE /*', { route: 'api', field: { '/a': 'x' } }],
        keys: [{ hash: keys[0].hash, expires: '2024-01-01T00:00:00Z', label: 'of "old"' }, { hash: keys[1].hash, not_before: '2999-01-01T00:00:00Z' }, keys[2].hash],
        jwt: [{ ...token, claims: { sub: 'app', '/a~1b/ü~0': '"x"' }, algorithms: ['ES256', 'EdDSA'] }, { ...token, audience: 'else', claims: { azp: 'app' } }],
        mtls: { san: ['spiffe://corp/app', 'app.corp'] },
      },
      plain: { allow: ['api'], keys: [newKey().hash] },
    },
  });
  const call = (method) => new Promise((resolve, reject) => {
    const req = https.request({ host: '127.0.0.1', port: gateway.port, method, path: '/api/v1/x', servername: 'localhost', agent: false,
      ca: fs.readFileSync(authority.file), headers: { 'x-sallyport-key': keys[2].key } }, (res) => res.resume().on('end', () => resolve(res.statusCode)));
    req.on('error', reject).end();
  });
  assert.deepEqual([await call('DELETE'), await call('DELETE'), await call('GET'), await call('POST')], [403, 403, 200, 403]); // the last: not allowed
  const answer = await fetch(`http://127.0.0.1:${gateway.adminPort}/api/v1/tenants`);
  const text = await answer.text();
  const [app, plain] = JSON.parse(text).tenants;
  const short = ({ hash }) => `${hash.slice(0, 15)}...`;
  assert.deepEqual(app, {
    tenant: 'app',
    keys: [
      { hash: short(keys[0]), state: 'expired', expires: '2024-01-01T00:00:00.000Z', label: 'of "old"' },
      { hash: short(keys[1]), state: 'not yet good', not_before: '2999-01-01T00:00:00.000Z' },
      { hash: short(keys[2]), state: 'good' },
    ],
    jwt: [
      { issuer: token.issuer, audience: 'gw', jwks: 'https://login.example/keys', claims: { '/sub': 'app', '/a~1b/ü~0': '"x"' }, algorithms: ['ES256', 'EdDSA'] },
      { issuer: token.issuer, audience: 'else', jwks: 'https://login.example/keys', claims: { '/azp': 'app' }, algorithms: ['ES256', 'RS256', 'EdDSA'] },
    ],
    mtls: ['spiffe://corp/app', 'app.corp'],
    allow: ['api:GET /v1/*', 'api:DELETE /*'],
    deny: { rules: 2, refused: 2 },
    quotas: [],
    max_in_flight: 0,
  });
  assert.deepEqual([plain.jwt, plain.mtls, plain.deny], [[], [], { rules: 0, refused: 0 }]);
  for (const { key, hash } of keys) assert.ok(!text.includes(key) && !text.includes(hash));
  assert.ok(!text.includes('hidden'));
  await gateway.metricIs(2, 'tenant_denied_total', { tenant: 'app' });

  // The count survives a reload, by the tenant's name.
  await gateway.reload((config) => { config.tenants.app.deny = ['api:DELETE /*']; });
  const after = (await (await fetch(`http://127.0.0.1:${gateway.adminPort}/api/v1/tenants`)).json()).tenants[0];
  assert.deepEqual(after.deny, { rules: 1, refused: 2 });
});
