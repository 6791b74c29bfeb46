// A gateway is killed while calls are under way: what they had reserved stays reserved, is charged in
// full by the store at its deadline, and then the audit is clean. (A minute and a half: the deadline is a
// minute behind the end of timeouts.total.)
import assert from 'node:assert/strict';
import net from 'node:net';
import test from 'node:test';

import { ask, cli, fleet, items, settled, until } from './fleet.mjs';

const CALLS = 8;
const BODY = JSON.stringify({ model: 'gpt-4o-mini', max_tokens: 50, messages: [{ role: 'user', content: 'wait' }] });

// Accepts everything, and answers nothing.
async function silent(t) {
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket)).resume();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => { sockets.forEach((socket) => socket.destroy()); server.close(); });
  return server.address().port;
}

function post(gateway, key) {
  return fetch(`${gateway.url}/openai/v1/chat/completions`, {
    method: 'POST', body: BODY, headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
  }).then((answer) => answer.status, () => 0);
}

const named = async (gateway) => Object.fromEntries((await items(gateway)).map((item) => [item.quota, item]));
const audit = (gateway) => cli('quotas', 'audit', '-c', gateway.file);

test('what a killed gateway had reserved is charged in full at its deadline, and the audit is clean', async (t) => {
  const port = await silent(t);
  const crew = await fleet({
    count: 2,
    quotas: [{ name: 'tokens', tokens: '1M', per: 'day' }, { name: 'open', concurrency: 100 }, { name: 'calls', requests: 1000, per: 'day' }],
    store: { on_failure: 'deny', timeout: '1s' },
    routes: { openai: { base_url: `http://127.0.0.1:${port}`, credential: 'none', retry: 'off', timeouts: { total: '20s' } } },
  });
  const [victim, survivor] = crew.members.map((member) => member.gateway);
  try {
    const calls = Array.from({ length: CALLS }, () => post(victim, crew.key));
    await until('all are under way', async () => (await victim.metric('upstream_connections')) === CALLS);
    const before = await named(survivor);
    assert.ok(before.tokens.reserved > 0 && before.tokens.used === before.tokens.reserved, JSON.stringify(before.tokens));
    assert.match(await audit(survivor), / 0 differ/, 'open reservations are no difference');
    victim.signal('SIGKILL');
    await victim.exited;
    assert.deepEqual(await Promise.all(calls), Array(CALLS).fill(0));

    await until('its places are free', async () => (await named(survivor)).open.used === 0, { timeout: 60000, every: 1000 });
    const killed = await named(survivor);
    assert.equal(killed.tokens.reserved, before.tokens.reserved, 'tokens stay reserved until their deadline');
    assert.match(await audit(survivor), / 0 differ/);

    await until('the store has charged them', async () => {
      await ask(undefined, survivor, crew.key, { path: '/openai/v1/models' }); // any admission looks after what is overdue
      return (await named(survivor)).tokens.reserved === 0;
    }, { timeout: 120000, every: 2000 });
    await settled(survivor);
    const after = await named(survivor);
    assert.equal(after.tokens.used, before.tokens.used, 'in full');
    assert.equal(after.open.used, 0);
    assert.match(await audit(survivor), / 0 differ/);
  } finally {
    await crew.stop();
  }
});
