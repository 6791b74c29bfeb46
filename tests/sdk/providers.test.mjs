// The SDKs of many providers, unmodified, through the gateway over TLS: only base URL and key differ.
// Behind it are pretend providers that check the credential. Each makes a call, sees an error that
// the gateway made as its own, and no tenant's key goes up.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { GoogleGenerativeAI, GoogleGenerativeAIFetchError } from '@google/generative-ai';
import { LinearClient, AuthenticationLinearError } from '@linear/sdk';
import { Mistral } from '@mistralai/mistralai';
import { APIErrorCode, Client as Notion, isNotionClientError, LogLevel } from '@notionhq/client';
import { Analytics } from '@segment/analytics-node';
import sendgrid from '@sendgrid/mail';
import { ErrorCode, WebClient } from '@slack/web-api';
import { createClient } from '@supabase/supabase-js';
import { algoliasearch } from 'algoliasearch';
import { CohereClient, CohereError } from 'cohere-ai';
import Groq from 'groq-sdk';
import Mailgun from 'mailgun.js';
import Mixpanel from 'mixpanel';
import OpenAI from 'openai';
import { PostHog } from 'posthog-node';
import { Errors as PostmarkErrors, ServerClient } from 'postmark';
import Replicate from 'replicate';
import { Resend } from 'resend';
import { Telegraf, TelegramError } from 'telegraf';
import twilio from 'twilio';

import { credential, secret } from './provider_fake.mjs';
import { startProviders } from './providers_site.mjs';

const completion = (request) => {
  const { model } = JSON.parse(request.body);
  return {
    id: 'c-1', object: 'chat.completion', created: 1, model, usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: `from ${model}` } }],
  };
};

const answers = {
  algolia: () => ({ hits: [{ objectID: '1' }], nbHits: 1 }),
  cohere: (_, target) => target.startsWith('/v2/chat')
    ? { id: 'c', finish_reason: 'COMPLETE', message: { role: 'assistant', content: [{ type: 'text', text: 'hi' }] }, usage: { tokens: { input_tokens: 3, output_tokens: 1 } } }
    : { id: 'e', embeddings: [[1]], texts: ['x'] },
  expo: () => ({ data: [{ status: 'ok', id: 'ticket-1' }] }),
  gemini: () => ({ candidates: [{ content: { role: 'model', parts: [{ text: 'hi' }] }, finishReason: 'STOP' }], usageMetadata: { promptTokenCount: 2, candidatesTokenCount: 1, totalTokenCount: 3 } }),
  linear: () => ({ data: { viewer: { id: 'u-1', name: 'Somebody', email: 'a@example.com', __typename: 'User' } } }),
  mailgun: () => ({ id: '<m-1@example.com>', message: 'Queued.' }),
  mistral: completion,
  mixpanel: () => ({ raw: { body: '1', headers: { 'content-type': 'text/plain' } } }),
  notion: () => ({ object: 'user', id: 'u-1', type: 'bot', name: 'Bot' }),
  posthog: () => ({ status: 1 }),
  postmark: () => ({ To: 'a@example.com', SubmittedAt: '2026-11-27T00:00:00Z', MessageID: 'm-1', ErrorCode: 0, Message: 'OK' }),
  replicate: () => ({ id: 'p-1', status: 'starting', urls: {} }),
  resend: () => ({ id: 'e-1' }),
  segment: () => ({ success: true }),
  sendgrid: () => ({ raw: { status: 202, headers: { 'x-message-id': 'm-1' }, body: '' } }),
  slack: () => ({ ok: true, ts: '1.2', channel: 'C1' }),
  supabase: (_, target) => target.startsWith('/auth/v1') ? { id: 'u-1', email: 'a@example.com' } : [{ id: 1, name: 'a' }],
  telegram: () => ({ ok: true, result: { message_id: 7 } }),
  twilio: () => ({ sid: 'SM1', status: 'queued' }),
};
// All that speak OpenAI's language: where their paths begin, behind the route.
const likeOpenai = {
  cerebras: '/v1', deepinfra: '/v1/openai', deepseek: '', fireworks: '/v1', groq: '/openai/v1', 'hugging-face': '/v1',
  moonshot: '/v1', openrouter: '/v1', perplexity: '', together: '/v1', xai: '/v1',
};
for (const name of Object.keys(likeOpenai)) answers[name] = completion;

let site;
let fake;
let gateway;
let stranger;

before(async () => {
  site = await startProviders(answers, { hosts: { postmark: '127.0.0.2', algolia: '127.0.0.3' } });
  ({ fake, gateway, stranger } = site);
});

afterEach(() => site?.check());

after(() => site?.stop());

const route = (name) => site.route(name);

// ---- models ----

test('OpenAI\'s SDK speaks with all that are like it, and sees their errors as its own', async () => {
  for (const [name, base] of Object.entries(likeOpenai)) {
    const client = (key) => new OpenAI({ baseURL: `${route(name)}${base}`, apiKey: key, maxRetries: 0 });
    const { data, response } = await client(gateway.key).chat.completions
      .create({ model: `${name}-model`, messages: [{ role: 'user', content: 'x' }] }).withResponse();
    assert.equal(data.choices[0].message.content, `from ${name}-model`);
    assert.equal(response.headers.get('x-sallyport-usage'), 'input=3;output=2', name);
    await assert.rejects(client(stranger).chat.completions.create({ model: 'm', messages: [] }), (error) => {
      assert.ok(error instanceof OpenAI.PermissionDeniedError, name);
      assert.equal(error.headers.get('x-sallyport-error'), 'route_not_allowed');
      if (error.error) assert.match(error.message, /may not call this/, name); // it reads a member `error`, which not all have
      return true;
    });
  }
});

test('groq-sdk', async () => {
  const client = (key) => new Groq({ baseURL: route('groq'), apiKey: key, maxRetries: 0 });
  const answer = await client(gateway.key).chat.completions.create({ model: 'llama-3.1-8b-instant', messages: [{ role: 'user', content: 'x' }] });
  assert.equal(answer.usage.total_tokens, 5);
  await assert.rejects(client('wrong').models.list(), Groq.AuthenticationError);
});

test('@mistralai/mistralai', async () => {
  const client = (apiKey) => new Mistral({ serverURL: route('mistral'), apiKey });
  const answer = await client(gateway.key).chat.complete({ model: 'mistral-small-latest', messages: [{ role: 'user', content: 'x' }] });
  assert.equal(answer.choices[0].message.content, 'from mistral-small-latest');
  await assert.rejects(client('wrong').models.list(), (error) => error.statusCode === 401 && /tenant key/.test(error.body));
});

test('cohere-ai', async () => {
  const client = (token) => new CohereClient({ environment: route('cohere'), token });
  const answer = await client(gateway.key).v2.chat({ model: 'command-r', messages: [{ role: 'user', content: 'x' }] });
  assert.equal(answer.message.content[0].text, 'hi');
  await assert.rejects(client('wrong').v2.chat({ model: 'command-r', messages: [] }, { maxRetries: 0 }),
    (error) => error instanceof CohereError && error.statusCode === 401);
});

test('@google/generative-ai', async () => {
  const model = (key) => new GoogleGenerativeAI(key).getGenerativeModel({ model: 'gemini-2.5-flash' }, { baseUrl: route('gemini') });
  assert.equal((await model(gateway.key).generateContent('x')).response.text(), 'hi');
  await assert.rejects(model('wrong').generateContent('x'), (error) =>
    error instanceof GoogleGenerativeAIFetchError && error.status === 401 && /tenant key/.test(error.message));
});

test('replicate', async () => {
  const client = (auth) => new Replicate({ baseUrl: `${route('replicate')}/v1`, auth });
  assert.equal((await client(gateway.key).predictions.create({ version: 'v', input: {} })).id, 'p-1');
  await assert.rejects(client('wrong').predictions.create({ version: 'v', input: {} }), (error) => error.response.status === 401);
});

// ---- backends ----

test('@supabase/supabase-js: tables, files, functions, users; a session of an end user goes through', async () => {
  const client = (key, options) => createClient(route('supabase'), key, {
    auth: { persistSession: false, autoRefreshToken: false }, realtime: { transport: class {} }, ...options,
  });
  const { data, error } = await client(gateway.key).from('notes').select('id,name').eq('id', 1);
  assert.equal(error, null);
  assert.deepEqual(data, [{ id: 1, name: 'a' }]);
  assert.equal(fake.last('supabase').target, '/rest/v1/notes?select=id%2Cname&id=eq.1');
  assert.equal(fake.last('supabase').headers.authorization, `Bearer ${secret}`);
  assert.equal((await client(gateway.key).storage.from('files').list()).error, null);
  assert.equal((await client(gateway.key).functions.invoke('hello', { body: { a: 1 } })).error, null);
  assert.equal((await client(gateway.key).auth.admin.getUserById('00000000-0000-0000-0000-000000000001')).error, null);

  const session = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1LTEifQ.c2lnbmF0dXJl';
  await client(gateway.key, { accessToken: async () => session }).from('notes').select();
  assert.equal(fake.last('supabase').headers.authorization, `Bearer ${session}`);
  assert.equal(fake.last('supabase').headers.apikey, secret);

  const refused = await client('wrong').from('notes').select();
  assert.equal(refused.status, 401);
  assert.equal(refused.error.code, 'tenant_unknown');
  assert.match(refused.error.message, /tenant key/);
  const { error: authError } = await client('wrong').auth.admin.getUserById('00000000-0000-0000-0000-000000000001');
  assert.equal(authError.name, 'AuthApiError');
  assert.equal(authError.code, 'tenant_unknown');
  assert.match((await client('wrong').storage.from('files').list()).error.message, /tenant key/);
  assert.equal((await client('wrong').functions.invoke('hello')).error.context.status, 401);
});

test('algoliasearch, by a host of its route', async () => {
  const client = (key) => algoliasearch('APPID', key, { hosts: [{ url: `127.0.0.3:${gateway.port}`, accept: 'readWrite', protocol: 'https' }] });
  const search = (key) => client(key).searchSingleIndex({ indexName: 'things', searchParams: { query: 'x' } });
  assert.equal((await search(gateway.key)).nbHits, 1);
  assert.equal(fake.last('algolia').headers['x-algolia-application-id'], credential.user);
  await assert.rejects(search('wrong'), (error) => error.name === 'ApiError' && error.status === 401);
});

// ---- mail and messages ----

test('@sendgrid/mail', async () => {
  const mail = { to: 'a@example.com', from: 'b@example.com', subject: 'x', text: 'x' };
  const send = (key) => {
    sendgrid.setApiKey(key); // which sets the base URL, too
    sendgrid.client.setDefaultRequest('baseUrl', `${route('sendgrid')}/`);
    return sendgrid.send(mail);
  };
  assert.equal((await send(gateway.key))[0].statusCode, 202);
  await assert.rejects(send('SG.wrong'), (error) => error.code === 401 && /tenant key/.test(error.response.body.errors[0].message));
});

test('resend', async () => {
  const client = (key) => new Resend(key, { baseUrl: route('resend') });
  const mail = { to: 'a@example.com', from: 'b@example.com', subject: 'x', text: 'x' };
  assert.equal((await client(gateway.key).emails.send(mail)).data.id, 'e-1');
  assert.equal((await client('wrong').emails.send(mail)).error.name, 'missing_api_key');
});

test('postmark, by a host of its route', async () => {
  const client = (key) => new ServerClient(key, { requestHost: `127.0.0.2:${gateway.port}` });
  const mail = { To: 'a@example.com', From: 'b@example.com', Subject: 'x', TextBody: 'x' };
  assert.equal((await client(gateway.key).sendEmail(mail)).MessageID, 'm-1');
  await assert.rejects(client('wrong').sendEmail(mail), (error) =>
    error instanceof PostmarkErrors.InvalidAPIKeyError && error.statusCode === 401 && error.code === 10);
});

test('mailgun.js', async () => {
  const client = (key) => new Mailgun(FormData).client({ url: route('mailgun'), username: 'api', key });
  const mail = { to: 'a@example.com', from: 'b@example.com', subject: 'x', text: 'x' };
  assert.equal((await client(gateway.key).messages.create('example.com', mail)).id, '<m-1@example.com>');
  await assert.rejects(client('wrong').messages.create('example.com', mail), (error) => error.status === 401 && /tenant key/.test(error.details));
});

test('twilio, with a client that sends to the route', async () => {
  const client = (key) => {
    const inner = new twilio.RequestClient({ ca: site.pem });
    const httpClient = { request: (options) => inner.request({ ...options, uri: options.uri.replace('https://api.twilio.com', route('twilio')) }) };
    return twilio(`AC${'0'.repeat(32)}`, key, { httpClient });
  };
  const send = (key) => client(key).messages.create({ to: '+1', from: '+2', body: 'x' });
  assert.equal((await send(gateway.key)).sid, 'SM1');
  await assert.rejects(send('wrong'), (error) => error instanceof twilio.RestException && error.status === 401);
});

test('@slack/web-api', async () => {
  const client = (key) => new WebClient(key, { slackApiUrl: `${route('slack')}/`, retryConfig: { retries: 0 } });
  assert.equal((await client(gateway.key).chat.postMessage({ channel: 'C1', text: 'x' })).ts, '1.2');
  await assert.rejects(client('xoxb-wrong').chat.postMessage({ channel: 'C1', text: 'x' }), (error) =>
    error.code === ErrorCode.HTTPError && error.statusCode === 401);
});

test('telegraf, whose key is in the path', async () => {
  const client = (key) => new Telegraf(key, { telegram: { apiRoot: `${route('telegram')}/` } }).telegram;
  assert.equal((await client(gateway.key).sendMessage(1, 'x')).message_id, 7);
  await assert.rejects(client('123456:wrong').sendMessage(1, 'x'), (error) =>
    error instanceof TelegramError && error.code === 401 && /tenant key/.test(error.description));
});

test('expo-server-sdk', async () => {
  process.env.EXPO_BASE_URL = route('expo');
  const { Expo } = await import('expo-server-sdk');
  const send = (accessToken) => new Expo({ accessToken }).sendPushNotificationsAsync([{ to: 'ExponentPushToken[x]', body: 'x' }]);
  assert.equal((await send(gateway.key))[0].id, 'ticket-1');
  await assert.rejects(send('wrong'), (error) => error.code === 'UNAUTHORIZED');
});

// ---- analytics ----

test('@segment/analytics-node: the key that is in the body as well is replaced there', async () => {
  const analytics = new Analytics({ writeKey: gateway.key, host: `https://localhost:${gateway.port}`, path: '/segment/v1/batch', flushAt: 1, maxRetries: 0 });
  analytics.track({ userId: 'u', event: 'seen' });
  await analytics.closeAndFlush();
  const { writeKey, batch } = JSON.parse(fake.last('segment').body);
  assert.equal(writeKey, secret);
  assert.equal(batch[0].event, 'seen');
});

test('posthog-node: the tenant\'s key is in the URL, the provider\'s in the body', async () => {
  const client = new PostHog('phc_any', { host: `${route('posthog')}/${gateway.key}`, disableCompression: true, flushAt: 1, fetchRetryCount: 0 });
  client.capture({ distinctId: 'u', event: 'seen' });
  await client.shutdown();
  const { target, body } = fake.seen.find((request) => request.name === 'posthog' && request.target.startsWith('/batch'));
  assert.equal(target, '/batch/');
  assert.equal(JSON.parse(body).api_key, secret);
});

test('mixpanel: the tenant\'s key is in the path, the project\'s token stays the app\'s', async () => {
  const client = Mixpanel.init('project-token', { host: `localhost:${gateway.port}`, path: `/mixpanel/${gateway.key}`, protocol: 'https' });
  await new Promise((resolve, reject) => client.track('seen', { distinct_id: 'u' }, (error) => (error ? reject(error) : resolve())));
  const { target, body } = fake.last('mixpanel');
  const data = new URL(target, 'https://x').searchParams.get('data') ?? new URLSearchParams(body).get('data');
  const [event] = [JSON.parse(Buffer.from(data, 'base64').toString())].flat();
  assert.equal(event.properties.token, 'project-token');
});

// ---- work ----

test('@notionhq/client', async () => {
  const client = (auth) => new Notion({ baseUrl: route('notion'), auth, retry: false, logLevel: LogLevel.ERROR });
  assert.equal((await client(gateway.key).users.me({})).name, 'Bot');
  await assert.rejects(client('wrong').users.me({}), (error) =>
    isNotionClientError(error) && error.code === APIErrorCode.Unauthorized && /tenant key/.test(error.message));
});

test('@linear/sdk', async () => {
  const client = (apiKey) => new LinearClient({ apiUrl: `${route('linear')}/graphql`, apiKey });
  assert.equal((await client(gateway.key).viewer).id, 'u-1');
  await assert.rejects(async () => client('wrong').viewer, (error) => error instanceof AuthenticationLinearError);
});
