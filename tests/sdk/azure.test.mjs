// Azure's own SDK for blobs, unmodified: only the URL and the account's name differ. The pretend
// storage behind the gateway checks each signature as its documentation says.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import { after, before, test } from 'node:test';

import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob';

import { Gateway } from '../support/gateway.mjs';

const account = 'realaccount';
const key = crypto.randomBytes(64).toString('base64');
const blobs = new Map();
let storage;
let gateway;
let seen;

function stringToSign(request) {
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

function serve(request, response) {
  const chunks = [];
  request.on('data', (data) => chunks.push(data));
  request.on('end', () => {
    seen = request.headers;
    const mac = crypto.createHmac('sha256', Buffer.from(key, 'base64')).update(stringToSign(request)).digest('base64');
    const path = request.url.split('?')[0];
    if (request.headers.authorization !== `SharedKey ${account}:${mac}` || request.headers['x-ms-version'] === undefined) {
      response.writeHead(403, { 'x-ms-error-code': 'AuthenticationFailed' });
      response.end();
    } else if (request.method === 'PUT') {
      blobs.set(path, Buffer.concat(chunks));
      response.writeHead(201, { etag: '"1"', 'last-modified': new Date().toUTCString() });
      response.end();
    } else if (blobs.has(path)) {
      response.writeHead(200, { 'content-length': blobs.get(path).length, etag: '"1"', 'last-modified': new Date().toUTCString() });
      response.end(request.method === 'HEAD' ? undefined : blobs.get(path));
    } else {
      response.writeHead(404, { 'content-type': 'application/xml', 'x-ms-error-code': 'BlobNotFound' });
      response.end('<?xml version="1.0" encoding="utf-8"?><Error><Code>BlobNotFound</Code><Message>there is none</Message></Error>');
    }
  });
}

before(async () => {
  storage = http.createServer(serve);
  await new Promise((resolve) => storage.listen(0, '127.0.0.1', resolve));
  gateway = await Gateway.start({
    routes: { 'azure-blob': { upstream: storage.address().port, credential: { secret: 'azure' } } },
    secrets: { azure: `${account}:${key}` },
    tenants: { app: { allow: ['azure-blob'] }, stranger: { allow: [] } },
  });
});

after(async () => {
  await gateway?.stop();
  storage?.closeAllConnections();
  await new Promise((resolve) => storage.close(resolve));
});

const container = (name = gateway.key) => new BlobServiceClient(`${gateway.url}/azure-blob`,
  new StorageSharedKeyCredential(name, Buffer.from('anything').toString('base64')), { retryOptions: { maxTries: 1 } }).getContainerClient('box');

test('blobs go and come, under odd names', async () => {
  for (const name of ['plain', 'with space', 'a+b', '100%', 'ünï/日本', "it's (x)!", 'a:b@c']) {
    const blob = container().getBlockBlobClient(name);
    await blob.upload(name, Buffer.byteLength(name), { metadata: { who: 'us  and them' }, blobHTTPHeaders: { blobContentType: 'text/plain' }, conditions: { ifNoneMatch: '*' } });
    assert.equal((await blob.downloadToBuffer()).toString(), name);
  }
  assert.ok(!JSON.stringify(seen).includes('sp_'), 'the tenant key stays here');
});

test('a long blob streams', async () => {
  const long = crypto.randomBytes(3000000);
  await container().getBlockBlobClient('long').upload(long, long.length);
  assert.ok(blobs.get('/box/long').equals(long));
});

test('errors of Azure pass, errors of the gateway are Azure\'s own', async () => {
  await assert.rejects(container().getBlobClient('none').download(), { statusCode: 404, code: 'BlobNotFound' });
  await assert.rejects(container('nobody').getBlobClient('x').download(), (error) => {
    assert.equal(error.statusCode, 401);
    assert.equal(error.code, 'NoAuthenticationInformation');
    assert.match(error.message, /no tenant key/);
    return true;
  });
  await assert.rejects(container(gateway.keys.stranger).getBlobClient('x').download(), { statusCode: 403, code: 'AuthorizationFailure' });
});
