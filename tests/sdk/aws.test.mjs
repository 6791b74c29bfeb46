// AWS's own SDKs, unmodified, through the gateway over TLS: only endpoint and access key id differ.
// The pretend AWS behind it checks each signature itself.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import https from 'node:https';
import { Readable } from 'node:stream';
import { after, before, beforeEach, test } from 'node:test';

import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime';
import { DynamoDBClient, GetItemCommand, PutItemCommand, RequestLimitExceeded } from '@aws-sdk/client-dynamodb';
import { InvokeCommand, LambdaClient, TooManyRequestsException as LambdaTooManyRequests } from '@aws-sdk/client-lambda';
import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, NoSuchKey, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SendEmailCommand, SESv2Client, TooManyRequestsException } from '@aws-sdk/client-sesv2';
import { AuthorizationErrorException, PublishCommand, SNSClient, ThrottledException } from '@aws-sdk/client-sns';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { NodeHttpHandler } from '@smithy/node-http-handler';

import { Gateway, until } from '../support/gateway.mjs';
import { AwsFake, credentials as real } from './aws_fake.mjs';
import { OverTls } from './over_tls.mjs';

let secured;
let fake;
let gateway;
let agent;

const services = ['s3', 'dynamodb', 'sqs', 'ses', 'secrets-manager', 'sns', 'lambda'];

before(async () => {
  secured = new OverTls();
  fake = await AwsFake.start(secured.served);
  const route = (name) => ({
    provider: `aws-${name}`, base_url: `https://localhost:${fake.port}`, credential: { secret: 'aws' },
    sign: { region: 'eu-central-1' }, ...secured.upstream, retry: { base: '10ms', buffer: '64KiB' },
  });
  const routes = { ...Object.fromEntries(services.map((name) => [`aws-${name}`, route(name)])), 'aws-bedrock': { ...route(''), provider: 'bedrock' } };
  gateway = await Gateway.start({
    routes,
    secrets: { aws: `${real.accessKeyId}:${real.secretAccessKey}` },
    tenants: {
      app: { allow: Object.keys(routes) },
      limited: { allow: Object.keys(routes), quotas: [{ requests: 1, per: '1h' }] },
      stranger: { allow: ['aws-s3:GET /*', 'aws-sns:GET /'] },
    },
    gateway: secured.gateway,
  });
  agent = new https.Agent({ ca: secured.pem, keepAlive: true });
});

beforeEach(() => {
  fake.seen.length = 0;
  fake.options = {};
});

after(async () => {
  agent?.destroy();
  await gateway?.stop();
  await fake?.stop();
  secured?.remove();
});

const origin = () => `https://localhost:${gateway.port}`;
const settings = (name, key = gateway.key, more = {}) => ({
  endpoint: `${origin()}/aws-${name}`, region: 'us-east-1', maxAttempts: 1,
  credentials: { accessKeyId: key, secretAccessKey: 'anything' },
  requestHandler: { httpsAgent: agent }, ...more,
});
const s3 = (key, more) => new S3Client(settings('s3', key, { forcePathStyle: true, ...more }));

async function text(answer) {
  return answer.Body.transformToString();
}

test('s3: an object is put, had, listed and deleted', async () => {
  const client = s3();
  await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'a/b.txt', Body: 'hello', ContentType: 'text/plain', Metadata: { who: 'us   and  them' } }));
  assert.equal(await text(await client.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'a/b.txt' }))), 'hello');
  const listed = await client.send(new ListObjectsV2Command({ Bucket: 'bucket', Prefix: 'a/b c+d' }));
  assert.deepEqual(listed.Contents.map((it) => it.Key), ['a/b.txt']);
  await client.send(new DeleteObjectCommand({ Bucket: 'bucket', Key: 'a/b.txt' }));
  await assert.rejects(client.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'a/b.txt' })), NoSuchKey);
});

test('s3: odd keys arrive as they are', async () => {
  const client = s3();
  const keys = [
    'with space', 'plus+plus', '100%', 'a%20b', 'ünïcödé/日本', '//double//slash//', "it's (really) *odd*!", 'tilde~', 'semi;colon=1&2,3',
    'a:b@c', '$dollar', 'back\\slash', '#hash?query', '🙂', 'trailing/', 'quote"s',
  ];
  for (const Key of keys) {
    await client.send(new PutObjectCommand({ Bucket: 'bucket', Key, Body: Key }));
    assert.equal(await text(await client.send(new GetObjectCommand({ Bucket: 'bucket', Key }))), Key, Key);
    assert.ok(fake.objects.has(Key), Key);
  }
});

test('s3: what the caller signed, its token and its time go no further', async () => {
  const client = s3(gateway.key, { credentials: { accessKeyId: gateway.key, secretAccessKey: 'x', sessionToken: 'of-the-caller' } });
  await client.send(new ListObjectsV2Command({ Bucket: 'bucket' }));
  const [seen] = fake.seen;
  assert.equal(seen.rawHeaders.filter((name) => name.toLowerCase() === 'authorization').length, 1);
  assert.equal(seen.headers['x-amz-security-token'], undefined);
  assert.ok(!JSON.stringify(seen.rawHeaders).includes('sp_'));
  assert.match(seen.headers.authorization, /\/eu-central-1\/s3\//, 'the region is the route\'s');
});

test('s3: a small body is held and hashed, a long one streams', async () => {
  const client = s3(gateway.key, { requestChecksumCalculation: 'WHEN_REQUIRED' });
  await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'small', Body: Buffer.alloc(1000, 1) }));
  const small = fake.seen.at(-1);
  assert.equal(small.headers['x-amz-content-sha256'], crypto.createHash('sha256').update(Buffer.alloc(1000, 1)).digest('hex'));
  const long = crypto.randomBytes(3 * 1024 * 1024);
  await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'long', Body: long }));
  assert.ok(fake.objects.get('long').equals(long));
});

test('s3: a streamed upload in chunks passes with its trailer', async () => {
  const client = s3();
  const long = crypto.randomBytes(2 * 1024 * 1024 + 17);
  await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'stream', Body: Readable.from([long.subarray(0, 100000), long.subarray(100000)]), ContentLength: long.length }));
  assert.ok(fake.objects.get('stream').equals(long));
  assert.equal(fake.seen.at(-1).headers['x-amz-content-sha256'], 'STREAMING-UNSIGNED-PAYLOAD-TRAILER');
  assert.match(fake.trailers.join(), /^x-amz-checksum-crc32:/);
});

test('s3: errors of AWS pass, errors of the gateway are S3\'s own', async () => {
  fake.fail(403, 'AccessDenied');
  await assert.rejects(s3().send(new GetObjectCommand({ Bucket: 'bucket', Key: 'x' })), { name: 'AccessDenied', message: 'as the test wants it' });
  await assert.rejects(s3(gateway.keys.stranger).send(new PutObjectCommand({ Bucket: 'bucket', Key: 'x', Body: 'x' })), (error) => {
    assert.equal(error.name, 'AccessDenied');
    assert.equal(error.$metadata.httpStatusCode, 403);
    assert.match(error.message, /stranger/);
    return true;
  });
  await assert.rejects(s3('AKIAIOSFODNN7EXAMPLE').send(new ListObjectsV2Command({ Bucket: 'bucket' })), { name: 'InvalidAccessKeyId' });
});

test('dynamodb: items go and come', async () => {
  const client = new DynamoDBClient(settings('dynamodb'));
  await client.send(new PutItemCommand({ TableName: 't', Item: { id: { S: '1' }, text: { S: 'ünï' } } }));
  const { Item } = await client.send(new GetItemCommand({ TableName: 't', Key: { id: { S: '1' } } }));
  assert.equal(Item.text.S, 'ünï');
  assert.match(fake.seen[0].headers.authorization, /SignedHeaders=[^,]*x-amz-target/);
});

test('dynamodb: a quota of the gateway is an exception that its callers know', async () => {
  const client = new DynamoDBClient(settings('dynamodb', gateway.keys.limited));
  await client.send(new PutItemCommand({ TableName: 't', Item: { id: { S: '2' } } }));
  await assert.rejects(client.send(new PutItemCommand({ TableName: 't', Item: { id: { S: '3' } } })), (error) => {
    assert.ok(error instanceof RequestLimitExceeded, error.name);
    assert.equal(error.$metadata.httpStatusCode, 429);
    return true;
  });
});

test('sqs: a message is sent', async () => {
  const { MessageId } = await new SQSClient(settings('sqs')).send(new SendMessageCommand({ QueueUrl: `${origin()}/aws-sqs/123/q`, MessageBody: 'hello' }));
  assert.ok(MessageId);
  const client = new SQSClient(settings('sqs', gateway.key, { useQueueUrlAsEndpoint: false }));
  const of = await client.send(new SendMessageCommand({ QueueUrl: 'https://sqs.eu-central-1.amazonaws.com/123/q', MessageBody: 'hello' }));
  assert.ok(of.MessageId, 'with the URL that AWS gives a queue, too');
  assert.equal(fake.seen.length, 2);
});

test('ses: an email is sent; a quota is its own exception', async () => {
  const email = () => new SendEmailCommand({
    FromEmailAddress: 'a@example.com', Destination: { ToAddresses: ['b@example.com'] },
    Content: { Simple: { Subject: { Data: 's' }, Body: { Text: { Data: 't' } } } },
  });
  assert.equal((await new SESv2Client(settings('ses')).send(email())).MessageId, 'm-1');
  await assert.rejects(new SESv2Client(settings('ses', gateway.keys.limited)).send(email()), TooManyRequestsException);
});

test('secrets manager: a secret is had', async () => {
  const { SecretString } = await new SecretsManagerClient(settings('secrets-manager')).send(new GetSecretValueCommand({ SecretId: 'x' }));
  assert.equal(SecretString, 's3cret');
});

test('sns: a message is published; a quota and a rule are its own exceptions', async () => {
  const publish = (key) => new SNSClient(settings('sns', key)).send(new PublishCommand({ TopicArn: 'arn:aws:sns:eu-central-1:1:t', Message: 'a & b' }));
  assert.equal((await publish()).MessageId, 'm-2');
  await publish(gateway.keys.limited).catch(() => {});
  await assert.rejects(publish(gateway.keys.limited), ThrottledException);
  await assert.rejects(publish(gateway.keys.stranger), (error) => {
    assert.ok(error instanceof AuthorizationErrorException, error.name);
    assert.match(error.message, /tenant "stranger" may not call this/, 'a text with quotes, as XML');
    return true;
  });
});

test('lambda: a function is invoked, by a name that is encoded', async () => {
  const client = (key) => new LambdaClient(settings('lambda', key));
  const { Payload } = await client().send(new InvokeCommand({ FunctionName: 'arn:aws:lambda:eu-central-1:1:function:f', Payload: JSON.stringify({ a: 1 }) }));
  const answer = JSON.parse(Buffer.from(Payload).toString());
  assert.deepEqual(answer.got, { a: 1 });
  assert.match(answer.path, /arn%3Aaws%3Alambda/);
  await client(gateway.keys.limited).send(new InvokeCommand({ FunctionName: 'f' })).catch(() => {});
  await assert.rejects(client(gateway.keys.limited).send(new InvokeCommand({ FunctionName: 'f' })), LambdaTooManyRequests);
});

test('bedrock: a conversation is signed, and its usage is known', async () => {
  const client = new BedrockRuntimeClient(settings('bedrock', gateway.key, { requestHandler: new NodeHttpHandler({ httpsAgent: agent }) }));
  const { output } = await client.send(new ConverseCommand({
    modelId: 'anthropic.claude-3-haiku-20240307-v1:0', messages: [{ role: 'user', content: [{ text: 'hi' }] }],
  }));
  assert.equal(output.message.content[0].text, 'hello');
  assert.match(fake.seen[0].url, /^\/model\/anthropic\.claude-3-haiku-20240307-v1%3A0\/converse$/);
  const line = await until('it is in the log', () => gateway.accessLog().find((it) => it.route === 'aws-bedrock'));
  assert.deepEqual([line.input_tokens, line.output_tokens], [3, 5]);
});
