// The commands that work on files alone: keys and secrets.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { binary, temporaryFolder } from '../support/gateway.mjs';

function run(args, options) {
  return spawnSync(binary, args, { encoding: 'utf8', input: '', ...options });
}

// One line on stderr, that matches; nothing on stdout.
function refused(result, status, words) {
  assert.equal(result.status, status, result.stderr);
  assert.match(result.stderr, words);
  assert.equal(result.stderr.trimEnd().split('\n').length, 1);
  assert.equal(result.stdout, '');
}

test('keys new: a key and its hash, for people and for machines', () => {
  const json = JSON.parse(run(['keys', 'new', '--tenant', 'checkout', '--json']).stdout);
  assert.equal(json.tenant, 'checkout');
  assert.match(json.key, /^sp_[0-9A-Za-z]{46}$/);
  assert.equal(json.hash, `sha256:${crypto.createHash('sha256').update(json.key).digest('hex')}`);

  const text = run(['keys', 'new', '--tenant', 'checkout']).stdout;
  const key = /sp_[0-9A-Za-z]{46}/.exec(text)[0];
  assert.notEqual(key, json.key);
  assert.ok(text.includes(`keys: ["sha256:${crypto.createHash('sha256').update(key).digest('hex')}"]`));
});

test('keys list: the hashes that the config has', () => {
  const folder = temporaryFolder();
  const config = path.join(folder, 'sallyport.yaml');
  const hash = `sha256:${'0123456789abcdef'.repeat(4)}`;
  fs.writeFileSync(config, JSON.stringify({
    version: 1,
    secrets: [{ type: 'env', prefix: 'X_' }],
    routes: { api: { provider: 'http', base_url: 'https://api.example.com' } },
    tenants: { checkout: { keys: [hash], allow: ['api'] } },
  }));
  const list = (...more) => run(['keys', 'list', '-c', config, ...more]);
  assert.equal(list('--tenant', 'checkout').stdout, `${hash}  good\n`);
  assert.deepEqual(JSON.parse(list('--tenant', 'checkout', '--json').stdout), { tenant: 'checkout', hashes: [hash], keys: [{ hash, state: 'good' }] });
  refused(list('--tenant', 'nobody'), 1, /no tenant nobody/);
  refused(run(['keys', 'list', '--tenant', 'checkout', '-c', `${config}.absent`]), 2, /sallyport\.yaml\.absent/);
});

test('keys: wrong use is told in one line', () => {
  refused(run(['keys']), 2, /'new' or 'list'/);
  refused(run(['keys', 'new']), 2, /--tenant NAME is missing/);
  refused(run(['keys', 'new', '--tenant']), 2, /option/);
  refused(run(['keys', 'new', '--tenant', '../x y']), 2, /tenant's name/);
  refused(run(['keys', 'new', '--tenant', 'Checkout']), 2, /tenant's name/); // as the config would
  refused(run(['keys', 'make', '--tenant', 'a']), 2, /'new' or 'list'/);
});

test('secrets: set, list, replace, remove', () => {
  const folder = temporaryFolder();
  const file = path.join(folder, 'secrets.sealed');
  const keyFile = path.join(folder, 'master.key');
  const secrets = (args, input) => run(['secrets', ...args, '--file', file, '--key-file', keyFile], { input });

  refused(secrets(['list']), 1, /there is no sealed file yet/);
  refused(secrets(['rm', 'a']), 1, /there is no sealed file yet/);
  assert.deepEqual(fs.readdirSync(folder), []);

  assert.equal(secrets(['set', 'openai-key'], 'sk-live-0123456789\n').status, 0);
  assert.equal(secrets(['set', 'another'], 'value of another').status, 0);
  assert.equal(fs.statSync(keyFile).mode & 0o777, 0o600);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  assert.equal(secrets(['list']).stdout, 'another\nopenai-key\n');
  assert.deepEqual(JSON.parse(secrets(['list', '--json']).stdout), ['another', 'openai-key']);
  assert.ok(!fs.readFileSync(file).includes('sk-live'));

  assert.equal(secrets(['rm', 'another']).status, 0);
  assert.equal(secrets(['list']).stdout, 'openai-key\n');
  refused(secrets(['rm', 'another']), 1, /has no secret another/);
});

test('secrets: a value in the arguments is refused and not repeated', () => {
  const result = run(['secrets', 'set', 'openai-key', 'sk-live-0123456789', '--file', 'f', '--key-file', 'k'], { cwd: temporaryFolder() });
  refused(result, 2, /pipe it in/);
  assert.ok(!result.stderr.includes('sk-live'));
});

test('secrets: what cannot be kept is refused', () => {
  const folder = temporaryFolder();
  const set = (name, input) => run(['secrets', 'set', name, '--file', 'f', '--key-file', 'k'], { input, cwd: folder });
  refused(set('a', ''), 1, /no value came from stdin/);
  refused(set('a', '\n'), 1, /no value came from stdin/);
  refused(set('a', 'x'.repeat(65537)), 1, /longer than 64 KiB/);
  refused(set('../a', 'value'), 2, /secret's name/);
  assert.deepEqual(fs.readdirSync(folder), []);
  const short = set('a', 'elevenbytes');
  assert.equal(short.status, 0);
  assert.match(short.stderr, /will not be scrubbed/);
});

test('secrets: a lost or open key file is named, and no new one is made over it', () => {
  const folder = temporaryFolder();
  const keyFile = path.join(folder, 'k');
  const secrets = (args, input) => run(['secrets', ...args, '--file', 'f', '--key-file', 'k'], { input, cwd: folder });
  secrets(['set', 'a'], 'a long enough value');
  fs.chmodSync(keyFile, 0o644);
  refused(secrets(['list']), 1, /chmod 600/);
  fs.unlinkSync(keyFile);
  refused(secrets(['set', 'b'], 'a long enough value'), 1, /key file k: no such file; put it there, or name where it is/);
  assert.ok(!fs.existsSync(keyFile));
});

test('secrets: what is wrong with a passphrase file is said of a passphrase file', () => {
  const folder = temporaryFolder();
  const phrase = path.join(folder, 'p');
  const list = () => run(['secrets', 'list', '--file', 'f', '--passphrase-file', 'p'], { cwd: folder });
  fs.writeFileSync(phrase, 'correct horse battery\n', { mode: 0o600 });
  run(['secrets', 'set', 'a', '--file', 'f', '--passphrase-file', 'p'], { input: 'a long enough value', cwd: folder });
  fs.writeFileSync(phrase, 'wrong horse battery\n');
  refused(list(), 1, /passphrase file p\): does not open: it is damaged, or was sealed with another one/);
  fs.chmodSync(phrase, 0o644);
  refused(list(), 1, /passphrase file p: is open to others .*chmod 600 p/);
  fs.unlinkSync(phrase);
  refused(list(), 1, /passphrase file p: no such file/);
});

test('secrets: writers at the same time lose nothing', async () => {
  const folder = temporaryFolder();
  const names = Array.from({ length: 8 }, (_, i) => `name-${i}`);
  const { spawn } = await import('node:child_process');
  await Promise.all(names.map((name) => new Promise((resolve) => {
    const child = spawn(binary, ['secrets', 'set', name, '--file', 'f', '--key-file', 'k'], { cwd: folder });
    child.on('exit', resolve);
    child.stdin.end('a long enough value');
  })));
  assert.equal(run(['secrets', 'list', '--file', 'f', '--key-file', 'k'], { cwd: folder }).stdout, names.map((name) => `${name}\n`).join(''));
});

test('check: notes secrets that are missing, or too short to be scrubbed', () => {
  const folder = temporaryFolder();
  const file = path.join(folder, 'sallyport.yaml');
  fs.writeFileSync(file, JSON.stringify({
    version: 1,
    secrets: [{ type: 'env', prefix: 'CHECK_' }],
    routes: { openai: { credential: { secret: 'openai-key' } } },
    tenants: {},
  }));
  const check = (value) => {
    const result = run(['check', '-c', file, '--json'], { env: { ...process.env, ...(value && { CHECK_OPENAI_KEY: value }) } });
    assert.equal(result.status, 0, result.stderr);
    return JSON.parse(result.stdout).notes;
  };
  assert.deepEqual(check('a long enough value'), []);
  assert.match(check('elevenbytes')[0], /route "openai".*shorter than 12 bytes/);
  assert.match(check()[0], /openai-key.*CHECK_OPENAI_KEY/);
  assert.match(run(['check', '-c', file]).stderr, /^note: /);
});

test('check: what is valid but hardly meant is a warning', () => {
  const file = path.join(temporaryFolder(), 'sallyport.yaml');
  const check = (text, ...args) => {
    fs.writeFileSync(file, `version: 1\n${text}\n`);
    return run(['check', '-c', file, ...args]);
  };
  const text = 'quotas: [{requests: 9, per: day}]';
  const result = check(text);
  assert.equal(result.status, 0);
  assert.match(result.stderr, /^warning: \S+:2:29: quotas\[0\]\.per: budgets restart at zero/);
  assert.match(result.stdout, /is valid/);
  const json = JSON.parse(check(text, '--json').stdout);
  assert.equal(json.valid, true);
  assert.deepEqual(json.problems, []);
  assert.deepEqual(json.warnings.map(({ line, column }) => [line, column]), [[2, 29]]);
  const bad = check(`${text}\nstore: {url: "redis://u:hunter2@h:x"}`);
  assert.equal(bad.status, 2);
  assert.match(bad.stderr, /store\.url: the port is no number/);
  assert.doesNotMatch(bad.stderr, /hunter2/);
});

test('a wrong option or word is named, by every command alike', () => {
  for (const command of ['run', 'check', 'keys', 'secrets', 'providers', 'demo', 'version']) {
    const help = `see 'sallyport ${command} --help'`;
    refused(run([command, '--wrong']), 2, new RegExp(`^sallyport ${command}: there is no option --wrong; ${help}\n$`));
    refused(run([command, '-x']), 2, new RegExp(`there is no option -x; ${help}`));
  }
  refused(run(['check', '--config']), 2, /option --config needs a value/);
  refused(run(['check', '-c']), 2, /option -c needs a value/);
  refused(run(['check', '--json=1']), 2, /there is no option --json=1/);
  for (const command of ['run', 'check', 'demo', 'version']) {
    refused(run([command, 'word']), 2, /unexpected "word"/);
  }
  for (const command of ['check', 'run']) {
    refused(run([command, 'a.yaml']), 2, new RegExp(`the config is named by -c: sallyport ${command} -c a\\.yaml`));
  }
  refused(run(['keys', 'new', 'word', '--tenant', 'a']), 2, /unexpected "word"/);
  refused(run(['providers', 'openai', 'word']), 2, /unexpected "word"/);
});

test('what cannot be printed is a failure', { skip: !fs.existsSync('/dev/full') }, () => {
  for (const args of [['version'], ['providers'], ['check', '--manual']]) {
    const result = run(args, { stdio: ['ignore', fs.openSync('/dev/full', 'w'), 'pipe'] });
    assert.equal(result.status, 1);
    assert.match(result.stderr, /stdout takes no more: No space/);
  }
});

test('--help goes to stdout and ends well', () => {
  for (const command of ['run', 'check', 'keys', 'secrets', 'providers', 'demo', 'version']) {
    const result = run([command, '--help']);
    assert.equal(result.status, 0);
    assert.match(result.stdout, new RegExp(`^usage: sallyport ${command} `));
    assert.equal(result.stderr, '');
  }
});

test('providers: what is known of trying again, and how a token is had, a fact a line', () => {
  const facts = (name) => run(['providers', name]).stdout.split('\n').map((line) => line.trim().replace(/ {2,}/, ': '));
  for (const [name, lines] of [
    ['openai', ['wait in: retry-after-ms, milliseconds', 'says whether in: x-should-retry', 'key refused: 401',
      'may be repeated: POST /v1/chat/completions', 'health check: GET /v1/models']],
    ['github', ['throttled: 403 with x-ratelimit-remaining: 0', 'throttled: 403 with retry-after',
      'limits of its own search: /search/*']],
    ['stripe', ['idempotency key: header Idempotency-Key, up to 255 bytes, for POST', 'unique within: stripe-account']],
    ['square', ['idempotency key: member of the body idempotency_key, up to 45 bytes, for POST PUT of some paths']],
    ['bedrock', ['throttled: an error with x-amzn-errortype: ThrottlingException', 'may be repeated: POST /model/{model}/converse']],
    ['http', ['wait in: retry-after, seconds or a date']],
    ['salesforce', ['token is had by: grant: client_credentials', 'token is had by: url: /services/oauth2/token']],
  ]) {
    for (const line of lines) assert.ok(facts(name).includes(line), `${name}: ${line}\n${facts(name).join('\n')}`);
  }
  const all = JSON.parse(run(['providers', '--json']).stdout);
  assert.equal(all.find((it) => it.name === 'square').idempotency_key, 'idempotency_key');
  assert.equal(all.find((it) => it.name === 'github').health, '/rate_limit');
});

test('schema: JSON on stdout, and no more', () => {
  const { status, stdout, stderr } = run(['schema']);
  assert.equal(status, 0, stderr);
  assert.equal(JSON.parse(stdout).$schema, 'https://json-schema.org/draft/2020-12/schema');
  refused(run(['schema', 'gateway']), 2, /unexpected "gateway"/);
});
