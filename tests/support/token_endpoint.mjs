// A token endpoint over TLS, by a test's own authority, that counts and keeps what it was asked.
import https from 'node:https';

import { authorityFor } from './certificates.mjs';

export const granted = (token, more = {}) => ({ body: { access_token: token, token_type: 'Bearer', expires_in: 3600, ...more } });

export class TokenEndpoint {
  // answer: (call, number) => {status, headers, body: object or text}, or a promise of it; null: none comes;
  // {cut: true, body}: the connection is, before the head or, with a body, within it.
  static async start(authority, answer = (call, number) => granted(`token-number-${number}`)) {
    const endpoint = new TokenEndpoint();
    endpoint.calls = [];
    endpoint.answer = answer;
    endpoint.ca = authority.file;
    endpoint.server = https.createServer(authority.sign('DNS:localhost,IP:127.0.0.1'), (request, response) => {
      let text = '';
      request.on('data', (data) => (text += data));
      request.on('end', () => endpoint.serve(request, text, response));
    });
    await new Promise((resolve) => endpoint.server.listen(0, '127.0.0.1', resolve));
    endpoint.port = endpoint.server.address().port;
    endpoint.url = `https://localhost:${endpoint.port}/oauth2/token`;
    return endpoint;
  }

  async serve(request, text, response) {
    const call = {
      method: request.method, path: request.url, headers: request.headers, text,
      form: Object.fromEntries(new URLSearchParams(text)),
    };
    this.calls.push(call);
    const answer = await this.answer(call, this.calls.length);
    if (answer === null) return;
    if (answer.cut) { // within the body, if there is one
      if (answer.body) response.write('{"access_token":"');
      setImmediate(() => response.socket.destroy());
      return;
    }
    const body = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
    response.sendDate = !answer.headers?.date;
    response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers });
    response.end(body);
  }

  async stop() {
    if (!this.server.listening) return;
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export async function endpointFor(t, answer) {
  const endpoint = await TokenEndpoint.start(authorityFor(t), answer);
  t.after(() => endpoint.stop());
  return endpoint;
}
