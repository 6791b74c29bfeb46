// More SDKs, as in providers.test: unmodified, through the gateway over TLS, to pretend providers that
// check the credential.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import * as amplitude from '@amplitude/analytics-node';
import { DiscordAPIError, REST } from '@discordjs/rest';
import { createMollieClient } from '@mollie/api-client';
import { Paddle } from '@paddle/paddle-node-sdk';
import { api as pagerduty } from '@pagerduty/pdjs';
import { Errors as PineconeErrors, Pinecone } from '@pinecone-database/pinecone';
import Airtable from 'airtable';
import { AssemblyAI } from 'assemblyai';
import { v2 as cloudinary } from 'cloudinary';
import Libhoney from 'libhoney';
import { Meilisearch, MeilisearchApiError } from 'meilisearch';

import { secret } from './provider_fake.mjs';
import { startProviders } from './providers_site.mjs';

let site;

before(async () => {
  site = await startProviders({
    airtable: () => ({ records: [{ id: 'rec1', fields: { Name: 'a' } }] }),
    amplitude: () => ({ code: 200, events_ingested: 1 }),
    assemblyai: () => ({ id: 't-1', status: 'completed', text: 'hi' }),
    cloudinary: () => ({ status: 'ok' }),
    discord: () => ({ id: '1', username: 'bot' }),
    honeycomb: (request) => JSON.parse(request.body).map(() => ({ status: 202 })),
    meilisearch: () => ({ hits: [{ id: 1 }], query: 'x', processingTimeMs: 1, limit: 20, offset: 0, estimatedTotalHits: 1 }),
    mollie: () => ({ raw: { headers: { 'content-type': 'application/hal+json' }, body: { resource: 'payment', id: 'tr_1', status: 'open', amount: { value: '10.00', currency: 'EUR' }, _links: {} } } }),
    paddle: () => ({ data: { id: 'pro_1', name: 'a', tax_category: 'standard', created_at: '2026-11-27T00:00:00Z', updated_at: '2026-11-27T00:00:00Z' }, meta: { request_id: 'r' } }),
    pagerduty: () => ({ incidents: [{ id: 'P1' }] }),
    pinecone: () => ({ indexes: [] }),
  });
});

afterEach(() => site?.check());

after(() => site?.stop());

const route = (name) => site.route(name);

test('airtable', async () => {
  const first = (apiKey) => new Airtable({ endpointUrl: route('airtable'), apiKey, noRetryIfRateLimited: true }).base('app1')('Things').select({ maxRecords: 1 }).firstPage();
  assert.equal((await first(site.key))[0].get('Name'), 'a');
  await assert.rejects(first('wrong'), (error) => error.statusCode === 401 && error.error === 'AUTHENTICATION_REQUIRED');
});

test('@amplitude/analytics-node: the tenant\'s key is in the URL, the provider\'s in the body', async () => {
  const client = amplitude.createInstance();
  await client.init('any', { serverUrl: `${route('amplitude')}/${site.key}/2/httpapi`, flushQueueSize: 1, flushIntervalMillis: 10 }).promise;
  const { code } = await client.track('seen', { a: 1 }, { user_id: 'u-12345' }).promise;
  assert.equal(code, 200);
  const { target, body } = site.fake.last('amplitude');
  assert.equal(target, '/2/httpapi');
  assert.equal(JSON.parse(body).api_key, secret);
});

test('assemblyai', async () => {
  const client = (apiKey) => new AssemblyAI({ baseUrl: route('assemblyai'), apiKey }).transcripts;
  assert.equal((await client(site.key).get('t-1')).text, 'hi');
  await assert.rejects(client('wrong').get('t-1'), /tenant key/);
});

test('cloudinary', async () => {
  const ping = (key) => {
    cloudinary.config({ cloud_name: 'name', api_key: 'any', api_secret: key, upload_prefix: route('cloudinary') });
    return cloudinary.api.ping();
  };
  assert.equal((await ping(site.key)).status, 'ok');
  await assert.rejects(ping('wrong'), ({ error }) => error.http_code === 401 && /tenant key/.test(error.message));
});

test('@discordjs/rest', async () => {
  const me = (key) => new REST({ api: route('discord'), version: '10', retries: 0 }).setToken(key).get('/users/@me');
  assert.equal((await me(site.key)).username, 'bot');
  await assert.rejects(me(site.stranger), (error) => error instanceof DiscordAPIError && error.status === 403 && error.code === 50013);
});

test('libhoney', async () => {
  const send = (writeKey) => new Promise((resolve) => {
    const hive = new Libhoney({ apiHost: route('honeycomb'), writeKey, dataset: 'app', responseCallback: resolve });
    hive.sendNow({ a: 1 });
    hive.flush();
  });
  assert.equal((await send(site.key))[0].status_code, 202);
  assert.equal((await send('wrong'))[0].status_code, 401);
});

test('meilisearch', async () => {
  const search = (apiKey) => new Meilisearch({ host: route('meilisearch'), apiKey }).index('things').search('x');
  assert.equal((await search(site.key)).hits[0].id, 1);
  await assert.rejects(search('wrong'), (error) => error instanceof MeilisearchApiError && error.cause.code === 'missing_authorization_header');
});

test('@mollie/api-client', async () => {
  const get = (apiKey) => createMollieClient({ apiEndpoint: `${route('mollie')}/v2/`, apiKey }).payments.get('tr_1');
  assert.equal((await get(site.key)).status, 'open');
  await assert.rejects(get('wrong'), (error) => error.statusCode === 401 && /tenant key/.test(error.message));
});

test('@paddle/paddle-node-sdk', async () => {
  const get = (key) => new Paddle(key, { environment: route('paddle') }).products.get('pro_1');
  assert.equal((await get(site.key)).name, 'a');
  await assert.rejects(get('wrong'), (error) => error.code === 'authentication_missing' && /tenant key/.test(error.detail));
});

test('@pagerduty/pdjs', async () => {
  const list = (token) => pagerduty({ token, server: route('pagerduty').replace('https://', '') }).get('/incidents');
  assert.equal((await list(site.key)).data.incidents[0].id, 'P1');
  assert.equal((await list('wrong')).response.status, 401);
});

test('@pinecone-database/pinecone', async () => {
  const list = (apiKey) => new Pinecone({ controllerHostUrl: route('pinecone'), apiKey, maxRetries: 0 }).listIndexes();
  assert.deepEqual((await list(site.key)).indexes, []);
  await assert.rejects(list('wrong'), (error) => error instanceof PineconeErrors.PineconeAuthorizationError);
});
