// Webhooks in a config: what check says of them, how they are spread over files and shown, and what a
// reload takes.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { binary, freePort, gatewayFor, temporaryFolder } from '../support/gateway.mjs';

const env = { ...process.env, HOOK_TOKEN: 'token-in-the-path', HOOKS_STRIPE_HOOK: 'whsec_AAAA', HOOKS_BILLING: 'whsec_BBBB' };
const check = (place, ...more) => spawnSync(binary, ['check', '-c', place, ...more], { encoding: 'utf8', env });
const secrets = [{ type: 'env', prefix: 'HOOKS_' }];
const hook = (more = {}) => ({
  provider: 'stripe', secrets: 'stripe-hook', deliver: { to: 'http://127.0.0.1:1/in', secret: 'billing' }, ...more,
});

test('check tells where each webhook comes in and goes to', (t) => {
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'sallyport.yaml');
  fs.writeFileSync(file, JSON.stringify({
    version: 1,
    secrets,
    webhooks: {
      pay: hook({ path: '/in/${env:HOOK_TOKEN}', host: 'hooks.example.com' }),
      many: hook({ deliver: [{ to: 'http://a/?key=hidden', name: 'one', secret: 'billing' }, { to: 'http://b', name: 'two', secret: 'billing' }] }),
    },
  }));
  const { status, stdout, stderr } = check(file);
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  assert.deepEqual(stdout.trimEnd().split('\n'), [
    `${file} is valid: 0 routes, 0 tenants, 2 webhooks`,
    '  many: stripe at /hooks/many, delivered to one, two',
    '  pay: stripe at hooks.example.com/in/${env:HOOK_TOKEN}, delivered to default',
  ]);
});

test('check notes secrets of webhooks that are in no source', (t) => {
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'sallyport.yaml');
  fs.writeFileSync(file, JSON.stringify({ version: 1, secrets, webhooks: { pay: hook({ secrets: ['stripe-hook', 'old'] }) } }));
  const { notes, warnings, valid } = JSON.parse(check(file, '--json').stdout);
  assert.equal(valid, true);
  assert.deepEqual(warnings, []);
  assert.equal(notes.length, 1);
  assert.match(notes[0], /secret "old".*HOOKS_OLD/);
});

test('check notes secrets of webhooks that cannot be what they are for', (t) => {
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'sallyport.yaml');
  fs.writeFileSync(file, JSON.stringify({
    version: 1,
    secrets,
    webhooks: { svix: hook({ provider: 'svix', deliver: { to: 'http://a', secret: 'target' } }), pay: hook() },
  }));
  const note = (STRIPE_HOOK, TARGET) => JSON.parse(spawnSync(binary, ['check', '-c', file, '--json'], {
    encoding: 'utf8', env: { ...process.env, HOOKS_STRIPE_HOOK: STRIPE_HOOK, HOOKS_TARGET: TARGET, HOOKS_BILLING: 'whsec_AAAA' },
  }).stdout).notes;
  assert.deepEqual(note('whsec_AAAA', 'whsec_AAAA'), []);
  assert.deepEqual(note('whsec_hooks', 'AAA'), [
    'webhook "svix": secret "stripe-hook" is not written as svix has it: what it signs will be refused',
    'webhook "svix": secret "target" of target "default" cannot sign: write whsec_ and base64',
  ]);
});

test('webhooks may be spread over the files of a folder', (t) => {
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const put = (name, value) => fs.writeFileSync(path.join(folder, name), JSON.stringify(value));
  put('a.json', { version: 1, secrets, webhook_queue: { keep: '1d' } });
  put('b.json', { webhooks: { pay: hook() }, webhook_queue: { max_age: '2d' } });
  put('c.json', { webhooks: { more: hook() } });
  const { status, stdout, stderr } = check(folder);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /2 webhooks\n  more: .*\n  pay: /);
  put('d.json', { webhooks: { pay: hook() } });
  assert.match(check(folder).stderr, /d\.json:1:14: webhooks\.pay: this key is already there, at .*b\.json:1:14/);
});

test('a reload takes webhooks, but not another queue or other listeners', async (t) => {
  const gateway = await gatewayFor(t, { extra: { webhook_queue: { url: 'sqlite:first.db' } } });
  const refused = async (change, key) => {
    assert.match(await gateway.reload(change), new RegExp(`refused.*${key} cannot change`));
  };
  const port = await freePort();
  const secret = path.join(gateway.folder, 'secret-path');
  fs.writeFileSync(secret, 'token-in-the-path');
  await refused((config) => (config.webhook_queue.url = 'sqlite:second.db'), 'webhook_queue\\.url');
  await refused((config) => {
    config.webhook_queue.url = 'sqlite:first.db';
    config.gateway.webhook_listen = [`127.0.0.1:${port}`];
  }, 'gateway\\.webhook_listen');
  assert.match(await gateway.reload((config) => {
    delete config.gateway.webhook_listen;
    config.secrets = secrets;
    config.webhooks = { pay: hook({ path: `/in/\${file:${secret}}` }) };
    config.webhook_queue.keep = '1d';
  }), /reloaded .*1 webhook\b/);
  const shown = await (await fetch(`http://127.0.0.1:${gateway.adminPort}/api/v1/config`)).json();
  assert.equal(shown.in_force.webhooks.pay.path, `/in/\${file:${secret}}`);
  assert.match(await gateway.reload((config) => {
    delete config.webhooks;
    delete config.webhook_queue;
  }), /reloaded .*0 webhooks/);
  // The queue of before is still open: what waits in it is not left for another one.
  await refused((config) => (config.webhook_queue = { url: 'sqlite:second.db' }), 'webhook_queue\\.url');
  assert.match(await gateway.reload((config) => (config.webhook_queue.url = 'sqlite:first.db')), /reloaded/);
});
