// Another key for the sealed file: in place, in another file, by passphrase; cut off half way; under a gateway that runs.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { binary, gatewayFor, temporaryFolder, until } from '../support/gateway.mjs';
import { upstreamFor } from '../support/wire.mjs';

const PASSPHRASE = 'correct horse battery staple';

function filesFor(t) {
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  return Object.fromEntries(['sealed', 'key', 'other', 'phrase'].map((name) => [name, path.join(folder, name)]));
}

const run = (args, input = '') => spawnSync(binary, ['secrets', ...args], { input, encoding: 'utf8' });
const good = (args, input) => {
  const result = run(args, input);
  assert.equal(result.status, 0, result.stderr);
  return result;
};
const byKey = (files, key = files.key) => ['--file', files.sealed, '--key-file', key];
const byPhrase = (files) => ['--file', files.sealed, '--passphrase-file', files.phrase];
const names = (files, how = byKey(files)) => good(['list', ...how, '--json']).stdout;
const mode = (file) => fs.statSync(file).mode & 0o777;

test('a new key in place: the old one does not open it any more', (t) => {
  const files = filesFor(t);
  good(['set', 'one', ...byKey(files)], 'value-of-the-secret');
  const old = fs.readFileSync(files.key);
  good(['rekey', ...byKey(files)]);
  assert.notDeepEqual(fs.readFileSync(files.key), old);
  assert.equal(mode(files.key), 0o600);
  assert.ok(!fs.existsSync(`${files.key}.next`));
  assert.equal(names(files), '["one"]\n');
  fs.writeFileSync(files.other, old, { mode: 0o600 });
  const result = run(['list', ...byKey(files, files.other)]);
  assert.equal(result.status, 1);
  assert.match(result.stderr, /does not open/);
});

test('one that was cut off before its last step opens all the same, and the next one finishes it', (t) => {
  const files = filesFor(t);
  good(['set', 'one', ...byKey(files)], 'value-of-the-secret');
  const old = fs.readFileSync(files.key);
  good(['rekey', ...byKey(files)]);
  fs.renameSync(files.key, `${files.key}.next`); // as it was before the rename
  fs.writeFileSync(files.key, old, { mode: 0o600 });
  assert.equal(names(files), '["one"]\n');
  good(['set', 'two', ...byKey(files)], 'another-value-of-it');
  good(['rekey', ...byKey(files)]);
  assert.ok(!fs.existsSync(`${files.key}.next`));
  assert.equal(names(files), '["one","two"]\n');
  fs.writeFileSync(`${files.key}.next`, old, { mode: 0o600 }); // or before the sealed file was replaced
  assert.equal(names(files), '["one","two"]\n');
});

test('a passphrase, typed in or from its file; and back to a key', (t) => {
  const files = filesFor(t);
  good(['set', 'one', ...byKey(files)], 'value-of-the-secret');
  const to = ['rekey', ...byKey(files), '--new-passphrase-file', files.phrase];
  assert.match(run(to, 'short\n').stderr, /12 to 1024 bytes/);
  assert.ok(!fs.existsSync(files.phrase));
  assert.equal(names(files), '["one"]\n');
  const said = good(to, `${PASSPHRASE}\n`);
  assert.match(said.stderr, /name it in the config, as passphrase_file/);
  assert.doesNotMatch(said.stdout + said.stderr, /horse/);
  assert.equal(mode(files.phrase), 0o600);
  assert.equal(names(files, byPhrase(files)), '["one"]\n');
  good(['set', 'two', ...byPhrase(files)], 'another-value-of-it');
  assert.equal(names(files, byPhrase(files)), '["one","two"]\n');
  assert.match(run(['rekey', ...byPhrase(files)]).stderr, /say --new-passphrase-file or --new-key-file/);

  const bytes = fs.readFileSync(files.sealed);
  fs.writeFileSync(files.phrase, 'correct horse battery stable', { mode: 0o600 });
  assert.match(run(['list', ...byPhrase(files)]).stderr, /\(passphrase file .*\): does not open/);
  fs.writeFileSync(files.phrase, `${PASSPHRASE}\n`, { mode: 0o644 });
  fs.chmodSync(files.phrase, 0o644);
  assert.match(run(['list', ...byPhrase(files)]).stderr, /is open to others/);
  fs.chmodSync(files.phrase, 0o600);
  for (const at of [8, 9, 24, 30, bytes.length - 1]) { // cost, salt, nonce, tag
    const damaged = Buffer.from(bytes);
    damaged[at] ^= 0x40;
    fs.writeFileSync(files.sealed, damaged);
    assert.equal(run(['list', ...byPhrase(files)]).status, 1, `byte ${at}`);
  }
  fs.writeFileSync(files.sealed, bytes);
  good(['rekey', ...byPhrase(files), '--new-key-file', files.other]);
  assert.equal(names(files, byKey(files, files.other)), '["one","two"]\n');
});

test('a passphrase among the arguments is not taken; a new file by passphrase needs no key', (t) => {
  const files = filesFor(t);
  assert.equal(run(['rekey', PASSPHRASE, ...byKey(files)]).status, 2);
  fs.writeFileSync(files.phrase, PASSPHRASE, { mode: 0o600 });
  good(['set', 'one', ...byPhrase(files)], 'value-of-the-secret');
  assert.equal(names(files, byPhrase(files)), '["one"]\n');
  assert.equal(run(['list', '--file', files.sealed, '--key-file', files.key, '--passphrase-file', files.phrase]).status, 2);
});

test('a gateway goes on over a new key and a passphrase', async (t) => {
  const files = filesFor(t);
  const upstream = await upstreamFor(t);
  good(['set', 'api-key', ...byKey(files)], 'first-value-of-the-secret');
  const gateway = await gatewayFor(t, {
    routes: { api: { upstream: upstream.port, provider: 'http', credential: { secret: 'api-key' }, inject: { header: 'Authorization', value: 'Bearer {secret}' } } },
    extra: { secrets: [{ type: 'sealed', path: files.sealed, key_file: files.key }] },
  });
  const used = async () => {
    const answer = await fetch(`${gateway.url}/api/x`, { headers: { 'x-sallyport-key': gateway.key } });
    await answer.text();
    return answer.status === 200 && /^authorization: Bearer (.*)\r$/im.exec(upstream.requests.at(-1).head)[1];
  };
  assert.equal(await used(), 'first-value-of-the-secret');
  execFileSync(binary, ['secrets', 'rekey', '-c', gateway.file]);
  good(['set', 'api-key', ...byKey(files)], 'second-value-of-the-secret');
  await until('it is used', async () => (await used()) === 'second-value-of-the-secret');
  good(['rekey', ...byKey(files), '--new-passphrase-file', files.phrase], PASSPHRASE);
  await gateway.reload((config) => { config.secrets = [{ type: 'sealed', path: files.sealed, passphrase_file: files.phrase }]; });
  assert.equal(await used(), 'second-value-of-the-secret');
  good(['set', 'api-key', ...byPhrase(files)], 'third-value-of-the-secret');
  await until('it is used', async () => (await used()) === 'third-value-of-the-secret');
  assert.doesNotMatch(gateway.stderr, /horse|-value-of/);
});
