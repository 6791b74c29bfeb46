// A gateway whose calls cost an estimate, with a hook whose events settle them; and whether all that counts them agrees.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import { promisify } from 'node:util';

import { binary, Gateway, until } from './gateway.mjs';
import { ask } from './ledger.mjs';
import { chat, json } from './meter.mjs';
import { cutProxyFor, redisFor } from './redis.mjs';
import { nowhere, post, sign } from './webhooks.mjs';
import { upstreamFor } from './wire.mjs';

const run = promisify(execFile);
export const estimate = 10_000_000; // 0.01 USD a call
export const usd = (nano) => `${Math.floor(nano / 1e9)}.${String(nano % 1e9).padStart(9, '0')}`;
export const hookSecret = `whsec_${crypto.randomBytes(24).toString('base64')}`;

// {gateway, redis, proxy, send(), said(), kill(), again()}: calls make SM1, SM2, ... and cost the estimate; a hook settles them.
export async function start(t, { shared = false, onFailure = 'deny', before = async () => {}, settle, quotas } = {}) {
  const world = { made: 0 };
  const upstream = await upstreamFor(t, async (request, socket) => {
    const sid = `SM${++world.made}`;
    await before(world, sid);
    socket.write(json({ sid, status: 'queued' }, '201 Created'));
  });
  world.redis = shared ? await redisFor(t) : null;
  world.proxy = shared ? await cutProxyFor(t, world.redis.port) : null;
  world.gateway = await Gateway.start({
    routes: { sms: { provider: 'twilio', credential: 'none', upstream: upstream.port, prices: [{ per_request: '0.01 USD' }] } },
    tenants: { app: { allow: ['sms'], quotas: quotas ?? [{ name: 'budget', cost: '100 USD', per: 'month' }, { name: 'calls', requests: '1M', per: 'day' }] } },
    secrets: { hook: hookSecret },
    gateway: { workers: 2 },
    extra: {
      ledger: { url: 'sqlite:usage.db' },
      ...(shared ? { store: { url: world.redis.urlAt(world.proxy.port), on_failure: onFailure, timeout: '2s' } } : {}),
      webhook_queue: { url: 'sqlite:webhooks.db' },
      webhooks: {
        sms: {
          provider: 'standard-webhooks', secrets: ['hook'], deliver: nowhere,
          settle: settle ?? [{ types: ['message.*'], object: '/data/id', cost: '/data/cost', currency: '/data/currency', status: '/data/status', free: ['canceled'], provider: 'twilio' }],
        },
      },
    },
  });
  const up = () => !shared || world.proxy.refusing || until('it reaches Redis', async () => (await world.gateway.metric('store_up')) === 1);
  await up();
  world.send = async () => {
    const answer = await chat(world.gateway, {}, { path: '/sms/2010-04-01/Accounts/AC1/Messages.json' });
    assert.equal(answer.status, 201, answer.body);
    return { id: answer.id, sid: JSON.parse(answer.body).sid };
  };
  world.say = (data, { type = 'message.finalized', id } = {}) => world.sayBody({ type, data }, { id });
  world.sayBody = async (value, { id } = {}) => {
    const body = JSON.stringify(value);
    const answer = await post(world.gateway, '/hooks/sms', body, sign.standard(hookSecret, body, { id }));
    assert.equal(answer.status, 200, answer.body);
  };
  world.kill = async (signal = 'SIGKILL') => {
    world.gateway.signal(signal);
    await world.gateway.exited;
  };
  world.begin = async () => {
    const { folder, file, port, adminPort, keys, config, key, options, env } = world.gateway;
    world.gateway = new Gateway(['run', '-c', file], { cwd: folder, env: { SALLYPORT_SECRET_HOOK: hookSecret, ...env } });
    Object.assign(world.gateway, { folder, file, port, adminPort, keys, config, key, options });
    await world.gateway.ready();
    await up();
  };
  t.after(() => world.gateway.stop());
  return world;
}

export const quota = async (world, name = 'budget') => (await ask(world.gateway, '/api/v1/quotas')).body.quotas.find((one) => one.quota === name);
export const usage = async (world) => (await ask(world.gateway, '/api/v1/usage?since=24h')).body.usage[0];

// Nobody else can write the ledger until the function that it returns is called.
export async function lockLedger(t, world) {
  const other = spawn('sqlite3', [path.join(world.gateway.folder, 'usage.db')], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => other.kill());
  other.stdin.write('BEGIN IMMEDIATE; SELECT 1;\n');
  await new Promise((resolve) => other.stdout.once('data', resolve));
  return async () => {
    other.stdin.end('ROLLBACK;\n');
    await once(other, 'close');
  };
}

// The ledger's sum, the quota's count and what was said are the same, to the nano-USD.
export async function assertBooks(world, cost) {
  await until(`all say ${cost}`, async () => {
    const [sum, budget] = [await usage(world), await quota(world)];
    world.last = { ledger: sum?.cost_nanousd, quota: budget?.used, cost };
    return sum?.cost_nanousd === cost && budget?.used === cost;
  }).catch(() => assert.fail(JSON.stringify(world.last)));
  const budget = await quota(world);
  assert.equal(budget.taken, budget.settled + budget.refunded + budget.open, JSON.stringify(budget));
  await run(binary, ['quotas', 'audit', '-c', world.gateway.file]); // as a process of its own: the proxy is in this one
}

export const result = (world, name) => world.gateway.metric('webhook_settlements_total', { hook: 'sms', result: name });
export const counted = (world, name, count) => until(`${count} ${name}`, async () => (await result(world, name)) === count);
