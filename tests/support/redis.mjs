// A real redis-server of a test's own, and a proxy before it that cuts, freezes, delays and loses.
import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';

import { Authority } from './certificates.mjs';
import { freePort, temporaryFolder, until } from './gateway.mjs';

const run = promisify(execFile);

// Started with {password, user (an ACL user with that password), tls, names (of the certificate),
// database, port, extra (further arguments)}. It listens on TCP, and on a unix socket for cli(). Of
// TLS, `ca` is the file for store.tls.ca.
export class Redis {
  static async start(options = {}) {
    const redis = new Redis();
    redis.options = options;
    redis.folder = temporaryFolder();
    redis.socket = path.join(redis.folder, 'redis.sock');
    if (options.tls) {
      redis.authority = new Authority();
      redis.ca = redis.authority.file;
      const pair = redis.authority.sign(options.names ?? 'DNS:localhost,IP:127.0.0.1');
      for (const [name, bytes] of Object.entries(pair)) {
        fs.writeFileSync(path.join(redis.folder, `${name}.pem`), bytes);
      }
    }
    for (let attempt = 1; ; attempt++) {
      redis.port = options.port ?? await freePort();
      if (await redis.spawn()) return redis;
      if (attempt === 10) throw new Error(`redis-server does not start:\n${redis.log()}`);
    }
  }

  get pid() {
    return this.child.pid;
  }

  // For `store.url`. `port`: that of a proxy before it.
  urlAt(port) {
    const { password, user, tls, database } = this.options;
    const login = password ? `${user ?? ''}:${password}@` : '';
    const end = database ? `/${database}` : '';
    return `${tls ? 'rediss://' : 'redis://'}${login}${tls ? 'localhost' : '127.0.0.1'}:${port}${end}`;
  }

  get url() {
    return this.urlAt(this.port);
  }

  get unixUrl() {
    const { password, user, database = 0 } = this.options;
    return `redis+unix://${password ? `${user ?? ''}:${password}@` : ''}${this.socket}?db=${database}`;
  }

  arguments() {
    const { password, user, tls, extra = [] } = this.options;
    const port = String(this.port);
    const file = (name) => path.join(this.folder, name);
    return [
      '--bind', '127.0.0.1', '--unixsocket', this.socket, '--dir', this.folder, '--save', '',
      '--appendonly', 'no', '--daemonize', 'no', '--logfile', 'redis.log',
      ...(tls
        ? ['--port', '0', '--tls-port', port, '--tls-cert-file', file('cert.pem'), '--tls-key-file', file('key.pem'),
          '--tls-ca-cert-file', this.ca, '--tls-auth-clients', 'no']
        : ['--port', port]),
      ...(user ? ['--user', user, 'on', `>${password}`, '~*', '&*', '+@all', '--user', 'default', 'off'] : []),
      ...(password && !user ? ['--requirepass', password] : []),
      ...extra,
    ];
  }

  // False: it ended at once, as where the port is taken.
  async spawn() {
    fs.rmSync(this.socket, { force: true });
    const child = spawn('redis-server', this.arguments(), { stdio: 'ignore' });
    this.child = child;
    this.exited = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', resolve);
    });
    this.exited.catch(() => {});
    // Whatever happens to the test, it does not outlive it.
    this.atExit = () => child.kill('SIGKILL');
    process.once('exit', this.atExit);
    const ready = until('redis-server answers', async () => child.exitCode !== null || await this.answers());
    await Promise.race([ready, this.exited]);
    if (child.exitCode !== null) process.off('exit', this.atExit);
    return child.exitCode === null;
  }

  answers() {
    return new Promise((resolve) => {
      const socket = net.connect({ path: this.socket }, () => socket.write('PING\r\n'));
      socket.on('data', () => resolve(true) ?? socket.destroy());
      socket.on('error', () => resolve(false));
      socket.on('close', () => resolve(false));
    });
  }

  log() {
    const file = path.join(this.folder, 'redis.log');
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  }

  // What redis-cli prints for a command, as in cli('GET', 'key'); an error reply throws.
  async cli(...args) {
    const { password, user = 'default', database = 0 } = this.options;
    const login = password ? ['--user', user, '--pass', password, '--no-auth-warning'] : [];
    const { stdout } = await run('redis-cli', ['-s', this.socket, '-n', String(database), '-e', ...login, ...args],
      { maxBuffer: 64 * 1024 * 1024 });
    return stdout.replace(/\n$/, '');
  }

  // It takes no byte and answers nothing; connections are still made, by the kernel.
  pause() {
    process.kill(this.pid, 'SIGSTOP');
  }

  resume() {
    process.kill(this.pid, 'SIGCONT');
  }

  // At once: its data is lost (unless `extra` has --appendonly yes).
  async kill() {
    this.child.kill('SIGKILL');
    await this.exited;
    process.off('exit', this.atExit);
  }

  // On the same port.
  async restart() {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.kill();
    await until('redis-server is back on its port', () => this.spawn());
  }

  async stop() {
    await this.kill();
    fs.rmSync(this.folder, { recursive: true, force: true });
    this.authority?.remove();
  }
}

export async function redisFor(t, options) {
  const redis = await Redis.start(options);
  t.after(() => redis.stop());
  return redis;
}

// A socket that ended, or is still connecting, cannot be reset: node would keep it for ever.
export function reset(socket) {
  if (socket.connecting || socket.readableEnded || socket.destroyed) socket.destroy();
  else socket.resetAndDestroy();
}

// Forwards TCP to a port. Both ways: cut(), freeze(), thaw(), delay(ms). One way, 'up' to the server
// or 'down' to the client: lose(way) throws away what comes until heal(); the connections stay.
export class CutProxy {
  static async start(target, { host = '127.0.0.1' } = {}) {
    const proxy = new CutProxy();
    Object.assign(proxy, { target, host, pairs: new Set(), frozen: false, refusing: false, ms: 0 });
    proxy.lost = { up: false, down: false };
    proxy.bytes = { up: 0, down: 0 }; // forwarded
    proxy.connections = 0;            // ever made
    proxy.cuts = 0;
    proxy.server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true }, (client) => proxy.forward(client));
    await new Promise((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  forward(client) {
    if (this.refusing) {
      reset(client);
      return;
    }
    this.connections++;
    const server = net.connect({ port: this.target, host: this.host, allowHalfOpen: true });
    const pair = { client, server, wake: [] };
    this.pairs.add(pair);
    this.pump(pair, client, server, 'up');
    this.pump(pair, server, client, 'down');
    if (!this.frozen) client.resume();
  }

  // What comes waits its time in a queue, so that it stays in order whatever the delay becomes.
  pump(pair, from, to, way) {
    const queue = [];
    let timer = null;
    const drain = () => {
      clearTimeout(timer);
      timer = null;
      while (queue.length > 0 && !this.frozen && queue[0].at <= Date.now()) queue.shift().what();
      if (queue.length > 0 && !this.frozen) timer = setTimeout(drain, Math.max(1, queue[0].at - Date.now()));
    };
    const later = (what) => {
      queue.push({ at: Date.now() + this.ms, what });
      drain();
    };
    pair.wake.push(drain);
    from.setNoDelay(true);
    from.on('data', (data) => later(() => {
      if (this.lost[way] || to.destroyed) return;
      this.bytes[way] += data.length;
      if (!to.write(data)) {
        from.pause();
        to.once('drain', () => this.frozen || from.resume());
      }
    }));
    from.on('end', () => later(() => to.end()));
    from.on('error', () => to.destroy());
    from.on('close', () => {
      if (from.errored || from.cut) queue.length = 0;
      if (from.errored) to.destroy();
      if (to.destroyed) this.pairs.delete(pair);
    });
  }

  // Resets what there is; new connections are made.
  cut() {
    this.cuts++;
    for (const { client, server } of this.pairs) {
      client.cut = server.cut = true;
      reset(client);
      reset(server);
    }
    this.pairs.clear();
  }

  // Resets what there is, and every new one, until accept().
  refuse() {
    this.refusing = true;
    this.cut();
  }

  accept() {
    this.refusing = false;
  }

  // No byte moves, in either direction; none is lost.
  freeze() {
    this.frozen = true;
    for (const { client, server } of this.pairs) {
      client.pause();
      server.pause();
    }
  }

  thaw() {
    this.frozen = false;
    for (const { client, server, wake } of this.pairs) {
      client.resume();
      server.resume();
      for (const drain of wake) drain();
    }
  }

  delay(ms) {
    this.ms = ms;
  }

  lose(way) {
    this.lost[way] = true;
  }

  // A connection that lost bytes makes no sense any more, so it is cut.
  heal() {
    const broken = this.lost.up || this.lost.down;
    this.lost = { up: false, down: false };
    if (broken) this.cut();
  }

  // Calls `what` (by default: cut) at a random moment within `ms`, again and again, until the
  // function that it returns is called.
  atRandom(ms, what = () => this.cut(), random = Math.random) {
    let timer;
    const next = () => {
      timer = setTimeout(() => {
        what(this);
        next();
      }, random() * ms);
    };
    next();
    return () => clearTimeout(timer);
  }

  stop() {
    this.cut();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

export async function cutProxyFor(t, target, options) {
  const proxy = await CutProxy.start(target, options);
  t.after(() => proxy.stop());
  return proxy;
}
