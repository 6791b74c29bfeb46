// A push service (RFC 8030) over TLS that takes a message only with a VAPID token (RFC 8292) that is
// for its own origin, as `origin` says it, and signed by the key that browsers subscribed with.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import https from 'node:https';

import { verified } from './service_account.mjs';

const DAY = 24 * 3600;

// {publicKey: its 65 bytes in base64url, privateKey: the 32 bytes, key: a KeyObject}
export function vapidKeys() {
  const { publicKey, privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x, y } = publicKey.export({ format: 'jwk' });
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  return { publicKey: point.toString('base64url'), privateKey: privateKey.export({ format: 'jwk' }).d, key: publicKey };
}

export class PushService {
  // answer: (message, number) => {status, headers, body}; undefined: 201
  static async start(served, keys, { name, answer = () => undefined }) {
    const service = new PushService();
    Object.assign(service, { keys, answer, messages: [], wrong: [], connections: 0, names: new Set() });
    service.server = https.createServer(served, (request, response) => service.serve(request, response));
    service.server.on('secureConnection', (socket) => {
      service.connections++;
      service.names.add(socket.servername);
    });
    await new Promise((resolve) => service.server.listen(0, '127.0.0.1', resolve));
    service.port = service.server.address().port;
    service.host = `${name}:${service.port}`; // an entry of `hosts`
    return service;
  }

  // The claims; throws what is wrong with them.
  vapid(request) {
    const [, token, key] = /^vapid t=([\w.-]+), k=([\w-]+)$/.exec(request.headers.authorization ?? '') ?? assert.fail(`no vapid: ${request.headers.authorization}`);
    const { header, claims } = verified(token, this.keys.key, 'ES256');
    const now = Date.now() / 1000;
    assert.equal(key, this.keys.publicKey);
    assert.equal(header.typ, 'JWT');
    assert.equal(claims.aud, `https://${request.headers.host}`);
    assert.ok(claims.exp > now && claims.exp <= now + DAY, `exp ${claims.exp}`);
    assert.match(claims.sub, /^(mailto:|https:)/);
    return claims;
  }

  async serve(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    try {
      const message = { path: request.url, method: request.method, headers: request.headers, body: Buffer.concat(chunks), claims: this.vapid(request) };
      this.messages.push(message);
      const { status = 201, headers = { location: `https://${request.headers.host}/m/${this.messages.length}` }, body = '' } = this.answer(message, this.messages.length) ?? {};
      response.writeHead(status, headers);
      response.end(body);
    } catch (error) {
      this.wrong.push(error);
      response.writeHead(401);
      response.end(String(error));
    }
  }

  check() {
    for (const error of this.wrong.splice(0)) throw error;
  }

  async stop() {
    if (!this.server.listening) return;
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
