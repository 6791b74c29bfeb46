// Traces and metrics go to a collector, and whatever that does, requests are served as ever.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import { call, many, series } from '../support/call.mjs';
import { authorityFor } from '../support/certificates.mjs';
import { collectorFor, taken } from '../support/collector.mjs';
import { answer, cutBody, faultyFor, garbage, hang, json, reset } from '../support/faulty.mjs';
import { binary, freePort, gatewayFor, isSanitized, until } from '../support/gateway.mjs';

const chat = json(200, { id: 'x', model: 'gpt-4o-mini-2024-07-18', choices: [], usage: { prompt_tokens: 12, completion_tokens: 34, total_tokens: 46 } });

// A gateway before an upstream and a collector.
async function start(t, { script = answer(), otlp = {}, collector, routes, extra = {}, ...options } = {}) {
  const upstream = await faultyFor(t, script);
  collector ??= await collectorFor(t);
  const gateway = await gatewayFor(t, {
    routes: routes ? routes(upstream) : { api: { provider: 'openai', upstream: upstream.port, credential: 'none', retry: 'off', breaker: 'off' } },
    extra: { otlp: { url: collector.url, every: '1h', ...otlp }, ...extra },
    ...options,
  });
  return { gateway, upstream, collector };
}

// Ends the gateway, in time, with all that is to be sent; returns the spans.
async function end({ gateway, collector }, most = 2500) {
  const began = performance.now();
  await gateway.stop();
  assert.ok(performance.now() - began < most, `it took ${performance.now() - began} ms`);
  return collector.spans();
}

const traceparent = (trace, span, flags = '01') => `00-${trace}-${span}-${flags}`;
const trace = '0af7651916cd43dd8448eb211c80319c';
const span = 'b7ad6b7169203331';

test('a request and its call upstream are two spans, with what was used', async (t) => {
  const world = await start(t, {
    script: chat, otlp: { service: 'gw eu' }, tenants: { app: { allow: ['api'], quotas: [{ name: 'tokens', tokens: '1M', per: 'day' }] } },
  });
  const { gateway, upstream } = world;
  const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [], max_tokens: 99 });
  const result = await call(gateway, '/api/v1/chat/completions?key=hidden', { body, headers: { traceparent: traceparent(trace, span), tracestate: 'a=1,b=2' } });
  assert.equal(result.status, 200);
  const line = await gateway.logLine(result.id);
  const [server, client, ...more] = await end(world);
  assert.deepEqual(more, []);
  assert.equal(line.trace_id, trace);
  assert.equal(line.span_id, server.spanId);
  assert.deepEqual([server.traceId, server.parentSpanId, server.traceState, server.kind, server.name, server.service], [trace, span, 'a=1,b=2', 2, 'POST api', 'gw eu']);
  assert.deepEqual(server.attributes, {
    'http.request.method': 'POST', 'http.response.status_code': 200, 'url.path': '/api/v1/chat/completions', 'sallyport.tenant': 'app', 'sallyport.route': 'api',
  });
  assert.deepEqual([client.traceId, client.parentSpanId, client.traceState, client.kind, client.name], [trace, server.spanId, 'a=1,b=2', 3, 'chat gpt-4o-mini']);
  const { 'sallyport.cost_usd': cost, ...facts } = client.attributes;
  assert.deepEqual(facts, {
    'http.request.method': 'POST', 'http.response.status_code': 200, 'server.address': '127.0.0.1', 'server.port': upstream.port, 'sallyport.attempts': 1,
    'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'openai', 'gen_ai.request.model': 'gpt-4o-mini',
    'gen_ai.usage.input_tokens': 12, 'gen_ai.usage.output_tokens': 34,
  });
  assert.match(cost, /^0\.0000\d{5}$/);
  assert.equal(Math.round(Number(cost) * 1e9), line.cost_nanousd);
  assert.ok(BigInt(client.startTimeUnixNano) >= BigInt(server.startTimeUnixNano));
  assert.equal(upstream.requests[0].headers.traceparent, undefined, 'it goes upstream only where the route says so');
  assert.equal(upstream.requests[0].headers.tracestate, undefined);
});

test('a trace that nobody began begins here, under the id of the request', async (t) => {
  const world = await start(t);
  const result = await call(world.gateway, '/api/x', { headers: { tracestate: 'a=1' } });
  const line = await world.gateway.logLine(result.id);
  const [server, client] = await end(world);
  assert.deepEqual([server.traceId, server.spanId], [result.id, line.span_id]);
  assert.equal(line.trace_id, result.id);
  assert.equal('parentSpanId' in server || 'traceState' in server, false);
  assert.equal(client.name, 'GET');
  assert.equal(client.attributes['gen_ai.operation.name'], undefined);
});

test('what goes upstream, where the route passes it, names our span as its parent', async (t) => {
  const world = await start(t, {
    routes: (upstream) => ({
      both: { provider: 'http', credential: 'none', upstream: upstream.port, headers: { pass: ['Traceparent', 'tracestate'] } },
      parent: { provider: 'http', credential: 'none', upstream: upstream.port, headers: { pass: ['traceparent'] } },
      none: { provider: 'http', credential: 'none', upstream: upstream.port },
      own: { provider: 'http', credential: 'none', upstream: upstream.port, headers: { set: { traceparent: 'mine' }, pass: ['tracestate'] } },
    }),
    otlp: { sample: '0%' },
  });
  const { gateway, upstream } = world;
  const lines = [];
  const sent = { traceparent: traceparent(trace, span), tracestate: 'a=1' };
  for (const [route, headers] of [['both', sent], ['parent', sent], ['none', sent], ['own', sent],
    ['both', {}], ['both', { tracestate: 'a=1' }], ['both', { ...sent, traceparent: traceparent(trace, span, '00') }],
    ['both', { ...sent, traceparent: '00-xyz' }], ['both', { ...sent, traceparent: [sent.traceparent, sent.traceparent] }]]) {
    lines.push(await gateway.logLine((await call(gateway, `/${route}/x`, { headers })).id));
  }
  const spans = await end(world);
  const got = upstream.requests.map(({ headers }) => [headers.traceparent, headers.tracestate]);
  const callOf = (line) => spans.find((one) => one.kind === 3 && one.parentSpanId === line.span_id)?.spanId;
  assert.equal(spans.length, 8, 'the caller that says so is recorded, others are not');
  assert.deepEqual(got[0], [traceparent(trace, callOf(lines[0])), 'a=1']);
  assert.deepEqual(got[1], [traceparent(trace, callOf(lines[1])), undefined]);
  assert.deepEqual(got[2], [undefined, undefined]);
  assert.deepEqual(got[3], ['mine', undefined]);
  for (const i of [4, 5, 7, 8]) assert.deepEqual(got[i], [traceparent(lines[i].id, lines[i].span_id, '00'), undefined], `request ${i} begins a trace`);
  assert.deepEqual(got[6], [traceparent(trace, lines[6].span_id, '00'), 'a=1']);
  assert.equal(new Set(lines.map((line) => line.span_id)).size, 9);
});

test('without a collector a trace goes on all the same, and nothing is exported', async (t) => {
  const upstream = await faultyFor(t);
  const gateway = await gatewayFor(t, { routes: { api: { provider: 'http', credential: 'none', upstream: upstream.port, headers: { pass: ['traceparent'] } } } });
  const result = await call(gateway, '/api/x', { headers: { traceparent: traceparent(trace, span) } });
  const line = await gateway.logLine(result.id);
  assert.equal(upstream.requests[0].headers.traceparent, traceparent(trace, line.span_id));
  assert.ok(!fs.readdirSync(`/proc/${gateway.pid}/task`).some((id) => fs.readFileSync(`/proc/${gateway.pid}/task/${id}/comm`, 'utf8') === 'otlp\n'), 'no thread');
});

test('of traces that begin here a share is exported, of others those that their caller records', async (t) => {
  const world = await start(t, { otlp: { sample: '30%' } });
  await many(200, (i) => call(world.gateway, '/api/x', { headers: i < 100 ? {} : { traceparent: traceparent(crypto.randomBytes(16).toString('hex'), span, i < 150 ? '01' : '00') } }));
  const spans = await end(world);
  const continued = spans.filter((one) => one.parentSpanId === span).length;
  const begun = spans.filter((one) => one.kind === 2).length - continued;
  assert.equal(continued, 50);
  assert.ok(begun > 8 && begun < 55, `${begun} of 100`);
});

test('errors say who made them', async (t) => {
  const script = (request) => (request.path.endsWith('/bad') ? answer(500) : request.path.endsWith('/cut') ? cutBody() : request.path.endsWith('/reset') ? reset() : answer(404));
  const world = await start(t, { script });
  for (const name of ['missing', 'bad', 'cut', 'reset']) await call(world.gateway, `/api/${name}`);
  await call(world.gateway, '/nowhere/x');
  await call(world.gateway, '/api/x', { key: 'sp_wrong' });
  const spans = await end(world);
  const told = (name) => spans.filter((one) => one.attributes['url.path'] === name || spans.some((other) => other.attributes['url.path'] === name && other.spanId === one.parentSpanId))
    .sort((a, b) => a.kind - b.kind).map(({ attributes, status }) => [attributes['http.response.status_code'], attributes['error.type'], attributes['sallyport.ended_by'], status?.code]);
  assert.deepEqual(told('/api/missing'), [[404, undefined, undefined, undefined], [404, '404', undefined, 2]]);
  assert.deepEqual(told('/api/bad'), [[500, '500', undefined, 2], [500, '500', undefined, 2]]);
  assert.deepEqual(told('/api/cut'), [[200, 'upstream_unreachable', 'upstream', 2], [200, 'upstream_unreachable', undefined, 2]]);
  assert.deepEqual(told('/api/reset'), [[502, 'upstream_unreachable', 'upstream', 2], [undefined, 'upstream_unreachable', undefined, 2]]);
  assert.deepEqual(told('/nowhere/x'), [[404, 'no_such_route', 'client', undefined]]);
  assert.deepEqual(told('/api/x'), [[401, 'tenant_unknown', 'client', undefined]]);
});

test('nothing is lost on a normal stop, from four workers, in batches', { timeout: 60000 }, async (t) => {
  const world = await start(t, { gateway: { workers: 4 } });
  const results = [];
  for (let i = 0; i < 20; i++) results.push(...(await many(40, () => call(world.gateway, '/api/x'))));
  const spans = await end(world);
  assert.ok(results.every((one) => one.status === 200));
  assert.equal(spans.length, 1600);
  assert.equal(new Set(spans.map((one) => one.spanId)).size, 1600);
  assert.deepEqual(new Set(spans.filter((one) => one.kind === 2).map((one) => one.traceId)), new Set(results.map((one) => one.id)));
  assert.ok(world.collector.to('/v1/traces').length <= 8, `${world.collector.to('/v1/traces').length} requests`);
});

test('spans come within five seconds without a stop', async (t) => {
  const { gateway, collector } = await start(t);
  await call(gateway, '/api/x');
  await until('they are there', () => collector.spans().length === 2, { timeout: 7000 });
});

test('a collector that is away, busy, gone in the middle: the spans come later, once', { timeout: 60000 }, async (t) => {
  const port = await freePort();
  const world = await start(t, { collector: { url: `http://127.0.0.1:${port}` } });
  const { gateway } = world;
  await many(300, () => call(gateway, '/api/x')); // a batch is full at once
  await until('it was tried', () => /otlp: the collector does not take spans: .*; they are sent again later/.test(gateway.stderr));
  const collector = await collectorFor(t, [answer(503), reset(), answer(429, { 'Retry-After': '1' }), taken()], { port });
  await until('all are there', () => collector.to('/v1/traces').length >= 5, { timeout: 40000 });
  const good = collector.to('/v1/traces').slice(-2);
  assert.equal(collector.spans(good).length, 600);
  assert.equal(new Set(collector.spans(good).map((one) => one.spanId)).size, 600);
  assert.ok(collector.faulty.requests[3].at - collector.faulty.requests[2].at >= 1000, 'Retry-After is kept');
  await gateway.says(/otlp: the collector takes spans again/);
  await gateway.metricIs(0, 'otlp_dropped_total');
  assert.equal(gateway.stderr.match(/otlp: the collector does not take/g).length, 1, 'said once');
});

test('a hostile collector gets nothing but its spans, and holds up nobody', { timeout: 90000 }, async (t) => {
  const elsewhere = await faultyFor(t);
  for (const [what, script, lost] of [
    ['redirects', answer(307, { Location: `http://127.0.0.1:${elsewhere.port}/v1/traces` }), true],
    ['refuses', answer(400, {}, 'no'), true],
    ['floods', answer(200, {}, 'x'.repeat(10 << 20)), false],
    ['talks nonsense', json(200, { partialSuccess: { rejectedSpans: { toString: 7 }, errorMessage: 8 } }), false],
    ['rejects some', json(200, { partialSuccess: { rejectedSpans: '1', errorMessage: 'too\nold\u001b[31m' } }), 1],
    ['rejects more than there are', json(200, { partialSuccess: { rejectedSpans: 4000000000 } }), true],
    ['is no collector', garbage(), true],
  ]) {
    const world = await start(t, { collector: await collectorFor(t, script) });
    await call(world.gateway, '/api/x');
    await until(`one that ${what} was asked`, () => world.collector.to('/v1/traces').length > 0, { timeout: 8000 });
    await until('it is counted', async () => what === 'is no collector' || (await world.gateway.metric('otlp_dropped_total')) === (lost === true ? 2 : Number(lost)), { timeout: 3000 })
      .catch(async (error) => assert.fail(`${what}: ${error.message}, but ${await world.gateway.metric('otlp_dropped_total')}\n${world.gateway.stderr}`));
    assert.equal((await call(world.gateway, '/api/x')).status, 200, what);
    await world.gateway.stop();
    assert.doesNotMatch(world.gateway.stderr, /\u001b/);
  }
  assert.equal(elsewhere.requests.length, 0, 'no redirect is followed');
});

test('a collector that never answers holds up neither requests nor the end', { timeout: 60000 }, async (t) => {
  for (const script of [hang('accept'), hang(), answer(200, {}, '{}', { every: 1000 })]) {
    const world = await start(t, { collector: await collectorFor(t, script) });
    await many(300, () => call(world.gateway, '/api/x'));
    await until('it was asked', () => world.collector.faulty.connections > 0);
    const result = await call(world.gateway, '/api/x');
    assert.ok(result.status === 200 && result.ms < 1000, `${result.ms} ms`);
    await end({ gateway: world.gateway, collector: { spans: () => [] } }, 3200);
  }
});

test('beyond eight megabytes spans are dropped and counted', { timeout: 120000 }, async (t) => {
  const world = await start(t, { collector: await collectorFor(t, hang('accept')) });
  const { gateway } = world;
  const long = `/api/${'x'.repeat(8000)}`;
  const before = gateway.rssBytes();
  let made = 0;
  while ((await gateway.metric('otlp_dropped_total')) === 0 && made < 12000) {
    await many(200, () => call(gateway, long));
    made += 200;
  }
  const dropped = await gateway.metric('otlp_dropped_total');
  assert.ok(dropped > 0 && made > 2000, `${dropped} after ${made}`);
  assert.ok(isSanitized(binary) || gateway.rssBytes() - before < 48 << 20, 'memory is bounded');
  assert.equal((await call(gateway, '/api/x')).status, 200);
  await end({ gateway, collector: { spans: () => [] } }, 4000);
});

test('metrics are those of /metrics, again and again, and at the end', { timeout: 60000 }, async (t) => {
  const world = await start(t, { otlp: { every: '1s', traces: 'off' }, tenants: { app: { allow: ['api'], quotas: [{ name: 'rpm', requests: 60, per: '1h' }] } } });
  const { gateway, collector } = world;
  await series(3, () => call(gateway, '/api/x'));
  await until('they came twice', () => collector.to('/v1/metrics').length >= 2, { timeout: 8000 });
  await series(2, () => call(gateway, '/api/x'));
  const page = await gateway.metrics();
  await gateway.stop();
  const metrics = collector.metrics();
  const requests = metrics.sallyport_requests_total;
  assert.equal(requests.kind, 'sum');
  assert.deepEqual(requests.points.map(({ attributes, value }) => [attributes, value]), [[{ tenant: 'app', route: 'api', method: 'GET', status: '200' }, 5]]);
  const { points: [durations], unit } = metrics.sallyport_request_duration_seconds;
  assert.equal(unit, 's');
  assert.equal(durations.value, 5);
  assert.deepEqual(durations.attributes, { route: 'api' });
  assert.equal(durations.explicitBounds.length, 16);
  assert.equal(metrics.sallyport_quota_limit.kind, 'gauge');
  assert.equal(metrics.sallyport_build_info.points[0].value, 1);
  // A family of /metrics without a sample is left out; else all are there, of the same kind.
  const kinds = { counter: 'sum', gauge: 'gauge', histogram: 'histogram' };
  for (const [, name, type] of page.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    if (new RegExp(`^${name}(_bucket)?[{ ]`, 'm').test(page)) assert.equal(metrics[name]?.kind, kinds[type], name);
  }
  assert.equal(collector.to('/v1/traces').length, 0, 'traces are off');
});

test('a reload takes changes: another collector, headers, and none', { timeout: 60000 }, async (t) => {
  const second = await collectorFor(t);
  const world = await start(t, { secrets: { 'collector-key': 'collector-secret-0123456789' } });
  const { gateway, collector } = world;
  await call(gateway, '/api/x');
  await gateway.reload((config) => Object.assign(config.otlp, {
    url: `${second.url}/base/`, service: 'other',
    headers: { Authorization: { secret: 'collector-key', value: 'Bearer {secret}' }, 'X-Scope': 'one two' },
  }));
  await call(gateway, '/api/y');
  await until('it has both', () => second.spans(second.to('/base/v1/traces')).length === 4, { timeout: 8000 });
  const { headers } = second.to('/v1/traces')[0];
  assert.equal(headers.authorization, 'Bearer collector-secret-0123456789');
  assert.equal(headers['x-scope'], 'one two');
  assert.equal(collector.faulty.requests.length, 0);
  assert.ok(second.spans().every((one) => one.service === 'other'));
  await gateway.reload((config) => delete config.otlp);
  await call(gateway, '/api/z');
  const spans = await end({ gateway, collector: second });
  assert.equal(spans.length, 4);
});

test('a collector comes with a reload', async (t) => {
  const collector = await collectorFor(t);
  const upstream = await faultyFor(t);
  const gateway = await gatewayFor(t, { routes: { api: { provider: 'http', credential: 'none', upstream: upstream.port } } });
  await call(gateway, '/api/x');
  await gateway.reload((config) => (config.otlp = { url: collector.url }));
  await call(gateway, '/api/y');
  const spans = await end({ gateway, collector });
  assert.deepEqual(spans.filter((one) => one.kind === 2).map((one) => one.attributes['url.path']), ['/api/y']);
  assert.ok(collector.metrics().sallyport_requests_total);
});

test('a secret that is missing is said, and is no reason to go without it', async (t) => {
  const world = await start(t, { otlp: { headers: { Authorization: { secret: 'nowhere' } } } });
  await call(world.gateway, '/api/x');
  await until('it is said', () => /otlp: the collector does not take spans: the secret "nowhere" cannot be used/.test(world.gateway.stderr), { timeout: 8000 });
  assert.equal(world.collector.faulty.connections, 0);
});

test('TLS is verified, and no proxy of the environment is used', async (t) => {
  const authority = authorityFor(t);
  const proxy = await faultyFor(t);
  const collector = await collectorFor(t, taken(), { tls: authority.sign('IP:127.0.0.1') });
  const world = await start(t, {
    collector: { url: `https://127.0.0.1:${collector.faulty.port}` },
    env: { http_proxy: `http://127.0.0.1:${proxy.port}`, https_proxy: `http://127.0.0.1:${proxy.port}`, all_proxy: `http://127.0.0.1:${proxy.port}` },
  });
  await call(world.gateway, '/api/x');
  await until('it is said', () => /does not take spans: SSL peer certificate/.test(world.gateway.stderr), { timeout: 8000 });
  assert.equal(collector.faulty.requests.length, 0);
  assert.equal(proxy.connections, 0);
});

test('neither secret, key, query, header nor body is in what is sent', { timeout: 60000 }, async (t) => {
  const canary = (name) => `canary-${name}-${crypto.randomBytes(12).toString('hex')}`;
  const secrets = { 'env-key': canary('env'), 'collector-key': canary('collector') };
  const script = (request) => (request.path.includes('/reset') ? reset() : json(request.path.includes('/bad') ? 500 : 200, { headers: request.headers, url: request.path }, { 'X-Echo': request.headers.authorization ?? '' }));
  const world = await start(t, {
    script, secrets,
    otlp: { headers: { 'X-Key': { secret: 'collector-key' } } },
    routes: (upstream) => ({
      openai: { provider: 'openai', upstream: upstream.port, credential: { secret: 'env-key' }, retry: { attempts: 2, base: '1ms', cap: '2ms' } },
      query: { provider: 'http', upstream: upstream.port, credential: { secret: 'env-key' }, inject: { query: 'key' } },
      path: { provider: 'http', upstream: upstream.port, credential: { secret: 'env-key' }, inject: { path: '/{secret}' } },
    }),
  });
  const { gateway, collector } = world;
  const seen = { query: canary('query'), body: canary('body'), cookie: canary('cookie'), id: canary('id'), bearer: canary('bearer') };
  for (const route of ['openai', 'query', 'path', 'nowhere']) {
    for (const name of ['ok', 'bad', 'reset', 'chat/completions']) {
      const headers = { Cookie: seen.cookie, 'X-Request-Id': seen.id, 'Idempotency-Key': seen.id };
      await call(gateway, `/${route}/v1/${name}?q=${seen.query}`, { headers, body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: seen.body }], max_tokens: 3 }) });
      await call(gateway, `/${route}/v1/${name}?q=${seen.query}`, { headers: { 'x-sallyport-key': '', Authorization: `Bearer ${seen.bearer}` } });
    }
  }
  const token = fs.readFileSync(path.join(gateway.folder, 'admin.token'), 'utf8').trim();
  const spans = await end(world);
  assert.ok(spans.length > 40);
  const bodies = collector.faulty.whole.map((request) => request.body.toString()).join('\n');
  for (const [name, text] of Object.entries({ ...secrets, ...seen, key: gateway.key, token })) {
    for (const form of [text, encodeURIComponent(text), Buffer.from(text).toString('base64').slice(0, -3), Buffer.from(text).toString('hex')]) {
      assert.ok(!bodies.includes(form), `${name} is in a body`);
    }
    assert.ok(!gateway.stderr.includes(text), `${name} is in the log`);
  }
  assert.equal(collector.faulty.whole[0].headers['x-key'], secrets['collector-key']);
});
