// The power goes, or the disk fails: strace ends a gateway in the middle of a sync, or lets syncs and
// writes fail; then what had not been synced by then is spoiled in the files, as a power failure may.
// Whatever was acknowledged is there afterwards, and is delivered.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';

import { Gateway, measured, sleep, temporaryFolder, until } from '../support/gateway.mjs';
import { receiverFor } from '../support/receiver.mjs';
import { sign } from '../support/webhooks.mjs';

const LOSSES = Number(process.env.POWER_LOSSES ?? 6);
const SENDERS = 16;
const MOST = 2000; // events of a life, of which a sync has 16 at most
const secret = 'whsec_test_secret';
const targetSecret = `whsec_${crypto.randomBytes(24).toString('base64')}`;
const any = (least, most) => least + Math.floor(Math.random() * (most - least + 1));

// ---- what is on the disk ----

// Reads what strace saw of the queue's files: which pieces were written and not synced since. A sync that
// failed leaves its pieces lost, whatever syncs later, until they are written again.
function unsynced(log) {
  const files = new Map();
  const waiting = new Map(); // by thread: the file that it syncs
  const of = (name) => {
    if (!files.has(name)) files.set(name, { pending: new Map(), lost: new Map() });
    return files.get(name);
  };
  const synced = (name, good) => {
    const { pending, lost } = of(name);
    if (!good) pending.forEach((piece, key) => lost.set(key, piece));
    pending.clear();
  };
  for (const line of fs.readFileSync(log, 'utf8').split('\n')) {
    const [, thread, call] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (!call) continue;
    const write = /^pwrite64\(\d+<([^>]+)>, .*, (\d+), (\d+)(?:\)| <unfinished)/.exec(call);
    const sync = /^fdatasync\(\d+<([^>]+)>(.*)$/.exec(call);
    const resumed = /^<\.\.\. fdatasync resumed>\) += (-?\d+)/.exec(call);
    if (write) {
      const [, name, len, at] = write;
      of(name).lost.delete(`${at}+${len}`);
      of(name).pending.set(`${at}+${len}`, { at: Number(at), len: Number(len) });
    } else if (sync && /unfinished/.test(sync[2])) {
      waiting.set(thread, sync[1]);
    } else if (sync) {
      synced(sync[1], /\) += 0/.test(sync[2]));
    } else if (resumed && waiting.has(thread)) {
      synced(waiting.get(thread), resumed[1] === '0');
      waiting.delete(thread);
    }
  }
  return files;
}

// Each piece that was not synced is spoiled or not, as it happens; those whose sync failed are.
function loseThePower(log) {
  let spoiled = 0;
  for (const [name, { pending, lost }] of unsynced(log)) {
    if (!fs.existsSync(name)) continue;
    const file = fs.openSync(name, 'r+');
    for (const { at, len } of [...lost.values(), ...[...pending.values()].filter(() => Math.random() < 0.5)]) {
      fs.writeSync(file, crypto.randomBytes(len), 0, len, at);
      spoiled++;
    }
    fs.closeSync(file);
  }
  return spoiled;
}

// ---- the gateway, under strace ----

class Box {
  constructor(t) {
    this.folder = temporaryFolder();
    this.database = path.join(this.folder, 'webhooks.db');
    this.log = path.join(this.folder, 'strace.log');
    this.acknowledged = new Set();
    this.refused = 0;
    this.sent = 0;
    t.after(async () => {
      if (this.gateway && !this.gateway.end) await this.gateway.stop({ expected: null });
      fs.rmSync(this.folder, { recursive: true, force: true });
    });
  }

  // faults: strace's, such as "fdatasync:signal=SIGKILL:when=7"
  async start(port, faults = []) {
    const program = path.join(this.folder, 'traced');
    const trace = ['strace', '-D', '-f', '-qq', '-y', '-s', '0', '-o', this.log, '-P', this.database, '-P', `${this.database}-wal`,
      '-e', 'trace=pwrite64,fdatasync', ...faults.flatMap((fault) => ['-e', `inject=${fault}`])];
    fs.writeFileSync(program, `#!/bin/sh\nexec ${trace.join(' ')} ${measured} "$@"\n`, { mode: 0o755 });
    this.gateway = await Gateway.start({
      program, tenants: {}, secrets: { hook: secret, target: targetSecret },
      gateway: { workers: 1, access_log: 'off' },
      extra: {
        webhook_queue: { url: `sqlite:${this.database}` },
        webhooks: { stripe: { provider: 'stripe', secrets: ['hook'], deliver: { to: `http://127.0.0.1:${port}/`, secret: 'target' } } },
      },
    });
  }

  // Sends events while it lives, or until `enough`.
  async send(enough = () => false) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: SENDERS });
    const sender = async () => {
      while (!this.gateway.end && !enough()) {
        const id = `evt_${this.sent++}`;
        const status = await post(agent, this.gateway.port, JSON.stringify({ id, type: 'invoice.paid' }));
        if (status === 200) this.acknowledged.add(id);
        else if (status !== 0) this.refused++;
        if (status !== 200) await sleep(5);
      }
    };
    await Promise.all(Array.from({ length: SENDERS }, sender));
    agent.destroy();
  }

  async die() {
    this.gateway.signal('SIGKILL');
    await this.gateway.exited;
  }

  async allArrive(receiver) {
    const waiting = () => execFileSync('sqlite3', ['-readonly', this.database, 'SELECT count(*) FROM deliveries WHERE state NOT IN (2, 3)']);
    await until('none waits', () => Number(waiting()) === 0, { timeout: 120000, every: 200 });
    const came = new Set(receiver.requests.map(({ body }) => JSON.parse(body).id));
    const lost = [...this.acknowledged].filter((id) => !came.has(id));
    assert.equal(lost.length, 0, `of ${this.acknowledged.size} acknowledged ${lost.length} are lost, such as ${lost[0]}`);
  }
}

function post(agent, port, body) {
  return new Promise((resolve) => {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), ...sign.stripe(secret, body) };
    const request = http.request({ host: '127.0.0.1', port, path: '/hooks/stripe', method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.on('close', () => resolve(response.complete ? response.statusCode : 0));
    });
    request.on('error', () => resolve(0));
    request.end(body);
  });
}

// ---- tests ----

test(`the power goes in the middle of a sync, ${LOSSES} times: nothing that was acknowledged is lost`, async (t) => {
  const receiver = await receiverFor(t);
  const box = new Box(t);
  let [spoiled, killed] = [0, 0];
  for (let i = 0; i < LOSSES; i++) {
    await box.start(receiver.port, [`fdatasync:signal=SIGKILL:when=${any(8, 60)}`]);
    const from = box.sent;
    await box.send(() => box.sent - from > MOST);
    if (box.gateway.end?.signal === 'SIGKILL') killed++;
    else await box.die(); // there were fewer syncs: what it acknowledged has to be there all the same
    spoiled += loseThePower(box.log);
  }
  await box.start(receiver.port);
  await box.allArrive(receiver);
  t.diagnostic(`${box.acknowledged.size} of ${box.sent} events were acknowledged; ${spoiled} pieces were spoiled`);
  assert.equal(killed, LOSSES, 'not all ended in a sync');
  assert.ok(box.acknowledged.size > LOSSES && spoiled > 0, 'it proves too little');
});

for (const [name, fault] of [
  ['a sync fails', 'fdatasync:error=EIO:when=10..14'],
  ['each fourth sync fails', 'fdatasync:error=EIO:when=6+4'],
  ['a write fails', 'pwrite64:error=EIO:when=60..75'],
  ['the disk is full for a while', 'pwrite64:error=ENOSPC:when=60..90'],
]) {
  test(`${name}: it is not acknowledged, the next ones are, and nothing is lost when the power goes, too`, async (t) => {
    const receiver = await receiverFor(t);
    const box = new Box(t);
    await box.start(receiver.port, [fault]);
    await box.send(() => (box.refused > 0 && box.acknowledged.size > 300) || box.sent > MOST);
    assert.equal(box.gateway.end, undefined, box.gateway.stderr);
    assert.ok(box.refused > 0 && box.acknowledged.size > 300, `${box.refused} refused, ${box.acknowledged.size} acknowledged`);
    await box.die();
    loseThePower(box.log);
    await box.start(receiver.port);
    await box.allArrive(receiver);
  });
}
