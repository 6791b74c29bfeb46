// `sallyport breakers` and its admin API: what it prints, what it resets, who may, how it is misused;
// and the audit lines.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { breaker, breakers, call, series } from '../support/call.mjs';
import { answer, faultyFor, json } from '../support/faulty.mjs';
import { binary, freePort, gatewayFor, sallyport, temporaryFolder, until } from '../support/gateway.mjs';

const policy = { min_requests: 10, consecutive: 3, open: '60s', max_open: '60s' };
const once = { attempts: 1 };

function run(gateway, ...args) {
  return spawnSync(binary, ['breakers', ...args, ...(gateway ? ['-c', gateway.file] : [])], { encoding: 'utf8' });
}

// One line on stderr, that matches; nothing on stdout.
function refused(result, status, words) {
  assert.equal(result.status, status, result.stderr);
  assert.match(result.stderr, words);
  assert.equal(result.stderr.trimEnd().split('\n').length, 1, result.stderr);
  assert.equal(result.stdout, '');
}

// A gateway before an upstream that is dead, and one that lives.
async function start(t, routes = {}) {
  const good = await faultyFor(t, answer(200));
  const dead = await freePort();
  const route = (port) => ({ provider: 'http', credential: 'none', upstream: port, breaker: policy, retry: once });
  return gatewayFor(t, { routes: { dead: route(dead), good: route(good.port), ...routes } });
}

const killDead = async (gateway) => series(policy.consecutive, () => call(gateway, '/dead/x'));

test('the table has a line for each route, for people', async (t) => {
  const gateway = await start(t);
  await series(4, () => call(gateway, '/good/x'));
  const before = run(gateway).stdout;
  assert.match(before, /^ROUTE +STATE +SINCE +FAILED\/CALLS +RETRIES +IN FLIGHT +HEALTH\n/);
  assert.match(before, /^dead +closed +\d+ s +0\/0 +20 +0 +unchecked$/m);
  assert.match(before, /^good +closed +\d+ s +0\/4 +20 +0 +unchecked$/m);
  assert.equal(before.trimEnd().split('\n').length, 3, 'nothing of credentials, for none is ill');
  await killDead(gateway);
  assert.match(run(gateway, 'list').stdout, /^dead +open +\d s +3\/3 +20 +0 +unchecked +probes in \d+ s$/m);
});

test('--json is what the admin API says', async (t) => {
  const gateway = await start(t);
  await killDead(gateway);
  const [dead, good] = breakers(gateway);
  assert.deepEqual([dead.route, dead.state, dead.failures, dead.calls], ['dead', 'open', 3, 3]);
  assert.deepEqual([good.route, good.state, good.in_flight, good.retry_budget], ['good', 'closed', 0, 20]);
  assert.ok(Math.abs(Date.parse(dead.since) - Date.now()) < 10000, dead.since);
  assert.ok(dead.open_for_ms > 40000 && dead.open_for_ms <= 72000);
  const shown = await (await fetch(`http://127.0.0.1:${gateway.adminPort}/api/v1/breakers`)).json();
  assert.deepEqual(shown.breakers.map((one) => one.route), ['dead', 'good']);
});

test('credentials that are not ready are listed with how long', async (t) => {
  const limited = await faultyFor(t, json(429, {}, { 'Retry-After': '300' }));
  const key = (name) => ({ secret: name, account: name });
  const gateway = await gatewayFor(t, {
    routes: {
      api: {
        provider: 'openai', upstream: limited.port, credential: [key('one'), key('two')], retry: once,
      },
    },
    secrets: { one: 'the first secret of these', two: 'the second secret of these' },
  });
  await call(gateway, '/api/v1/models');
  const text = run(gateway).stdout;
  assert.match(text, /\nROUTE +CREDENTIAL +STATE +FOR\napi +(one|two) +cooling +(5 min|300 s)\n$/);
  assert.doesNotMatch(text, /secret of these/);
  run(gateway, 'reset', 'api');
  assert.doesNotMatch(run(gateway).stdout, /CREDENTIAL/);
  assert.deepEqual(breaker(gateway, 'api').credentials.map((one) => one.state), ['ready', 'ready']);
});

test('reset closes one, or all, and is audited', async (t) => {
  const gateway = await start(t);
  await killDead(gateway);
  assert.equal(run(gateway, 'reset', 'good').stdout, '1 route: circuits are closed, nothing cools\n');
  assert.equal(breaker(gateway, 'dead').state, 'open');
  assert.equal(run(gateway, 'reset').stdout, '2 routes: circuits are closed, nothing cools\n');
  assert.equal(breaker(gateway, 'dead').state, 'closed');
  assert.deepEqual(JSON.parse(run(gateway, 'reset', 'dead', '--json').stdout), { reset: 1 });
  await until('all are told, in their order', () =>
    /opened: [^]*reset by admin: route good\n[^]*reset by admin: all routes\n[^]*reset by admin: route dead\n/.test(gateway.stderr));
  await gateway.metricIs(1, 'breaker_transitions_total', { route: 'dead', to: 'closed' });
});

test('a change of state is told at once', async (t) => {
  const gateway = await start(t);
  await killDead(gateway);
  await until('it is told', () => /audit: breaker: route dead: opened: 3 connects in a row failed; probes in \d+\.\d s\n/.test(gateway.stderr),
    { timeout: 500 });
});

test('misuse and absence are told in one line', async (t) => {
  refused(run(null, '--wrong'), 2, /^sallyport breakers: there is no option --wrong; see 'sallyport breakers --help'\n$/);
  refused(run(null, 'open'), 2, /"open" is none of list, reset/);
  refused(run(null, 'list', 'x'), 2, /unexpected "x"/);
  refused(run(null, 'reset', 'x', 'y'), 2, /unexpected "y"/);
  refused(run(null, 'reset', ''), 2, /no route's name/);
  const folder = temporaryFolder();
  refused(run({ file: path.join(folder, 'absent.yaml') }), 2, /absent\.yaml/);
  fs.writeFileSync(path.join(folder, 'a.yaml'), `version: 1\nadmin: {listen: "127.0.0.1:${await freePort()}"}\n`);
  refused(run({ file: path.join(folder, 'a.yaml') }), 1, /admin|gateway/);
  const gateway = await start(t);
  refused(run(gateway, 'reset', 'nobody'), 1, /no route .* is called "nobody"/);
  const token = path.join(gateway.folder, 'admin.token');
  fs.writeFileSync(token, '0'.repeat(64));
  refused(run(gateway, 'reset'), 1, /the gateway says \(401\): .*; the one that this config leads to is not that of the gateway that runs/);
  fs.rmSync(token);
  refused(run(gateway, 'reset'), 1, /admin\.token: no such file; the gateway makes it at its start/);
});

test('--help says what there is', () => {
  const help = sallyport(['breakers', '--help']);
  assert.match(help, /^usage: sallyport breakers /);
  assert.match(help, /reset \[ROUTE\]/);
  assert.match(sallyport(['--help']), /\n {2}breakers /);
});

test('what the admin API refuses', async (t) => {
  const gateway = await start(t);
  const url = `http://127.0.0.1:${gateway.adminPort}/api/v1/breakers`;
  const token = fs.readFileSync(path.join(gateway.folder, 'admin.token'), 'utf8').trim();
  const post = (query, headers = { Authorization: `Bearer ${token}` }) => fetch(`${url}/reset${query}`, { method: 'POST', headers });
  await killDead(gateway);
  for (const [query, headers, status] of [
    ['', {}, 401],
    ['?route=dead', { Authorization: 'Bearer wrong' }, 401],
    ['?route=', undefined, 400],
    ['?rout=dead', undefined, 400],
    ['?route=%zz', undefined, 400],
    ['?route=nobody', undefined, 404],
  ]) {
    assert.equal((await post(query, headers)).status, status, query);
  }
  assert.equal((await fetch(`${url}/reset`)).status, 405);
  assert.equal((await fetch(url, { method: 'POST' })).status, 405);
  assert.equal(breaker(gateway, 'dead').state, 'open', 'none of these reset it');
  assert.equal((await post('?route=dead')).status, 200);
  assert.equal(breaker(gateway, 'dead').state, 'closed');
});

test('routes and circuits come and go with the config; what stays is kept', async (t) => {
  const gateway = await start(t);
  await killDead(gateway);
  await gateway.reload((config) => {
    config.routes.more = { ...config.routes.good };
    delete config.routes.good;
    config.tenants.app.allow = ['dead', 'more'];
  });
  assert.deepEqual(breakers(gateway).map((one) => [one.route, one.state]), [['dead', 'open'], ['more', 'closed']]);
  assert.equal((await call(gateway, '/more/x')).status, 200);
});
