// What attempts that are lost cost: whatever way a request goes (again, elsewhere, nowhere), the quotas
// have charged what the log says, once.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { call, many } from '../support/call.mjs';
import { answer, faultyFor, hang, json, reset } from '../support/faulty.mjs';
import { binary, gatewayFor, sleep, until } from '../support/gateway.mjs';
import { cutProxyFor, redisFor } from '../support/redis.mjs';

const run = promisify(execFile);
const quick = { attempts: 3, base: '10ms', cap: '20ms', budget: '100%' };
const secrets = { first: 'sk-first-0123456789abcdef', other: 'sk-other-0123456789abcdef', second: 'sk-second-0123456789abcdef', third: 'sk-third-0123456789abcdef' };
const whole = [{ name: 'tokens', tokens: '10M', per: 'day' }, { name: 'cost', cost: '100 USD', per: 'month' }];
const usage = (prompt_tokens = 10, completion_tokens = 5) => ({ prompt_tokens, completion_tokens });
const completion = (used = usage(), headers = {}) => json(200, {
  object: 'chat.completion', choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }], usage: used,
}, headers);

const message = (more = {}) => JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 100, ...more });
const chat = (gateway, { more, path = '/first/v1/chat/completions', ...options } = {}) =>
  call(gateway, path, { body: message(more), ...options, headers: { 'Content-Type': 'application/json', ...options.headers } });

// "first", with its fallbacks: each has an upstream of its own, ups[name].
async function start(t, { quotas = whole, names = ['first', 'second'], store, timeout = '2s', routes = {}, ...more } = {}) {
  const ups = {};
  const all = {};
  for (const name of names) {
    ups[name] = await faultyFor(t, completion());
    all[name] = { provider: 'openai', credential: { secret: name }, upstream: ups[name].port, retry: quick, ...routes[name] };
  }
  all.first.fallback = names.slice(1);
  const redis = store === 'redis' ? await redisFor(t) : null;
  const proxy = redis && await cutProxyFor(t, redis.port);
  const gateway = await gatewayFor(t, {
    routes: all, secrets, tenants: { app: { allow: names, quotas } },
    extra: redis ? { store: { url: redis.urlAt(proxy.port), timeout } } : {}, ...more,
  });
  if (redis) await until('it reaches Redis', async () => (await gateway.metric('store_up')) === 1);
  return { gateway, ups, proxy };
}

const quotasOf = async (gateway) => {
  const { stdout } = await run(binary, ['quotas', '--json', '-c', gateway.file]);
  return Object.fromEntries(JSON.parse(stdout).quotas.map((quota) => [quota.quota, quota]));
};

// All is settled, and the log's sums are what quotas over all routes have charged.
async function balanced(gateway, requests) {
  await until('all is logged', () => gateway.accessLog().length === requests);
  const quotas = await until('all is settled', async () => {
    const all = await quotasOf(gateway);
    return Object.values(all).every((quota) => quota.open === 0) && all;
  });
  const lines = gateway.accessLog();
  const sum = (of) => lines.reduce((total, line) => total + (of(line) ?? 0), 0);
  if (quotas.tokens) assert.equal(quotas.tokens.used, sum((line) => (line.input_tokens ?? 0) + (line.output_tokens ?? 0)), 'tokens');
  if (quotas.cost) assert.equal(quotas.cost.used, sum((line) => line.cost_nanousd), 'cost');
  const { stdout } = await run(binary, ['quotas', 'audit', '-c', gateway.file]);
  assert.match(stdout, / 0 differ\n$/);
  return Object.fromEntries(Object.entries(quotas).map(([name, quota]) => [name, quota.used]));
}

for (const store of ['memory', 'redis']) {
  test(`${store}: each lost attempt is charged, and the last one by what it says`, async (t) => {
    const { gateway, ups } = await start(t, { store });
    ups.first.play([reset(), reset(), completion()]);
    const got = await chat(gateway);
    assert.equal(got.status, 200);
    assert.equal(ups.first.whole.length, 3);
    const { tokens } = await balanced(gateway, 1);
    const [line] = gateway.accessLog();
    assert.ok(tokens >= 2 * 100 + 15, `${tokens}: two attempts in full, and one`);
    assert.equal(line.output_tokens, 205);
  });

  test(`${store}: an answer above its reservation is charged in full behind a lost attempt, too`, async (t) => {
    const { gateway, ups } = await start(t, { store });
    ups.first.play([reset(), completion(usage(10, 5000))]);
    assert.equal((await chat(gateway)).status, 200);
    await balanced(gateway, 1);
    assert.equal(gateway.accessLog()[0].output_tokens, 5100);
  });

  test(`${store}: a client that leaves in a second attempt pays for it`, async (t) => {
    const { gateway, ups } = await start(t, { store, names: ['first'] });
    ups.first.play([answer(503), hang()]);
    const gone = new AbortController();
    const asked = chat(gateway, { signal: gone.signal });
    await until('the second attempt is there', () => ups.first.whole.length === 2);
    gone.abort();
    await asked;
    const { tokens, cost } = await balanced(gateway, 1);
    assert.ok(tokens >= 100 && cost > 0, `${tokens}`);
  });

  test(`${store}: so does one whose deadline passes in it`, async (t) => {
    const { gateway, ups } = await start(t, { store, names: ['first'], routes: { first: { timeouts: { total: '1s' } } } });
    ups.first.play([answer(503), hang()]);
    assert.equal((await chat(gateway)).status, 504);
    const { tokens } = await balanced(gateway, 1);
    assert.ok(tokens >= 100, `${tokens}`);
  });

  test(`${store}: on another route its own quotas are taken, and settled by its answer`, async (t) => {
    const quotas = [...whole, { name: 'of-first', tokens: '1M', per: 'day', route: 'first' }, { name: 'of-second', tokens: '1M', per: 'day', route: 'second' },
      { name: 'few', requests: 2, per: 'day', route: 'second' }];
    const { gateway, ups } = await start(t, { store, quotas });
    ups.first.play(answer(503));
    assert.equal((await chat(gateway)).status, 200);
    assert.deepEqual(await balanced(gateway, 1), { tokens: 15, cost: 10 * 150 + 5 * 600, 'of-first': 0, 'of-second': 15, few: 1 });
    ups.first.play(reset());
    assert.equal((await chat(gateway)).headers['x-sallyport-route'], 'second');
    const used = await balanced(gateway, 2);
    assert.equal(used['of-second'], 30);
    assert.ok(used['of-first'] >= 300, `${used['of-first']}: three attempts that may have been executed`);
    assert.equal(used.tokens, used['of-first'] + used['of-second']);
    const lost = await chat(gateway);
    assert.equal(lost.status, 502, 'no third one there: what the first route said is answered');
    assert.equal(ups.second.whole.length, 2);
    const last = await balanced(gateway, 3);
    assert.equal(last.few, 2);
    assert.equal(last['of-second'], 30);
    assert.ok(last['of-first'] >= 600);
  });

  test(`${store}: what was lost is charged and logged where the next route has no quota`, async (t) => {
    const quotas = [{ name: 'of-first', cost: '10 USD', per: 'day', route: 'first' }];
    const { gateway, ups } = await start(t, { store, quotas });
    ups.first.play(reset());
    assert.equal((await chat(gateway)).status, 200);
    const { 'of-first': used } = await balanced(gateway, 1);
    assert.ok(used > 0);
    assert.equal(gateway.accessLog()[0].cost_nanousd, used + 10 * 150 + 5 * 600, 'and what that route used');
  });

  test(`${store}: a route that is gone to but never asked charges nothing`, async (t) => {
    const { gateway, ups } = await start(t, { store, routes: { second: { credential: { secret: 'nowhere' } } }, secrets: { first: secrets.first } });
    ups.first.play(reset());
    const lost = await chat(gateway);
    assert.ok(lost.status >= 500);
    const { tokens } = await balanced(gateway, 1);
    assert.equal(gateway.accessLog()[0].output_tokens, 300);
    assert.ok(tokens < 400, `${tokens}`);
  });

  test(`${store}: whatever becomes of them, hundreds of requests add up`, async (t) => {
    const { gateway, ups } = await start(t, { store, names: ['first', 'second', 'third'], quotas: [...whole, { name: 'at-once', concurrency: 40 }] });
    const ends = [() => reset(), () => reset(), () => answer(503), () => answer(429, { 'Retry-After': '0' }), () => completion(), () => completion(),
      () => completion(usage(20, 700)), () => hang(), () => completion({})];
    for (const up of Object.values(ups)) up.play(() => ends[Math.floor(Math.random() * ends.length)]());
    const count = 400;
    let next = 0;
    await many(12, async () => {
      while (next < count) {
        next++;
        const gone = new AbortController();
        const timer = setTimeout(() => gone.abort(), 20 + Math.random() * 300);
        await chat(gateway, { signal: gone.signal, more: Math.random() < 0.3 ? { stream: true } : {} });
        clearTimeout(timer);
      }
    });
    await until('none is left', async () => (await gateway.metric('exchanges')) === 0);
    const ended = await gateway.metric('requests_total');
    assert.ok(ended > count / 2, `${ended}`);
    await until('all is logged', () => gateway.accessLog().length === ended);
    await balanced(gateway, gateway.accessLog().length);
  });
}

// ---- while the store does not answer ----

// `where` the request is when the store stands still: it asks again behind a lost attempt, or on the
// next route.
const standstills = {
  'asking again': (proxy) => [() => { proxy.freeze(); return reset(); }, () => completion()],
  'asking on the next route': (proxy) => [() => answer(503), () => answer(503), () => { proxy.freeze(); return answer(503); }],
};

for (const [where, script] of Object.entries(standstills)) {
  const hold = async (t, more) => {
    const all = await start(t, { store: 'redis', quotas: [...whole, { name: 'of-second', tokens: '1M', per: 'day', route: 'second' }], ...more });
    const ends = script(all.proxy);
    all.ups.first.play(() => (ends.length > 1 ? ends.shift() : ends[0])());
    const gone = new AbortController();
    const asked = chat(all.gateway, { signal: gone.signal });
    await until('the store stands still', () => all.proxy.frozen);
    await sleep(200);
    return { ...all, asked, gone };
  };

  test(`${where}, the client leaves: what was lost is charged, what was asked for is called off`, async (t) => {
    const { gateway, ups, proxy, asked, gone } = await hold(t);
    gone.abort();
    await asked;
    await until('it has ended', async () => (await gateway.metric('exchanges')) === 0);
    proxy.thaw();
    await until('the store knows', async () => (await gateway.metric('store_pending')) === 0);
    const used = await balanced(gateway, 1);
    assert.equal(used['of-second'], 0);
    assert.ok(where === 'asking again' ? used.tokens > 100 : used.tokens === 0, JSON.stringify(used));
    assert.equal(ups.second.requests.length, 0);
  });

  test(`${where}, the store is too late: the request goes on, and in the end all adds up`, async (t) => {
    const { gateway, proxy, asked } = await hold(t, { timeout: '300ms' });
    assert.equal((await asked).status, where === 'asking again' ? 200 : 503);
    proxy.thaw();
    await until('it reaches Redis', async () => (await gateway.metric('store_up')) === 1 && (await gateway.metric('store_pending')) === 0);
    await balanced(gateway, 1);
  });

  test(`${where}, the gateway is stopped`, async (t) => {
    const { gateway, asked } = await hold(t, { timeout: '10s', gateway: { timeouts: { drain: '300ms' } } });
    gateway.signal('SIGTERM');
    const { code } = await gateway.exited;
    assert.equal(code, 0, gateway.stderr);
    await asked;
  });
}
