// Gateways that are killed again and again while signed events come in and go out, to one target that
// fails in every way and to one that works: all that was acknowledged arrives at both, under one id,
// and nothing comes twice but for what SPEC allows: the process died between the first byte sent and
// the commit of the answer, or the connection broke, or the answer came too late.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';

import { Gateway, measured, sleep, until } from '../support/gateway.mjs';
import { sign } from '../support/webhooks.mjs';

const EVENTS = Number(process.env.WEBHOOK_EVENTS ?? 2000);
const KILLS = Number(process.env.WEBHOOK_KILLS ?? 5);
const SENDERS = 16;
const TIMEOUT_MS = 3000; // of an attempt
const secret = 'whsec_test_secret';
const targetSecret = `whsec_${crypto.randomBytes(24).toString('base64')}`;
const between = (least, most) => least + Math.random() * (most - least);

// ---- the receiver ----

// What it does with a request, each so often.
const WAYS = [
  [70, 'take'], [6, 'fail'], [4, 'close'], [3, 'reset'], [3, 'cut'], [6, 'slow'], [3, 'late'], [5, 'busy'],
];
const sum = WAYS.reduce((all, [share]) => all + share, 0);
function anyWay() {
  let at = Math.random() * sum;
  return WAYS.find(([share]) => (at -= share) < 0)[1];
}

class Target {
  constructor(name) {
    this.name = name;
    this.receipts = new Map(); // by webhook-id, in order: when it came, was answered 2xx, and wholly
    this.events = new Map(); // by the event's id: webhook-ids that were answered 2xx
    this.server = http.createServer((request, response) => this.take(request, response));
    this.server.keepAliveTimeout = 60000;
  }

  async listen(port = 0) {
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
  }

  // Nobody is there for a while. No answer is lost by that.
  async away(ms) {
    const closing = setInterval(() => this.server.closeIdleConnections(), 5);
    await new Promise((resolve) => this.server.close(resolve));
    clearInterval(closing);
    await sleep(ms);
    await this.listen(this.port);
  }

  take(request, response) {
    const parts = [];
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('data', (data) => parts.push(data));
    request.on('end', () => this.answer(request, JSON.parse(Buffer.concat(parts)), response));
  }

  async answer({ headers, socket }, { id }, response) {
    const key = headers['webhook-id'];
    const receipt = { at: Date.now(), answered: 0, whole: false };
    if (!this.receipts.has(key)) this.receipts.set(key, []);
    this.receipts.get(key).push(receipt);
    const way = this.name === 'steady' ? 'take' : anyWay();
    if (way === 'close') return socket.end();
    if (way === 'reset') return socket.resetAndDestroy();
    if (way === 'slow') await sleep(between(10, TIMEOUT_MS / 4));
    if (way === 'late') await sleep(between(TIMEOUT_MS * 0.95, TIMEOUT_MS * 1.1));
    if (way === 'fail') response.statusCode = 500;
    if (way === 'busy') response.writeHead(503, { 'Retry-After': '1' });
    if (way === 'cut') {
      response.writeHead(200, { 'Content-Length': 100 });
      response.write('half');
      setTimeout(() => socket.destroy(), 5);
      return;
    }
    const open = !socket.destroyed;
    response.end('ok');
    if (way === 'fail' || way === 'busy') return;
    receipt.answered = Date.now();
    // What came late, or found nobody, may come again.
    receipt.whole = open && way !== 'late' && receipt.answered - receipt.at < TIMEOUT_MS / 2;
    this.events.set(id, (this.events.get(id) ?? new Set()).add(key));
  }
}

// ---- the gateway, in many lives ----

const query = (folder, sql) => execFileSync('sqlite3', ['-readonly', path.join(folder, 'webhooks.db'), sql],
  { encoding: 'utf8', maxBuffer: 1 << 28 });

class Lives {
  constructor(targets) {
    this.targets = targets;
    this.kills = []; // {at, over}: what came until `over` is the dead one's
    this.committed = new Map(); // "target webhook-id": at which kill it was on disk that it is delivered
    this.looked = 0;
  }

  async begin() {
    const flaky = { schedule: ['0s', ...Array(19).fill('300ms')], breaker: { open: '200ms', max_open: '1s' } };
    const common = { timeout: `${TIMEOUT_MS}ms`, secret: 'target', concurrency: 60 };
    this.gateway = await Gateway.start({
      program: measured, tenants: {}, secrets: { hook: secret, target: targetSecret },
      gateway: { workers: 2, access_log: 'off' },
      extra: {
        webhook_queue: { url: 'sqlite:webhooks.db' },
        webhooks: { stripe: { provider: 'stripe', secrets: ['hook'], deliver: this.targets.map(({ name, port }) =>
          ({ name, to: `http://127.0.0.1:${port}/`, ...common, ...(name === 'flaky' ? flaky : {}) })) } },
      },
    });
  }

  async killAndRestart() {
    const { folder, file, port, adminPort, keys, config, options } = this.gateway;
    const at = Date.now();
    this.gateway.signal('SIGKILL');
    await this.gateway.exited;
    await sleep(50); // what it had sent still is taken
    this.look(folder);
    this.kills.push({ at, over: Date.now() });
    const env = { SALLYPORT_SECRET_HOOK: secret, SALLYPORT_SECRET_TARGET: targetSecret };
    this.gateway = new Gateway(['run', '-c', file], { env, cwd: folder, program: measured });
    Object.assign(this.gateway, { folder, file, port, adminPort, keys, config, options });
    await this.gateway.ready();
  }

  // What the dead one has left on disk; what is new since the last one.
  look(folder) {
    const rows = query(folder, `SELECT t.name || ' ' || e.id FROM deliveries d JOIN events e ON e.number = d.number / 16
      JOIN targets t ON t.id = d.target WHERE d.state = 2 AND d.ended_at >= ${this.looked}`);
    for (const key of rows.split('\n')) {
      if (key && !this.committed.has(key)) this.committed.set(key, this.kills.length);
    }
    this.looked = (Date.now() - 60000) * 1000;
  }
}

// ---- the provider ----

function sendOnce(agent, port, body) {
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

async function sendAll(lives, acknowledged) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: SENDERS });
  let next = 0;
  const sender = async () => {
    while (next < EVENTS) {
      const id = `evt_${next++}`;
      const body = JSON.stringify({ id, type: 'invoice.paid', data: { object: { id: `in_${id}`, amount: 100 } } });
      while ((await sendOnce(agent, lives.gateway.port, body)) !== 200) await sleep(between(5, 50));
      acknowledged.add(id);
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, sender));
  agent.destroy();
}

// ---- what came twice ----

// Of each answer that was whole, and behind which it came again: it may, if a kill came between, and the
// dead process had not yet on disk what the answer was.
function repeats(target, { kills, committed }, found) {
  for (const [id, list] of target.receipts) {
    for (let i = 0; i + 1 < list.length; i++) {
      if (!list[i].whole) continue;
      const kill = kills.findIndex(({ over }) => over >= list[i].answered);
      const known = committed.get(`${target.name} ${id}`) ?? Infinity;
      if (kill >= 0 && known > kill && list[i + 1].at >= kills[kill].over) {
        found.killed++;
        found.oldest = Math.max(found.oldest, kills[kill].at - list[i].answered);
      } else {
        found.other++;
        found.examples.push({ target: target.name, id, list, killed: kills[kill], known });
      }
    }
  }
}

test(`${EVENTS} events, ${KILLS} kills: none is lost, and none comes twice that may not`, async (t) => {
  const [flaky, steady] = [new Target('flaky'), new Target('steady')];
  const targets = [flaky, steady];
  for (const target of targets) await target.listen();
  const lives = new Lives(targets);
  await lives.begin();
  t.after(async () => {
    for (const { server } of targets) {
      server.closeAllConnections();
      server.close();
    }
    await lives.gateway.stop();
  });
  const acknowledged = new Set();
  const began = Date.now();
  let sent = false;
  const sending = sendAll(lives, acknowledged).then(() => (sent = true));
  const leaving = (async () => {
    while (!sent) {
      await sleep(between(1000, 3000));
      await flaky.away(between(50, 400));
    }
  })();
  for (let i = 0; i < KILLS; i++) {
    const at = (EVENTS * (i + Math.random() * 0.9)) / KILLS;
    await until(`${at} events`, () => acknowledged.size >= at, { timeout: 600000, every: 1 });
    await lives.killAndRestart();
  }
  await sending;
  const seconds = (Date.now() - began) / 1000;
  await leaving;
  const count = (states) => Number(query(lives.gateway.folder, `SELECT count(*) FROM deliveries WHERE state ${states}`));
  await until('none waits', () => count('NOT IN (2, 3)') === 0, { timeout: Math.max(300000, 12 * EVENTS), every: 500 });
  await sleep(1000); // would there be more?
  assert.equal(count('= 2'), 2 * EVENTS, 'all are delivered, none is dead');
  for (const { name, events } of targets) {
    assert.deepEqual([...acknowledged].filter((id) => !events.has(id)), [], `${name}: lost`);
  }
  const found = { killed: 0, other: 0, oldest: 0, examples: [] };
  for (const target of targets) repeats(target, lives, found);
  const tries = targets.flatMap(({ receipts }) => [...receipts.values()]).reduce((all, list) => all + list.length, 0);
  t.diagnostic(`${acknowledged.size} events acknowledged in ${seconds.toFixed(1)} s, ${lives.kills.length} kills, ${tries} attempts at two targets; `
    + `lost 0; came twice around a kill: ${found.killed} (answered up to ${found.oldest} ms before it); other repeats: ${found.other}`);
  assert.equal(found.other, 0, JSON.stringify(found.examples.slice(0, 3)));
  for (const { name, events } of targets) {
    assert.deepEqual([...events].filter(([, ids]) => ids.size !== 1), [], `${name}: one webhook-id an event`);
  }
});
