// docker/: what Prometheus and Grafana are given. A real Prometheus scrapes the gateway under load, takes the rules, and
// answers every query of the dashboard; promtool runs the rules' own tests.
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
