// `sallyport webhooks send`: a test event of each provider arrives, verified, with its id and type; and how it is misused.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';

import { binary, root, temporaryFolder } from '../support/gateway.mjs';
import { events, hooksFor } from '../support/webhooks.mjs';

const secret = '0123456789abcdef0123456789abcdef'; // text, hex and base64 at once
const names = fs.readdirSync(path.join(root, 'auth/inbound/schemes')).filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5));
const providersAlone = ['adyen', 'aws-sns', 'discord', 'google-pubsub', 'mailgun', 'microsoft-graph', 'paypal', 'plaid', 'sendgrid', 'standard-webhooks-asymmetric'];
const shared = names.filter((name) => !providersAlone.includes(name));
const typeless = ['dropbox', 'supabase-auth-hooks', 'twilio', 'twilio-json', 'twitter'];

const run = (args, options = {}) => spawnSync(binary, ['webhooks', 'send', ...args], { encoding: 'utf8', ...options });
const from = (gateway) => ({ env: { ...process.env, SALLYPORT_SECRET_HOOK: secret, SALLYPORT_SECRET_OTHER: 'another' } , gateway });
const send = (gateway, ...args) => run([...args, '-c', gateway.file], from(gateway));

function refused(result, status, words) {
  assert.equal(result.status, status, result.stderr);
  assert.match(result.stderr, words);
  assert.equal(result.stderr.trimEnd().split('\n').length, 1, result.stderr);
  assert.equal(result.stdout, '');
}

const hook = (provider, more = {}) => ({ provider, secrets: ['hook'], ...more });
const secrets = { hook: secret, other: 'another' };

function fileWith(text, name = 'file') {
  const file = path.join(temporaryFolder(), name);
  fs.writeFileSync(file, text);
  return file;
}

test('an event of each provider that shares a secret is taken', async (t) => {
  const needsUrl = (name) => /twilio|square|hubspot/.test(name);
  const hooks = Object.fromEntries(shared.map((name) => [name, hook(name, needsUrl(name) ? { public_url: `https://hooks.example.com/in/${name}` } : {})]));
  const gateway = await hooksFor(t, hooks, { secrets });
  for (const name of shared) {
    const result = send(gateway, '--hook', name, '--json');
    assert.deepEqual([result.status, result.stderr], [0, ''], `${name}: ${result.stdout}`);
    const { status, id, type } = JSON.parse(result.stdout);
    const event = events(gateway).at(-1);
    assert.equal(status, 200, name);
    assert.deepEqual([event.event_id, event.type], [id, type], name);
    assert.equal(type === '', typeless.includes(name), name);
    assert.equal(event.suspect, 0, name);
  }
  assert.equal(events(gateway).length, shared.length, 'each is an event of its own');
});

test('what only a provider can sign is told', async () => {
  const file = fileWith(secret);
  for (const name of providersAlone) {
    refused(run(['--provider', name, '--to', 'http://127.0.0.1:9/', '--secret-file', file]), 1, /only the provider can sign/);
  }
});

test('a hook may be asked by its own host, and each send is a new event, with the id and type that are wanted', async (t) => {
  const gateway = await hooksFor(t, { stripe: hook('stripe', { host: 'hooks.example.com', path: '/x' }) }, { secrets });
  const words = send(gateway, '--hook', 'stripe', '--id', 'evt_own', '--type', 'charge.failed');
  assert.match(words.stdout, new RegExp(`^stripe charge\\.failed evt_own to http://127\\.0\\.0\\.1:${gateway.port}/x: 200 in \\d+ ms\n$`));
  assert.deepEqual(events(gateway).map((event) => [event.event_id, event.type]), [['evt_own', 'charge.failed']]);
  for (let i = 0; i < 2; i++) assert.equal(send(gateway, '--hook', 'stripe').status, 0);
  assert.equal(new Set(events(gateway).map((event) => event.event_id)).size, 3);
  const own = fileWith('{"id": "evt_file",  "type": "a.b"}');
  assert.equal(send(gateway, '--hook', 'stripe', '--body', own).status, 0);
  assert.equal(events(gateway).at(-1).body.toString(), '{"id": "evt_file",  "type": "a.b"}');
});

test('a secret from elsewhere; and one that is not the right one', async (t) => {
  const gateway = await hooksFor(t, { git: hook('github') }, { secrets });
  const to = `${gateway.url}/hooks/git`;
  assert.equal(run(['--provider', 'github', '--to', to, '--secret-file', fileWith(`${secret}\n`)]).status, 0);
  assert.equal(run(['--provider', 'github', '--to', to, '--secret-file', '-'], { input: secret }).status, 0);
  assert.equal(send(gateway, '--provider', 'github', '--to', to, '--secret', 'hook').status, 0);
  const wrong = send(gateway, '--hook', 'git', '--secret', 'other');
  assert.equal(wrong.status, 1);
  assert.match(wrong.stdout, /: 401 in \d+ ms\n$/);
  assert.doesNotMatch(wrong.stdout + wrong.stderr, /another/);
  assert.equal(events(gateway).length, 3);
});

test('the answer is printed as text', async (t) => {
  const server = http.createServer((req, res) => res.writeHead(202).end('\u001b[31mtaken\nand more'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  // In a process of its own: this one has to answer.
  const { spawn } = await import('node:child_process');
  const file = fileWith(secret);
  const child = spawn(binary, ['webhooks', 'send', '--provider', 'slack', '--to', `http://127.0.0.1:${server.address().port}/`, '--secret-file', file]);
  let out = '';
  child.stdout.on('data', (data) => (out += data));
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.equal(code, 0);
  assert.match(out, /^slack app_mention Ev[0-9a-f]{32} to http:\S+: 202 in \d+ ms: \?\[31mtaken\n$/);
});

test('misuse is told in one line', async (t) => {
  const gateway = await hooksFor(t, { stripe: hook('stripe'), drops: hook('dropbox'), pub: {
    provider: 'google-pubsub', audience: 'a', service_account: 'x@y.iam.gserviceaccount.com',
  } }, { secrets });
  const file = fileWith(secret);
  const to = ['--to', 'http://127.0.0.1:9/'];
  for (const [args, status, words] of [
    [[], 2, /either --hook NAME or --provider NAME/],
    [['--hook', 'stripe', '--provider', 'stripe'], 2, /either/],
    [['--provider', 'stripe'], 2, /--to URL is missing/],
    [['--provider', 'stripe', ...to], 2, /--secret NAME or --secret-file FILE is missing/],
    [['--provider', 'stripe', ...to, '--secret', 'hook', '--secret-file', file], 2, /either --secret/],
    [['--hook', 'stripe', '--to', 'ftp://x/'], 2, /is no URL/],
    [['--hook', 'stripe', 'x'], 2, /unexpected "x"/],
    [['--hook', 'nobody'], 1, /has no hook called "nobody"/],
    [['--hook', 'pub'], 1, /only the provider can sign/],
    [['--hook', 'drops', '--type', 'x'], 1, /tell no type/],
    [['--hook', 'drops', '--id', 'x'], 1, /tell no id/],
    [['--hook', 'stripe', '--secret', 'absent'], 1, /"absent" cannot be read/],
    [['--hook', 'stripe', '--secret-file', `${file}.absent`], 1, /absent: /],
    [['--hook', 'stripe', '--body', `${file}.absent`], 1, /absent: /],
    [['--hook', 'stripe', '--body', fileWith('')], 1, /it is empty/],
    [['--hook', 'stripe', '--body', file, '--type', 'x'], 1, /stands in the body/],
    [['--hook', 'stripe', ...to], 1, /does not answer/],
    [['--provider', 'strip', ...to, '--secret', 'hook'], 1, /no provider "strip"; there are adyen-platform, .* stripe, /],
  ]) {
    refused(send(gateway, ...args), status, words);
  }
  refused(run(['--hook', 'stripe', '-c', path.join(temporaryFolder(), 'absent.yaml')]), 2, /absent\.yaml/);
  assert.equal(events(gateway).length, 0);
});
