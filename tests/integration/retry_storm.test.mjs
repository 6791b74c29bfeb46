// Thousands of requests to upstreams that fail in every way, from clients that leave at any moment, over
// pools, fallbacks, hedges, keys and reloads. In the end nothing is held that was taken: no place in
// flight, no probe, no byte, no reservation; and nothing was sent twice that must not be.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { breakers, call, many, tally } from '../support/call.mjs';
import { answer, close, cutBody, cutHead, faultyFor, garbage, hang, json, reset } from '../support/faulty.mjs';
import { gatewayFor, sallyport, until } from '../support/gateway.mjs';

const requests = Number(process.env.STORM_REQUESTS ?? 2500);
const pick = (list) => list[Math.floor(Math.random() * list.length)];
const keyOf = (name) => `sk-${name}-0123456789abcdefghij`;
const names = ['a1', 'a2', 'b1', 'c1', 'x1', 'x2'];
const secrets = Object.fromEntries(names.map((name) => [name, keyOf(name)]));
const pool = [{ secret: 'a1', account: 'a' }, { secret: 'a2', account: 'a' }, { secret: 'b1', account: 'b' }];
const retry = { attempts: 3, base: '2ms', cap: '10ms', budget: '100%', buffer: '64KiB' };
const breaker = { window: '2s', min_requests: 10, failure_rate: '20%', consecutive: 5, open: '20ms', max_open: '40ms', probes: 1 };
const timeouts = { connect: '1s', first_byte: '300ms', idle: '300ms', total: '2s' };
const completion = { object: 'chat.completion', choices: [], usage: { prompt_tokens: 10, completion_tokens: 5 } };

// `safe`: it says that nothing was executed.
const ends = [
  ...Array(12).fill([() => json(200, completion)]), [() => json(200, completion, {}, { delay: 60 })],
  [() => reset()], [() => reset('after head')], [() => reset('body')], [() => close()], [() => hang()], [() => cutHead()], [() => cutBody()], [() => garbage()],
  [() => answer(500)], [() => answer(503, { 'Retry-After': '0' })], [() => answer(408)], [() => answer(404)],
  [() => answer(429, { 'Retry-After': '0' }), true], [() => answer(429, { 'Retry-After': '1' }), true],
  [() => json(401, { error: { code: 'invalid_api_key', type: 'invalid_request_error', message: 'Incorrect API key provided' } }), true],
];

async function upstreamFor(t) {
  const upstream = await faultyFor(t);
  upstream.seen = [];
  upstream.misbehave = () => upstream.play((request) => {
    const [make, safe = false] = pick(ends);
    upstream.seen.push({ mark: request.headers['x-mark'], key: request.headers['idempotency-key'], from: request.headers.authorization, safe, method: request.method, path: request.path });
    return make();
  });
  upstream.misbehave();
  return upstream;
}

function byMark(seen) {
  const lists = new Map();
  for (const one of seen) lists.set(one.mark, [...(lists.get(one.mark) ?? []), one]);
  return lists.values();
}

let marks = 0;
function oneOf() {
  const mark = String(++marks);
  const headers = { 'X-Mark': mark };
  if (Math.random() < 0.1) headers['X-Request-Timeout'] = '200ms';
  const big = Math.random() < 0.15;
  const kind = pick(['chat', 'chat', 'post', 'get', 'put', 'pay', 'pay']);
  if (kind === 'chat') {
    const body = JSON.stringify({ model: pick(['small', 'gpt-4o-mini']), messages: [{ role: 'user', content: 'x'.repeat(big ? 100000 : 20) }], max_tokens: 50, stream: Math.random() < 0.3 });
    return { kind, path: '/ai/v1/chat/completions', options: { body, headers: { ...headers, 'Content-Type': 'application/json' } } };
  }
  if (kind === 'pay') {
    const body = `amount=${pick([1, 1, 1, 2])}`;
    const key = Math.random() < 0.5 ? { 'Idempotency-Key': `k${Math.floor(Math.random() * 20)}` } : {};
    return { kind, path: '/pay/v1/charges', options: { body, headers: { ...headers, ...key } } };
  }
  const path = pick(['/api/x', '/ai/v1/files']);
  if (kind === 'get') return { kind, path, options: { headers } };
  const chunks = Array.from({ length: big ? 40 : 2 }, () => 'y'.repeat(4000));
  return { kind, path, options: { method: kind === 'put' ? 'PUT' : 'POST', headers, ...(Math.random() < 0.5 ? { chunks } : { body: chunks.join('') }) } };
}

test('nothing that was taken is kept, and nothing harmful was sent twice', { timeout: 300000 }, async (t) => {
  const ups = { ai: await upstreamFor(t), ai2: await upstreamFor(t), ai3: await upstreamFor(t), api: await upstreamFor(t), api2: await upstreamFor(t), pay: await upstreamFor(t) };
  const route = (name, more) => ({ upstream: ups[name].port, retry, breaker, timeouts, ...more });
  const gateway = await gatewayFor(t, {
    routes: {
      ai: route('ai', { provider: 'openai', credential: pool, models: { small: 'gpt-4o-mini' }, fallback: ['ai2', 'ai3'], max_in_flight: 20, hedge: { after: '20ms' } }),
      ai2: route('ai2', { provider: 'openai', credential: { secret: 'c1' }, max_in_flight: 3 }),
      ai3: route('ai3', { provider: 'openai', credential: [{ secret: 'x1', account: 'x' }, { secret: 'x2', account: 'y' }], models: { small: 'other' } }),
      api: route('api', { provider: 'http', credential: 'none', fallback: ['api2'], hedge: { after: '10ms' } }),
      api2: route('api2', { provider: 'http', credential: 'none' }),
      pay: route('pay', { provider: 'stripe', credential: pool }),
    },
    secrets,
    tenants: {
      app: {
        allow: ['ai', 'ai2', 'ai3', 'api', 'api2', 'pay'], max_in_flight: 30,
        quotas: [
          { name: 'tokens', tokens: '100M', per: 'day' }, { name: 'cost', cost: '1000 USD', per: 'month', route: 'ai' },
          { name: 'rate-of-second', tokens: 3000, per: '1m', route: 'ai2' }, { name: 'bytes', bytes: '10GiB', per: 'day' },
          { name: 'at-once', concurrency: 30, wait: '100ms' }, { name: 'count', requests: '1M', per: 'day' },
        ],
      },
    },
  });
  const statuses = [];
  let next = 0;
  const reloads = setInterval(() => gateway.signal('SIGHUP'), 700);
  await many(32, async () => {
    while (next++ < requests) {
      const { path, options } = oneOf();
      const gone = new AbortController();
      const timer = Math.random() < 0.4 ? setTimeout(() => gone.abort(), Math.random() ** 2 * 400) : undefined;
      statuses.push((await call(gateway, path, { ...options, signal: gone.signal })).status);
      clearTimeout(timer);
    }
  });
  clearInterval(reloads);
  t.diagnostic(JSON.stringify(tally(statuses)));

  await until('no exchange is left', async () => (await gateway.metric('exchanges')) === 0);
  for (const name of ['buffered_bytes', 'route_in_flight', 'tenant_in_flight', 'quota_waiting']) await gateway.metricIs(0, name);
  const quotas = await until('all is settled', () => {
    const all = JSON.parse(sallyport(['quotas', '--json', '-c', gateway.file])).quotas;
    return all.every((quota) => quota.open === 0) && all;
  });
  assert.equal(quotas.find((quota) => quota.quota === 'at-once').used, 0);
  assert.match(sallyport(['quotas', 'audit', '-c', gateway.file]), / 0 differ\n$/);

  // What may have been executed came once; under a key, always from one account.
  for (const [name, upstream] of Object.entries(ups)) {
    for (const list of byMark(upstream.seen)) {
      const executed = list.filter((one) => !one.safe);
      if (name !== 'pay' && list[0].method === 'POST' && !list[0].path.includes('completions')) assert.ok(executed.length <= 1, `${name} ${JSON.stringify(list)}`);
      if (name === 'pay') {
        assert.equal(new Set(list.map((one) => one.key)).size, 1);
        assert.ok(new Set(list.map((one) => one.from.replace(/sk-(.).-/, '$1'))).size === 1, JSON.stringify(list));
      }
    }
  }
  for (const [one, two] of [['api', 'api2'], ['ai', 'ai2'], ['ai', 'ai3'], ['ai2', 'ai3']]) {
    const before = new Set(ups[one].seen.filter((it) => !it.safe && it.method === 'POST' && !it.path.includes('completions')).map((it) => it.mark));
    for (const it of ups[two].seen) assert.ok(!before.has(it.mark), `${it.mark} was executed at ${one}, and went to ${two}`);
  }

  // All recovers: were a probe held, its circuit would let nothing through.
  for (const upstream of Object.values(ups)) upstream.play(json(200, completion));
  for (const name of Object.keys(ups)) {
    await until(`the circuit of ${name} closes`, async () => {
      const path = { pay: '/pay/v1/balance', api: '/api/x', api2: '/api2/x' }[name] ?? `/${name}/v1/models`;
      await many(4, () => call(gateway, path));
      const { state, in_flight: flying, credentials } = breakers(gateway).find((one) => one.route === name);
      return state === 'closed' && flying === 0 && credentials.every((one) => !/open/.test(one.state));
    }, { timeout: 20000, every: 100 }).catch((error) => assert.fail(`${error.message}: ${JSON.stringify(breakers(gateway).find((one) => one.route === name))}`));
  }
});
