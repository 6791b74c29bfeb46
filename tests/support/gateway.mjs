// Starts the real binary with a config of the test's own on free ports, and ends it by process id.
// A sanitizer report, a crash or an unclean exit fails the test that stops it.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { ask } from './admin.mjs';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const binary = process.env.SALLYPORT_BIN ?? path.join(root, 'build/dev/sallyport');

// The one to measure, where scripts/test has built it: a sanitizer costs memory and time.
export const measured = process.env.SALLYPORT_RELEASE_BIN ?? binary;

// What such a build needs of memory and time says nothing.
export function isSanitized(program) {
  return /__[at]san_init/.test(fs.readFileSync(program, 'latin1'));
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function until(what, check, { timeout = 15000, every = 20 } = {}) {
  const end = Date.now() + timeout;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`did not happen within ${timeout} ms: ${what}`);
    await sleep(every);
  }
}

// Below the ports that the kernel gives to connections, one of which could take a port between its
// choice and its use; and in a block that this process shares with few others.
const BLOCK = 100;
let portsTaken = 0;

export async function freePort() {
  for (let tries = 0; tries < BLOCK; tries++) {
    const port = 12000 + (process.pid % 200) * BLOCK + portsTaken++ % BLOCK;
    const server = net.createServer();
    const free = await new Promise((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
  throw new Error(`no port is free in the ${BLOCK} of this process; see ss -ltnp`);
}

export function temporaryFolder() {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'sallyport-test-'));
}

export function sallyport(args, options = {}) {
  return execFileSync(binary, args, { encoding: 'utf8', ...options });
}

// {tenant, key, hash}
export function newKey(tenant = 'app') {
  return JSON.parse(sallyport(['keys', 'new', '--tenant', tenant, '--json']));
}

// A child process whose output is kept; stop() ends it and looks for sanitizer reports.
export class Child {
  constructor(args, { env = {}, cwd, uid, program = binary } = {}) {
    this.stdout = '';
    this.stderr = '';
    this.child = spawn(program, args, {
      cwd,
      uid,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout.on('data', (data) => (this.stdout += data));
    this.child.stderr.on('data', (data) => (this.stderr += data));
    this.exited = new Promise((resolve) =>
      this.child.on('close', (code, signal) => resolve({ code, signal })));
    this.exited.then((end) => (this.end = end));
  }

  get pid() {
    return this.child.pid;
  }

  signal(name) {
    process.kill(this.pid, name);
  }

  // What it says arrives here in its own time, through a pipe.
  async says(words) {
    await until('it is said', () => words.test(this.stderr)).catch(() => assert.match(this.stderr, words));
  }

  memory(field) {
    const status = fs.readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)[1]) * 1024;
  }

  rssBytes() {
    return this.memory('VmRSS');
  }

  mostRssBytes() {
    return this.memory('VmHWM');
  }

  openFiles() {
    return fs.readdirSync(`/proc/${this.pid}/fd`).length;
  }

  // `expected` is the exit code; null: any.
  async stop({ signal = 'SIGTERM', expected = 0, timeout = 30000 } = {}) {
    if (!this.end) this.signal(signal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), timeout);
    const end = await this.exited;
    clearTimeout(timer);
    assert.doesNotMatch(this.stderr, /ERROR: (Address|Leak|Thread)Sanitizer|runtime error:/, this.stderr);
    if (expected !== null) {
      assert.deepEqual(end, { code: expected, signal: null }, this.stderr);
    }
    return end;
  }
}

// routes: as in the config; `upstream` (a port) is a short form for a base_url on loopback.
// tenants: {name: {allow: [...]}}; each gets a key, in gateway.keys[name]. By default one tenant
// "app" that may call all routes. secrets: {name: value}, through environment variables.
export class Gateway extends Child {
  static async start(options = {}) {
    const folder = temporaryFolder();
    const port = await freePort();
    const adminPort = options.adminPort ?? (await freePort());
    const keys = {};
    const { config, env } = Gateway.config({ ...options, folder, port, adminPort, keys });
    const file = path.join(folder, 'sallyport.yaml');
    if (options.uid !== undefined) fs.chownSync(folder, options.uid, process.getgid());
    fs.writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config, null, 2));
    const gateway = new Gateway(['run', '-c', file], {
      env: { ...env, ...options.env }, cwd: folder, uid: options.uid, program: options.program,
    });
    Object.assign(gateway, { folder, file, port, adminPort, keys, config, key: keys.app, options });
    await gateway.ready();
    return gateway;
  }

  static config({ routes = {}, tenants, secrets = {}, gateway = {}, admin = {}, folder, port, adminPort, keys, extra = {} }) {
    const env = {};
    for (const [name, value] of Object.entries(secrets)) {
      env['SALLYPORT_SECRET_' + name.toUpperCase().replaceAll('-', '_')] = value;
    }
    const routeConfig = {};
    for (const [name, { upstream, ...rest }] of Object.entries(routes)) {
      routeConfig[name] = upstream ? { base_url: `http://127.0.0.1:${upstream}`, ...rest } : rest;
    }
    const tenantConfig = {};
    for (const [name, rest] of Object.entries(tenants ?? { app: { allow: Object.keys(routes) } })) {
      keys[name] = newKey(name);
      tenantConfig[name] = { keys: [keys[name].hash], ...rest };
    }
    for (const name of Object.keys(keys)) keys[name] = keys[name].key;
    return {
      env,
      config: {
        version: 1,
        gateway: {
          listen: [`127.0.0.1:${port}`], workers: 2, access_log: path.join(folder, 'access.log'), ...gateway,
        },
        admin: { listen: `127.0.0.1:${adminPort}`, ...admin },
        secrets: [{ type: 'env', prefix: 'SALLYPORT_SECRET_' }],
        egress: { allow_private: ['127.0.0.0/8', '::1/128'] },
        routes: routeConfig,
        tenants: tenantConfig,
        ...extra,
      },
    };
  }

  async ready() {
    await until('the gateway is ready', async () => {
      if (this.end) throw new Error(`the gateway ended: ${JSON.stringify(this.end)}\n${this.stderr}`);
      try {
        return (await this.ask('/readyz')).status === 200 && this.stderr.includes('serving:');
      } catch {
        return false;
      }
    });
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  // Writes the config anew (change: a function on the config object) and reloads.
  async reload(change) {
    if (change) {
      change(this.config);
      fs.writeFileSync(this.file, JSON.stringify(this.config, null, 2));
    }
    const check = () => {
      if (this.end) throw new Error(`the gateway ended: ${JSON.stringify(this.end)}\n${this.stderr}`);
    };
    check();
    // The watch may see the change before the signal is heard: its reload is not the one that is waited for, for the
    // signal's follows it, and would be taken for the next one's.
    const lines = () => this.stderr.match(/has changed: reloading|reloaded |the old config stays/g) ?? [];
    const asked = () => lines().reduce((sum, line) => sum + (line.startsWith('has') ? -1 : 1), 0);
    await until('no other reload is under way', () => (check(), !lines().at(-1)?.startsWith('has')));
    const [seen, before] = [this.stderr.length, asked()];
    this.signal('SIGHUP');
    await until('the reload is logged', () => (check(), asked() > before));
    let said; // all of it: what comes later would be taken for the next reload's
    do {
      said = this.stderr.length;
      await new Promise((resolve) => setTimeout(resolve, 20));
    } while (this.stderr.length > said);
    return this.stderr.slice(seen);
  }

  // Of the admin listener, on loopback; options.adminCa: over TLS.
  ask(path, options = {}) {
    return ask({ port: this.adminPort, ca: this.options.adminCa, path, ...options });
  }

  async metrics() {
    return (await this.ask('/metrics')).body;
  }

  // The value of a metric, summed over series whose labels contain all of `labels`.
  async metric(name, labels = {}) {
    let sum = 0;
    for (const line of (await this.metrics()).split('\n')) {
      const match = /^([a-z_]+)(?:\{(.*)\})? ([-0-9.e+]+)$/.exec(line);
      if (!match || match[1] !== `sallyport_${name}`) continue;
      if (Object.entries(labels).every(([key, value]) => (match[2] ?? '').includes(`${key}="${value}"`))) {
        sum += Number(match[3]);
      }
    }
    return sum;
  }

  // It is `value`, or becomes that in a moment: a worker counts behind the last byte of an answer, and whoever
  // has that byte may be faster.
  async metricIs(value, name, labels) {
    let seen;
    await until(name, async () => (seen = await this.metric(name, labels)) === value)
      .catch((error) => assert.equal(seen, value, `${error.message} ${JSON.stringify(labels ?? {})} is ${seen}, not ${value}`));
  }

  accessLog() {
    const file = this.config.gateway.access_log;
    if (!fs.existsSync(file)) return [];
    return fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  // The access log line of a request, by its id.
  async logLine(id) {
    return until(`an access log line for ${id}`, () => this.accessLog().find((line) => line.id === id));
  }

  // Nothing may be in flight when a test ends.
  async stop(options) {
    if (!this.end && !options?.signal) {
      await until('nothing is in flight', async () => (await this.metric('exchanges')) === 0);
    }
    const end = await super.stop(options);
    fs.rmSync(this.folder, { recursive: true, force: true });
    return end;
  }
}

// Gateway.start() that stops with the test.
export async function gatewayFor(t, options) {
  const gateway = await Gateway.start(options);
  t.after(() => gateway.stop());
  return gateway;
}
