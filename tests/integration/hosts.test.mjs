// Routes with several upstreams: the first segment of a call's path names one of them, and nothing
// else; each has connections, a token and a circuit of its own.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { after, afterEach, before, test } from 'node:test';

import { Authority } from '../support/certificates.mjs';
import { Gateway, until } from '../support/gateway.mjs';
import { PushService, vapidKeys } from '../support/push_service.mjs';

const keys = vapidKeys();
const ANY = '*.notify.localhost';
let authority;
let exact;
let any;
let gateway;
let answer = () => undefined;

before(async () => {
  authority = new Authority();
  const served = authority.sign(`DNS:fcm.localhost,DNS:${ANY},DNS:dead.localhost`);
  exact = await PushService.start(served, keys, { name: 'fcm.localhost', answer: (...all) => answer(...all) });
  any = await PushService.start(served, keys, { name: ANY });
  gateway = await Gateway.start({
    routes: {
      push: {
        provider: 'web-push', hosts: [exact.host, any.host, 'dead.localhost:1'], credential: { secret: 'vapid' },
        token: { subject: 'mailto:push@example.com' }, tls: { ca: authority.file }, breaker: { consecutive: 3 },
        retry: { attempts: 2, base: '10ms', cap: '2s' }, validate: [{ path: '/limited/*', max_body: '16B' }],
      },
    },
    secrets: { vapid: keys.privateKey },
  });
});

afterEach(() => {
  answer = () => undefined;
  exact.check();
  any.check();
});

after(async () => {
  await gateway?.stop();
  await Promise.all([exact, any].map((one) => one?.stop()));
  authority?.remove();
});

// The path byte for byte, as no URL parser would send it.
function raw(path, headers = {}, body = 'the body') {
  return new Promise((resolve, reject) => {
    const request = http.request({ port: gateway.port, host: '127.0.0.1', method: 'POST', path, headers: { 'x-sallyport-key': gateway.key, ttl: '60', ...headers } }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

const seen = () => exact.connections + any.connections;
const breakers = async () => JSON.parse((await gateway.ask('/api/v1/breakers')).body).breakers;

test('the segment names the host, which is called by its name, with a token for its origin', async () => {
  const sent = await raw(`/push/${exact.host}/fcm/send/abc:x%2F?a=1&a=2`, { topic: 'upd', urgency: 'high', 'content-encoding': 'aes128gcm' });
  assert.equal(sent.status, 201, sent.text);
  const { path, headers, body, claims } = exact.messages.at(-1);
  assert.equal(path, '/fcm/send/abc:x%2F?a=1&a=2');
  assert.equal(headers.host, exact.host);
  assert.deepEqual([headers.ttl, headers.topic, headers.urgency, headers['content-encoding']], ['60', 'upd', 'high', 'aes128gcm']);
  assert.equal(body.toString(), 'the body');
  assert.deepEqual([claims.aud, claims.sub], [`https://${exact.host}`, 'mailto:push@example.com']);
  assert.deepEqual([...exact.names], ['fcm.localhost']);
  // RFC 8030, section 5: where the message is; that is reached by the gateway, too.
  assert.equal(sent.headers.location, `http://127.0.0.1:${gateway.port}/push/${exact.host}/m/${exact.messages.length}`);
});

test('one label stands for the *: each name has a token, a TLS name and connections of its own', async () => {
  for (const label of ['wns2-by3p', 'db5p', 'wns2-by3p', 'a']) {
    const host = any.host.replace('*', label);
    const sent = await raw(`/push/${host}/w/?token=x`);
    assert.equal(sent.status, 201, sent.text);
    const { path, headers, claims } = any.messages.at(-1);
    assert.equal(path, '/w/?token=x');
    assert.deepEqual([headers.host, claims.aud], [host, `https://${host}`]);
    assert.match(sent.headers.location, new RegExp(`/push/${host}/m/`));
  }
  assert.deepEqual([...any.names], ['wns2-by3p', 'db5p', 'a'].map((label) => `${label}.notify.localhost`));
  assert.equal(any.connections >= 3, true);
});

test('what the route asks of bodies holds for each of its hosts', async () => {
  const before = seen();
  for (const host of [exact.host, any.host.replace('*', 'limited')]) {
    const refused = await raw(`/push/${host}/limited/x`, {}, 'x'.repeat(17));
    assert.equal(refused.status, 413, refused.text);
    assert.match(refused.text, /routes\.push\.validate\[0\]/);
  }
  assert.equal(seen(), before);
  assert.equal((await raw(`/push/${exact.host}/limited/x`)).status, 201);
});

test('whatever names no host of the list is 403, and nothing is sent', async () => {
  const before = seen();
  const port = exact.port;
  const names = [
    '', '/', 'FCM.localhost:' + port, 'fcm.localhost', `fcm.localhost.:${port}`, `fcm.localhost:0${port}`, `fcm.localhost:${any.port}`, `fcm.localhost%3A${port}`,
    `fcm%2Elocalhost:${port}`, `%66cm.localhost:${port}`, `user@fcm.localhost:${port}`, `fcm.localhost:${port}@evil.example`, `fcm.localhost:${port};x`,
    '127.0.0.1', `127.0.0.1:${port}`, `[::1]:${port}`, '2130706433', '0x7f.1', 'localhost', 'evil.example', 'xn--fcm-example.localhost',
    `notify.localhost:${any.port}`, `.notify.localhost:${any.port}`, `*.notify.localhost:${any.port}`, `a.b.notify.localhost:${any.port}`, `A.notify.localhost:${any.port}`,
    `a%2eb.notify.localhost:${any.port}`, `evil.example%23.notify.localhost:${any.port}`, `a_b.notify.localhost:${any.port}`, `-a.notify.localhost:${any.port}`,
    `xn--a.notify.localhost:${any.port}`, `a.notify.localhost:${any.port}.`, 'a.notify.localhost', `http:%2F%2Ffcm.localhost:${port}`, `https:`,
  ];
  for (const name of names) {
    const refused = await raw(`/push/${name}/x`);
    assert.equal(refused.status, 403, name);
    assert.equal(refused.headers['x-sallyport-error'], 'route_not_allowed', name);
  }
  for (const path of [`/push/%2e%2e/${exact.host}/x`, `/push/${exact.host}/../x`, `/push/fcm.localhost:${port}%00/x`, `/push/f\\cm.localhost:${port}/..%5c..%5cx`]) {
    assert.equal((await raw(path)).status, 400, path);
  }
  assert.equal(seen(), before);
  assert.match((await raw('/push')).text, /none of the hosts/);
  assert.equal((await raw(`/push/${exact.host}`)).status, 201); // its "/"
});

test('404 and 410 are the push service\'s own; so is all else that it says', async () => {
  for (const status of [404, 410, 413, 400]) {
    answer = () => ({ status, headers: { 'content-type': 'application/json' }, body: '{"errno":106}' });
    const gone = await raw(`/push/${exact.host}/gone`);
    assert.deepEqual([gone.status, gone.text], [status, '{"errno":106}']);
    assert.equal(gone.headers['x-sallyport-error'], undefined);
  }
});

test('429 is tried again when it says; a 503 was perhaps executed, and is passed on', async () => {
  let tries = 0;
  answer = () => (++tries === 1 ? { status: 429, headers: { 'retry-after': '1' } } : undefined);
  const began = Date.now();
  assert.equal((await raw(`/push/${exact.host}/x`)).status, 201);
  assert.equal(tries, 2);
  assert.ok(Date.now() - began >= 1000);
  answer = () => ({ status: 503, headers: { 'retry-after': '7' } });
  const away = await raw(`/push/${exact.host}/x`);
  assert.deepEqual([away.status, away.headers['retry-after']], [503, '7']);
  answer = () => ({ status: 429, headers: { 'retry-after': '30' } });
  assert.equal((await raw(`/push/${exact.host}/x`)).status, 429);
  const [{ credentials: [{ domains }] }] = await breakers(); // the key cools for this host alone
  assert.deepEqual(domains.map((one) => one.domain), [exact.host]);
});

test('each host has a circuit of its own; names that a caller makes up open none', async () => {
  const state = async (host) => (await breakers()).find((one) => one.route === 'push' && one.host === host)?.state;
  assert.deepEqual((await breakers()).map((one) => one.host), [exact.host, any.host, 'dead.localhost:1']);
  await until('the circuit of the host that is away opens', async () => {
    await raw('/push/dead.localhost:1/x');
    return (await state('dead.localhost:1')) === 'open';
  });
  assert.equal((await raw('/push/dead.localhost:1/x')).headers['x-sallyport-error'], 'circuit_open');
  assert.equal((await raw(`/push/${exact.host}/x`)).status, 201);
  assert.equal(await state(exact.host), 'closed');
  // Nothing listens there any more for a name of the list's entry.
  await any.stop();
  for (let i = 0; i < 12; i++) {
    assert.equal((await raw(`/push/made-up-${i}.notify.localhost:${any.port}/x`)).headers['x-sallyport-error'], 'upstream_unreachable');
  }
  assert.equal(await state(any.host), 'closed');
});

test('logs say the host, metrics the entry; the config\'s names are all there is', async () => {
  await raw(`/push/${exact.host}/x`);
  const lines = await until('the log has it', () => {
    const all = fs.readFileSync(gateway.config.gateway.access_log, 'utf8').trim().split('\n').map(JSON.parse);
    return all.some((line) => line.upstream === exact.host) && all;
  });
  assert.ok(lines.every((line) => line.status === 400 || line.status === 403 || line.route === 'push'));
  const metrics = await gateway.metrics();
  assert.match(metrics, new RegExp(`sallyport_breaker_state\\{route="push",host="${exact.host}"\\} 0`));
  assert.match(metrics, new RegExp(`sallyport_route_in_flight\\{route="push",host="\\${any.host}"\\} 0`));
  assert.doesNotMatch(metrics, /made-up|wns2/);
});
