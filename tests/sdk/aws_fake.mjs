// A pretend AWS over TLS: it checks each signature with the signer of AWS's own SDK, of which the
// gateway knows nothing, and refuses wrong ones as AWS does.
import crypto from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';

import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';

export const credentials = { accessKeyId: 'AKIAFAKEFAKEFAKEFAKE', secretAccessKey: 'fake/secret+of/the+account/0123456789abc' };

const hash = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');
const hmac = (key, text, encoding) => crypto.createHmac('sha256', key).update(text).digest(encoding);
const hexHash = /^[0-9a-f]{64}$/;

class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

const mismatch = (what) => new Refusal(403, 'SignatureDoesNotMatch', `the signature we calculated does not match: ${what}`);

// Of "AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...".
function readAuthorization(request) {
  const value = request.headers.authorization ?? '';
  const match = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(value);
  if (!match) throw new Refusal(403, 'MissingAuthenticationToken', 'no signature');
  const [, id, day, region, service, names, signature] = match;
  return { id, day, region, service, names: names.split(';'), signature };
}

function readQuery(search) {
  const query = {};
  for (const [name, value] of new URLSearchParams(search)) {
    query[name] = name in query ? [query[name], value].flat() : value;
  }
  return query;
}

// The head's signature, by the SDK's signer.
async function checkHead(request, body, { clockSkew = 0, token } = {}) {
  const auth = readAuthorization(request);
  if (auth.id !== credentials.accessKeyId) throw new Refusal(403, 'InvalidAccessKeyId', `no such key: ${auth.id}`);
  if (token !== request.headers['x-amz-security-token']) throw new Refusal(403, 'InvalidToken', 'the token is another');
  const stamp = request.headers['x-amz-date'];
  const date = new Date(stamp.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (Math.abs(date.getTime() - Date.now() - clockSkew) > 5 * 60 * 1000) {
    throw new Refusal(403, 'RequestTimeTooSkewed', 'the time of the request is too far from ours');
  }
  for (const name of ['host', 'x-amz-date', ...Object.keys(request.headers).filter((it) => it.startsWith('x-amz-'))]) {
    if (!auth.names.includes(name)) throw mismatch(`${name} is not signed`);
  }
  const mark = request.url.indexOf('?');
  const path = mark < 0 ? request.url : request.url.slice(0, mark);
  const signer = new SignatureV4({
    service: auth.service, region: auth.region, credentials: { ...credentials, sessionToken: token }, sha256: Sha256,
    uriEscapePath: auth.service !== 's3', applyChecksum: false,
  });
  const headers = {};
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i].toLowerCase();
    if (name === 'authorization' || !auth.names.includes(name)) continue;
    headers[name] = name in headers ? `${headers[name]},${request.rawHeaders[i + 1]}` : request.rawHeaders[i + 1];
  }
  const signed = await signer.sign({
    method: request.method, protocol: 'https:', hostname: 'fake', headers, body,
    path: auth.service === 's3' ? decodeURIComponent(path).split('/').map(strict).join('/') : path,
    query: readQuery(mark < 0 ? '' : request.url.slice(mark)),
  }, { signingDate: date, unsignableHeaders: new Set(), signableHeaders: new Set(auth.names) });
  const expected = /Signature=([0-9a-f]+)/.exec(signed.headers.authorization)[1];
  if (expected !== auth.signature) throw mismatch('of the head');
  return { ...auth, stamp };
}

const strict = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);

// A body in chunks, decoded; where they are signed, each signature is checked.
function readChunks(body, auth, { signed, trailers }) {
  const scope = `${auth.day}/${auth.region}/${auth.service}/aws4_request`;
  const key = [auth.day, auth.region, auth.service, 'aws4_request'].reduce((it, text) => hmac(it, text), `AWS4${credentials.secretAccessKey}`);
  const pieces = [];
  let before = auth.signature;
  const check = (kind, hashes, given, what) => {
    before = hmac(key, [kind, auth.stamp, scope, before, ...hashes].join('\n'), 'hex');
    if (before !== given) throw mismatch(what);
  };
  for (let at = 0; ;) {
    const end = body.indexOf('\r\n', at);
    const [size, extension = ''] = body.subarray(at, end).toString().split(';');
    const data = body.subarray(end + 2, end + 2 + parseInt(size, 16));
    if (signed) check('AWS4-HMAC-SHA256-PAYLOAD', [hash(''), hash(data)], extension.split('=')[1], `of chunk ${pieces.length}`);
    at = end + 2 + data.length;
    if (data.length === 0) {
      const lines = body.subarray(at).toString().split('\r\n').filter(Boolean);
      const last = trailers && signed ? lines.pop() : undefined;
      if (last !== undefined) {
        check('AWS4-HMAC-SHA256-TRAILER', [hash(lines.map((line) => `${line}\n`).join(''))], last.split(':')[1], 'of the trailers');
      }
      return { data: Buffer.concat(pieces), trailers: lines };
    }
    pieces.push(data);
    at += 2;
  }
}

// What the payload is, checked against what was signed for it.
function checkBody(request, body, auth) {
  const said = request.headers['x-amz-content-sha256'];
  if (auth.service === 's3' && said === undefined) throw new Refusal(400, 'InvalidRequest', 'x-amz-content-sha256 is missing');
  if (said === undefined || said === 'UNSIGNED-PAYLOAD') return { data: body, trailers: [] };
  if (hexHash.test(said)) {
    if (hash(body) !== said) throw new Refusal(400, 'XAmzContentSHA256Mismatch', 'the body is another');
    return { data: body, trailers: [] };
  }
  return readChunks(body, auth, { signed: said.includes('AWS4-HMAC'), trailers: said.endsWith('-TRAILER') });
}

const escapeXml = (text) => text.replace(/[&<>"]/g, (it) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[it]);

function answerXml(response, status, body, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/xml', ...headers });
  response.end(`<?xml version="1.0" encoding="UTF-8"?>\n${body}`);
}

const services = {
  s3(fake, request, response, { data, trailers }) {
    const url = new URL(request.url.replace(/^\/+/, '/'), 'https://fake');
    const path = request.url.split('?')[0];
    const slash = path.indexOf('/', 1);
    const key = slash < 0 ? '' : decodeURIComponent(path.slice(slash + 1));
    if (key === '') {
      const items = [...fake.objects.keys()].sort().map((it) => `<Contents><Key>${escapeXml(it)}</Key></Contents>`);
      answerXml(response, 200, `<ListBucketResult><Name>bucket</Name><Prefix>${escapeXml(url.searchParams.get('prefix') ?? '')}</Prefix><KeyCount>${items.length}</KeyCount>${items.join('')}</ListBucketResult>`);
    } else if (request.method === 'PUT') {
      fake.objects.set(key, data);
      fake.trailers = trailers;
      response.writeHead(200, { etag: `"${crypto.createHash('md5').update(data).digest('hex')}"` });
      response.end();
    } else if (request.method === 'GET' && fake.objects.has(key)) {
      response.writeHead(200, { 'content-type': 'application/octet-stream' });
      response.end(fake.objects.get(key));
    } else if (request.method === 'DELETE') {
      fake.objects.delete(key);
      response.writeHead(204);
      response.end();
    } else {
      throw new Refusal(404, 'NoSuchKey', `there is no ${key}`);
    }
  },
  dynamodb(fake, request, response, { data }) {
    const { Item, Key } = JSON.parse(data);
    const operation = request.headers['x-amz-target'].split('.')[1];
    if (operation === 'PutItem') fake.items.set(Item.id.S, Item);
    fake.answer(response, operation === 'GetItem' ? { Item: fake.items.get(Key.id.S) } : {});
  },
  sqs(fake, request, response, { data }) {
    const { MessageBody } = JSON.parse(data);
    fake.answer(response, { MessageId: crypto.randomUUID(), MD5OfMessageBody: crypto.createHash('md5').update(MessageBody).digest('hex') });
  },
  sns(fake, request, response, { data }) {
    const action = new URLSearchParams(data.toString()).get('Action');
    response.writeHead(200, { 'content-type': 'text/xml' });
    response.end(`<${action}Response xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><${action}Result><MessageId>m-2</MessageId></${action}Result></${action}Response>`);
  },
  lambda(fake, request, response, { data }) {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ path: request.url, got: JSON.parse(data) }));
  },
  bedrock(fake, request, response) {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({
      output: { message: { role: 'assistant', content: [{ text: 'hello' }] } }, stopReason: 'end_turn',
      usage: { inputTokens: 3, outputTokens: 5, totalTokens: 8 }, metrics: { latencyMs: 1 },
    }));
  },
  ses(fake, request, response) {
    fake.answer(response, { MessageId: 'm-1' });
  },
  secretsmanager(fake, request, response, { data }) {
    fake.answer(response, { Name: JSON.parse(data).SecretId, SecretString: 's3cret' });
  },
};

// The authority is what is signed as the host.
function likeHttp1(request) {
  const host = request.headers[':authority'];
  const raw = ['host', host];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    if (!request.rawHeaders[i].startsWith(':')) raw.push(request.rawHeaders[i], request.rawHeaders[i + 1]);
  }
  const headers = Object.fromEntries(Object.entries({ ...request.headers, host }).filter(([name]) => !name.startsWith(':')));
  return new Proxy(request, {
    get(target, name) {
      if (name === 'headers') return headers;
      if (name === 'rawHeaders') return raw;
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

export class AwsFake {
  // With `h2` it speaks HTTP/2 alone. options.anything: whatever is signed right is answered with {};
  // options.behind: it goes to the HTTP server at this port, whose answer is sent.
  static async start({ cert, key }, { h2 = false } = {}) {
    const fake = new AwsFake();
    const serve = (request, response) => fake.serve(h2 ? likeHttp1(request) : request, response);
    fake.server = h2 ? http2.createSecureServer({ cert, key }, serve) : https.createServer({ cert, key }, serve);
    fake.sessions = new Set();
    fake.server.on('session', (session) => fake.sessions.add(session));
    await new Promise((resolve) => fake.server.listen(0, '127.0.0.1', resolve));
    fake.port = fake.server.address().port;
    return fake;
  }

  constructor() {
    Object.assign(this, { objects: new Map(), items: new Map(), seen: [], options: {}, failures: [] });
  }

  // JSON, with the checksum that DynamoDB's SDKs look at left out, as they allow.
  answer(response, value) {
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0' });
    response.end(JSON.stringify(value));
  }

  serve(request, response) {
    const chunks = [];
    request.on('data', (data) => chunks.push(data));
    request.on('error', () => {});
    request.on('end', async () => {
      const body = Buffer.concat(chunks);
      this.seen.push({ method: request.method, url: request.url, headers: request.headers, rawHeaders: request.rawHeaders, body });
      if (this.options.delay) await new Promise((resolve) => setTimeout(resolve, this.options.delay));
      try {
        const auth = await checkHead(request, body, this.options);
        const payload = checkBody(request, body, auth);
        const failure = this.failures.shift();
        if (failure) throw failure;
        if (this.options.anything) this.answer(response, {});
        else if (this.options.behind) this.pass(request, response, body);
        else services[auth.service](this, request, response, payload);
      } catch (error) {
        this.refuse(request, response, error);
      }
    });
  }

  pass({ method, url, headers }, response, body) {
    const onward = http.request({ port: this.options.behind, method, path: url, headers: { ...headers, connection: 'close' } });
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', (error) => this.refuse(response.req, response, error));
    onward.end(body);
  }

  refuse(request, response, error) {
    const { status = 500, code = 'InternalFailure', message } = error;
    const date = new Date(Date.now() + (this.options.clockSkew ?? 0)).toUTCString();
    if (/\/s3\//.test(request.headers.authorization ?? '/s3/')) {
      answerXml(response, status, `<Error><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error>`, { date });
    } else {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0', date });
      response.end(JSON.stringify({ __type: `com.amazonaws#${code}`, message }));
    }
  }

  fail(status, code) {
    this.failures.push(new Refusal(status, code, 'as the test wants it'));
  }

  stop() {
    this.server.closeAllConnections?.();
    for (const session of this.sessions) session.destroy();
    return new Promise((resolve) => this.server.close(resolve));
  }
}
