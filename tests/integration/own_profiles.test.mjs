// Provider profiles of an operator's own, from a folder.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { binary, gatewayFor, temporaryFolder } from '../support/gateway.mjs';
import { upstreamFor } from '../support/wire.mjs';

const acme = {
  title: 'Acme', base_url: 'https://api.acme.example', slots: [{ in: 'header', name: 'x-acme-key' }],
  credential: [{ in: 'header', name: 'X-Acme-Key', value: 'v1 {secret}' }],
  error: { content_type: 'application/acme+json', body: { fault: '{message}', kind: '{type}' } },
  error_types: [{ status: 401, type: 'WHO' }, { type: 'OTHER' }],
};

// A config folder with these profiles: {name: object or text}.
function folderWith(t, profiles) {
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  write(folder, profiles);
  return folder;
}

function write(folder, profiles) {
  for (const [name, profile] of Object.entries(profiles)) {
    fs.writeFileSync(path.join(folder, name), typeof profile === 'string' ? profile : JSON.stringify(profile));
  }
}

function check(folder) {
  const file = path.join(os.tmpdir(), `sallyport-test-${process.pid}.yaml`);
  fs.writeFileSync(file, `version: 1\nproviders: {path: ${folder}}\n`);
  const { status, stderr } = spawnSync(binary, ['check', '-c', file], { encoding: 'utf8' });
  fs.rmSync(file);
  return { status, stderr };
}

test('a profile of one\'s own serves like a built-in one, and is read anew with the config', async (t) => {
  const folder = folderWith(t, { 'acme.json': acme, '.hidden.json': 'no JSON' });
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    routes: { acme: { upstream: upstream.port, credential: { secret: 'k' } } },
    secrets: { k: 'acme-secret-0123456789' },
    extra: { providers: { path: folder } },
  });
  const call = (key) => fetch(`${gateway.url}/acme/x`, { headers: { 'x-acme-key': key } });
  assert.equal((await call(gateway.key)).status, 200);
  assert.match(upstream.requests.at(-1).head, /\r\nX-Acme-Key: v1 acme-secret-0123456789\r\n/);
  const refused = await call('wrong');
  assert.equal(refused.status, 401);
  assert.equal(refused.headers.get('content-type'), 'application/acme+json');
  assert.equal((await refused.json()).kind, 'WHO');

  write(folder, { 'acme.json': { ...acme, credential: { in: 'query', name: 'key' } } });
  assert.match(await gateway.reload(), /reloaded/);
  assert.equal((await call(gateway.key)).status, 200);
  assert.match(upstream.requests.at(-1).head, /^GET \/x\?key=acme-secret-0123456789 /);

  write(folder, { 'acme.json': { ...acme, credentials: {} } });
  assert.match(await gateway.reload(), /acme\.json: profile acme: credentials: unknown member/);
  assert.equal((await call(gateway.key)).status, 200, 'a broken one changes nothing');
});

test('its header with the key is taken out of the requests of every route', async (t) => {
  const folder = folderWith(t, { 'acme.json': acme });
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    routes: { other: { upstream: upstream.port, provider: 'http' } }, extra: { providers: { path: folder } },
  });
  await fetch(`${gateway.url}/other/x`, { headers: { 'x-sallyport-key': gateway.key, 'x-acme-key': gateway.key } });
  assert.ok(!upstream.requests.at(-1).head.includes(gateway.key));
});

test('a built-in profile is replaced by one that says so, and by no other', (t) => {
  const folder = folderWith(t, { 'openai.json': acme });
  assert.match(check(folder).stderr, /openai\.json: there is a built-in profile "openai"; give this one another name, or write "replaces": true/);
  write(folder, { 'openai.json': { ...acme, replaces: true } });
  assert.equal(check(folder).status, 0);
  write(folder, { 'opnai.json': { ...acme, replaces: true } });
  assert.match(check(folder).stderr, /opnai\.json: replaces: there is no built-in profile "opnai"; take it out/);
});

test('what is wrong with one is said with its file and its member', (t) => {
  for (const [files, says] of [
    [{ 'acme.json': '{' }, /\/acme\.json: profile acme: line 1, column 1: not valid JSON/],
    [{ 'acme.json': { ...acme, slots: [{ in: 'header' }] } }, /\/acme\.json: profile acme: slots\[0\]: name: missing/],
    [{ 'acme.json': { ...acme, credential: { in: 'header', name: 'a', value: '{scret}' } } }, /credential: value: only \{secret\}, \{user\} and \{password\}/],
    [{ 'acme.json': { ...acme, error: { content_type: 'application/json', body: '{"code":{code}}' } } }, /error: body: with status 400 and code bad_request: /],
    [{ 'acme.json': { ...acme, calls: [{ method: 'POST', path: '/x', model: 'm', usage: 'mine' }] } }, /calls\[0\]: usage/],
    [{ 'Acme Inc.json': acme }, /Acme Inc\.json: a profile's file is called NAME\.json/],
    [{ 'acme.yaml': 'title: Acme' }, /acme\.yaml: profiles are JSON: call it NAME\.json/],
    [{ 'acme.json': `{"title":"${'x'.repeat(70000)}"}` }, /acme\.json: a profile is at most 65536 bytes long/],
  ]) {
    const { status, stderr } = check(folderWith(t, files));
    assert.equal(status, 2, stderr);
    assert.match(stderr, says);
  }
  assert.match(check('/nowhere/at/all').stderr, /\/nowhere\/at\/all: cannot use this folder of profiles: /);
});

test('sallyport providers -c lists them among the others', (t) => {
  const folder = folderWith(t, { 'acme.json': acme });
  const file = path.join(folder, 'sallyport.yaml');
  fs.mkdirSync(path.join(folder, 'own'));
  fs.renameSync(path.join(folder, 'acme.json'), path.join(folder, 'own/acme.json'));
  fs.writeFileSync(file, 'version: 1\nproviders: {path: own}\n');
  const run = (...args) => spawnSync(binary, ['providers', ...args], { encoding: 'utf8' });
  assert.match(run('-c', file).stdout, /^acme +Acme +https:\/\/api\.acme\.example$/m);
  assert.match(run('acme', '-c', file).stdout, /header X-Acme-Key: v1 \{secret\}/);
  assert.equal(run('acme').status, 2);
  assert.equal(run('-c', '/nowhere.yaml').status, 2);
});
