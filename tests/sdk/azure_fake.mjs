// A pretend blob storage of Azure's, which checks each signature as Azure's documentation says.
import crypto from 'node:crypto';
import http from 'node:http';

// The text that a request's signature is of.
function stringToSign(account, request) {
  const header = (name) => request.headers[name] ?? '';
  const length = header('content-length') === '0' ? '' : header('content-length');
  const own = Object.keys(request.headers).filter((name) => name.startsWith('x-ms-')).sort();
  const url = new URL(request.url, 'http://storage');
  const names = [...new Set([...url.searchParams.keys()].map((name) => name.toLowerCase()))].sort();
  return [
    request.method, header('content-encoding'), header('content-language'), length, header('content-md5'), header('content-type'), '',
    header('if-modified-since'), header('if-match'), header('if-none-match'), header('if-unmodified-since'), header('range'),
    ...own.map((name) => `${name}:${request.headers[name].trim()}`),
    [`/${account}${request.url.split('?')[0]}`, ...names.map((name) => `${name}:${url.searchParams.getAll(name).sort().join(',')}`)].join('\n'),
  ].join('\n');
}

export class AzureFake {
  // With `anything`, whatever is signed right is answered with {}.
  static async start({ anything = false } = {}) {
    const fake = new AzureFake();
    Object.assign(fake, { anything, account: 'realaccount', key: crypto.randomBytes(64).toString('base64'), blobs: new Map(), seen: [] });
    fake.server = http.createServer((request, response) => fake.serve(request, response));
    await new Promise((resolve) => fake.server.listen(0, '127.0.0.1', resolve));
    fake.port = fake.server.address().port;
    return fake;
  }

  get secret() {
    return `${this.account}:${this.key}`;
  }

  isSigned(request) {
    const mac = crypto.createHmac('sha256', Buffer.from(this.key, 'base64')).update(stringToSign(this.account, request)).digest('base64');
    return request.headers.authorization === `SharedKey ${this.account}:${mac}` && request.headers['x-ms-version'] !== undefined;
  }

  async serve(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const path = request.url.split('?')[0];
    const modified = { etag: '"1"', 'last-modified': new Date().toUTCString() };
    this.seen.push({ method: request.method, url: request.url, headers: request.headers, rawHeaders: request.rawHeaders, body });
    if (!this.isSigned(request)) {
      response.writeHead(403, { 'x-ms-error-code': 'AuthenticationFailed' });
      response.end();
    } else if (this.anything) {
      response.end('{}');
    } else if (request.method === 'PUT') {
      this.blobs.set(path, body);
      response.writeHead(201, modified);
      response.end();
    } else if (this.blobs.has(path)) {
      response.writeHead(200, { 'content-length': this.blobs.get(path).length, ...modified });
      response.end(request.method === 'HEAD' ? undefined : this.blobs.get(path));
    } else {
      response.writeHead(404, { 'content-type': 'application/xml', 'x-ms-error-code': 'BlobNotFound' });
      response.end('<?xml version="1.0" encoding="utf-8"?><Error><Code>BlobNotFound</Code><Message>there is none</Message></Error>');
    }
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}
