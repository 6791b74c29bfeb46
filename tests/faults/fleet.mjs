// Several gateways before one Redis, each by a proxy of its own that can be cut, and clients that send
// as fast as they are answered.
import { execFile } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import { promisify } from 'node:util';

import { binary, Gateway, newKey, sleep, until } from '../support/gateway.mjs';
import { CutProxy, Redis } from '../support/redis.mjs';

export const runs = Number(process.env.FAULT_RUNS ?? 2);

export const pick = (list) => list[Math.floor(Math.random() * list.length)];

// A provider that answers every request with "ok" and counts them by path; plain sockets, for speed.
export async function provider(t) {
  const seen = { requests: 0 };
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    let pending = '';
    socket.on('data', (data) => {
      pending += data.toString('latin1');
      for (let end; (end = pending.indexOf('\r\n\r\n')) >= 0; pending = pending.slice(end + 4)) {
        seen.requests++;
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      }
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t?.after(() => {
    sockets.forEach((socket) => socket.destroy());
    server.close();
  });
  return { port: server.address().port, seen, close: () => { sockets.forEach((s) => s.destroy()); server.close(); } };
}

// {redis, gateways, proxies, key}: `count` gateways with the same tenant "app", key and quotas.
export async function fleet({ count = 3, quotas, store = {}, upstream, routes, workers = 1, env = {}, secrets }) {
  const redis = await Redis.start();
  const { key, hash } = newKey('app');
  const all = routes ?? { api: { provider: 'http', credential: 'none', base_url: `http://127.0.0.1:${upstream}` } };
  const members = [];
  for (let i = 0; i < count; i++) {
    const proxy = await CutProxy.start(redis.port);
    const gateway = await Gateway.start({
      routes: all,
      secrets,
      tenants: {},
      gateway: { workers },
      env,
      extra: {
        tenants: { app: { keys: [hash], allow: Object.keys(all), quotas } },
        store: { url: redis.urlAt(proxy.port), ...store },
      },
    });
    await until('it reaches Redis', async () => (await gateway.metric('store_up')) === 1);
    members.push({ gateway, proxy });
  }
  return {
    redis, key, members,
    async stop() {
      for (const { gateway, proxy } of members) {
        await gateway.stop({ signal: 'SIGKILL', expected: null });
        await proxy.stop();
      }
      await redis.stop();
    },
  };
}

// One call over a kept connection: the status, or 0 if the connection broke.
export function ask(agent, gateway, key, { path = '/api/x' } = {}) {
  return new Promise((resolve) => {
    const request = http.get({ port: gateway.port, host: '127.0.0.1', path, agent, headers: { 'X-Sallyport-Key': key } },
      (response) => {
        response.on('error', () => resolve(0));
        response.resume().on('end', () => resolve(response.complete ? response.statusCode : 0));
      });
    request.on('error', () => resolve(0));
  });
}

// Not in one go: the proxies live in this process, and would stand still meanwhile.
const run = promisify(execFile);
export const cli = async (...args) => (await run(binary, args)).stdout;
export const items = async (gateway) => JSON.parse(await cli('quotas', '--json', '-c', gateway.file)).quotas;

// All that gateways still have to tell the store has been told.
export async function settled(gateway) {
  await until('the store has confirmed all', async () => (await gateway.metric('store_up')) === 1
    && (await gateway.metric('store_pending')) === 0);
}

export { Gateway, sleep, until };
