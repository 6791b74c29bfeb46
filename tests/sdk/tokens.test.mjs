// Tokens with what others have written: an OAuth 2 server, a JOSE library, Google's storage client.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Storage } from '@google-cloud/storage';
import { OAuth2Client } from 'google-auth-library';
import * as jose from 'jose';
import { OAuth2Server } from 'oauth2-mock-server';

import { authorityFor } from '../support/certificates.mjs';
import { gatewayFor, until } from '../support/gateway.mjs';
import { endpointFor, granted } from '../support/token_endpoint.mjs';
import { upstreamFor } from '../support/wire.mjs';

const bearer = (request) => /^authorization: Bearer (.*)\r$/im.exec(request.head)?.[1];
const json = (value) => {
  const text = JSON.stringify(value);
  return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
};

async function serverFor(t) {
  const authority = authorityFor(t);
  const { cert, key } = authority.sign('DNS:localhost,IP:127.0.0.1');
  const files = { cert: path.join(authority.folder, 'server.pem'), key: path.join(authority.folder, 'server.key') };
  fs.writeFileSync(files.cert, cert);
  fs.writeFileSync(files.key, key);
  const server = new OAuth2Server(files.key, files.cert);
  await server.issuer.keys.generate('RS256');
  await server.start(0, 'localhost');
  t.after(() => server.stop());
  return { server, ca: authority.file, port: server.address().port };
}

test('an OAuth 2 server gives tokens whose signature the API verifies; they are had anew before they end', async (t) => {
  const { server, ca, port } = await serverFor(t);
  let asked = 0;
  server.service.on('beforeResponse', (response) => {
    asked++;
    response.body.expires_in = 5;
  });
  server.service.on('beforeTokenSigning', (token) => { token.payload.number = asked; });
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    routes: {
      api: {
        upstream: upstream.port, provider: 'http', credential: { secret: 'k' },
        inject: { header: 'Authorization', value: 'Bearer {secret}' },
        token: { grant: 'client_credentials', url: `https://localhost:${port}/token`, scope: 'dummy', tls: { ca } },
      },
    },
    secrets: { k: 'my-client:my-secret-of-the-server' },
  });
  const call = () => fetch(`${gateway.url}/api/x`, { headers: { 'x-sallyport-key': gateway.key } });
  assert.equal((await call()).status, 200);
  const keys = jose.createLocalJWKSet({ keys: server.issuer.keys.toJSON() });
  const { payload } = await jose.jwtVerify(bearer(upstream.requests[0]), keys, { issuer: server.issuer.url });
  assert.equal(payload.scope, 'dummy');
  await until('it is had anew', async () => { assert.equal((await call()).status, 200); return asked >= 2; });
  const last = await until('the new one is sent', async () => {
    await call();
    const { payload: { number } } = await jose.jwtVerify(bearer(upstream.requests.at(-1)), keys);
    return number >= 1 && upstream.requests.at(-1);
  });
  assert.ok(last);
});

test('Google\'s storage client through a route of profile gcs', async (t) => {
  const keys = await jose.generateKeyPair('RS256', { extractable: true });
  const endpoint = await endpointFor(t, async ({ form }) => {
    const { payload } = await jose.jwtVerify(form.assertion, keys.publicKey, { audience: endpoint.url, issuer: 'robot@p.example' });
    assert.equal(payload.scope, 'https://www.googleapis.com/auth/devstorage.read_write');
    return granted('ya29.the-token-of-google');
  });
  const upstream = await upstreamFor(t, (request) => (/alt=media/.test(request.head)
    ? 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello'
    : json({ kind: 'storage#objects', items: [{ name: 'a.txt', bucket: 'b' }] })));
  const gateway = await gatewayFor(t, {
    routes: { gcs: { upstream: upstream.port, credential: { secret: 'k' }, token: { url: endpoint.url, tls: { ca: endpoint.ca } } } },
    secrets: {
      k: JSON.stringify({
        type: 'service_account', client_email: 'robot@p.example', private_key_id: 'key-1',
        private_key: await jose.exportPKCS8(keys.privateKey), token_uri: 'https://elsewhere.example.com/token',
      }),
    },
  });
  const auth = new OAuth2Client();
  auth.setCredentials({ access_token: gateway.key, expiry_date: 8.64e15 });
  const storage = new Storage({ apiEndpoint: `${gateway.url}/gcs`, projectId: 'p', authClient: auth, useAuthWithCustomEndpoint: true, retryOptions: { autoRetry: false } });
  const [files] = await storage.bucket('b').getFiles();
  assert.deepEqual(files.map((file) => file.name), ['a.txt']);
  const [content] = await storage.bucket('b').file('a.txt').download({ validation: false });
  assert.equal(content.toString(), 'hello');
  assert.equal(endpoint.calls.length, 1);
  for (const request of upstream.requests) {
    assert.equal(bearer(request), 'ya29.the-token-of-google');
    assert.doesNotMatch(request.head, new RegExp(gateway.key));
  }
  assert.match(upstream.requests[0].head, /^GET \/storage\/v1\/b\/b\/o\?/);
});
