// Azure's own SDK for blobs, unmodified: only the URL and the account's name differ. The pretend
// storage behind the gateway checks each signature.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob';

import { Gateway } from '../support/gateway.mjs';
import { AzureFake } from './azure_fake.mjs';

let storage;
let gateway;

before(async () => {
  storage = await AzureFake.start();
  gateway = await Gateway.start({
    routes: { 'azure-blob': { upstream: storage.port, credential: { secret: 'azure' } } },
    secrets: { azure: storage.secret },
    tenants: { app: { allow: ['azure-blob'] }, stranger: { allow: [] } },
  });
});

after(async () => {
  await gateway?.stop();
  await storage?.stop();
});

const container = (name = gateway.key) => new BlobServiceClient(`${gateway.url}/azure-blob`,
  new StorageSharedKeyCredential(name, Buffer.from('anything').toString('base64')), { retryOptions: { maxTries: 1 } }).getContainerClient('box');

test('blobs go and come, under odd names', async () => {
  for (const name of ['plain', 'with space', 'a+b', '100%', 'ünï/日本', "it's (x)!", 'a:b@c']) {
    const blob = container().getBlockBlobClient(name);
    await blob.upload(name, Buffer.byteLength(name), { metadata: { who: 'us  and them' }, blobHTTPHeaders: { blobContentType: 'text/plain' }, conditions: { ifNoneMatch: '*' } });
    assert.equal((await blob.downloadToBuffer()).toString(), name);
  }
  assert.ok(!JSON.stringify(storage.seen.map(({ url, headers }) => [url, headers])).includes('sp_'), 'the tenant key stays here');
});

test('a long blob streams', async () => {
  const long = crypto.randomBytes(3000000);
  await container().getBlockBlobClient('long').upload(long, long.length);
  assert.ok(storage.blobs.get('/box/long').equals(long));
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
