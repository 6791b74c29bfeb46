// AWS's SDKs through the gateway to servers that others have written: s3rver as S3, aws-ses-v2-local
// as SES. Neither looks at signatures of today, so the pretend AWS stands before them and does.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import { after, before, test } from 'node:test';

import {
  CompleteMultipartUploadCommand, CopyObjectCommand, CreateMultipartUploadCommand, DeleteObjectsCommand, GetObjectCommand,
  HeadObjectCommand, ListObjectsV2Command, NoSuchBucket, NoSuchKey, PutObjectCommand, S3Client, UploadPartCommand,
} from '@aws-sdk/client-s3';
import { SendEmailCommand, SESv2Client, SESv2ServiceException } from '@aws-sdk/client-sesv2';
import startSes from 'aws-ses-v2-local';
import S3rver from 's3rver';
import accounts from 's3rver/lib/models/account.js';

import { freePort, Gateway, temporaryFolder } from '../support/gateway.mjs';
import { AwsFake, credentials as real } from './aws_fake.mjs';
import { OverTls } from './over_tls.mjs';

const folder = temporaryFolder();
const started = [];
let secured;
let agent;
let gateway;
let sesPort;

async function inFrontOf(port) {
  const fake = await AwsFake.start(secured.served);
  fake.options = { behind: port };
  started.unshift(() => fake.stop());
  return fake;
}

async function startS3() {
  accounts.DUMMY_ACCOUNT.createKeyPair(real.accessKeyId, real.secretAccessKey);
  const server = new S3rver({ address: '127.0.0.1', port: await freePort(), directory: folder, silent: true, configureBuckets: [{ name: 'bucket' }] });
  const { port } = await server.run();
  started.push(() => server.close());
  return port;
}

before(async () => {
  secured = new OverTls();
  const s3 = await inFrontOf(await startS3());
  sesPort = await freePort();
  const sesServer = await startSes.default({ host: '127.0.0.1', port: sesPort });
  started.push(() => new Promise((resolve) => sesServer.close(resolve)));
  const ses = await inFrontOf(sesPort);
  const route = (name, { port }) => ({
    provider: `aws-${name}`, base_url: `https://localhost:${port}`, credential: { secret: 'aws' }, sign: { region: 'eu-central-1' },
    retry: { base: '10ms', buffer: '64KiB' }, ...secured.upstream,
  });
  gateway = await Gateway.start({
    routes: { s3: route('s3', s3), ses: route('ses', ses) },
    secrets: { aws: `${real.accessKeyId}:${real.secretAccessKey}` }, gateway: secured.gateway,
  });
  agent = new https.Agent({ ca: secured.pem, keepAlive: true });
});

after(async () => {
  agent?.destroy();
  await gateway?.stop();
  for (const stop of started) await stop();
  secured?.remove();
  fs.rmSync(folder, { recursive: true });
});

const settings = (name) => ({
  endpoint: `https://localhost:${gateway.port}/${name}`, region: 'us-east-1', maxAttempts: 1,
  credentials: { accessKeyId: gateway.key, secretAccessKey: 'anything' }, requestHandler: { httpsAgent: agent },
});
// s3rver is older than the checksums in trailers that the SDK adds of itself.
const s3 = () => new S3Client({ ...settings('s3'), forcePathStyle: true, requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' });
const Bucket = 'bucket';

test('s3rver: objects under odd names, with metadata, are put, listed, had in part, copied and deleted', async () => {
  const client = s3();
  const keys = ['plain', 'with space', 'plus+plus', '100%', 'ünïcödé/日本', "it's (really) *odd*!", 'a:b@c', '🙂'];
  for (const Key of keys) {
    await client.send(new PutObjectCommand({ Bucket, Key, Body: Key, ContentType: 'text/plain', Metadata: { who: 'us' } }));
    const { Body, Metadata, ContentType } = await client.send(new GetObjectCommand({ Bucket, Key }));
    assert.equal(await Body.transformToString(), Key);
    assert.deepEqual([Metadata, ContentType], [{ who: 'us' }, 'text/plain']);
  }
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket }));
  assert.deepEqual(Contents.map(({ Key }) => Key).sort(), [...keys].sort());
  const { Contents: under } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'ünïcödé/' }));
  assert.deepEqual(under.map(({ Key }) => Key), ['ünïcödé/日本']);
  await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `/${Bucket}/${encodeURIComponent('with space')}` }));
  const { Body, ContentRange } = await client.send(new GetObjectCommand({ Bucket, Key: 'copy', Range: 'bytes=1-5' }));
  assert.equal(await Body.transformToString(), 'ith s');
  assert.equal(ContentRange, 'bytes 1-5/10');
  await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [...keys, 'copy'].map((Key) => ({ Key })) } }));
  assert.equal((await client.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 0);
});

test('s3rver: long bodies stream, whole and in parts', async () => {
  const client = s3();
  const long = crypto.randomBytes(3 * 1024 * 1024 + 7);
  await client.send(new PutObjectCommand({ Bucket, Key: 'long', Body: long }));
  const md5 = crypto.createHash('md5').update(long).digest('hex');
  assert.equal((await client.send(new HeadObjectCommand({ Bucket, Key: 'long' }))).ETag, `"${md5}"`, 's3rver has the same bytes');
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts' }));
  const Parts = [];
  for (const [i, Body] of [long.subarray(0, 2_000_000), long.subarray(2_000_000)].entries()) {
    const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key: 'parts', UploadId, PartNumber: i + 1, Body }));
    Parts.push({ ETag, PartNumber: i + 1 });
  }
  await client.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'parts', UploadId, MultipartUpload: { Parts } }));
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'parts' }));
  assert.ok(Buffer.from(await Body.transformToByteArray()).equals(long));
});

test('s3rver: its errors are the SDK\'s', async () => {
  await assert.rejects(s3().send(new GetObjectCommand({ Bucket, Key: 'none' })), NoSuchKey);
  await assert.rejects(s3().send(new ListObjectsV2Command({ Bucket: 'no-such-bucket' })), NoSuchBucket);
});

test('aws-ses-v2-local: it has the email that the SDK sent, and its error is the SDK\'s', async () => {
  const client = new SESv2Client(settings('ses'));
  const { MessageId } = await client.send(new SendEmailCommand({
    FromEmailAddress: 'Ünï <a@example.com>', Destination: { ToAddresses: ['b@example.com'] }, ReplyToAddresses: ['c@example.com'],
    Content: { Simple: { Subject: { Data: 'Größe' }, Body: { Text: { Data: 'a & b' }, Html: { Data: '<b>"c"</b>' } } } },
  }));
  const { emails } = await (await fetch(`http://127.0.0.1:${sesPort}/store`)).json();
  const email = emails.find((one) => one.messageId === MessageId);
  assert.deepEqual([email.subject, email.body, email.destination.to, email.replyTo], ['Größe', { text: 'a & b', html: '<b>"c"</b>' }, ['b@example.com'], ['c@example.com']]);
  await assert.rejects(client.send(new SendEmailCommand({ FromEmailAddress: 'a@example.com', Destination: {}, Content: {} })),
    (error) => error instanceof SESv2ServiceException && error.$metadata.httpStatusCode === 400 && error.message === 'Bad Request Exception');
});
