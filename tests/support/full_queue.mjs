// A server whose queue of connections is full: the kernel of whoever connects asks again after 1 s, then after 2 more.
// It runs in a process of its own, that once it is told to does nothing for a while.
import { fork } from 'node:child_process';
import net from 'node:net';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(import.meta.url);

const connectTo = (host, port) => new Promise((resolve) => {
  const socket = net.connect(port, host).on('error', () => {});
  socket.once('connect', resolve);
  setTimeout(resolve, 100); // one that the queue had no room for
});

// After fill() its queue is full for so many ms; then it answers, or `closes` and refuses.
export async function fullQueueFor(t, { host = '127.0.0.1', port = 0, ms = 500, closes = false } = {}) {
  const child = fork(file, [host, String(port), String(ms), closes ? 'closes' : 'serves']);
  t.after(() => child.kill('SIGKILL'));
  const next = () => new Promise((resolve) => child.once('message', resolve));
  const listening = await next();
  return {
    port: listening,
    async fill() {
      const stopped = next();
      child.send('stop');
      await stopped;
      await Promise.all(Array.from({ length: 3 }, () => connectTo(host, listening)));
    },
  };
}

function serve([host, port, ms, then]) {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'));
  });
  server.listen({ port: Number(port), host, backlog: 1 }, () => process.send(server.address().port));
  process.on('message', () => process.send('stopped', () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms));
    if (then === 'closes') server.close();
  }));
}

if (process.argv[1] === file) serve(process.argv.slice(2));
