// Sentry's own SDK, unmodified, through the gateway over TLS. The pretend ingest behind it reads each
// envelope as Sentry's Relay does: by the key of the query, with which what the envelope says has to agree.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import zlib from 'node:zlib';

import * as Sentry from '@sentry/node';

import { Gateway } from '../support/gateway.mjs';
import { OverTls } from './over_tls.mjs';
import { ProviderFake } from './provider_fake.mjs';

const publicKey = '0123456789abcdef0123456789abcdef';
const project = '4242';
let secured;
let fake;
let gateway;
let limits = {};

// {header, items} of an envelope that its project's key vouches for.
function readEnvelope(request, target) {
  const { pathname, searchParams } = new URL(target, 'https://sentry');
  assert.equal(pathname, `/api/${project}/envelope/`);
  const key = searchParams.get('sentry_key');
  const [header, ...lines] = Buffer.from(request.body, 'latin1').toString().split('\n').filter(Boolean).map((line) => JSON.parse(line));
  assert.equal(header.trace?.public_key ?? key, key, 'the trace is the project\'s');
  if (header.dsn) {
    const dsn = new URL(header.dsn);
    assert.equal(dsn.username, key);
    assert.equal(dsn.pathname.split('/').at(-1), project);
  }
  assert.equal(request.headers['x-sentry-auth'], undefined, 'the key is said once');
  const items = [];
  for (let at = 0; at < lines.length; at += 2) items.push({ ...lines[at], payload: lines[at + 1] });
  return { header, items };
}

before(async () => {
  secured = new OverTls().trust();
  fake = await ProviderFake.start(secured.served, {
    sentry: (request, target) => {
      try {
        fake.envelopes.push(readEnvelope(request, target));
      } catch (error) {
        fake.wrong.push(error.message);
      }
      return { raw: { headers: limits, status: limits['retry-after'] ? 429 : 200, body: { id: '1' } } };
    },
  }, { secrets: { sentry: publicKey } });
  gateway = await Gateway.start({
    routes: { sentry: { base_url: `https://localhost:${fake.port}/sentry`, credential: { secret: 'dsn-key' }, ...secured.upstream } },
    secrets: { 'dsn-key': publicKey },
    tenants: {
      app: { allow: ['sentry'] }, stranger: { allow: [] },
      limited: { allow: ['sentry'], quotas: [{ requests: 1, per: '1h' }] },
    },
    gateway: secured.gateway,
  });
  fake.keys.push(...Object.values(gateway.keys));
});

afterEach(async () => {
  await Sentry.close(2000);
  limits = {};
  fake.check();
});

after(async () => {
  await gateway?.stop();
  await fake?.stop();
  secured?.remove();
});

const host = () => `localhost:${gateway.port}`;
const dsnWith = (key) => `https://${publicKey}@${host()}/sentry/${key}/${project}`;

// The SDK as an app starts it, without what would watch this process; what each event was answered is kept.
function start(options) {
  const answers = [];
  fake.envelopes = [];
  const client = Sentry.init({ tracesSampleRate: 1, defaultIntegrations: false, registerEsmLoaderHooks: false, ...options });
  client.on('afterSendEvent', (event, answer) => answers.push(answer));
  return { answers, client };
}

async function capture(text, more = {}) {
  Sentry.captureException(new Error(text), more);
  assert.ok(await Sentry.flush(5000));
}

const errors = () => fake.envelopes.flatMap(({ items }) => items).filter(({ type }) => type === 'event').map(({ payload }) => payload.exception.values[0].value);

test('the tenant\'s key in the path of the DSN: errors, traces and large events arrive, and the key nowhere', async () => {
  const { answers } = start({ dsn: dsnWith(gateway.key) });
  await capture('a small one');
  await capture('a large one', { extra: { text: 'x'.repeat(100_000) } });
  assert.equal(fake.last('sentry').headers['content-encoding'], 'gzip');
  await Sentry.startSpan({ name: 'work' }, async () => {});
  assert.ok(await Sentry.flush(5000));
  assert.deepEqual(errors(), ['a small one', 'a large one']);
  assert.ok(fake.envelopes.some(({ items }) => items.some(({ type }) => type === 'transaction' || type === 'span')));
  assert.ok(fake.envelopes.every(({ header }) => !header.trace || header.trace.public_key === publicKey));
  assert.deepEqual(answers.map(({ statusCode }) => statusCode), [200, 200]);
});

for (const [what, options] of [
  ['in a header', () => ({ dsn: `https://${publicKey}@${host()}/sentry/${project}`, transportOptions: { headers: { 'X-Sallyport-Key': gateway.key } } })],
  ['in the URL of a tunnel, whose envelopes say the DSN', () => ({ dsn: `https://${publicKey}@o1.ingest.sentry.io/${project}`, tunnel: `https://${host()}/sentry/${gateway.key}/api/${project}/envelope/` })],
]) {
  test(`the tenant's key ${what}`, async () => {
    start(options());
    await capture('seen');
    assert.deepEqual(errors(), ['seen']);
  });
}

test('SDKs of other languages say the DSN\'s key in X-Sentry-Auth, and compress', async () => {
  fake.envelopes = [];
  const event = '{"exception":{"values":[{"type":"E","value":"from elsewhere"}]}}';
  const envelope = `{"event_id":"0","trace":{"public_key":"${publicKey}"}}\n{"type":"event"}\n${event}\n`;
  for (const from of ['python', 'java']) {
    const answer = await fetch(`https://${host()}/sentry/${gateway.key}/api/${project}/envelope/`, {
      method: 'POST', body: zlib.gzipSync(envelope), headers: {
        'content-type': 'application/x-sentry-envelope', 'content-encoding': 'gzip',
        'x-sentry-auth': `Sentry sentry_version=7, sentry_key=${publicKey}, sentry_client=sentry.${from}/1`,
      },
    });
    assert.equal(answer.status, 200, await answer.text());
  }
  assert.deepEqual(errors(), ['from elsewhere', 'from elsewhere']);
});

test('a limit of Sentry\'s reaches the SDK, which sends no more of that kind until it is over', async () => {
  limits = { 'retry-after': '60', 'x-sentry-rate-limits': '60:error:organization' };
  const { answers } = start({ dsn: dsnWith(gateway.key) });
  await capture('one too many');
  assert.deepEqual(answers, [{ statusCode: 429, headers: limits }]);
  limits = {};
  const dropped = [];
  Sentry.getClient().on('afterSendEvent', (event, answer) => dropped.push(answer));
  await capture('not sent');
  assert.deepEqual(errors(), ['one too many']);
  await Sentry.close(2000);
  const { discarded_events: discarded } = fake.envelopes.flatMap(({ items }) => items).find(({ type }) => type === 'client_report').payload;
  assert.deepEqual(discarded, [{ reason: 'ratelimit_backoff', category: 'error', quantity: 1 }]);
});

test('a quota of the gateway\'s is one to the SDK, and a key that may not call is refused', async () => {
  const limited = start({ dsn: dsnWith(gateway.keys.limited) });
  await capture('the first');
  await capture('too many');
  await capture('not sent');
  assert.deepEqual(errors(), ['the first']);
  assert.deepEqual(limited.answers.slice(0, 2).map(({ statusCode }) => statusCode), [200, 429]);
  assert.ok(Number(limited.answers[1].headers['retry-after']) > 0);
  assert.notEqual(limited.answers[2]?.statusCode, 200);
  await Sentry.close(2000);
  for (const key of [gateway.keys.stranger, 'wrong']) {
    const { answers } = start({ dsn: dsnWith(key) });
    await capture('not allowed');
    assert.ok([401, 403].includes(answers[0].statusCode), JSON.stringify(answers));
    assert.deepEqual(errors(), []);
    await Sentry.close(2000);
  }
});
