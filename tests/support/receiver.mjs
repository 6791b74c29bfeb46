// A service that webhooks are delivered to: keeps what came and answers as it is told.
import http from 'node:http';

import { until } from './gateway.mjs';

// `answer(request, count)` gives a status, or {status, headers, body}, or null: nothing is answered.
export class Receiver {
  static async start(answer = () => 204) {
    const receiver = new Receiver();
    receiver.requests = [];
    receiver.answer = answer;
    receiver.server = http.createServer((request, response) => {
      const parts = [];
      request.on('data', (data) => parts.push(data));
      request.on('error', () => {});
      request.on('end', () => receiver.take(request, Buffer.concat(parts), response));
    });
    await new Promise((resolve) => receiver.server.listen(0, '127.0.0.1', resolve));
    receiver.port = receiver.server.address().port;
    return receiver;
  }

  take({ method, url, headers, rawHeaders }, body, response) {
    const request = { method, url, headers, rawHeaders, body, at: Date.now() };
    this.requests.push(request);
    const answer = this.answer(request, this.requests.length);
    if (answer === null) return;
    const { status, headers: fields = {}, body: text = '' } = typeof answer === 'number' ? { status: answer } : answer;
    response.writeHead(status, fields);
    response.end(text);
  }

  url(path = '/') {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  at(path) {
    return this.requests.filter(({ url }) => url === path);
  }

  // The first `count` that came to a path.
  async until(path, count = 1, options) {
    await until(`${count} deliveries at ${path}`, () => this.at(path).length >= count, options);
    return this.at(path);
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

export async function receiverFor(t, answer) {
  const receiver = await Receiver.start(answer);
  t.after(() => receiver.stop());
  return receiver;
}
