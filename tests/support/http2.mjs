// HTTP/2 upstreams: node's server, and one that says exactly what a test wants, frame by frame.
import http2 from 'node:http2';
import net from 'node:net';

import { authorityFor } from './certificates.mjs';

// answer(stream, headers, body): body is a promise of the whole request body. Keeps what was asked.
export async function http2For(t, answer, { certificate, settings, plain = false } = {}) {
  const authority = authorityFor(t);
  const seen = { requests: [], sessions: [], resets: [], open: 0, mostOpen: 0, authority };
  const options = { settings, ...(plain ? {} : certificate ?? authority.sign('IP:127.0.0.1,DNS:localhost')) };
  const server = plain ? http2.createServer(options) : http2.createSecureServer(options);
  server.on('sessionError', () => {});
  server.on('session', (session) => {
    seen.sessions.push(session);
    session.on('error', () => {});
  });
  server.on('stream', (stream, headers) => {
    seen.mostOpen = Math.max(seen.mostOpen, ++seen.open);
    stream.on('error', () => {});
    stream.on('close', () => (seen.open--, stream.rstCode && seen.resets.push(stream.rstCode)));
    const request = { headers, stream };
    seen.requests.push(request);
    request.body = () => new Promise((resolve) => {
      const parts = [];
      stream.on('data', (data) => parts.push(data));
      stream.on('end', () => resolve(Buffer.concat(parts)));
      stream.on('close', () => resolve(null));
    });
    answer(stream, headers, request);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const session of seen.sessions) session.destroy();
    server.close();
  });
  seen.port = server.address().port;
  seen.route = (more = {}) => ({
    provider: 'http', credential: 'none', http: '2', base_url: `${plain ? 'http' : 'https'}://127.0.0.1:${seen.port}`,
    ...(plain ? {} : { tls: { ca: authority.file } }), ...more,
  });
  return seen;
}

export const frameTypes = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, window: 8, continuation: 9 };

export function frame(type, flags, stream, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = typeof type === 'string' ? frameTypes[type] : type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

// HPACK: literals without indexing (RFC 7541, section 6.2.2), lengths below 127.
export function fields(...pairs) {
  const text = (value) => {
    const bytes = Buffer.from(value, 'latin1');
    if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
    const rest = [127];
    let left = bytes.length - 127;
    for (; left >= 128; left = Math.floor(left / 128)) rest.push((left % 128) + 128);
    return Buffer.concat([Buffer.from([...rest, left]), bytes]);
  };
  return Buffer.concat(pairs.map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(value)])));
}

export const number = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

// A plain server (prior knowledge) of raw frames: onRequest(send, streamId, socket) for each HEADERS.
export async function framesFor(t, onRequest, { settings = Buffer.alloc(0) } = {}) {
  const seen = { connections: 0, frames: [], sockets: [], bytes: 0 };
  const server = net.createServer((socket) => {
    seen.connections++;
    seen.sockets.push(socket);
    socket.on('error', () => {});
    let pending = Buffer.alloc(0);
    let greeted = false;
    const send = (...parts) => socket.writable && socket.write(Buffer.concat(parts));
    send(frame('settings', 0, 0, settings));
    socket.on('data', (data) => {
      pending = Buffer.concat([pending, data]);
      seen.bytes += data.length;
      if (!greeted && pending.length >= 24) {
        pending = pending.subarray(24);
        greeted = true;
      }
      while (greeted && pending.length >= 9 && pending.length >= 9 + pending.readUIntBE(0, 3)) {
        const length = pending.readUIntBE(0, 3);
        const it = { type: pending[3], flags: pending[4], stream: pending.readUInt32BE(5), payload: pending.subarray(9, 9 + length) };
        pending = pending.subarray(9 + length);
        seen.frames.push(it);
        if (it.type === frameTypes.settings && !(it.flags & 1)) send(frame('settings', 1, 0));
        if (it.type === frameTypes.headers) onRequest(send, it.stream, socket);
      }
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of seen.sockets) socket.destroy();
    server.close();
  });
  seen.port = server.address().port;
  seen.route = (more = {}) => ({
    provider: 'http', credential: 'none', http: '2', base_url: `http://127.0.0.1:${seen.port}`, ...more });
  return seen;
}
