// What was admitted while Redis was away is settled as all else, whatever comes first: the event, Redis, or the gateway's end.
import assert from 'node:assert/strict';
import test from 'node:test';

import { until } from '../support/gateway.mjs';
import { rowOf } from '../support/ledger.mjs';
import { chat } from '../support/meter.mjs';
import { assertBooks, estimate, quota, start, usage } from '../support/settlement.mjs';

const settled = 2_500_001;

async function goAway(world) {
  world.proxy.refuse();
  await until('Redis is away', async () => (await world.gateway.metric('store_up')) === 0);
}

async function comeBack(world) {
  world.proxy.accept();
  await until('Redis is back', async () => (await world.gateway.metric('store_up')) === 1);
}

async function killed(world) {
  await world.kill();
  await world.begin();
}

// The books, and the metric of the quota, which is what the last admission was told; it costs the estimate.
async function assertAll(world, cost) {
  await assertBooks(world, cost);
  await world.send();
  await world.gateway.metricIs(cost + estimate, 'quota_used', { quota: 'budget' });
  await assertBooks(world, cost + estimate);
}

// When the gateway is killed: behind the charge, between the two, behind them; null: never. Each costs ten seconds, so those
// that others prove already are for `scripts/test --long`: the event first and never killed is a part of "behind them"; Redis
// first and never killed, or killed at the end, are in "what is handed over ..." below, and Redis first, killed behind the
// charge, in "a value of a budget ...".
const kills = process.env.SETTLEMENT_ORDERS === 'all'
  ? { 'the event': [null, 0, 1, 2], Redis: [null, 0, 1, 2] } : { 'the event': [0, 1, 2], Redis: [1] };

for (const order of [['the event', 'Redis'], ['Redis', 'the event']]) {
  for (const at of kills[order[0]]) {
    const when = at === null ? 'never killed' : `killed ${['behind the charge', 'between them', 'behind them'][at]}`;
    test(`a charge while Redis is away, then ${order.join(', then ')}: ${when}`, async (t) => {
      const world = await start(t, { shared: true, onFailure: 'local' });
      await world.send();
      await assertBooks(world, estimate);
      await goAway(world);
      const [low, high] = [await world.send(), await world.send()];
      const steps = {
        Redis: () => comeBack(world),
        'the event': async () => {
          await world.say({ id: low.sid, cost: '0.002500001', currency: 'USD' });
          await world.say({ id: high.sid, cost: '0.04', currency: 'USD' });
          await until('the ledger has them', async () => (await rowOf(world.gateway, low.id)).cost_nanousd === settled
            && (await rowOf(world.gateway, high.id)).cost_nanousd === 40_000_000);
        },
      };
      for (const [i, step] of order.entries()) {
        if (at === i) await killed(world);
        await steps[step]();
      }
      if (at === 2) await killed(world);
      await assertAll(world, estimate + settled + 40_000_000);
      await world.redis.cli('FLUSHALL');
      await assertBooks(world, 2 * estimate + settled + 40_000_000);
    });
  }
}

test('what is handed over is settled once it is there, and again when Redis was away for the second time', async (t) => {
  const world = await start(t, { shared: true, onFailure: 'local' });
  await world.send();
  const sent = [];
  for (let i = 1; i <= 2; i++) {
    await goAway(world);
    sent.push(await world.send());
    await comeBack(world);
    await until('it is handed over', async () => (await quota(world))?.used === (i + 1) * estimate);
  }
  await assertBooks(world, 3 * estimate);
  await world.say({ id: sent[0].sid, cost: '0', currency: 'USD' });
  await assertBooks(world, 2 * estimate);
  await world.say({ id: sent[1].sid, cost: '1.5', currency: 'USD' });
  await assertBooks(world, estimate + 1_500_000_000);
  await world.say({ id: sent[1].sid, cost: '0.01', currency: 'USD' });
  await assertBooks(world, 2 * estimate);
  await killed(world);
  await assertAll(world, 2 * estimate);
});

test('a value of a budget that Redis heard of first while it was away is settled, too', async (t) => {
  const world = await start(t, { shared: true, onFailure: 'local', quotas: [{ name: 'budget', cost: '0.02 USD', per: 'month', each: 'header:X-User' }] });
  const as = async (user) => {
    const answer = await chat(world.gateway, {}, { path: '/sms/2010-04-01/Accounts/AC1/Messages.json', headers: { 'X-User': user } });
    return answer.status === 201 ? JSON.parse(answer.body).sid : answer.status;
  };
  await as('ada');
  await goAway(world);
  const second = await as('ada');
  await until('the ledger has both', async () => (await usage(world))?.requests === 2);
  await killed(world);
  await comeBack(world);
  await until('it is handed in', () => world.redis.cli('--scan', '--pattern', '*:by:*'));
  assert.equal(await as('ada'), 429);
  await world.say({ id: second, cost: '0', currency: 'USD' });
  await until('she has room again', async () => (await as('ada')) !== 429);
  assert.equal(await as('ada'), 429);
});
