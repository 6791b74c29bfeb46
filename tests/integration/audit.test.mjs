// The audit log: each event is in it, nothing secret is, and `sallyport audit verify` finds what was
// done to it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';

import { call, many, series } from '../support/call.mjs';
import { answer, faultyFor } from '../support/faulty.mjs';
import { binary, Child, freePort, Gateway, gatewayFor, newKey, sallyport, temporaryFolder, until } from '../support/gateway.mjs';
import { redisFor } from '../support/redis.mjs';

const fileOf = (gateway) => path.join(gateway.folder, 'audit.json');
const read = (file) => fs.readFileSync(file, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line));
const events = (gateway) => read(fileOf(gateway));
const kinds = (file) => read(file).map((one) => one.event);

// The event of that kind, once it is there; `where` may say more of it.
function event(gateway, kind, where = () => true) {
  return until(`an event ${kind}`, () => events(gateway).find((one) => one.event === kind && where(one)));
}

function verify(...args) {
  const result = spawnSync(binary, ['audit', 'verify', ...args], { encoding: 'utf8' });
  return { ...result, json: args.includes('--json') && result.stdout ? JSON.parse(result.stdout) : null };
}

function whole(...files) {
  const result = verify(...files, '--json');
  assert.equal(result.status, 0, result.stdout + result.stderr);
  assert.equal(result.json.valid, true);
  return result.json;
}

async function start(t, { routes = {}, expected = 0, ...options } = {}) {
  const good = await faultyFor(t, answer(200));
  const gateway = await Gateway.start({
    routes: { good: { provider: 'http', credential: 'none', upstream: good.port }, ...routes },
    ...options,
    gateway: { audit_log: 'audit.json', ...options.gateway },
  });
  t.after(() => gateway.stop({ expected }));
  return gateway;
}

test('each event is in it, and neither key nor secret', async (t) => {
  const canary = 'canary-of-the-first-value';
  const later = 'canary-of-the-second-value';
  const stranger = newKey('stranger').key;
  const vault = temporaryFolder();
  t.after(() => fs.rmSync(vault, { recursive: true }));
  fs.writeFileSync(path.join(vault, 'api-key'), canary);
  const dead = { provider: 'http', credential: 'none', retry: { attempts: 1 }, upstream: await freePort() };
  const good = await faultyFor(t, answer(200));
  const gateway = await gatewayFor(t, {
    gateway: { audit_log: 'audit.json' },
    routes: {
      api: { provider: 'openai', upstream: good.port, credential: { secret: 'api-key' } },
      dead: { ...dead, breaker: { min_requests: 10, consecutive: 3, open: '60s', max_open: '60s' } },
    },
    tenants: { app: { allow: ['api', 'dead'], quotas: [{ name: 'daily', requests: 10, per: 'day', warn_at: '50%' }] } },
    extra: { secrets: [{ type: 'directory', path: vault }] },
  });

  const started = await event(gateway, 'process_started');
  assert.equal(started.seq, 1);
  assert.equal(started.prev, '0'.repeat(64));
  assert.equal(started.generation, 1);
  assert.match(started.text, /^sallyport \d+\.\d+\.\d+ with /);
  assert.equal(started.config, crypto.createHash('sha256').update(fs.readFileSync(gateway.file)).digest('hex'));
  assert.ok(Math.abs(Date.parse(started.time) - Date.now()) < 60000);
  const first = await event(gateway, 'secret_read');
  assert.deepEqual([first.secret, first.version], ['api-key', 1]);

  assert.equal((await call(gateway, '/api/v1/models', { key: stranger })).status, 401);
  assert.equal((await call(gateway, '/api/v1/models', { key: canary })).status, 401);
  const unknown = await event(gateway, 'key_refused', (one) => one.text === 'no tenant has this key');
  assert.deepEqual([unknown.route, unknown.peer, unknown.code], ['api', '127.0.0.1', 'tenant_unknown']);
  await event(gateway, 'key_refused', (one) => /is no tenant key/.test(one.text));
  const missing = await fetch(`${gateway.url}/api/v1/models`);
  assert.equal(missing.status, 401);
  await event(gateway, 'key_refused', (one) => one.code === 'tenant_key_missing');

  await series(2, () => call(gateway, '/api/v1/models'));
  await series(3, () => call(gateway, '/dead/x'));
  const opened = await event(gateway, 'circuit', (one) => /opened/.test(one.text));
  assert.equal(opened.route, 'dead');
  const warned = await event(gateway, 'quota_warned');
  assert.deepEqual([warned.tenant, warned.quota], ['app', 'daily']);

  const quota = ['--tenant', 'app', '--quota', 'daily', '-c', gateway.file];
  sallyport(['quotas', 'raise', '--by', '1', ...quota]);
  sallyport(['quotas', 'reset', ...quota]);
  const raised = await event(gateway, 'admin_quota', (one) => /raised by 1 request/.test(one.text));
  assert.deepEqual([raised.tenant, raised.quota, raised.peer], ['app', 'daily', '127.0.0.1']);
  await event(gateway, 'admin_quota', (one) => /was reset/.test(one.text));
  sallyport(['breakers', 'reset', 'dead', '-c', gateway.file]);
  assert.deepEqual([(await event(gateway, 'admin_breaker')).route, (await event(gateway, 'admin_breaker')).peer], ['dead', '127.0.0.1']);
  const denied = await fetch(`http://127.0.0.1:${gateway.adminPort}/api/v1/breakers/reset`,
    { method: 'POST', headers: { Authorization: `Bearer ${canary}` } });
  assert.equal(denied.status, 401);
  const refused = await event(gateway, 'admin_refused');
  assert.deepEqual([refused.peer, refused.text], ['127.0.0.1', '/api/v1/breakers/reset']);

  fs.writeFileSync(path.join(vault, 'new'), later);
  fs.renameSync(path.join(vault, 'new'), path.join(vault, 'api-key'));
  await event(gateway, 'secret_read', (one) => one.version === 2);
  fs.rmSync(path.join(vault, 'api-key'));
  assert.match((await event(gateway, 'secret_failed')).text, /is in no source/);

  await gateway.reload((config) => { config.routes.more = config.routes.dead; });
  const taken = await event(gateway, 'config_taken');
  assert.deepEqual([taken.by, taken.generation], ['signal', 2]);
  assert.notEqual(taken.config, started.config);
  delete gateway.config.routes.more;
  fs.writeFileSync(gateway.file, JSON.stringify(gateway.config));
  assert.equal((await event(gateway, 'config_taken', (one) => one.generation === 3)).by, 'file');
  await gateway.reload((config) => { config.nonsense = 1; });
  const bad = await event(gateway, 'config_refused');
  assert.deepEqual([bad.by, bad.generation], ['signal', 3]);

  const { folder } = gateway;
  const kept = path.join(vault, 'kept.json');
  await until('nothing is in flight', async () => (await gateway.metric('exchanges')) === 0);
  gateway.signal('SIGTERM');
  await gateway.exited;
  fs.copyFileSync(path.join(folder, 'audit.json'), kept);
  const all = read(kept);
  assert.equal(all.at(-1).event, 'process_stopped');
  assert.equal(whole(kept).records, all.length);
  const text = fs.readFileSync(kept, 'utf8');
  for (const line of text.trimEnd().split('\n')) { // as docs/OPERATIONS.md has it
    const { prev, hash } = JSON.parse(line);
    const without = line.replace(/,"hash":"[0-9a-f]{64}"\}$/, '}');
    assert.equal(crypto.createHash('sha256').update(prev + without).digest('hex'), hash);
  }
  const token = fs.readFileSync(path.join(folder, 'admin.token'), 'utf8').trim();
  for (const secret of [canary, later, stranger, gateway.key, token]) {
    assert.ok(!text.includes(secret.slice(0, 24)), secret);
  }
});

test('a circuit that closes again', async (t) => {
  const port = await freePort();
  const breaker = { min_requests: 10, consecutive: 3, open: '300ms', max_open: '300ms' };
  const gateway = await start(t, { routes: { dead: { provider: 'http', credential: 'none', retry: { attempts: 1 }, upstream: port, breaker } } });
  await series(3, () => call(gateway, '/dead/x'));
  await event(gateway, 'circuit', (one) => /^breaker: route dead: opened/.test(one.text));
  const server = http.createServer((request, response) => response.end('ok')).listen(port, '127.0.0.1');
  t.after(() => server.close());
  await until('it is closed', async () => (await call(gateway, '/dead/x')).status === 200);
  await series(10, () => call(gateway, '/dead/x'));
  await event(gateway, 'circuit', (one) => /^breaker: route dead: closed/.test(one.text));
});

test('a store that goes away and comes back', async (t) => {
  const redis = await redisFor(t);
  const gateway = await start(t, {
    tenants: { app: { allow: ['good'], quotas: [{ requests: 100, per: 'day' }] } },
    extra: { store: { url: redis.url } },
  });
  await until('it is up', async () => (await gateway.metric('store_up')) === 1);
  await redis.kill();
  await event(gateway, 'store_down');
  await redis.restart();
  await event(gateway, 'store_up', (one) => one.seq > events(gateway).find((down) => down.event === 'store_down').seq);
  whole(fileOf(gateway));
});

test('who sends wrong keys without end does not fill the disk', async (t) => {
  const gateway = await start(t);
  const began = Date.now();
  const answers = await many(400, () => call(gateway, '/good/x', { key: 'wrong' }));
  assert.ok(answers.every((one) => one.status === 401));
  const told = () => events(gateway).filter((one) => one.event === 'key_refused').length;
  const left = () => events(gateway).filter((one) => one.event === 'refusals_left_out').reduce((sum, one) => sum + one.count, 0);
  await until('all are counted', () => told() + left() === 400);
  const seconds = Math.ceil((Date.now() - began) / 1000);
  assert.ok(told() >= 10 && told() <= 10 * (seconds + 1), `${told()} in ${seconds} s`);
  whole(fileOf(gateway));
});

test('what is done to it is found, with its place', async (t) => {
  const gateway = await start(t);
  const file = path.join(gateway.folder, 'copy.json');
  await series(4, () => call(gateway, '/good/x', { key: 'wrong' }));
  await until('all are written', () => events(gateway).length >= 5);
  const lines = fs.readFileSync(fileOf(gateway), 'utf8').split('\n').slice(0, 5);
  const check = (made) => {
    fs.writeFileSync(file, made);
    return verify(file, '--json');
  };
  const join = (list) => list.map((line) => `${line}\n`).join('');
  assert.equal(check(join(lines)).status, 0);

  const other = lines[2].replace('127.0.0.1', '127.0.0.2');
  for (const [what, made, problem, line, seq] of [
    ['a byte is changed', join(lines.with(2, other)), 'changed', 3, 3],
    ['a line is taken out', join(lines.toSpliced(2, 1)), 'missing', 3, 4],
    ['the first one is', join(lines.slice(1)), 'missing', 1, 2],
    ['two are swapped', join([lines[0], lines[2], lines[1], ...lines.slice(3)]), 'out_of_order', 2, 3],
    ['one is doubled', join([...lines.slice(0, 2), ...lines.slice(1)]), 'out_of_order', 3, 2],
    ['the end is cut off', join(lines).slice(0, -20), 'torn', 5, 0],
    ['all is cut off', '', 'missing', 0, 0],
    ['a line is put in', join([...lines.slice(0, 2), '{"seq":3}', ...lines.slice(2)]), 'changed', 3, 0],
  ]) {
    const result = check(made);
    assert.equal(result.status, 1, what);
    assert.deepEqual([result.json.problem, result.json.line, result.json.seq], [problem, line, seq], what);
    assert.equal(result.json.file, file);
  }
  fs.writeFileSync(file, join(lines.toSpliced(2, 1)));
  assert.match(verify(file).stdout, /copy\.json: line 3: record 4: missing: record 3 is missing before it\n$/);

  const { last_hash: hash } = whole(fileOf(gateway));
  assert.equal(check(join(lines.slice(0, 4))).status, 0, 'lines at the end leave no gap');
  assert.equal(verify(file, '--holds', hash, '--json').json.problem, 'absent');
  assert.equal(verify(fileOf(gateway), '--holds', hash).status, 0);
});

test('verify: of the config, and how it is misused', async (t) => {
  const gateway = await start(t);
  await event(gateway, 'process_started');
  const result = verify('-c', gateway.file);
  assert.equal(result.status, 0);
  assert.match(result.stdout, /^whole: records 1 to \d+\nlast hash: [0-9a-f]{64}\n$/);
  const without = path.join(gateway.folder, 'without.yaml');
  fs.writeFileSync(without, 'version: 1\n');
  for (const [args, words] of [
    [['verify', '-c', without], /names no gateway\.audit_log/],
    [['verify', '-c', '/absent.yaml'], /absent\.yaml/],
    [['verify', '/absent.json'], /absent\.json: No such file/],
    [['verify', gateway.folder], /no regular file/],
    [['verify', '--holds', 'x'], /64 digits/],
    [['prove'], /say 'verify'/],
    [[], /say 'verify'/],
  ]) {
    const refused = spawnSync(binary, ['audit', ...args], { encoding: 'utf8' });
    assert.equal(refused.status, 2, args.join(' '));
    assert.match(refused.stderr, words);
  }
  assert.match(sallyport(['audit', '--help']), /^usage: sallyport audit verify /);
  assert.match(sallyport(['--help']), /\n {2}audit /);
});

test('rotation: the chain goes on in the new file', async (t) => {
  const gateway = await start(t);
  const file = fileOf(gateway);
  await event(gateway, 'process_started');
  for (const end of ['.2', '.1']) {
    fs.renameSync(file, file + end);
    await gateway.reload();
    await event(gateway, 'config_taken');
  }
  await gateway.reload();
  assert.equal(kinds(file)[0], 'log_continued');
  const last = read(`${file}.1`).at(-1);
  const [next] = read(file);
  assert.deepEqual([next.prev, next.seq, next.count], [last.hash, last.seq + 1, last.seq]);
  assert.ok(next.text.endsWith(last.hash));
  await until('three reloads are told', () => events(gateway).filter((one) => one.generation === 4).length === 1);
  const result = whole(file, `${file}.1`, `${file}.2`);
  assert.deepEqual([result.files, result.first_seq], [3, 1]);
  assert.equal(verify(file).status, 0, 'the newest alone');
  const gap = verify(file, `${file}.2`, '--json');
  assert.deepEqual([gap.status, gap.json.problem, gap.json.file, gap.json.line], [1, 'missing', file, 1]);
});

test('a reload may end it, begin it, and is refused where the file cannot be', async (t) => {
  const gateway = await start(t);
  await event(gateway, 'process_started');
  await gateway.reload((config) => { delete config.gateway.audit_log; });
  await event(gateway, 'log_ended');
  await gateway.reload((config) => { config.gateway.audit_log = 'audit.json'; });
  await event(gateway, 'config_taken', (one) => one.generation === 3);
  const said = await gateway.reload((config) => { config.gateway.audit_log = 'nowhere/audit.json'; });
  assert.match(said, /reload refused.*gateway\.audit_log: ".*nowhere\/audit\.json": No such file/);
  await event(gateway, 'config_refused');
  whole(fileOf(gateway));
  const settings = { listen: [`127.0.0.1:${await freePort()}`], access_log: 'off', audit_log: fileOf(gateway) };
  fs.writeFileSync(path.join(gateway.folder, 'second.yaml'), JSON.stringify({ version: 1, gateway: settings, admin: { listen: 'off' } }));
  const rival = new Child(['run', '-c', path.join(gateway.folder, 'second.yaml')], { cwd: gateway.folder });
  assert.equal((await rival.exited).code, 1);
  assert.match(rival.stderr, /another process writes to it/);
});

test('killed and started again, the chain holds, and a torn line is kept aside', async (t) => {
  const gateway = await start(t, { expected: null });
  const kept = temporaryFolder();
  t.after(() => fs.rmSync(kept, { recursive: true }));
  const file = path.join(kept, 'audit.json');
  await gateway.reload((config) => { config.gateway.audit_log = file; });
  let running = gateway;
  for (let round = 0; round < 3; round++) {
    const calls = many(50, () => call(gateway, '/good/x', { key: 'wrong' }));
    await until('some are told', () => kinds(file).filter((one) => one === 'key_refused').length > 5 * round);
    running.child.kill('SIGKILL');
    await running.exited;
    await calls;
    if (round === 1) fs.appendFileSync(file, '{"seq":99,"time":"20');
    running = new Child(['run', '-c', gateway.file], { cwd: gateway.folder });
    const again = running;
    t.after(() => again.stop({ expected: null, signal: 'SIGKILL' }));
    await until('it serves', () => running.stderr.includes('serving:'));
    assert.equal(verify(file).status, 0, verify(file).stdout);
  }
  assert.equal(kinds(file).filter((one) => one === 'process_started').length, 3);
  const torn = read(file).filter((one) => one.event === 'log_torn');
  assert.equal(torn.length, 1);
  assert.equal(torn[0].count, 20);
  const [aside] = fs.readdirSync(kept).filter((name) => /^audit\.json\.torn-\d{8}T\d{6}Z$/.test(name));
  assert.equal(fs.readFileSync(path.join(kept, aside), 'utf8'), '{"seq":99,"time":"20');
});
