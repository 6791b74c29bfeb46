// Where the logs go beside a file: the system's logger, also over its restart, and the journal's marks.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { call } from '../support/call.mjs';
import { faultyFor } from '../support/faulty.mjs';
import { binary, Gateway, gatewayFor, temporaryFolder, until } from '../support/gateway.mjs';

// Node has no datagram sockets of that family: Python takes what comes, a line each.
function loggerFor(t, socket) {
  const program = 'import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\ns.bind(sys.argv[1])\nprint("ready",flush=True)\n' +
    'while True: print(s.recv(65536).decode(),flush=True)';
  const child = spawn('python3', ['-c', program, socket]);
  const logger = { text: '', end: () => new Promise((resolve) => (child.on('exit', resolve), child.kill('SIGKILL'))) };
  child.stdout.on('data', (data) => (logger.text += data));
  t.after(() => child.kill('SIGKILL'));
  return until('the logger listens', () => logger.text.includes('ready') && logger);
}

test('the access log goes to the system’s logger, and to the one that is started after it', async (t) => {
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const socket = path.join(folder, 'log');
  const upstream = await faultyFor(t);
  const first = await loggerFor(t, socket);
  const gateway = await gatewayFor(t, {
    routes: { api: { provider: 'http', credential: 'none', upstream: upstream.port } }, gateway: { access_log: `syslog:${socket}` },
  });
  assert.equal((await call(gateway, '/api/one')).status, 200);
  await until('the line is there', () => first.text.includes('/api/one'));
  const [line] = first.text.split('\n').filter((one) => one.includes('/api/one'));
  const match = /^<134>sallyport: (\{.*\})$/.exec(line);
  assert.ok(match, line);
  assert.equal(JSON.parse(match[1]).status, 200);

  await first.end();
  fs.unlinkSync(socket);
  assert.equal((await call(gateway, '/api/lost')).status, 200, 'nobody waits for a logger that is away');
  await until('it is said', () => gateway.stderr.includes('access log: '));
  await until('and counted', async () => (await gateway.metric('access_log_dropped_total')) === 1, { every: 200, timeout: 20000 });
  const second = await loggerFor(t, socket);
  await call(gateway, '/api/two');
  await until('the line is there', () => second.text.includes('/api/two'));
});

test('a logger that cannot be reached is named at the start', async () => {
  const failed = Gateway.start({ routes: {}, tenants: {}, gateway: { access_log: 'syslog:/nowhere/log' } });
  await assert.rejects(failed, /gateway\.access_log: cannot reach the system's logger at \/nowhere\/log: No such file or directory; start one/);
});

test('to the journal, lines carry its marks and no time', async (t) => {
  const folder = temporaryFolder();
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'stderr');
  const config = path.join(folder, 'sallyport.yaml');
  fs.writeFileSync(config, JSON.stringify({ version: 1, gateway: { listen: [`unix:${folder}/socket`], access_log: 'off' } }));
  const run = (environment) => promisify(execFile)('sh', ['-c', `
    exec 2>${file}; ${environment}
    ${binary} run -c ${config} & sleep 1; kill -TERM $!; wait $!`]);
  await run(`export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2)`);
  const lines = fs.readFileSync(file, 'utf8').trim().split('\n');
  assert.ok(lines.length > 1 && lines.every((line) => /^<[346]>\S/.test(line)), lines.join('\n'));
  await run('export JOURNAL_STREAM=8:1');
  assert.match(fs.readFileSync(file, 'utf8'), /^\d{4}-\d\d-\d\dT/, 'another stream is no journal');
});
