// A scripted upstream that fails in each way a provider can, on raw sockets, and counts exactly what
// arrived. It never asks an HTTP library for its opinion.
//
// A script is a behaviour for every request, or a list: one for each request in the order of arrival,
// the last for all that follow. A behaviour is made by the functions below, or is a function
// (request) => behaviour, called when the head is there.
import crypto from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';

import { reset as resetSocket } from './redis.mjs';

// ---- behaviours ----

// Where: 'accept', 'head' (its first bytes are there), 'after head', 'body' (some of it is there),
// 'request' (all of it is there).
const at = (where, act) => ({ where, act });

export const reset = (where = 'request') => at(where, { kind: 'reset' });
export const close = (where = 'request') => at(where, { kind: 'close' });
// Takes what comes and says nothing; from 'head' or 'body' on, it does not even read.
export const hang = (where = 'request') => at(where, { kind: 'hang' });
export const raw = (bytes, more = {}) => at('request', { kind: 'answer', bytes, ...more });
export const garbage = () => raw('\x00\x01SSH-2.0-nonsense\r\n\r\n\xff\xfe', { then: 'close' });

// headers: an object, or a list of pairs. Options: `delay` ms before it; `every` ms between two bytes;
// `then` 'reset' or 'close' behind it; `only` so many of its bytes are sent; `where`.
export function answer(status = 200, headers = {}, body = status === 204 ? '' : 'ok', options = {}) {
  const { where = 'request', ...rest } = options;
  return at(where, { kind: 'answer', status, headers, body, ...rest });
}

export const json = (status, value, headers = {}, options = {}) =>
  answer(status, { 'Content-Type': 'application/json', ...headers }, JSON.stringify(value), options);

// The answer begins, and the connection is reset: within its head, or within its body.
export const cutHead = () => answer(200, {}, 'ok', { only: 12, then: 'reset' });
export const cutBody = (headers = {}) => answer(200, headers, 'x'.repeat(1000), { short: 900, then: 'reset' });
export const slowly = (every = 1000) => answer(200, {}, 'ok', { every });

const reasons = { 200: 'OK', 429: 'Too Many Requests', 500: 'Internal Server Error', 503: 'Service Unavailable' };

function bytesOf(act, method) {
  if (act.bytes !== undefined) return Buffer.from(act.bytes, 'latin1');
  const body = Buffer.from(act.body ?? '');
  const fields = Array.isArray(act.headers) ? act.headers : Object.entries(act.headers);
  const length = act.status === 204 ? [] : [['Content-Length', body.length]];
  const lines = [...fields, ...length].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const head = `HTTP/1.1 ${act.status} ${reasons[act.status] ?? 'Whatever'}\r\n${lines}\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), method === 'HEAD' ? Buffer.alloc(0) : body]);
}

// ---- what arrives ----

function parseHead(text) {
  const [line, ...fields] = text.split('\r\n').filter(Boolean);
  const [method, path] = line.split(' ');
  const headers = {};
  for (const field of fields) {
    const colon = field.indexOf(':');
    const name = field.slice(0, colon).toLowerCase();
    const value = field.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  return { method, path, headers };
}

// How much of `bytes` the body is, or null while it is not whole; with what it says.
function takeBody(bytes, headers) {
  if (/chunked/i.test(headers['transfer-encoding'] ?? '')) {
    const parts = [];
    for (let from = 0; ;) {
      const lineEnd = bytes.indexOf('\r\n', from);
      if (lineEnd < 0) return null;
      const size = parseInt(bytes.toString('latin1', from, lineEnd), 16);
      const end = lineEnd + 2 + size + 2;
      if (bytes.length < end) return null;
      parts.push(bytes.subarray(lineEnd + 2, end - 2));
      from = end;
      if (size === 0) return { length: end, body: Buffer.concat(parts) };
    }
  }
  const length = Number(headers['content-length'] ?? 0);
  return bytes.length < length ? null : { length, body: bytes.subarray(0, length) };
}

export const hashOf = (body) => crypto.createHash('sha256').update(body).digest('hex');

export class Faulty {
  // `tls`: {cert, key} of its own. `port`: one that is known to be free.
  static async start(script = answer(), { tls: pair, port = 0, host = '127.0.0.1' } = {}) {
    const upstream = new Faulty();
    Object.assign(upstream, { pair, host, port, sockets: new Set(), connections: 0 });
    upstream.play(script);
    await upstream.up();
    return upstream;
  }

  // A new script; what has arrived is forgotten. Connections stay.
  play(script) {
    this.script = Array.isArray(script) ? [...script] : [script];
    this.requests = []; // one for each request of which a byte arrived
    this.since = this.connections;
    return this;
  }

  take() {
    return this.script.length > 1 ? this.script.shift() : this.script[0];
  }

  // Whole requests that arrived.
  get whole() {
    return this.requests.filter((request) => request.whole);
  }

  // Connections since the script began.
  get made() {
    return this.connections - this.since;
  }

  // Milliseconds between the requests' first bytes.
  get gaps() {
    return this.requests.slice(1).map((request, i) => request.at - this.requests[i].at);
  }

  async up() {
    const serve = (socket) => this.serve(socket);
    this.server = this.pair ? tls.createServer(this.pair, serve) : net.createServer(serve);
    this.server.on('tlsClientError', () => {});
    this.server.on('connection', (socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.sockets.delete(socket));
    });
    await new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ port: this.port, host: this.host, backlog: 4096 }, resolve);
    });
    this.port = this.server.address().port;
  }

  // Connects are refused until up(); what there is is cut.
  async down() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.sockets.forEach(resetSocket);
    await closed;
  }

  // Cuts what there is; new connections are served.
  cut() {
    this.sockets.forEach(resetSocket);
  }

  serve(socket) {
    socket.setNoDelay(true);
    if (this.pair) socket.on('error', () => {});
    const link = { socket, number: this.connections, pending: Buffer.alloc(0), record: null, behaviour: this.take(), served: 0, script: this.script };
    if (link.behaviour?.where === 'accept') {
      this.act(link, link.behaviour.act);
      return;
    }
    socket.on('data', (data) => this.feed(link, data));
    socket.on('close', () => { // its behaviour is for the next one, for it carried nothing
      const unused = link.behaviour && !link.record && link.served === 0;
      if (unused && link.script === this.script) this.script.unshift(link.behaviour);
    });
  }

  feed(link, data) {
    link.pending = Buffer.concat([link.pending, data]);
    while (link.pending.length > 0 && !link.over) {
      if (!link.record) this.begin(link);
      if (this.reached(link, 'head')) return;
      if (!link.record.method && !this.readHead(link)) return;
      if (this.reached(link, 'after head')) return;
      if (link.pending.length > 0 && this.reached(link, 'body')) return;
      if (!this.readBody(link)) return;
    }
  }

  begin(link) {
    if (link.script !== this.script) link.behaviour = null; // it was made before this script
    link.script = this.script;
    link.behaviour ??= this.take();
    link.record = { number: this.requests.length + 1, connection: link.number, reused: link.served > 0, at: performance.now(), whole: false };
    this.requests.push(link.record);
  }

  // Acts if this is the behaviour's moment. True: nothing more is read.
  reached(link, where) {
    if (link.behaviour?.where !== where) return false;
    const { act } = link.behaviour;
    link.behaviour = { where: 'done' };
    if (where !== 'after head') link.record.bytes = link.pending.length;
    if (act.kind === 'hang' && where !== 'request') link.socket.pause();
    this.act(link, act);
    return link.over;
  }

  readHead(link) {
    const end = link.pending.indexOf('\r\n\r\n');
    if (end < 0) return false;
    Object.assign(link.record, parseHead(link.pending.toString('latin1', 0, end)));
    link.pending = link.pending.subarray(end + 4);
    if (typeof link.behaviour === 'function') link.behaviour = link.behaviour(link.record);
    if (link.record.headers.expect) link.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    return true;
  }

  readBody(link) {
    const taken = takeBody(link.pending, link.record.headers);
    if (!taken) return false;
    const { record } = link;
    Object.assign(record, { whole: true, wholeAt: performance.now(), body: Buffer.from(taken.body), hash: hashOf(taken.body) });
    link.pending = link.pending.subarray(taken.length);
    this.reached(link, 'request');
    link.served++;
    link.record = null;
    link.behaviour = null;
    return true;
  }

  act(link, act) {
    const { socket } = link;
    const method = link.record?.method;
    if (act.kind === 'answer') {
      if (act.delay) setTimeout(() => this.write(socket, act, method), act.delay);
      else this.write(socket, act, method);
      return;
    }
    link.over = true;
    if (act.kind === 'reset') resetSocket(socket);
    else if (act.kind === 'close') socket.destroy();
    else if (!link.record) socket.resume(); // so that its end is seen
  }

  write(socket, act, method) {
    let bytes = bytesOf(act, method);
    if (act.only) bytes = bytes.subarray(0, act.only);
    if (act.short) bytes = bytes.subarray(0, bytes.length - act.short);
    const over = () => {
      // What was sent is to arrive before the reset, which else would overtake it.
      if (act.then) setTimeout(() => (act.then === 'reset' ? resetSocket(socket) : socket.destroy()), 50);
    };
    if (!act.every) {
      socket.write(bytes, over);
      return;
    }
    let sent = 0;
    const timer = setInterval(() => {
      if (socket.destroyed || sent === bytes.length) {
        clearInterval(timer);
        if (sent === bytes.length) over();
        return;
      }
      socket.write(bytes.subarray(sent, ++sent));
    }, act.every);
    timer.unref();
  }

  async stop() {
    this.sockets.forEach((socket) => socket.destroy());
    if (this.server.listening) await new Promise((resolve) => this.server.close(resolve));
  }
}

export async function faultyFor(t, script, options) {
  const upstream = await Faulty.start(script, options);
  t.after(() => upstream.stop());
  return upstream;
}
