// A secret store over TLS that speaks Vault's HTTP API: key-value engines of versions 1 and 2, the auth
// methods token, AppRole and Kubernetes, renewal; and that can be sealed, slow, away, or lie.
import https from 'node:https';

import { authorityFor } from './certificates.mjs';

export class Vault {
  static async start(authority, { port = 0 } = {}) {
    const vault = new Vault();
    vault.ca = authority.file;
    vault.names = authority.sign('DNS:localhost,IP:127.0.0.1');
    vault.calls = [];
    vault.sealed = false;
    vault.namespace = undefined;
    vault.kv = {}; // "secret/sallyport/openai-key" -> [{value: '...'}, ...]: versions; null: deleted
    vault.mounts = { secret: 2 };
    vault.tokens = {}; // token -> {ttl, renewable, denied}
    vault.roles = {}; // role_id -> secret_id
    vault.services = {}; // role -> jwt
    vault.life = { lease_duration: 3600, renewable: true };
    vault.lie = null; // (call) => {status, headers, body} or null: in place of an answer; a promise of it
    vault.count = 0;
    await vault.listen(port);
    return vault;
  }

  async listen(port = this.port ?? 0) {
    this.server = https.createServer(this.names, (request, response) => {
      let text = '';
      request.on('data', (data) => (text += data));
      request.on('end', () => this.serve(request, text, response));
    });
    await new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, '127.0.0.1', resolve);
    });
    this.port = this.server.address().port;
  }

  get url() {
    return `https://localhost:${this.port}`;
  }

  // The secret's next version; its number.
  put(path, data) {
    (this.kv[path] ??= []).push(typeof data === 'string' ? { value: data } : data);
    return this.kv[path].length;
  }

  token(name, { ttl = 0, renewable = false } = {}) {
    this.tokens[name] = { ttl, renewable };
    return name;
  }

  reads(part = '') {
    return this.calls.filter((call) => call.method === 'GET' && !call.path.startsWith('/v1/auth/') && call.path.includes(part));
  }

  logins() {
    return this.calls.filter((call) => call.path.endsWith('/login'));
  }

  renewals() {
    return this.calls.filter((call) => call.path.endsWith('/renew-self'));
  }

  async serve(request, text, response) {
    const call = {
      method: request.method, path: request.url, headers: request.headers, text,
      json: text ? JSON.parse(text) : undefined, token: request.headers['x-vault-token'],
    };
    this.calls.push(call);
    const lied = this.lie ? await this.lie(call) : undefined;
    if (lied === null) return; // no answer comes
    const answer = lied ?? this.answer(call);
    const body = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
    response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers });
    response.end(body);
  }

  answer(call) {
    const refuse = (status, ...errors) => ({ status, body: { errors } });
    if (this.sealed) return refuse(503, 'Vault is sealed');
    if (call.headers['x-vault-namespace'] !== this.namespace) return refuse(404, `no handler for route "${call.path}". route entry not found.`);
    const path = decodeURIComponent(call.path.replace('/v1/', ''));
    if (path.startsWith('auth/') && path.endsWith('/login')) return this.login(path, call.json) ?? refuse(400, 'invalid role or secret ID');
    const token = this.tokens[call.token];
    if (!token) return refuse(403, 'permission denied');
    if (path === 'auth/token/lookup-self') return { body: { data: { ttl: token.ttl, renewable: token.renewable } } };
    if (path === 'auth/token/renew-self') return token.renewable ? { body: { auth: { client_token: call.token, ...this.life } } } : refuse(400, 'lease is not renewable');
    return this.read(path, refuse);
  }

  login(path, said) {
    const good = path === 'auth/approle/login' ? this.roles[said.role_id] === said.secret_id && said.secret_id
      : path === 'auth/kubernetes/login' ? this.services[said.role] === said.jwt && said.jwt : false;
    if (!good) return undefined;
    const token = this.token(`hvs.session-number-${++this.count}-of-this-fake`, { ttl: this.life.lease_duration, renewable: this.life.renewable });
    return { body: { auth: { client_token: token, ...this.life } } };
  }

  read(path, refuse) {
    const [mount, ...rest] = path.split('/');
    const version = this.mounts[mount];
    if (!version) return refuse(404, `no handler for route "${path}". route entry not found.`);
    if (version === 2 && rest[0] !== 'data') return { status: 404, body: { errors: [], warnings: ['Invalid path for a versioned K/V secrets engine.'] } };
    const versions = this.kv[[mount, ...rest.slice(version === 2 ? 1 : 0)].join('/')];
    if (!versions) return refuse(404);
    const data = versions.at(-1);
    if (version === 1) return { body: { data, lease_duration: 2764800 } };
    const metadata = { version: versions.length, destroyed: false, deletion_time: data === null ? '2026-01-01T00:00:00Z' : '' };
    return { status: data === null ? 404 : 200, body: { data: { data, metadata } } };
  }

  // Nothing listens any more; listen() opens the same port again.
  async stop() {
    if (!this.server.listening) return;
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export async function vaultFor(t) {
  const vault = await Vault.start(authorityFor(t));
  t.after(() => vault.stop());
  return vault;
}
