// What Prometheus and Grafana are given, by the gateway and in docker/. A real Prometheus scrapes the gateway under load,
// takes the rules, answers every query of the dashboard, and knows a trace of each bucket; promtool runs the rules' own
// tests, and has nothing to say against the metrics.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { call } from '../support/call.mjs';
import { faultyFor, json } from '../support/faulty.mjs';
import { freePort, gatewayFor, temporaryFolder, until } from '../support/gateway.mjs';

const folder = fileURLToPath(new URL('../../docker', import.meta.url));
const rules = path.join(folder, 'prometheus/sallyport.rules.yml');
const dashboard = JSON.parse(fs.readFileSync(path.join(folder, 'grafana/sallyport.json'), 'utf8'));
const queries = dashboard.panels.flatMap((panel) => (panel.targets ?? []).map((target) => ({ title: panel.title, expr: target.expr })));

async function prometheusFor(t, gateway) {
  const data = temporaryFolder();
  const port = await freePort();
  fs.writeFileSync(path.join(data, 'prometheus.yml'), JSON.stringify({
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [rules],
    scrape_configs: [{ job_name: 'sallyport', static_configs: [{ targets: [`127.0.0.1:${gateway.adminPort}`] }] }],
  }));
  const child = spawn('prometheus', [
    `--config.file=${data}/prometheus.yml`, `--storage.tsdb.path=${data}/tsdb`, `--web.listen-address=127.0.0.1:${port}`,
    '--enable-feature=exemplar-storage',
  ], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => (said += text));
  const ended = new Promise((resolve) => child.on('exit', resolve).on('error', (error) => ((said += error.message), resolve())));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
    fs.rmSync(data, { recursive: true, force: true });
  });
  const ask = async (what) => (await fetch(`http://127.0.0.1:${port}/api/v1/${what}`)).json();
  await until('Prometheus answers', () => ask('status/runtimeinfo').catch(() => false), { timeout: 30000 })
    .catch((error) => assert.fail(`${error.message}\n${said}`));
  return {
    ask,
    query: async (expr) => {
      const answer = await ask(`query?query=${encodeURIComponent(expr)}`);
      assert.equal(answer.status, 'success', `${expr}: ${answer.error}`);
      return answer.data.result;
    },
  };
}

test('promtool: the rules are valid, and their tests pass', () => {
  execFileSync('promtool', ['check', 'rules', rules], { stdio: 'pipe' });
  execFileSync('promtool', ['test', 'rules', path.join(folder, 'prometheus/sallyport.rules.test.yml')], { stdio: 'pipe' });
});

test('a Prometheus scrapes the gateway, evaluates the rules and answers the dashboard', { timeout: 120000 }, async (t) => {
  const upstream = await faultyFor(t, (request) => json(request.path.endsWith('/bad') ? 500 : 200, {}));
  const gateway = await gatewayFor(t, {
    routes: { api: { provider: 'openai', upstream: upstream.port, credential: [{ secret: 'a' }, { secret: 'b' }], retry: { attempts: 2, base: '1ms', cap: '2ms' } } },
    secrets: { a: 'sk-a-0123456789abcdefghij', b: 'sk-b-0123456789abcdefghij' },
    tenants: { app: { allow: ['api'], quotas: [{ name: 'rpm', requests: 100, per: '1h', burst: 1 }] }, free: { allow: ['api'] } },
  });
  const prometheus = await prometheusFor(t, gateway);
  const from = (tenant, name = '/api/v1/models') => call(gateway, name, { headers: { 'x-sallyport-key': gateway.keys[tenant] } });
  let over = false;
  const load = (async () => {
    while (!over) await Promise.all([from('free'), from('free', '/api/v1/bad'), from('app')]);
  })();
  try {
    const [sample] = await until('it was scraped twice', async () => {
      const result = await prometheus.query('rate(sallyport_requests_total{tenant="free",status="200"}[10s])');
      return result.length > 0 && Number(result[0].value[1]) > 0 && result;
    }, { timeout: 60000, every: 500 });
    assert.equal(sample.metric.route, 'api');
    const state = await until('all rules were evaluated', async () => {
      const { data } = await prometheus.ask('rules');
      const all = data.groups.flatMap((group) => group.rules);
      return all.length > 10 && all.every((rule) => rule.health !== 'unknown') && all;
    }, { timeout: 60000, every: 500 });
    assert.deepEqual(state.filter((rule) => rule.health !== 'ok'), []);
    const variables = { $__rate_interval: '10s', $job: '.*', $instance: '.*', $route: '.*' };
    const fill = (expr) => Object.entries(variables).reduce((text, [name, value]) => text.replaceAll(name, value), expr);
    for (const { title, expr } of queries) await prometheus.query(fill(expr)).catch((error) => assert.fail(`${title}: ${error.message}`));
    for (const title of ['Requests a second', 'Requests by tenant', 'Used and reserved, of the limit', 'Circuits', 'CPU']) {
      const { expr } = queries.find((one) => one.title === title);
      assert.ok((await prometheus.query(fill(expr))).length > 0, `${title} has something to show`);
    }
  } finally {
    over = true;
    await load;
  }
});

test('rules and dashboard name no metric that the gateway does not have', async (t) => {
  const upstream = await faultyFor(t);
  const gateway = await gatewayFor(t, {
    routes: { api: { provider: 'openai', upstream: upstream.port, credential: [{ secret: 'a' }, { secret: 'b' }] } },
    secrets: { a: 'sk-a-0123456789abcdefghij', b: 'sk-b-0123456789abcdefghij' },
  });
  const known = new Set([...(await gateway.metrics()).matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]));
  const used = new Set();
  for (const text of [fs.readFileSync(rules, 'utf8'), ...queries.map((one) => one.expr)]) {
    for (const [name] of text.matchAll(/\b(?:sallyport|process)_[a-z0-9_]+(?=[{ [),]|$)/gm)) used.add(name.replace(/_bucket$/, ''));
  }
  assert.ok(used.size > 15, 'they were found');
  assert.deepEqual([...used].filter((name) => !known.has(name)), []);
});

// ---- OpenMetrics ----

const openMetrics = 'application/openmetrics-text; version=1.0.0';
const scrape = (gateway, accept) => fetch(`http://127.0.0.1:${gateway.adminPort}/metrics`, { headers: accept ? { accept } : {} });

// What is in the page of OpenMetrics 1.0: {families: {name: type}, samples: [{name, labels, value, exemplar}]}. Stricter
// than Prometheus: each line is of its grammar, each sample is of the family above it, and nothing is told twice.
function readOpenMetrics(text) {
  assert.ok(text.endsWith('\n# EOF\n'), 'it has an end');
  const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"/;
  const set = `\\{((?:${label.source})?(?:,${label.source})*)\\}`;
  const number = '([-+]?(?:[0-9]+(?:\\.[0-9]+)?(?:e[-+]?[0-9]+)?|Inf)|NaN)';
  const line = new RegExp(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:${set})? ${number}(?: # ${set} ${number} ${number})?$`);
  const suffixes = { counter: ['_total'], gauge: [''], histogram: ['_bucket', '_sum', '_count'] };
  const labels = (list) => Object.fromEntries([...(list ?? '').matchAll(new RegExp(label, 'g'))].map(([, name, value]) => [name, value]));
  const families = {};
  const samples = [];
  const seen = new Set();
  let family;
  for (const one of text.slice(0, -'# EOF\n'.length).trimEnd().split('\n')) {
    const head = /^# (HELP|TYPE) (\S+) (.*)$/.exec(one);
    if (head?.[1] === 'HELP') {
      assert.ok(!(head[2] in families), `twice: ${one}`);
      assert.doesNotMatch(head[3], /["\\]/, one);
      family = head[2];
    } else if (head) {
      assert.equal(head[2], family);
      assert.ok(head[3] in suffixes, one);
      families[family] = head[3];
    } else {
      const found = line.exec(one);
      assert.ok(found, `it is no sample: ${one}`);
      const { 1: name, 2: list, 7: value } = found;
      assert.ok(suffixes[families[family]].some((suffix) => name === family + suffix), `${name} is not of ${family}`);
      assert.ok(!seen.has(`${name}{${list}}`), `twice: ${one}`);
      seen.add(`${name}{${list}}`);
      const exemplar = found[8] === undefined ? undefined : { ...labels(found[8]), value: Number(found[13]), time: Number(found[14]) };
      samples.push({ name, labels: labels(list), value: Number(value.replace('Inf', 'Infinity')), exemplar });
    }
  }
  return { families, samples };
}

const traceId = (digit) => digit.repeat(32);
const traced = (trace, flags = '01') => ({ headers: { traceparent: `00-${trace}-00f067aa0ba902b7-${flags}` } });

// A gateway with something in every family that a request can fill, and names as bad as they may be.
async function busyGateway(t) {
  const upstream = await faultyFor(t, (request) => request.path.endsWith('/bad') ? json(500, {})
    : json(200, { model: 'x', choices: [], usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } }));
  const gateway = await gatewayFor(t, {
    routes: { api: { provider: 'openai', upstream: upstream.port, credential: 'none', retry: { attempts: 2, base: '1ms', cap: '2ms' } } },
    tenants: { app: { allow: ['api'], quotas: [{ name: 'tokens', tokens: '1M', per: 'day' }] } },
  });
  for (const model of ['gpt-4o', 'a"b\\c,le="1"} 1 # {trace_id="x"} 1 1', '\u2028\ud83d\ude00', '\\']) {
    await call(gateway, '/api/v1/chat/completions', { body: JSON.stringify({ model, messages: [], max_tokens: 5 }) });
  }
  await call(gateway, '/api/v1/bad', { body: '{"model": "gpt-4o", "messages": []}' });
  return gateway;
}

test('promtool has nothing to say against the metrics', async (t) => {
  const gateway = await busyGateway(t);
  const answer = await scrape(gateway);
  assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  const text = await answer.text();
  assert.match(text, /model="a\\"b\\\\c.*le=\\"1\\"} 1 # {trace_id=\\"x\\"} 1 1"/, 'the bad name is there');
  const said = execFileSync('promtool', ['check', 'metrics'], { input: text, stdio: 'pipe', encoding: 'utf8' });
  assert.equal(said, '');
});

test('who asks for OpenMetrics is given it, with a trace where there is one', async (t) => {
  const gateway = await busyGateway(t);
  const before = Date.now() / 1000;
  await call(gateway, '/api/v1/models', traced(traceId('a')));
  await call(gateway, '/api/v1/models', traced(traceId('b'), '00'));
  await call(gateway, '/api/v1/models');
  const answer = await scrape(gateway, openMetrics);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), `${openMetrics}; charset=utf-8`);
  const { families, samples } = readOpenMetrics(await answer.text());
  const plain = await (await scrape(gateway)).text();
  assert.doesNotMatch(plain, /EOF|trace_id="[ab]/);
  assert.deepEqual(Object.keys(families), [...plain.matchAll(/^# TYPE (\S+) (\S+)/gm)].map(([, name, type]) => type === 'counter' ? name.replace(/_total$/, '') : name));
  assert.equal(families.sallyport_connections, 'counter');
  assert.equal(families.sallyport_connections_open, 'gauge');
  const found = samples.filter((sample) => sample.exemplar);
  assert.deepEqual([...new Set(found.map((sample) => sample.exemplar.trace_id))], [traceId('a')], 'of what was sampled alone');
  for (const name of ['request_duration', 'upstream_duration', 'time_to_first_byte', 'overhead_duration']) {
    const [sample, ...more] = found.filter((one) => one.name === `sallyport_${name}_seconds_bucket`);
    assert.ok(sample, name);
    assert.deepEqual(more, []);
    assert.ok(sample.exemplar.value <= Number(sample.labels.le.replace('+Inf', 'Infinity')), name);
    assert.ok(sample.exemplar.time > before - 1 && sample.exemplar.time < Date.now() / 1000 + 1, `${sample.exemplar.time}`);
  }
  for (const sample of samples) if (sample.labels.le) assert.match(sample.labels.le, /\.|Inf/);
});

test('a Prometheus knows the trace of a bucket', { timeout: 120000 }, async (t) => {
  const gateway = await busyGateway(t);
  const prometheus = await prometheusFor(t, gateway);
  const now = Date.now() / 1000;
  const ids = await until('an exemplar was scraped', async () => {
    await call(gateway, '/api/v1/models', traced(traceId('c')));
    const { data } = await prometheus.ask(`query_exemplars?query=sallyport_request_duration_seconds_bucket&start=${now - 60}&end=${now + 120}`);
    return data?.length > 0 && data.flatMap((one) => one.exemplars.map((exemplar) => [one.seriesLabels.route, exemplar.labels.trace_id]));
  }, { timeout: 60000, every: 500 });
  assert.deepEqual([...new Set(ids.map(String))], [`api,${traceId('c')}`]);
  const [up] = await prometheus.query('up');
  assert.equal(up.value[1], '1');
  assert.ok((await prometheus.query('sallyport_connections_open')).length === 1 && (await prometheus.query('sallyport_connections_total')).length === 1);
});
