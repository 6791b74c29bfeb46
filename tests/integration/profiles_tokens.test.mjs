// Every built-in profile whose route sends a token that is had for the secret, through the real
// binary: the token's endpoint verifies what the secret proves, and the token alone goes up.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Authority } from '../support/certificates.mjs';
import { Gateway, newKey } from '../support/gateway.mjs';
import { base64, callRoute, checkArrived, checkNoKey, checkRefused, inSlot, walks } from '../support/profiles.mjs';
import { serviceAccount, serviceAccountClaims, verified } from '../support/service_account.mjs';
import { RawUpstream } from '../support/wire.mjs';

const account = serviceAccount();
const p256 = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
const client = { id: 'my-id', secret: 'my-secret-of-the-client' };

let authority;
let upstream;
let gateway;
let origin;
const asked = {}; // how often, by profile

// What each grant proves to its endpoint, which is at /base/token/NAME, or where the profile says.
const grants = {
  google_service_account: {
    secret: account.json,
    verify: ({ form }, name, { token }) => {
      const claims = serviceAccountClaims(account, form.assertion);
      assert.deepEqual([claims.iss, claims.scope, claims.aud], [account.email, token.scope, `${origin}/base/token/${name}`]);
    },
  },
  client_credentials: {
    secret: `${client.id}:${client.secret}`,
    verify: ({ head, form }, name, { token }) => {
      assert.equal(form.grant_type, 'client_credentials');
      if (token.client === 'body') assert.deepEqual([form.client_id, form.client_secret], [client.id, client.secret]);
      else assert.match(head, new RegExp(`^authorization: Basic ${base64(`${client.id}:${client.secret}`)}\\r$`, 'im'));
      assert.equal(form.audience, token.audience && `${origin}${token.audience}`);
    },
  },
  azure_client: {
    secret: `${client.id}:${client.secret}`,
    more: { directory: 'contoso.example' },
    verify: ({ form }, name, { token }) => {
      assert.deepEqual([form.grant_type, form.client_id, form.client_secret, form.scope], ['client_credentials', client.id, client.secret, token.scope]);
    },
  },
  // These are signed by the gateway itself; `signed` is what goes up.
  apns: {
    secret: `TEAM000001:KEY0000001:${p256.privateKey.export({ type: 'pkcs8', format: 'pem' })}`,
    verify: ({ signed }) => {
      const { header, claims } = verified(signed, p256.publicKey, 'ES256');
      assert.deepEqual([header.kid, claims.iss], ['KEY0000001', 'TEAM000001']);
    },
  },
  vapid: {
    secret: p256.privateKey.export({ format: 'jwk' }).d,
    more: { subject: 'mailto:push@example.com' },
    verify: ({ signed }) => {
      const { claims } = verified(signed.replace(/^t=|, k=.*/g, ''), p256.publicKey, 'ES256');
      assert.deepEqual([claims.aud, claims.sub], [`https://push.localhost:${upstream.port}`, 'mailto:push@example.com']);
    },
  },
  azure_sas: {
    secret: `${client.id}:${client.secret}`,
    verify: ({ signed }) => {
      const { sr, sig, se, skn } = Object.fromEntries(new URLSearchParams(signed));
      assert.ok(sr.includes('localhost'), sr);
      assert.equal(skn, client.id);
      const resource = /sr=([^&]*)/.exec(signed)[1];
      assert.equal(sig, crypto.createHmac('sha256', client.secret).update(`${resource}\n${se}`).digest('base64'));
    },
  },
};
function grantOf({ grant }) {
  assert.ok(grants[grant], `what proves a secret of "${grant}" is to be verified here, too`);
  return grants[grant];
}
const isSigned = ({ grant }) => ['apns', 'vapid', 'azure_sas'].includes(grant);

const tokenOf = (name) => `token-that-is-had-for-${name}`;
const ok = (value) => {
  const text = JSON.stringify(value);
  return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
};
const isAtRoute = (token) => token.url?.startsWith('/');
// Where a route has several hosts, the call names one.
const inHost = ({ hosts }) => (hosts ? { segment: `/push.localhost:${upstream.port}/base` } : {});

// The profile whose endpoint this is; none: it is the API.
function endpointOf(head) {
  const [, path] = head.split(' ');
  return walks.minting.find(([name, { token }]) => path === `/base/token/${name}` || (isAtRoute(token) && path.endsWith(token.url)));
}

const problems = [];
function answer({ head, body }) {
  const found = endpointOf(head);
  if (!found) return ok({});
  const [name, profile] = found;
  asked[name] = (asked[name] ?? 0) + 1;
  try {
    grantOf(profile.token).verify({ head, form: Object.fromEntries(new URLSearchParams(body)) }, name, profile);
  } catch (error) {
    problems.push(`${name}: ${error.message}`);
  }
  return ok({ access_token: tokenOf(name), token_type: 'Bearer', expires_in: 3600 });
}

before(async () => {
  authority = new Authority();
  upstream = await RawUpstream.start(answer, { served: authority.sign('DNS:localhost,DNS:push.localhost') });
  origin = `https://localhost:${upstream.port}`;
  const tls = { ca: authority.file };
  const routes = Object.fromEntries(walks.minting.map(([name, { token, hosts }]) => [name, {
    provider: name, ...(hosts ? { hosts: [`push.localhost:${upstream.port}`] } : { base_url: `${origin}/base` }),
    http: '1.1', credential: { secret: token.grant }, tls, retry: 'off',
    token: {
      grant: token.grant, ...grantOf(token).more,
      ...(!isSigned(token) && { tls, ...(!isAtRoute(token) && { url: `${origin}/base/token/${name}` }) }),
    },
  }]));
  gateway = await Gateway.start({ routes, secrets: Object.fromEntries(Object.entries(grants).map(([name, { secret }]) => [name, secret])) });
});

after(async () => {
  await gateway?.stop();
  await upstream?.stop();
  authority?.remove();
});

// What went up behind the scheme's word.
function tokenThatWent(name, profile, head) {
  const [, value] = /^authorization: \w+ (.*)\r$/im.exec(head);
  if (isSigned(profile.token)) grantOf(profile.token).verify({ signed: value }, name, profile);
  else assert.equal(value, tokenOf(name));
  return value;
}

test('in every slot of every profile with a token the tenant key is taken, and the token goes up', async () => {
  assert.ok(walks.minting.length >= 10);
  for (const [name, profile] of walks.minting) {
    const { slots, credential, token } = profile;
    for (const slot of slots) {
      const { answer: said, text } = await callRoute(gateway, name, { ...inSlot(slot, gateway.key), ...inHost(profile) });
      assert.equal(said.status, 200, `${name} ${JSON.stringify(slot)}: ${text}`);
      const request = upstream.requests.at(-1);
      assert.equal(endpointOf(request.head), undefined, `${name}: the call comes last`);
      checkNoKey(`${name} ${JSON.stringify(slot)}`, gateway.key, request);
      checkArrived(name, credential, { secret: tokenThatWent(name, profile, request.head) }, request);
      for (const part of [client.secret, grantOf(token).secret]) assert.ok(!`${request.head}${request.body}`.includes(part), name);
    }
    assert.equal(asked[name], isSigned(token) ? undefined : 1, `${name}: one token for all its calls`);
  }
  assert.deepEqual(problems, []);
});

test('an error of the gateway has the shape of the provider\'s there, too', async () => {
  const stranger = newKey('nobody').key;
  for (const [name, profile] of walks.minting) await checkRefused(gateway, name, profile, stranger, inHost(profile));
});
