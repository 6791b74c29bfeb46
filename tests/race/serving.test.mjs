// Everything that threads do to each other, at once and under load: reloads with new certificates,
// secrets that change, 401s, /metrics and /readyz, clients that leave, log files that move, webhooks that
// come in and are delivered, a drain.
// Run with a binary that ThreadSanitizer watches: its report fails the test.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { test } from 'node:test';

import { authorityFor } from '../support/certificates.mjs';
import { Gateway, sleep, temporaryFolder } from '../support/gateway.mjs';
import { sign } from '../support/webhooks.mjs';

const SECONDS = 5;

// /stream: ten events; /refuse: 401 to all; anything else: ok.
function provide(req, res) {
  req.resume();
  if (req.url === '/refuse') return res.writeHead(401).end('no');
  if (req.url !== '/stream') return res.end('ok');
  let left = 10;
  const timer = setInterval(() => {
    res.write(`data: ${left}\n\n`);
    if (--left === 0) res.end();
    if (left === 0 || res.destroyed) clearInterval(timer);
  }, 5);
}

async function serve(t, server) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  return server.address().port;
}

// What one caller gets: a status, an error's code, or 'cut' in the middle of an answer.
function call(options, { leaveAfter } = {}) {
  return new Promise((resolve) => {
    const req = (options.ca ? https : http).request({ host: '127.0.0.1', ...options }, (res) => {
      res.on('error', () => resolve('cut'));
      res.resume();
      res.on('end', () => resolve(res.statusCode));
    });
    req.on('error', (error) => resolve(error.code));
    if (leaveAfter !== undefined) setTimeout(() => (req.destroy(), resolve('left')), leaveAfter);
    req.end(options.body);
  });
}

class Load {
  constructor() {
    this.over = false;
    this.draining = false;
    this.results = {};
    this.running = [];
  }

  // `count` loops that do `work` until stop(); what it returns is counted under `name`.
  add(name, count, work) {
    const seen = (this.results[name] = {});
    for (let i = 0; i < count; i++) {
      this.running.push((async () => {
        while (!this.over) {
          const result = await work(i);
          if (this.draining && /^E/.test(result)) continue; // new connections are refused
          if (this.draining && name === 'metrics' && result === 'cut') continue; // the process ended
          seen[result] = (seen[result] ?? 0) + 1;
        }
      })());
    }
  }

  async stop() {
    this.over = true;
    await Promise.all(this.running);
  }
}

for (const secure of [false, true]) {
  test(`all at once, clients over ${secure ? 'TLS' : 'TCP'}`, async (t) => {
    const folder = temporaryFolder();
    t.after(() => fs.rmSync(folder, { recursive: true }));
    const [authority, clientSide] = [authorityFor(t), authorityFor(t)];
    const plainPort = await serve(t, http.createServer(provide));
    const securePort = await serve(t, https.createServer(authority.sign('IP:127.0.0.1'), provide));
    const [cert, key] = [path.join(folder, 'cert.pem'), path.join(folder, 'key.pem')];
    const newCertificate = () => {
      const made = clientSide.sign('IP:127.0.0.1');
      fs.writeFileSync(cert, made.cert);
      fs.writeFileSync(key, made.key);
    };
    newCertificate();
    const newSecret = () => fs.writeFileSync(path.join(folder, 'api-key'), `a-secret-${Math.random()}-${Date.now()}`);
    newSecret();
    fs.writeFileSync(path.join(folder, 'hook-key'), 'a key of webhooks');

    const common = { provider: 'http', credential: { secret: 'api-key' }, inject: { header: 'X-Api-Key' } };
    const gateway = await Gateway.start({
      routes: {
        plain: { ...common, upstream: plainPort },
        secure: { ...common, base_url: `https://127.0.0.1:${securePort}`, tls: { ca: authority.file } },
      },
      gateway: { workers: 3, reload: 'signal', ...(secure && { tls: { cert, key } }) },
      extra: {
        secrets: [{ type: 'directory', path: folder }],
        webhook_queue: { url: 'sqlite:webhooks.db' },
        webhooks: { git: {
          provider: 'github', secrets: ['hook-key'], rate: { requests: '1M', per: '1m', each: 'ip' },
          deliver: { to: `http://127.0.0.1:${plainPort}/hook`, schedule: ['0s', '1s'] },
        } },
      },
    });
    const agent = new (secure ? https : http).Agent({ keepAlive: true, maxSockets: 20 });
    t.after(() => agent.destroy());
    const to = (name, rest = {}) => ({
      port: gateway.port, path: name, headers: { 'x-sallyport-key': gateway.key }, ...(secure && { ca: fs.readFileSync(clientSide.file) }), ...rest });
    const admin = (name) => ({ port: gateway.adminPort, path: name });

    const load = new Load();
    load.add('calls', 8, (i) => call(to(i % 2 ? '/plain/x' : '/secure/x', { agent })));
    load.add('uploads', 2, () => call(to('/plain/x', { agent, method: 'POST', body: Buffer.alloc(300_000, 'x') })));
    load.add('streams', 4, (i) => call(to(i % 2 ? '/plain/stream' : '/secure/stream')));
    load.add('refused', 2, () => call(to('/plain/refuse', { agent })));
    load.add('strangers', 1, () => call({ ...to('/plain/x', { agent }), headers: { 'x-sallyport-key': 'sp_unknown' } }));
    load.add('leavers', 4, (i) => call(to(i % 2 ? '/plain/stream' : '/secure/stream'), { leaveAfter: 10 + 5 * i }));
    const hook = (key, body = JSON.stringify({ at: Math.random() })) =>
      call(to('/hooks/git', { agent, method: 'POST', body, headers: sign.github(key, body) }));
    load.add('hooks', 4, () => hook('a key of webhooks'));
    load.add('forged', 2, () => hook('another'));
    load.add('metrics', 1, async () => (await sleep(10), call(admin('/metrics'))));
    load.add('readiness', 1, async () => (await sleep(10), call(admin('/readyz?verbose'))));
    const end = Date.now() + 1000 * SECONDS;
    let reloads = 0;
    while (Date.now() < end) {
      newSecret();
      if (secure) newCertificate();
      const said = await gateway.reload((config) => {
        const name = `extra${++reloads % 3}`;
        if (config.routes[name]) {
          delete config.routes[name];
          config.tenants.app.allow = config.tenants.app.allow.filter((route) => route !== name);
        } else {
          config.routes[name] = { ...config.routes.plain };
          config.tenants.app.allow.push(name);
        }
        config.gateway.access_log = path.join(gateway.folder, `access.${reloads % 2}.log`);
      });
      assert.match(said, /reloaded/);
      await sleep(100);
    }
    load.draining = true;
    gateway.signal('SIGTERM'); // under load: what is under way ends well
    await sleep(200);
    await load.stop();
    t.diagnostic(`${reloads} reloads; ${JSON.stringify(load.results)}`);
    await gateway.stop({ signal: 'SIGCONT' });

    const { calls, uploads, streams, refused, strangers, hooks, forged, metrics } = load.results;
    for (const [seen, wanted, least] of [[calls, 200, 50], [uploads, 200, 5], [streams, 200, 10], [refused, 401, 10], [strangers, 401, 5],
      [hooks, 200, 10], [forged, 401, 10], [metrics, 200, 5]]) {
      assert.deepEqual(Object.keys(seen), [String(wanted)], JSON.stringify(load.results));
      assert.ok(seen[wanted] > least, JSON.stringify(load.results));
    }
  });
}
