// firebase-admin, unmodified, through the gateway over TLS. It takes no other address, but an agent
// for its connections, which leads them to the gateway; the names that it calls are hosts of routes.
import assert from 'node:assert/strict';
import https from 'node:https';
import { after, afterEach, before, test } from 'node:test';

import { deleteApp, initializeApp } from 'firebase-admin/app';
import { getAuth } from 'firebase-admin/auth';
import { getMessaging } from 'firebase-admin/messaging';

import { Gateway } from '../support/gateway.mjs';
import { serviceAccount, serviceAccountClaims } from '../support/service_account.mjs';
import { granted, TokenEndpoint } from '../support/token_endpoint.mjs';
import { OverTls } from './over_tls.mjs';
import { ProviderFake } from './provider_fake.mjs';

const accessToken = 'ya29.the-token-of-google';
const account = serviceAccount();
let secured;
let endpoint;
let fake;
let gateway;
const apps = [];

// As FCM answers: devices that are gone, too.
function send(request, target) {
  assert.equal(target, '/v1/projects/a-project/messages:send');
  const { message } = JSON.parse(request.body);
  if (message.token !== 'gone') return { name: `projects/a-project/messages/${message.token}` };
  return {
    raw: {
      status: 404, headers: {}, body: {
        error: {
          code: 404, message: 'Requested entity was not found.', status: 'NOT_FOUND',
          details: [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode: 'UNREGISTERED' }],
        },
      },
    },
  };
}

before(async () => {
  secured = new OverTls('DNS:localhost,DNS:gw.internal,IP:127.0.0.1');
  endpoint = await TokenEndpoint.start(secured.authority, ({ form }) => {
    const { scope, iss, aud } = serviceAccountClaims(account, form.assertion);
    assert.deepEqual([iss, aud], [account.email, endpoint.url]);
    return granted(accessToken, { scope });
  });
  fake = await ProviderFake.start(secured.served, {
    fcm: send,
    'google-apis': () => ({ users: [{ localId: 'u-1', email: 'a@example.com' }] }),
  }, { secrets: { fcm: accessToken, 'google-apis': accessToken } });
  const route = (provider, host, more) => ({
    provider, host, base_url: `https://localhost:${fake.port}/${provider}`, credential: { secret: 'google' }, ...secured.upstream,
    token: { url: endpoint.url, tls: { ca: endpoint.ca }, ...more },
  });
  const routes = {
    fcm: route('fcm', 'fcm.googleapis.com'),
    'firebase-auth': route('google-apis', 'identitytoolkit.googleapis.com', { scope: 'https://www.googleapis.com/auth/identitytoolkit' }),
  };
  gateway = await Gateway.start({
    routes, secrets: { google: account.json }, gateway: secured.gateway,
    tenants: { app: { allow: Object.keys(routes) }, stranger: { allow: [] } },
  });
  fake.keys.push(gateway.key, gateway.keys.stranger);
});

afterEach(() => fake?.check());

after(async () => {
  await Promise.all(apps.map(deleteApp));
  await gateway?.stop();
  await fake?.stop();
  await endpoint?.stop();
  secured?.remove();
});

// As docs/PROVIDERS.md says, but for a port and an authority of this test's own.
function appWith(key) {
  const httpAgent = new https.Agent({ host: 'localhost', servername: 'gw.internal', port: gateway.port, ca: secured.pem });
  const app = initializeApp({ projectId: 'a-project', httpAgent, credential: { getAccessToken: async () => ({ access_token: key, expires_in: 3600 }) } }, `app-${apps.length}`);
  apps.push(app);
  return app;
}

test('messaging: a message is sent, with a token that the gateway had for the service account', async () => {
  const messaging = getMessaging(appWith(gateway.key));
  assert.equal(await messaging.send({ token: 'a-device', notification: { title: 'x' } }), 'projects/a-project/messages/a-device');
  assert.equal(await messaging.send({ token: 'b-device', data: { a: '1' } }), 'projects/a-project/messages/b-device');
  assert.equal(endpoint.calls.length, 1);
  const { scope } = serviceAccountClaims(account, endpoint.calls[0].form.assertion);
  assert.equal(scope, 'https://www.googleapis.com/auth/firebase.messaging');
});

test('messaging: a device that is gone, and a key that may not call, are the SDK\'s own errors', async () => {
  const to = (token) => ({ token, notification: { title: 'x' } });
  await assert.rejects(getMessaging(appWith(gateway.key)).send(to('gone')), { code: 'messaging/registration-token-not-registered' });
  await assert.rejects(getMessaging(appWith('wrong')).send(to('a-device')), { code: 'messaging/third-party-auth-error' });
  await assert.rejects(getMessaging(appWith(gateway.keys.stranger)).send(to('a-device')), (error) => {
    assert.match(error.code, /^messaging\//);
    assert.match(error.message, /may not call this/);
    return true;
  });
});

test('messaging: many at once, over HTTP/1.1', async () => {
  const messaging = getMessaging(appWith(gateway.key));
  messaging.enableLegacyHttpTransport(); // over HTTP/2 it takes no agent
  const { responses } = await messaging.sendEach(['a', 'gone', 'b'].map((token) => ({ token })));
  assert.deepEqual(responses.map((one) => one.messageId ?? one.error.code), [
    'projects/a-project/messages/a', 'messaging/registration-token-not-registered', 'projects/a-project/messages/b',
  ]);
});

test('auth: a user is found, by the same agent and another host', async () => {
  const user = await getAuth(appWith(gateway.key)).getUserByEmail('a@example.com');
  assert.equal(user.uid, 'u-1');
  assert.equal(fake.last('google-apis').target, '/v1/projects/a-project/accounts:lookup');
  await assert.rejects(getAuth(appWith('wrong')).getUser('u-1'), (error) => error.code.startsWith('auth/') && /tenant key/.test(error.message));
});
