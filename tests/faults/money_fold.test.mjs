// The ledger's database takes nothing for so long that the rings are full: requests go on, rows that find no place are folded
// into sums, and when it takes them again the sums are what the quotas were charged with, to the nano-USD.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';

import { until } from './fleet.mjs';
import { audited, minutesOf, quiet, quotasOf, rowsOf, sum } from './money_books.mjs';
import { load, tenants, world } from './money_world.mjs';

const CALLS = 7000; // a ring has some 4,000 places

// Somebody has it open, and writes; resolves to what ends that.
async function lock(gateway) {
  const child = spawn('sqlite3', [path.join(gateway.folder, 'usage.db')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  child.stdin.write('.timeout 10000\nBEGIN EXCLUSIVE;\nSELECT \'locked\';\n');
  await new Promise((resolve) => child.stdout.on('data', (text) => String(text).includes('locked') && resolve()));
  return async () => {
    child.stdin.end('ROLLBACK;\n');
    await ended;
  };
}

for (const redis of [false, true]) {
  test(`${CALLS} requests while the ledger is locked, budgets in ${redis ? 'Redis' : 'memory'}: the sums are exact`, { timeout: 300000 }, async (t) => {
    const here = await world(t, { redis, tight: (CALLS * 0.00006).toFixed(6), workers: 1 });
    try {
      const { gateway } = here;
      const unlock = await lock(gateway);
      const seen = await load(here, CALLS);
      await until('nothing is in flight', async () => (await gateway.metric('exchanges')) === 0);
      await gateway.metricIs(0, 'ledger_up');
      const folded = await gateway.metric('ledger_folded_total');
      assert.ok(folded > 500, `${folded} were folded`);
      await unlock();
      await until('it is written again', async () => (await gateway.metric('ledger_up')) === 1, { timeout: 30000 });
      await quiet(gateway, redis);
      const rows = rowsOf(gateway);
      const minutes = minutesOf(gateway);
      const quotas = await quotasOf(gateway);
      t.diagnostic(`${rows.length} rows, ${folded} folded, ${sum(minutes, (minute) => minute.cost)} nano-USD`);
      assert.equal(sum(minutes, (minute) => minute.requests), rows.length + folded, 'each is there once');
      for (const name of tenants) {
        const own = minutes.filter((minute) => minute.tenant === name);
        assert.equal(sum(own, (minute) => minute.cost), quotas[`${name}/all`].used, name);
      }
      assert.equal(sum(minutes.filter((minute) => minute.tenant === 'a'), (minute) => minute.tokens), quotas['a/tokens'].used);
      const ids = new Map(rows.map((row) => [row.id, row]));
      for (const one of seen) {
        if (one.cost !== undefined && ids.has(one.id)) assert.equal(ids.get(one.id).cost, one.cost);
      }
      let counted = 0;
      for (const [, whole, nano] of (await gateway.metrics()).matchAll(/^sallyport_cost_usd_total\{.*\} (\d+)\.(\d{9})$/gm)) counted += Number(whole + nano);
      assert.equal(counted, sum(minutes, (minute) => minute.cost));
      await audited(gateway);
    } finally {
      await here.stop();
    }
  });
}
