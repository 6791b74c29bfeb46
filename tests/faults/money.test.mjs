// The same money everywhere: requests of every kind, clients that leave, a gateway that is killed among them. What the ledger
// says is what the quotas were charged with, what the receipts said and what the metrics counted, to the nano-USD; and each
// request has one row, however it ended.
import assert from 'node:assert/strict';
import test from 'node:test';

import { until } from './fleet.mjs';
import { audited, checkMetrics, checkMinutes, checkQuotas, checkRequests, quiet, quotasOf, rowsOf, sum } from './money_books.mjs';
import { load, world } from './money_world.mjs';

const long = process.env.MONEY_CALLS !== undefined;
const CALLS = Number(process.env.MONEY_CALLS ?? 3000);
const KILLS = long ? 3 : 1;

// {after so many calls: kill}.
const kills = (here, count, calls) => Object.fromEntries(Array.from({ length: count }, (_, i) => [Math.floor((i + 1) * calls / (count + 1)), here.kill]));

test(`${CALLS} requests, ${KILLS} kills, budgets in Redis: it is the same money everywhere`, { timeout: 900000 }, async (t) => {
  const here = await world(t, { redis: true, tight: (CALLS * 0.00006).toFixed(6) });
  try {
    const began = Date.now();
    const seen = await load(here, CALLS, { at: kills(here, KILLS, CALLS) });
    const { gateway } = here;
    await quiet(gateway, here.redis);
    const rows = rowsOf(gateway);
    const counts = checkRequests(seen, rows);
    t.diagnostic(`${Math.round((Date.now() - began) / 1000)} s, ${rows.length} rows, ${sum(rows, (row) => row.cost)} nano-USD: ${JSON.stringify(counts)}`);
    assert.ok(counts.refused > 0, 'a budget was reached');
    assert.ok(counts.receipts > CALLS / 4, `${counts.receipts} receipts`);
    checkMinutes(gateway, rows);
    await checkMetrics(gateway, rows, here.lives.at(-1));
    await checkQuotas(gateway, rows);
    await audited(gateway);
    if (long) { // what was open when it was killed has been charged for good
      await until('nothing is reserved', async () => Object.values(await quotasOf(gateway)).every((quota) => !quota.reserved), { timeout: 150000, every: 2000 });
      await checkQuotas(gateway, rows);
      await audited(gateway);
    }
    await gateway.stop.call(Object.assign(Object.create(gateway), { folder: '/nowhere' }));
    await here.begin();
    await quiet(here.gateway, here.redis);
    assert.deepEqual(rowsOf(here.gateway).length, rows.length, 'a start finds nothing that was open');
    await checkQuotas(here.gateway, rows);
  } finally {
    await here.stop();
  }
});

test(`${Math.floor(CALLS / 3)} requests, ${KILLS} kills, budgets in memory: it is the same money everywhere`, { timeout: 900000 }, async (t) => {
  const calls = Math.floor(CALLS / 3);
  const here = await world(t, { redis: false, tight: (calls * 0.00006).toFixed(6) });
  try {
    const seen = await load(here, calls, { at: kills(here, KILLS, calls) });
    const { gateway } = here;
    await quiet(gateway);
    const rows = rowsOf(gateway);
    const counts = checkRequests(seen, rows);
    t.diagnostic(`${rows.length} rows: ${JSON.stringify(counts)}`);
    checkMinutes(gateway, rows);
    await checkMetrics(gateway, rows, here.lives.at(-1));
    await checkQuotas(gateway, rows);
    await audited(gateway);
  } finally {
    await here.stop();
  }
});
