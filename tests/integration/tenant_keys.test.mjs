// Tenants' keys that have a time: rotation with an overlap, what expired is told, who warns of it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { binary, gatewayFor, newKey, sallyport, until } from '../support/gateway.mjs';
import { upstreamFor } from '../support/wire.mjs';

const DAY = 86400_000;
const at = (ms) => new Date(Date.now() + ms).toISOString();

async function worldFor(t, keys, extra = {}) {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    routes: { api: { upstream: upstream.port, provider: 'http' } },
    tenants: { app: { allow: ['api'], keys }, other: { allow: ['api'] } },
    gateway: { audit_log: 'audit.json' }, ...extra,
  });
  const call = (...sent) => fetch(`${gateway.url}/api/x`, {
    headers: { 'x-sallyport-key': sent[0], ...(sent[1] && { authorization: `Bearer ${sent[1]}` }) },
  });
  return { upstream, gateway, call };
}

const audited = (gateway) => fs.readFileSync(path.join(gateway.folder, 'audit.json'), 'utf8')
  .split('\n').filter(Boolean).map((line) => JSON.parse(line)).filter((line) => line.event === 'key_refused');

test('keys of a tenant overlap; one out of its time is 401, and told only to who has it', async (t) => {
  const [old, current, next, past] = Array.from({ length: 4 }, () => newKey());
  const { upstream, gateway, call } = await worldFor(t, [
    { hash: old.hash, expires: at(DAY), label: 'old one' },
    { hash: current.hash, not_before: at(-DAY) },
    { hash: next.hash, not_before: at(DAY) },
    { hash: past.hash, expires: at(-DAY), label: 'forgotten' },
    newKey().hash,
  ]);
  for (const { key } of [old, current]) assert.equal((await call(key)).status, 200);

  const expired = await call(past.key);
  assert.equal(expired.status, 401);
  assert.equal(expired.headers.get('x-sallyport-error'), 'tenant_unknown');
  assert.match((await expired.json()).detail, /this key has expired/);
  const early = await call(next.key);
  assert.equal(early.status, 401);
  assert.match((await early.json()).detail, /not good yet/);
  const wrong = await call(newKey().key);
  assert.doesNotMatch((await wrong.json()).detail, /expired/);
  assert.equal((await call(current.key, past.key)).status, 401); // not even beside a good one
  assert.equal(upstream.requests.length, 2);

  const lines = await until('the refusals are audited', () => audited(gateway).length >= 4 && audited(gateway));
  assert.deepEqual(lines.map(({ tenant }) => tenant), ['app', 'app', undefined, 'app']);
  assert.match(lines[0].text, /expired/);
  const all = fs.readFileSync(path.join(gateway.folder, 'audit.json'), 'utf8') + gateway.stderr;
  for (const { key } of [old, current, next, past]) assert.ok(!all.includes(key) && !all.includes(key.slice(4, 40)));

  const soonest = await gateway.metric('tenant_key_next_expiry_timestamp_seconds');
  assert.ok(Math.abs(soonest - (Date.now() + DAY) / 1000) < 120, String(soonest));

  // A key that is taken out is gone with the reload.
  await gateway.reload((config) => { config.tenants.app.keys = [{ hash: current.hash }]; });
  assert.equal((await call(old.key)).status, 401);
  assert.equal((await call(current.key)).status, 200);
  await gateway.metricIs(0, 'tenant_key_next_expiry_timestamp_seconds');
});

test('a key expires while the gateway runs', async (t) => {
  const key = newKey();
  const { call } = await worldFor(t, [{ hash: key.hash, expires: at(4000) }]);
  assert.equal((await call(key.key)).status, 200);
  await until('it has expired', async () => (await call(key.key)).status === 401);
});

test('check and keys list say which keys have expired, or will soon', async (t) => {
  const keys = Array.from({ length: 4 }, () => newKey());
  const { gateway } = await worldFor(t, [
    { hash: keys[0].hash, expires: at(-DAY), label: 'forgotten' },
    { hash: keys[1].hash, expires: at(13 * DAY) },
    { hash: keys[2].hash, expires: at(15 * DAY) },
    { hash: keys[3].hash, not_before: at(DAY) },
  ]);
  const said = spawnSync(binary, ['check', '-c', gateway.file], { encoding: 'utf8' });
  assert.equal(said.status, 0);
  const notes = said.stderr.split('\n').filter((line) => line.includes('tenant "app"'));
  assert.equal(notes.length, 2, said.stderr);
  assert.match(notes[0], /key sha256:[0-9a-f]{8}\.\.\. forgotten has expired at .*Z: take it out/);
  assert.match(notes[1], /expires at .*Z: list a new one beside it/);
  const list = JSON.parse(sallyport(['keys', 'list', '--tenant', 'app', '--json', '-c', gateway.file]));
  assert.deepEqual(list.keys.map(({ state }) => state), ['expired', 'good', 'good', 'not yet good']);
  assert.equal(list.keys[0].label, 'forgotten');
  assert.deepEqual(list.hashes, keys.map(({ hash }) => hash));
  assert.match(sallyport(['keys', 'list', '--tenant', 'app', '-c', gateway.file]), /expired, until 20.*Z {2}forgotten\n/);
});

test('what a key may not be is told with its place', async (t) => {
  const { gateway } = await worldFor(t, [newKey().hash]);
  const hash = newKey().hash;
  for (const [entry, expected] of [
    [{ hash: newKey().key }, /keys\[0\]\.hash: this is a key itself.*--tenant app/],
    [{ hash: 'sha256:12' }, /no key's hash/],
    [{ expires: at(DAY) }, /hash is missing/],
    [{ hash, expires: 'tomorrow' }, /"tomorrow" is no time; write one such as/],
    [{ hash, expires: '2026-02-30T00:00:00Z' }, /is no time/],
    [{ hash, not_before: at(DAY), expires: at(0) }, /would never be good/],
    [{ hash, label: 'x\u0007' }, /a label is/],
    [{ hash, expire: at(DAY) }, /did you mean "expires"/],
  ]) {
    const config = { ...gateway.config, tenants: { app: { keys: [entry], allow: ['api'] } } };
    const file = path.join(gateway.folder, 'other.yaml');
    fs.writeFileSync(file, JSON.stringify(config));
    const said = spawnSync(binary, ['check', '-c', file], { encoding: 'utf8' });
    assert.equal(said.status, 2, JSON.stringify(entry));
    assert.match(said.stderr, expected);
  }
});
