// What the process shows of itself, what a killed one leaves behind, and secrets that a provider
// refuses.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { binary, Gateway, gatewayFor, sleep, temporaryFolder, until } from '../support/gateway.mjs';
import { preloaded } from '../support/preload.mjs';
import { RawClient, upstreamFor } from '../support/wire.mjs';

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const route = (upstream) => ({ api: { upstream: upstream.port, provider: 'http' } });

test('its memory cannot be dumped', async (t) => {
  // Files in /proc of a process that may not be dumped are root's, so it must be somebody else.
  const nobody = 65534;
  const uid = process.getuid() === 0 ? nobody : undefined;
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  fs.chmodSync(folder, 0o755);
  const program = path.join(folder, 'sallyport');
  fs.copyFileSync(binary, program);
  const upstream = await upstreamFor(t, () => ok);
  const gateway = await gatewayFor(t, { routes: route(upstream), uid, program });
  const limits = fs.readFileSync(`/proc/${gateway.pid}/limits`, 'utf8');
  assert.match(limits, /^Max core file size +0 +0 /m);
  assert.equal(fs.statSync(`/proc/${gateway.pid}/mem`).uid, 0, 'PR_SET_DUMPABLE is 1');
});

test('a unix socket that a killed gateway left behind is replaced; one in use is not', async (t) => {
  const upstream = await upstreamFor(t, () => ok);
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const socket = path.join(folder, 'gw.sock');
  const options = { routes: route(upstream), gateway: { listen: [`unix:${socket}`] } };
  const call = async (gateway) => {
    const client = await RawClient.connect(0, { path: socket });
    client.send(`GET /api/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Sallyport-Key: ${gateway.key}\r\n\r\n`);
    await client.untilClosed();
    return client.statuses();
  };
  const killed = await Gateway.start(options);
  assert.deepEqual(await call(killed), [200]);
  killed.signal('SIGKILL');
  await killed.exited;
  await killed.stop({ signal: 'SIGKILL', expected: null });
  assert.ok(fs.existsSync(socket), 'it left its socket behind');

  const next = await gatewayFor(t, options);
  assert.deepEqual(await call(next), [200]);
  await assert.rejects(Gateway.start(options), /gw\.sock.* is in use/);
  assert.deepEqual(await call(next), [200]);
});

// An upstream that believes in one credential only, and says 401 to all others.
async function believer(t) {
  const upstream = await upstreamFor(t, ({ head }) => {
    const value = /^authorization: Bearer (.*)\r$/im.exec(head)[1];
    upstream.seen.push(value);
    return value === upstream.believes ? ok : 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno';
  });
  upstream.seen = [];
  return upstream;
}

const credentialed = (upstream) => ({
  api: {
    upstream: upstream.port, provider: 'http', credential: { secret: 'api-key' },
    inject: { header: 'Authorization', value: 'Bearer {secret}' },
  },
});

async function call(gateway) {
  const answer = await fetch(`${gateway.url}/api/x`, { headers: { 'x-sallyport-key': gateway.key } });
  await answer.arrayBuffer();
  return answer.status;
}

test('a secret that the provider refuses is read again at once, and once a minute at most', async (t) => {
  const upstream = await believer(t);
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  fs.mkdirSync(path.join(folder, 'reads'));
  const variable = path.join(folder, 'SALLYPORT_SECRET_API_KEY');
  const reads = () => fs.statSync(path.join(folder, 'reads/SALLYPORT_SECRET_API_KEY')).size;
  const put = (value) => fs.writeFileSync(variable, value);
  put('first-value-1234567890');
  upstream.believes = 'first-value-1234567890';
  // Of a variable nothing tells that it has changed: it is read each minute, or after a 401.
  const gateway = await gatewayFor(t, {
    routes: credentialed(upstream), env: { ...preloaded('live_environment'), LIVE_ENVIRONMENT: folder } });
  assert.equal(await call(gateway), 200);
  const atFirst = reads();

  put('second-value-1234567890');
  await sleep(1500);
  assert.equal(await call(gateway), 200);
  assert.equal(reads(), atFirst, 'nobody had a reason to read it again');

  upstream.believes = 'second-value-1234567890';
  const refusedAt = performance.now();
  assert.equal(await call(gateway), 401);
  await until('the new value is used', async () => (await call(gateway)) === 200, { timeout: 5000, every: 100 });
  t.diagnostic(`the new value was used ${(performance.now() - refusedAt).toFixed(0)} ms after the 401`);
  assert.equal(reads(), atFirst + 1);

  put('third-value-1234567890');
  upstream.believes = 'third-value-1234567890';
  for (let i = 0; i < 20; i++) {
    assert.equal(await call(gateway), 401);
    await sleep(150);
  }
  assert.equal(reads(), atFirst + 1, 'a provider that says 401 to all must not have secrets read all the time');
  assert.equal(upstream.seen.at(-1), 'second-value-1234567890');
  await gateway.metricIs(2, 'credential_refreshes_total'); // the first one, too
});

test("a secret's file that has changed is read within seconds, 401 or not", async (t) => {
  const upstream = await believer(t);
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const put = (value) => fs.writeFileSync(path.join(folder, 'api-key'), `${value}\n`);
  put('first-value-1234567890');
  upstream.believes = 'second-value-1234567890';
  const gateway = await gatewayFor(t, {
    routes: credentialed(upstream), extra: { secrets: [{ type: 'directory', path: folder }] } });
  assert.equal(await call(gateway), 401);
  put('second-value-1234567890');
  const changedAt = performance.now();
  await until('the new value is used', async () => (await call(gateway)) === 200, { timeout: 5000, every: 50 });
  t.diagnostic(`the new value was used after ${(performance.now() - changedAt).toFixed(0)} ms`);
});
