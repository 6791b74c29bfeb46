// What the money campaign compares: rows and sums of the ledger, asked in SQL, quotas, metrics.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';

import { binary } from '../support/gateway.mjs';
import { cli, items, until } from './fleet.mjs';

const DIED = 4;

const query = (gateway, sql) => JSON.parse(execFileSync(binary, ['usage', '--sql', sql, '--json', '-c', gateway.file],
  { encoding: 'utf8', maxBuffer: 1024 * 1024 * 1024 }));

export function rowsOf(gateway) {
  const rows = query(gateway, `SELECT id, label, tenant, route, model, status, code, ended_by, step, flags, closed_at, opened_at, cost_nanousd AS cost,
    reserved_cost_nanousd AS reserved, input_tokens + cache_read_tokens + cache_write_tokens + output_tokens AS tokens FROM requests`);
  return rows.map((row) => ({ ...row, died: (row.flags & DIED) !== 0 }));
}

export const sum = (list, what) => list.reduce((total, one) => total + what(one), 0);

export const quotasOf = async (gateway) => Object.fromEntries((await items(gateway)).map((item) => [`${item.tenant ?? ''}/${item.quota}`, item]));

export async function quiet(gateway, redis) {
  await until('nothing is in flight', async () => (await gateway.metric('exchanges')) === 0);
  await until('all rows are written', async () => (await gateway.metric('ledger_backlog')) === 0);
  if (redis) await until('the store has been told all', async () => (await gateway.metric('store_up')) === 1 && (await gateway.metric('store_pending')) === 0);
}

export const minutesOf = (gateway) => query(gateway, `SELECT tenant, route, model, requests, cost_nanousd AS cost,
  input_tokens + cache_read_tokens + cache_write_tokens + output_tokens AS tokens FROM minutes`);

// Sums by minute are what the rows (and what was folded beside them) come to.
export function checkMinutes(gateway, rows) {
  const [minutes] = query(gateway, `SELECT sum(requests) AS requests, sum(cost_nanousd) AS cost,
    sum(input_tokens + cache_read_tokens + cache_write_tokens + output_tokens) AS tokens FROM minutes`);
  assert.deepEqual(minutes, { requests: rows.length, cost: sum(rows, (row) => row.cost), tokens: sum(rows, (row) => row.tokens) });
  const odd = query(gateway, `SELECT tenant, route, model, minute, sum(n) AS requests, sum(c) AS cost FROM (
    SELECT tenant, route, model, opened_at / 60000000 AS minute, 1 AS n, cost_nanousd AS c FROM requests
    UNION ALL SELECT tenant, route, model, minute, -requests, -cost_nanousd FROM minutes) GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0 OR sum(c) <> 0`);
  assert.deepEqual(odd, []);
}

// Each rule has been charged with what the rows say that its calls cost.
export async function checkQuotas(gateway, rows) {
  const quotas = await quotasOf(gateway);
  const of = (tenant) => rows.filter((row) => row.tenant === tenant);
  const cost = (list) => sum(list, (row) => row.cost);
  const wanted = {
    'a/all': cost(of('a')), 'b/all': cost(of('b')), 'c/all': cost(of('c')), 'b/tight': cost(of('b')),
    'c/mini': cost(of('c').filter((row) => row.model === 'gpt-4o-mini')), 'a/tokens': sum(of('a'), (row) => row.tokens), '/everyone': cost(rows),
  };
  const used = Object.fromEntries(Object.keys(wanted).map((name) => [name, quotas[name]?.used]));
  assert.deepEqual(used, wanted);
  assert.equal(quotas['a/open'].used, 0, 'no place is held');
  return quotas;
}

export const audited = async (gateway) => assert.match(await cli('quotas', 'audit', '-c', gateway.file), / 0 differ/);

// What the gateway has refused before it knew who asks, or for which route, has no row.
const isEarly = (one) => one.status === 401 || (one.status === 404 && one.code === 'route_not_found') || one.kind === 'nowhere' || one.kind === 'stranger';

// One row for each request that a client made, and none else; what it was told is what the row says. A request whose client
// left, or whose gateway died, before it had said a word may have been unread: it has one row, or none.
export function checkRequests(seen, rows) {
  const byLabel = new Map();
  for (const row of rows) {
    assert.ok(!byLabel.has(row.label), `two rows of ${row.label}`);
    byLabel.set(row.label, row);
  }
  const problems = [];
  const counts = { receipts: 0, died: 0, unread: 0, refused: 0, left: 0 };
  for (const one of seen) {
    const row = byLabel.get(one.label);
    byLabel.delete(one.label);
    const maybe = one.status === 0 && (one.left || one.ended !== one.life || one.error);
    if (isEarly(one)) {
      if (row) problems.push(['a row of a stranger', one, row]);
    } else if (!row) {
      if (maybe) counts.unread++;
      else problems.push(['no row', one]);
    } else {
      counts.died += row.died ? 1 : 0;
      counts.left += one.left ? 1 : 0;
      counts.refused += row.status === 429 && row.code !== '' ? 1 : 0;
      if (one.id && one.id !== row.id) problems.push(['another id', one, row]);
      if (one.status && !row.died && one.status !== row.status) problems.push(['another status', one, row]);
      if (one.cost !== undefined) counts.receipts++;
      if (one.cost !== undefined && one.cost !== row.cost) problems.push(['another cost', one, row]);
    }
  }
  for (const row of byLabel.values()) problems.push(['nobody asked', row]);
  assert.deepEqual(problems.slice(0, 10), [], `${problems.length} problems`);
  return counts;
}

// What one life of the gateway has counted, at a moment when it is quiet, is what its rows came to: of those that it closed
// itself, since those of a life before it are told of nowhere else.
export async function checkMetrics(gateway, rows, life) {
  const own = rows.filter((row) => row.opened_at >= life.from && !row.died);
  let counted = 0;
  for (const [, whole, nano] of (await gateway.metrics()).matchAll(/^sallyport_cost_usd_total\{.*\} (\d+)\.(\d{9})$/gm)) counted += Number(whole + nano);
  assert.equal(counted, sum(own, (row) => row.cost));
  const requests = await gateway.metric('requests_total');
  const early = await gateway.metric('requests_refused_total');
  assert.equal(requests - early, own.length);
}
