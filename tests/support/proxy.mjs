// A small HTTP proxy: tunnels (CONNECT) alone, to loopback, whatever name is asked for. It keeps the
// heads that it was sent. `login`: "user:password" that it wants. `refuse`: a status it answers with.
import net from 'node:net';

export class Proxy {
  constructor({ login, refuse, map = {} } = {}) {
    Object.assign(this, { login, refuse, map, heads: [], connections: 0, sockets: new Set() });
  }

  static async start(options) {
    const proxy = new Proxy(options);
    proxy.server = net.createServer((socket) => proxy.serve(socket));
    await new Promise((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  serve(socket) {
    this.connections++;
    this.keep(socket);
    let head = '';
    const onData = (data) => {
      head += data.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onData);
      this.heads.push(head.slice(0, end + 4));
      this.answer(socket, head.slice(0, end + 4), head.slice(end + 4));
    };
    socket.on('data', onData);
  }

  answer(socket, head, rest) {
    const wanted = this.login && `Basic ${Buffer.from(this.login).toString('base64')}`;
    const given = /^proxy-authorization: (.*)$/im.exec(head)?.[1];
    if (this.refuse) {
      return socket.end(`HTTP/1.1 ${this.refuse} Refused\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno`);
    }
    if (wanted && given !== wanted) {
      return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n' +
        'Content-Length: 0\r\nConnection: close\r\n\r\n');
    }
    const [, host, port] = /^CONNECT (.*):(\d+) HTTP\/1\.1\r\n/.exec(head) ?? [];
    if (!host) return socket.end('HTTP/1.1 405 Only CONNECT\r\nContent-Length: 0\r\n\r\n');
    const upstream = net.connect(this.map[`${host}:${port}`] ?? Number(port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(Buffer.from(rest, 'latin1'));
      socket.pipe(upstream).pipe(socket);
    });
    this.keep(upstream);
    upstream.on('close', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
  }

  keep(socket) {
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
  }

  stop() {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

export async function proxyFor(t, options) {
  const proxy = await Proxy.start(options);
  t.after(() => proxy.stop());
  return proxy;
}
