// A provider's event settles what an earlier request cost: the ledger's row, its sums, and what the quotas are charged with
// follow it together, once, whatever is said again, comes early or late, or is killed meanwhile.
import assert from 'node:assert/strict';
import test from 'node:test';

import { until } from '../support/gateway.mjs';
import { explain, rowOf } from '../support/ledger.mjs';
import { chat } from '../support/meter.mjs';
import { assertBooks, counted, estimate, hookSecret, lockLedger, quota, result, start, usage, usd } from '../support/settlement.mjs';
import { nowhere, post, sign } from '../support/webhooks.mjs';

for (const shared of [false, true]) {
  const where = shared ? 'Redis' : 'memory';

  test(`an event settles its request lower or higher, once (${where})`, async (t) => {
    const world = await start(t, { shared });
    const [low, high, other] = [await world.send(), await world.send(), await world.send()];
    await assertBooks(world, 3 * estimate);
    await world.say({ id: low.sid, cost: '-0.00750', currency: 'USD', status: 'delivered' });
    await assertBooks(world, 2 * estimate + 7_500_000);
    await world.say({ id: high.sid, cost: 0.0123456789, currency: 'usd', status: 'delivered' });
    const sum = estimate + 7_500_000 + 12_345_679;
    await assertBooks(world, sum);
    const row = await rowOf(world.gateway, low.id);
    assert.deepEqual([row.cost_nanousd, row.settled, row.object.status, row.details.settled.hook, row.details.settled.before_nanousd],
      [7_500_000, true, 'delivered', 'sms', estimate]);
    assert.match(explain(world.gateway, low.id), /cost +0\.007500000 USD, settled later by an event of the webhook "sms", \S+; before: 0\.01 USD/);

    await world.say({ id: low.sid, cost: '-0.00750', currency: 'USD', status: 'delivered' });
    await counted(world, 'same', 1);
    await world.say({ id: 'SM999', cost: '5', currency: 'USD' });
    await world.say({ id: other.sid, cost: '5', currency: 'EUR' });
    await counted(world, 'currency', 1);
    await world.say({ id: other.sid, cost: 'a lot', currency: 'USD' });
    await counted(world, 'unreadable', 1);
    await world.say({ id: other.sid, cost: '5', currency: 'USD' }, { type: 'number.bought' });
    await assertBooks(world, sum);
    await world.say({ id: other.sid, status: 'sent' });
    await counted(world, 'status', 1);
    await assertBooks(world, sum);
    await world.say({ id: other.sid, status: 'canceled' });
    await assertBooks(world, sum - estimate);
    assert.equal(await result(world, 'settled'), 3);
    await world.gateway.says(/webhooks\.sms: event \S+ says the cost of "SM3" in "EUR" and not in USD/);
    assert.match(await world.gateway.metrics(), /^sallyport_settled_returned_usd_total\{hook="sms"\} 0\.012500000$/m);
    assert.match(await world.gateway.metrics(), /^sallyport_settled_added_usd_total\{hook="sms"\} 0\.002345679$/m);
  });

  test(`an event that comes before its request has ended waits for it (${where})`, async (t) => {
    const world = await start(t, { shared, before: (it, sid) => it.say({ id: sid, cost: '0.5', currency: 'USD' }) });
    await world.send();
    await assertBooks(world, 500_000_000);
    assert.equal(await result(world, 'settled'), 1);
  });

  test(`a repeat settles nothing again, even behind another cost (${where})`, async (t) => {
    const world = await start(t, { shared });
    const { sid } = await world.send();
    await world.say({ id: sid, cost: '0.02', currency: 'USD' }, { id: 'msg_first' });
    await assertBooks(world, 20_000_000);
    await world.say({ id: sid, cost: '0.03', currency: 'USD' });
    await assertBooks(world, 30_000_000);
    await world.say({ id: sid, cost: '0.02', currency: 'USD' }, { id: 'msg_first' });
    await world.gateway.metricIs(1, 'webhooks_duplicates_total', { hook: 'sms' });
    await world.send();
    await assertBooks(world, 30_000_000 + estimate);
  });

  for (const signal of ['SIGTERM', 'SIGKILL']) test(`requests from before a restart are settled (${where}, ${signal})`, async (t) => {
    const world = await start(t, { shared });
    const sent = [await world.send(), await world.send()];
    await world.say({ id: sent[0].sid, cost: '0.03', currency: 'USD' });
    await assertBooks(world, 30_000_000 + estimate);
    await world.kill(signal);
    await world.begin();
    await world.say({ id: sent[1].sid, cost: '0.001', currency: 'USD' });
    await assertBooks(world, 31_000_000);
    await world.send();
    await world.say({ id: sent[0].sid, cost: '0', currency: 'USD' });
    await assertBooks(world, 1_000_000 + estimate);
  });
}

for (const shared of [false, true]) test(`budgets of values are settled, too (${shared ? 'Redis' : 'memory'})`, async (t) => {
  const world = await start(t, { shared, quotas: [{ name: 'budget', cost: '0.02 USD', per: 'month', each: 'header:X-User' }] });
  const as = async (user) => {
    const answer = await chat(world.gateway, {}, { path: '/sms/2010-04-01/Accounts/AC1/Messages.json', headers: { 'X-User': user } });
    return answer.status === 201 ? JSON.parse(answer.body).sid : answer.status;
  };
  const [first] = [await as('ada'), await as('ada'), await as('bob')];
  assert.equal(await as('ada'), 429);
  await world.say({ id: first, cost: '0', currency: 'USD' });
  await until('she has room again', async () => (await as('ada')) !== 429);
  assert.equal(await as('ada'), 429);
  await as('bob');
  assert.equal(await as('bob'), 429);
  await world.kill();
  await world.begin();
  assert.deepEqual([await as('ada'), await as('bob')], [429, 429]);
  await world.say({ id: first, cost: '0.01', currency: 'USD' });
  await world.say({ id: 'SM3', cost: '0', currency: 'USD' });
  await until('he has room again', async () => (await as('bob')) !== 429);
  assert.deepEqual([await as('ada'), await as('bob')], [429, 429]);
});

test('a form of Twilio settles what its request cost, from the reload on that brings its rule', async (t) => {
  const world = await start(t);
  const url = 'https://hooks.example.com/hooks/twilio';
  await world.gateway.reload((config) => {
    config.webhooks.twilio = {
      provider: 'twilio', public_url: url, secrets: ['hook'], deliver: nowhere,
      settle: { object: 'MessageSid', status: 'MessageStatus', free: ['canceled'] },
    };
  });
  const { sid, id } = await world.send();
  const form = { MessageSid: sid, MessageStatus: 'canceled' };
  const answer = await post(world.gateway, '/hooks/twilio', new URLSearchParams(form).toString(),
    { ...sign.twilio(hookSecret, url, form), 'Content-Type': 'application/x-www-form-urlencoded' });
  assert.equal(answer.status, 200);
  await assertBooks(world, 0);
  assert.equal((await rowOf(world.gateway, id)).object.status, 'canceled');
});

test('of a request that went on to another route, that one is settled', async (t) => {
  const world = await start(t, { quotas: [{ name: 'budget', cost: '100 USD', per: 'month' }, { name: 'of-sms', cost: '50 USD', per: 'month', route: 'sms' }] });
  await world.gateway.reload((config) => {
    config.routes.away = { ...config.routes.sms, base_url: 'http://127.0.0.1:9', fallback: ['sms'], prices: [{ per_request: '0.02 USD' }] };
    config.tenants.app.allow.push('away');
    config.tenants.app.quotas.push({ name: 'of-away', cost: '50 USD', per: 'month', route: 'away' });
  });
  const answer = await chat(world.gateway, {}, { path: '/away/2010-04-01/Accounts/AC1/Messages.json' });
  assert.equal(answer.status, 201, answer.body);
  await world.say({ id: JSON.parse(answer.body).sid, cost: '0.0042', currency: 'USD' });
  await assertBooks(world, 4_200_000);
  assert.deepEqual([(await quota(world, 'of-sms')).used, (await quota(world, 'of-away')).used], [4_200_000, 0]);
  assert.equal((await rowOf(world.gateway, answer.id)).served_by, 'sms');
});

test('a shared quota that a reload takes away for a while hears of what was settled meanwhile', async (t) => {
  const world = await start(t, { shared: true });
  const { sid, id } = await world.send();
  await assertBooks(world, estimate);
  let quotas;
  await world.gateway.reload((config) => { [quotas, config.tenants.app.quotas] = [config.tenants.app.quotas, []]; });
  await world.say({ id: sid, cost: '0.0042', currency: 'USD' });
  await until('the ledger has it', async () => (await rowOf(world.gateway, id)).cost_nanousd === 4_200_000);
  await until('it was told', async () => (await result(world, 'settled')) === 1);
  await new Promise((resolve) => { setTimeout(resolve, 2500); }); // two ticks: whoever should hear of it is not there
  await world.gateway.reload((config) => { config.tenants.app.quotas = quotas; });
  await assertBooks(world, 4_200_000);
});

test('what is settled gives room in the budget again', async (t) => {
  const world = await start(t, { quotas: [{ name: 'budget', cost: '0.02 USD', per: 'month' }] });
  const sent = [await world.send(), await world.send()];
  const refused = await chat(world.gateway, {}, { path: '/sms/2010-04-01/Accounts/AC1/Messages.json' });
  assert.equal(refused.status, 429);
  await world.say({ id: sent[0].sid, cost: '0', currency: 'USD' });
  await assertBooks(world, estimate);
  await world.send();
  await assertBooks(world, 2 * estimate);
});

// ---- killed at any moment -----------------------------------------------------------------------

test('a difference that Redis has not heard of is told by the next process', async (t) => {
  const world = await start(t, { shared: true });
  const { sid, id } = await world.send();
  await assertBooks(world, estimate);
  world.proxy.lose('up');
  await world.say({ id: sid, cost: '0.0001', currency: 'USD' });
  await until('the ledger has it', async () => (await rowOf(world.gateway, id)).cost_nanousd === 100_000);
  await world.kill();
  world.proxy.heal();
  await world.begin();
  await assertBooks(world, 100_000);
});

test('a difference that Redis took, and the gateway was not told so, is not taken again', async (t) => {
  const world = await start(t, { shared: true });
  const sent = [await world.send(), await world.send()];
  await assertBooks(world, 2 * estimate);
  world.proxy.lose('down');
  const mark = async () => (await world.redis.cli('--scan', '--pattern', '*:later:*')).trim();
  await world.say({ id: sent[0].sid, cost: '0.0001', currency: 'USD' });
  await until('Redis has it', mark);
  await world.kill();
  world.proxy.heal();
  await world.begin();
  await assertBooks(world, 100_000 + estimate);
  await world.say({ id: sent[1].sid, cost: '0.0002', currency: 'USD' });
  await assertBooks(world, 300_000);
});

test('an event that was acknowledged, and not settled before the gateway was killed, is settled by the next process', async (t) => {
  const world = await start(t);
  const sent = [await world.send(), await world.send()];
  await world.say({ id: sent[0].sid, cost: '0.5', currency: 'USD' });
  await assertBooks(world, 500_000_000 + estimate);
  const unlock = await lockLedger(t, world);
  await world.say({ id: sent[0].sid, cost: '0.25', currency: 'USD' });
  await world.say({ id: sent[1].sid, cost: '0.00001', currency: 'USD' });
  await world.kill();
  await unlock();
  await world.begin();
  await assertBooks(world, 250_010_000);
  await world.gateway.says(/what the last 3 events say of costs is said to the ledger again/);
  assert.deepEqual([await result(world, 'settled'), await result(world, 'same')], [2, 1]);
});

test('whenever it is killed, the ledger and Redis agree, and with them what was acknowledged', async (t) => {
  const world = await start(t, { shared: true });
  const made = new Map(); // sid: {id, may: what it may cost}
  let seed = 20_231;
  const random = () => ((seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647);
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 5; i++) {
      const { sid, id } = await world.send();
      made.set(sid, { id, may: new Set([estimate]) });
    }
    let killed = false;
    const ends = until('some events are settled', async () => killed || (await result(world, 'settled')) >= 1 + Math.floor(random() * 10))
      .then(async () => { await world.kill(); killed = true; });
    for (let i = 0; !killed && i < 400; i++) {
      const sids = [...made.keys()];
      const sid = sids[Math.floor(random() * sids.length)];
      const cost = Math.floor(random() * 50_000_000);
      const { may } = made.get(sid);
      await world.say({ id: sid, cost: usd(cost), currency: 'USD' }).then(() => may.clear(), () => {}); // without an answer both may be
      may.add(cost);
    }
    await ends;
    await world.begin();
    const again = Number(/what the last (\d+) events say of costs is said to the ledger again/.exec(world.gateway.stderr)?.[1] ?? 0);
    await until('what was said before has been looked at', async () => (await world.gateway.metric('webhook_settlements_total')) >= again);
    let sum;
    await until('each request costs what was acknowledged last, and all say so', async () => {
      const costs = await Promise.all([...made.values()].map(async ({ id, may }) => [(await rowOf(world.gateway, id)).cost_nanousd, may]));
      sum = costs.reduce((all, [cost]) => all + cost, 0);
      return costs.every(([cost, may]) => may.has(cost)) && (await usage(world)).cost_nanousd === sum && (await quota(world)).used === sum;
    });
    await assertBooks(world, sum);
  }
});

test('a Redis that lost its data is filled in with what was settled before, and after', async (t) => {
  const world = await start(t, { shared: true });
  const sent = [await world.send(), await world.send()];
  await world.say({ id: sent[0].sid, cost: '0.0001', currency: 'USD' });
  await assertBooks(world, 100_000 + estimate);
  await world.redis.cli('FLUSHALL');
  await until('it is filled in', async () => (await quota(world))?.used === 100_000 + estimate);
  await world.say({ id: sent[1].sid, cost: '0.0002', currency: 'USD' });
  await assertBooks(world, 300_000);
});
