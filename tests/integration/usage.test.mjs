// sallyport usage: what the gateway has written, read from the file, beside it and without it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import { binary, temporaryFolder } from '../support/gateway.mjs';
import { withLedger, written } from '../support/ledger.mjs';
import { chat, metered } from '../support/meter.mjs';

const run = (...args) => spawnSync(binary, ['usage', ...args], { encoding: 'utf8' });
const configOf = (text) => {
  const file = path.join(temporaryFolder(), 'sallyport.yaml');
  fs.writeFileSync(file, `version: 1\n${text}\n`);
  return file;
};

function refused(result, status, words) {
  assert.equal(result.status, status, result.stderr);
  assert.match(result.stderr, words);
  assert.equal(result.stderr.trimEnd().split('\n').length, 1);
  assert.equal(result.stdout, '');
}

test('usage: sums as a table, as JSON and as CSV, while the gateway runs and after it', async (t) => {
  const { gateway } = await metered(t, withLedger());
  for (let i = 0; i < 3; i++) await chat(gateway);
  await chat(gateway, { model: 'gpt-4o' });
  await written(gateway, 4);
  const usage = (...args) => {
    const result = run('-c', gateway.file, ...args);
    assert.equal(result.status, 0, result.stderr);
    return result.stdout;
  };
  const check = () => {
    const { usage: sums, total } = JSON.parse(usage('--by', 'model', '--json'));
    assert.deepEqual(sums.map((sum) => [sum.model, sum.requests]), [['gpt-4o', 1], ['gpt-4o-mini', 3]]);
    assert.equal(total.requests, 4);
    assert.equal(total.cost_nanousd, sums[0].cost_nanousd + sums[1].cost_nanousd);
    const text = String(total.cost_nanousd).padStart(10, '0');
    assert.equal(total.cost_usd, `${text.slice(0, -9)}.${text.slice(-9)}`);
    assert.deepEqual(JSON.parse(usage('--json', '--model', 'gpt-4o')).usage.map((sum) => sum.requests), [1]);
    assert.deepEqual(JSON.parse(usage('--json', '--tenant', 'nobody')).usage.map((sum) => sum.requests), [0]);

    const table = usage('--by', 'tenant').trimEnd().split('\n');
    assert.match(table[0], /^TENANT +REQUESTS +ERRORS .*INPUT TOKENS .*OUTPUT TOKENS .*COST USD$/);
    assert.match(table[1], /^app +4 +0 /);
    assert.equal(table.length, 2, 'one tenant needs no total');
    assert.equal(table[0].length, table[1].length, 'numbers end where their heads do');

    const csv = usage('--by', 'route', '--csv').split('\r\n');
    assert.match(csv[0], /^route,requests,errors,estimated,input_tokens,.*,cost_usd$/);
    assert.match(csv[1], /^ai,4,0,.*,\d+\.\d{9}$/);

    const days = JSON.parse(usage('--by', 'day', '--since', '2d', '--json')).usage;
    assert.equal(days.reduce((sum, day) => sum + day.requests, 0), 4);
    for (const { day } of days) assert.match(day, /^\d{4}-\d\d-\d\d$/);
    const today = days.at(-1).day;
    assert.equal(JSON.parse(usage('--since', today, '--json')).total.requests, days.at(-1).requests);
    assert.deepEqual(JSON.parse(usage('--objects', '--json')).objects.map((one) => [one.type, one.id]), Array(4).fill(['chat.completion', 'c-1']));
    assert.equal(JSON.parse(usage('--since', '2d', '--until', '1d', '--json')).total.requests, 0);
  };
  check();
  gateway.signal('SIGTERM');
  await gateway.exited; // its folder is removed when the test ends
  check();
});

test('usage --sql: any question to rows and sums, and no change of them', async (t) => {
  const { gateway } = await metered(t, withLedger());
  for (let i = 0; i < 3; i++) await chat(gateway);
  const last = await chat(gateway, { model: 'gpt-4o' });
  await written(gateway, 4);
  const asked = (...args) => run('-c', gateway.file, '--sql', ...args);
  const sums = asked('SELECT model, count(*) AS n, sum(cost_nanousd) AS cost FROM requests GROUP BY 1 ORDER BY 1', '--json');
  assert.equal(sums.status, 0, sums.stderr);
  const minutes = asked('SELECT model, sum(requests) AS n, sum(cost_nanousd) AS cost FROM minutes GROUP BY 1 ORDER BY 1', '--json');
  assert.deepEqual(JSON.parse(sums.stdout), JSON.parse(minutes.stdout));
  assert.deepEqual(JSON.parse(sums.stdout).map(({ model, n }) => [model, n]), [['gpt-4o', 1], ['gpt-4o-mini', 3]]);
  assert.equal(asked(`SELECT tenant, status FROM requests WHERE id = '${last.id}'`).stdout, 'tenant,status\r\napp,200\r\n');
  refused(asked('DELETE FROM minutes'), 1, /only read/);
  refused(asked('SELECT nonsense FROM requests'), 1, /no such column: nonsense/);
});

test('usage: wrong use is told in one line', () => {
  const config = configOf('ledger: {url: "sqlite:usage.db"}');
  refused(run('-c', configOf('')), 2, /has no ledger; write ledger: \{url: "sqlite:usage\.db"\}/);
  refused(run('-c', configOf('ledger: none')), 2, /has no ledger/);
  refused(run('-c', config), 1, /usage\.db": there is no such file/);
  refused(run('-c', config, '--by', 'hour'), 2, /"hour" is none of tenant, route, model, day/);
  for (const since of ['yesterday', '24', '2026-02-29', '2026-13-01', '2026-1-1', '-1h']) {
    refused(run('-c', config, '--since', since), 2, /is no time; write 24h, 7d, a day such as 2026-11-01, or a time such as 2026-11-01T12:00:00Z/);
  }
  refused(run('-c', config, '--json', '--csv'), 2, /either --json or --csv/);
  refused(run('-c', config, '--until', 'never'), 2, /"never" is no time/);
  refused(run('-c', config, '--until', '2d'), 2, /--until is not after --since/);
  refused(run('-c', config, '--type', 'email'), 2, /--type is of --objects/);
  refused(run('-c', config, '--objects', '--by', 'day'), 2, /leave --by out/);
  for (const other of [['--since', '24h'], ['--tenant', 'app'], ['--by', 'day'], ['--objects']]) {
    refused(run('-c', config, '--sql', 'SELECT 1', ...other), 2, /--sql says itself which rows/);
  }
  refused(run('-c', config, 'model'), 2, /unexpected "model"/);
  const foreign = configOf('ledger: {url: "sqlite:foreign.db"}');
  fs.writeFileSync(path.join(path.dirname(foreign), 'foreign.db'), 'no database, but long enough to be one.'.repeat(20));
  refused(run('-c', foreign), 1, /file is not a database/);
});
