// Encoded bodies. zstd by its command: this Node has none.
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import zlib from 'node:zlib';

const zstd = (bytes, ...more) => execFileSync('zstd', ['-c', '-q', '--no-check', ...more], { input: bytes, maxBuffer: 1 << 28 });
const unzstd = (bytes) => execFileSync('zstd', ['-d', '-c', '-q'], { input: bytes, maxBuffer: 1 << 28 });

// What a client can read of a beginning.
function unzstdPart(bytes) {
  try {
    return unzstd(bytes);
  } catch (error) {
    return error.stdout;
  }
}

// Each part flushed by itself: an array of encoded pieces. The last one ends the stream.
function flushed(stream, flush, parts) {
  return new Promise((resolve, reject) => {
    const pieces = [];
    let data = [];
    stream.on('data', (bytes) => data.push(bytes));
    stream.on('error', reject);
    const next = (i) => {
      if (i === parts.length) return stream.end();
      stream.write(parts[i]);
      stream.flush(flush, () => {
        pieces.push(Buffer.concat(data));
        data = [];
        next(i + 1);
      });
    };
    stream.on('end', () => (pieces.push(Buffer.concat(data)), resolve(pieces)));
    next(0);
  });
}

export const codings = {
  gzip: {
    encode: (bytes) => zlib.gzipSync(bytes),
    decode: (bytes) => zlib.gunzipSync(bytes),
    decodePart: (bytes) => zlib.gunzipSync(bytes, { finishFlush: zlib.constants.Z_SYNC_FLUSH }),
    pieces: (parts) => flushed(zlib.createGzip(), zlib.constants.Z_SYNC_FLUSH, parts),
  },
  br: {
    encode: (bytes) => zlib.brotliCompressSync(bytes),
    decode: (bytes) => zlib.brotliDecompressSync(bytes),
    decodePart: (bytes) => zlib.brotliDecompressSync(bytes, { finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH }),
    pieces: (parts) => flushed(zlib.createBrotliCompress(), zlib.constants.BROTLI_OPERATION_FLUSH, parts),
  },
  zstd: {
    encode: (bytes) => zstd(bytes, `--stream-size=${Buffer.byteLength(bytes)}`), // a small window for a small answer
    decode: unzstd,
    decodePart: unzstdPart,
    pieces: async (parts) => [...parts.map((part) => zstd(part)), Buffer.alloc(0)], // a frame each
  },
};

// An answer with a length.
export function coded(coding, body, { status = '200 OK', type = 'application/json', fields = '' } = {}) {
  const head = `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Encoding: ${coding}\r\n${fields}Content-Length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

export const plainAnswer = (text, type) =>
  `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;

export const codedHead = (coding, type = 'application/json') =>
  `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Encoding: ${coding}\r\nTransfer-Encoding: chunked\r\n\r\n`;

// Text in lines that can be shortened by a third or so.
export function noise(length) {
  let text = '';
  for (let i = 0, state = 7; text.length < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += state.toString(36) + (i % 9 === 0 ? '\n' : 's');
  }
  return text;
}

// The last bytes come once the others have arrived: what is on its way to the client is lost if it is cut.
export async function writeLate(socket, answer, last) {
  socket.write(answer.subarray(0, -last));
  await sleep(500);
  socket.write(answer.subarray(-last));
}

// A chunk of bytes.
export const piece = (bytes) =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);

// What came of a chunked body so far; `whole` once its last chunk is there.
export function dechunk(bytes) {
  let at = bytes.indexOf('\r\n\r\n') + 4;
  const parts = [];
  for (;;) {
    const end = bytes.indexOf('\r\n', at);
    const size = end < 0 ? NaN : parseInt(bytes.toString('latin1', at, end), 16);
    if (Number.isNaN(size)) return { body: Buffer.concat(parts), whole: false };
    if (size === 0) return { body: Buffer.concat(parts), whole: true };
    parts.push(bytes.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}
