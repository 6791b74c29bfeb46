// Raw sockets on both sides: a client that says exactly what a test wants, and an upstream that
// records every byte it got and answers exactly what a test wants.
import net from 'node:net';
import tls from 'node:tls';

import { until } from './gateway.mjs';

// A client connection. `received` grows; `closed` is 'end', 'reset' or null.
export class RawClient {
  static async connect(port, options = {}) {
    const client = new RawClient();
    client.socket = options.tls
      ? tls.connect({ port, host: '127.0.0.1', ...options.tls })
      : net.connect(options.path ? { path: options.path } : { port, host: '127.0.0.1' });
    client.received = Buffer.alloc(0);
    client.closed = null;
    client.socket.setNoDelay?.(true);
    client.socket.on('data', (data) => (client.received = Buffer.concat([client.received, data])));
    client.socket.on('end', () => (client.closed ??= 'end'));
    client.socket.on('error', (error) => (client.closed = error.code === 'ECONNRESET' ? 'reset' : error.code));
    client.socket.on('close', () => (client.closed ??= 'end'));
    await new Promise((resolve, reject) => {
      client.socket.once(options.tls ? 'secureConnect' : 'connect', resolve);
      client.socket.once('error', reject);
    });
    return client;
  }

  send(bytes) {
    this.socket.write(bytes);
    return this;
  }

  get text() {
    return this.received.toString('latin1');
  }

  // Status lines of all answers so far (bodies must not contain lines that look like one).
  statuses() {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]));
  }

  async until(check, options) {
    await until('bytes from the gateway', () => check(this), options);
    return this;
  }

  async untilClosed(options) {
    return this.until((client) => client.closed, options);
  }

  close() {
    this.socket.destroy();
  }
}

// An upstream on a raw socket: `answer(request, socket)` is called for each whole request with
// {head, body, raw}; a string or buffer that it returns is written. Counts what arrived. `served`,
// {cert, key}: over TLS.
export class RawUpstream {
  static async start(answer = () => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', { served } = {}) {
    const upstream = new RawUpstream();
    upstream.requests = [];
    upstream.connections = 0;
    upstream.sockets = new Set();
    const serve = (socket) => upstream.serve(socket, answer);
    upstream.server = served ? tls.createServer(served, serve) : net.createServer(serve);
    await new Promise((resolve) => upstream.server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve));
    upstream.port = upstream.server.address().port;
    return upstream;
  }

  serve(socket, answer) {
    this.connections++;
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
    let pending = Buffer.alloc(0);
    socket.on('data', (data) => {
      pending = Buffer.concat([pending, data]);
      for (let request; (request = takeRequest(pending)); pending = pending.subarray(request.raw.length)) {
        this.requests.push(request);
        const reply = answer(request, socket, this.requests.length);
        if (typeof reply === 'string' || Buffer.isBuffer(reply)) socket.write(reply);
      }
    });
  }

  stop() {
    for (const socket of this.sockets) socket.destroy();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

// A whole request at the front of `bytes`, or null. Knows Content-Length and chunks.
function takeRequest(bytes) {
  const text = bytes.toString('latin1');
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd < 0) return null;
  const head = text.slice(0, headEnd + 4);
  const length = /^content-length: *(\d+)/im.exec(head);
  if (/^transfer-encoding: *chunked/im.test(head)) {
    let at = headEnd + 4;
    let body = '';
    for (;;) {
      const lineEnd = text.indexOf('\r\n', at);
      if (lineEnd < 0) return null;
      const size = parseInt(text.slice(at, lineEnd), 16);
      if (text.length < lineEnd + 2 + size + 2) return null;
      body += text.slice(lineEnd + 2, lineEnd + 2 + size);
      at = lineEnd + 2 + size + 2;
      if (size === 0) return { head, body, raw: bytes.subarray(0, at) };
    }
  }
  const size = length ? Number(length[1]) : 0;
  if (bytes.length < headEnd + 4 + size) return null;
  return { head, body: text.slice(headEnd + 4, headEnd + 4 + size), raw: bytes.subarray(0, headEnd + 4 + size) };
}

export async function upstreamFor(t, answer) {
  const upstream = await RawUpstream.start(answer);
  t.after(() => upstream.stop());
  return upstream;
}
