// An event that is an array settles, by each of its elements, a request of its own.
import assert from 'node:assert/strict';
import test from 'node:test';

import { until } from '../support/gateway.mjs';
import { explain, rowOf } from '../support/ledger.mjs';
import { assertBooks, counted, estimate, lockLedger, result, start } from '../support/settlement.mjs';

const settle = [{ each: 'body', object: '/sid', cost: '/price', status: '/event', free: ['dropped'], provider: 'twilio' }];

async function sendMany(world, count) {
  const sent = [];
  for (let i = 0; i < count; i++) sent.push(await world.send());
  return sent;
}

for (const shared of [false, true]) test(`each element settles its own request, once (${shared ? 'Redis' : 'memory'})`, async (t) => {
  const world = await start(t, { shared, settle });
  const sent = await sendMany(world, 5);
  const events = [
    { sid: sent[0].sid, price: '0.002', event: 'delivered' },
    { about: 'nobody' },
    { sid: sent[1].sid, event: 'dropped' },
    { sid: sent[2].sid, price: 'a lot' },
    { sid: sent[3].sid, price: 0.5 },
  ];
  await world.sayBody(events, { id: 'msg_array' });
  const sum = 2_000_000 + 0 + 2 * estimate + 500_000_000;
  await assertBooks(world, sum);
  assert.deepEqual([await result(world, 'settled'), await result(world, 'unreadable')], [3, 1]);
  assert.match(explain(world.gateway, sent[3].id), /settled later by an event of the webhook "sms", [^\s,]+, its element 5; before: 0\.01 USD/);
  assert.equal((await rowOf(world.gateway, sent[0].id)).details.settled.element, 1);

  await world.sayBody(events, { id: 'msg_array' });
  await world.gateway.metricIs(1, 'webhooks_duplicates_total', { hook: 'sms' });
  await world.sayBody(events, { id: 'msg_array_again' });
  await counted(world, 'same', 3);
  await world.say({ sid: sent[4].sid, price: '7' });
  await assertBooks(world, sum);
  assert.equal(await result(world, 'settled'), 3);
});

test('of an array a thousand elements are read, and more are counted', async (t) => {
  const world = await start(t, { settle });
  const sent = await sendMany(world, 2);
  const others = (count) => Array.from({ length: count }, () => ({ event: 'open' }));
  await world.sayBody([...others(999), { sid: sent[0].sid, price: '0.25' }, { sid: sent[1].sid, price: '0.5' }, ...others(2)]);
  await assertBooks(world, 250_000_000 + estimate);
  assert.equal(await result(world, 'too_many'), 3);
  await world.gateway.says(/webhooks\.sms: event \S+ is an array of 1000 elements and 3 more/);
});

test('an array of which a part was settled before the gateway was killed is settled to its end', async (t) => {
  const world = await start(t, { settle });
  const { sid } = await world.send();
  const other = await world.send();
  await world.sayBody([{ sid, price: '0.5' }]);
  await assertBooks(world, 500_000_000 + estimate);
  const unlock = await lockLedger(t, world);
  await world.sayBody([{ sid, price: '0.1' }, { sid: other.sid, price: '0.2' }, { sid, price: '0.3' }]);
  await world.kill();
  await unlock();
  await world.begin();
  await assertBooks(world, 500_000_000);
  await world.kill();
  await world.begin();
  await counted(world, 'same', 4);
  await assertBooks(world, 500_000_000);
});

test('what was acknowledged before a kill is said again, also where it is more than can wait', async (t) => {
  const world = await start(t, { settle });
  const [oldest, newest] = await sendMany(world, 2);
  await assertBooks(world, 2 * estimate);
  const unlock = await lockLedger(t, world);
  await world.sayBody([{ sid: oldest.sid, price: '0.1' }]);
  for (let i = 0; i < 15; i++) {
    await world.sayBody(Array.from({ length: 1000 }, (_, k) => ({ sid: `other-${i}-${k}`, price: '1' })));
  }
  await world.sayBody([{ sid: newest.sid, price: '0.2' }]);
  await world.kill();
  await unlock();
  await world.begin();
  await until('the oldest is settled', async () => (await rowOf(world.gateway, oldest.id)).cost_nanousd === 100_000_000);
  await until('half of them wait no longer', async () => (await result(world, 'unknown_object')) >= 7_500);
  await counted(world, 'unknown_object', 15_000);
  await assertBooks(world, 300_000_000);
  assert.equal((await result(world, 'overflow')) ?? 0, 0);
  await world.gateway.says(/what the last 15002 events say of costs is said to the ledger again/);
});
