// A folder as the config: its files are checked, served and reloaded as one.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { binary, freePort, Gateway, temporaryFolder } from '../support/gateway.mjs';
import { upstreamFor } from '../support/wire.mjs';

function check(folder, ...more) {
  return spawnSync(binary, ['check', '-c', folder, ...more], { encoding: 'utf8' });
}

// A folder that is a config: what faces clients in one file, routes in another, tenants in a third.
// Its files besides it, for `folder` is the config.
async function start(t, routes) {
  const place = temporaryFolder();
  const folder = path.join(place, 'conf.d');
  fs.mkdirSync(folder);
  const port = await freePort();
  const adminPort = await freePort();
  const keys = {};
  const { config, env } = Gateway.config({ routes, folder: place, port, adminPort, keys });
  const { routes: ofRoutes, tenants, ...rest } = config;
  const write = (name, value) => fs.writeFileSync(path.join(folder, name), JSON.stringify(value, null, 2));
  write('10-gateway.json', rest);
  write('20-routes.yaml', { routes: ofRoutes });
  write('30-tenants.yml', { tenants });
  const gateway = new Gateway(['run', '-c', folder], { env, cwd: place });
  Object.assign(gateway, { folder: place, port, adminPort, keys, config, key: keys.app, options: {} });
  await gateway.ready();
  t.after(() => gateway.stop());
  return { gateway, folder, write, tenants, routes: ofRoutes };
}

const call = (gateway, path) => fetch(`${gateway.url}${path}`, { headers: { 'X-Sallyport-Key': gateway.key } });

test('check: a folder is valid as a whole, and a problem has its file', (t) => {
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const put = (name, text) => fs.writeFileSync(path.join(folder, name), text);
  put('a.yaml', 'version: 1\nroutes:\n  api: {provider: http, base_url: "https://api.example.com"}\n');
  put('b.yml', `tenants:\n  app:\n    keys: ["sha256:${'0'.repeat(64)}"]\n    allow: [api]\n`);
  const valid = check(folder);
  assert.equal(valid.status, 0, valid.stderr);
  assert.match(valid.stdout, /is valid: 1 route, 1 tenant, 0 webhooks\n/);

  put('c.json', '{"tenants": {"other": {"keys": [], "alow": ["api"]}},\n "version": 1}');
  const broken = check(folder);
  assert.equal(broken.status, 2);
  assert.deepEqual(broken.stderr.trimEnd().split('\n'), [
    `${folder}/c.json:1:36: tenants.other.alow: unknown key; did you mean "allow"?`,
    `${folder}/c.json:2:2: version: this key is already there, at ${folder}/a.yaml:1:1; keep one of them`,
  ]);
  const { problems } = JSON.parse(check(folder, '--json').stdout);
  assert.deepEqual(problems.map(({ file, line, column }) => [file, line, column]),
    [[`${folder}/c.json`, 1, 36], [`${folder}/c.json`, 2, 2]]);

  // The other commands read the same.
  fs.rmSync(path.join(folder, 'c.json'));
  const list = spawnSync(binary, ['keys', 'list', '--tenant', 'app', '-c', folder], { encoding: 'utf8' });
  assert.equal(list.stdout, `sha256:${'0'.repeat(64)}  good\n`, list.stderr);
});

test('run and reload: files come, change and go', async (t) => {
  const upstream = await upstreamFor(t);
  const { gateway, folder, write, tenants } = await start(t, { api: { upstream: upstream.port, provider: 'http' } });
  assert.equal((await call(gateway, '/api/x')).status, 200);
  assert.equal((await call(gateway, '/more/x')).status, 404);

  const base_url = `http://127.0.0.1:${upstream.port}`;
  write('25-more.yaml', { routes: { more: { provider: 'http', base_url } } });
  tenants.app.allow.push('more');
  write('30-tenants.yml', { tenants });
  assert.match(await gateway.reload(), /reloaded .*conf\.d: 2 routes, 1 tenant, 0 webhooks/);
  assert.equal((await call(gateway, '/more/x')).status, 200);

  write('40-twin.yaml', { routes: { more: { provider: 'http', base_url } } });
  assert.match(await gateway.reload(), /reload refused: .*40-twin\.yaml:3:5: routes\.more: this key is already there, at .*25-more\.yaml:3:5; keep one/);
  assert.equal((await call(gateway, '/more/x')).status, 200);
  await gateway.metricIs(0, 'config_last_reload_success');

  fs.rmSync(path.join(folder, '40-twin.yaml'));
  fs.rmSync(path.join(folder, '25-more.yaml'));
  tenants.app.allow.pop();
  write('30-tenants.yml', { tenants });
  assert.match(await gateway.reload(), /reloaded .*1 route,/);
  assert.equal((await call(gateway, '/more/x')).status, 404);
  assert.equal((await call(gateway, '/api/x')).status, 200);
});
