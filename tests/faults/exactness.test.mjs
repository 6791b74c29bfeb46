// The limit holds and the count is exact, with three gateways, while one is killed or cut off at a
// random moment: never more answered than the limit, and the store's count is the limit itself.
import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';

import { ask, cli, fleet, items, pick, provider, runs, settled, sleep, until } from './fleet.mjs';

const LIMIT = Number(process.env.FAULT_LIMIT ?? 2000);
const CLIENTS = 64;

async function client(state) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  while (!state.over) {
    const member = pick(state.members);
    const status = await ask(agent, member.gateway, state.key);
    if (status === 200) {
      state.answered++;
    } else if (status === 429) {
      break;
    } else if (status === 503) {
      await sleep(10);
    } else if (member.dead) {
      state.unknown++; // it may have been admitted before the gateway died
      await sleep(1);
    } else {
      throw new Error(`status ${status} from a gateway that lives`);
    }
  }
  agent.destroy();
}

const outages = {
  refuse: [(proxy) => proxy.refuse(), (proxy) => proxy.accept()],
  freeze: [(proxy) => proxy.freeze(), (proxy) => proxy.thaw()],
  'lose replies': [(proxy) => proxy.lose('down'), (proxy) => proxy.heal()],
  'lose commands': [(proxy) => proxy.lose('up'), (proxy) => proxy.heal()],
};

// Something happens to one gateway when about so many have been answered.
async function strike(state, how) {
  const victim = pick(state.members);
  const moment = Math.floor(Math.random() * LIMIT * 0.8);
  await until('the moment has come', () => state.answered >= moment || state.over, { every: 1, timeout: 120000 });
  if (how === 'kill') {
    victim.dead = true;
    victim.gateway.signal('SIGKILL');
    await victim.gateway.exited;
    state.members = state.members.filter((member) => member !== victim);
  } else {
    const [begin, end] = outages[how];
    begin(victim.proxy);
    await sleep(300 + Math.random() * 2500);
    end(victim.proxy);
  }
  return victim;
}

async function campaign(t, how) {
  const upstream = await provider();
  const crew = await fleet({
    quotas: [{ name: 'daily', requests: LIMIT, per: 'day' }],
    store: { on_failure: 'deny', timeout: '1s' },
    upstream: upstream.port,
  });
  try {
    const state = { members: [...crew.members], key: crew.key, answered: 0, unknown: 0, over: false };
    const struck = strike(state, how);
    await Promise.all(Array.from({ length: CLIENTS }, () => client(state)));
    await struck;
    for (const { gateway } of state.members) await settled(gateway);
    // What was called off meanwhile is there to be taken again.
    const last = { ...state, answered: 0, over: false };
    await Promise.all([client(last), client(last)]);
    const answered = state.answered + last.answered;
    const { used } = (await items(state.members[0].gateway))[0];
    t.diagnostic(`${how}: answered ${answered}, counted ${used}, unknown ${state.unknown}, upstream ${upstream.seen.requests}`);
    assert.equal(used, LIMIT, 'the count is the limit');
    assert.ok(answered <= LIMIT, `${answered} were answered`);
    if (how === 'kill') {
      assert.ok(LIMIT - answered <= CLIENTS, 'what is missing had been admitted by the killed gateway');
      assert.ok(LIMIT - answered <= state.unknown, 'and was lost by clients of it');
    } else {
      assert.equal(answered, LIMIT);
    }
    assert.ok(upstream.seen.requests <= LIMIT, 'the provider saw no more than the limit');
    assert.match(await cli('quotas', 'audit', '-c', state.members[0].gateway.file), / 0 differ/);
  } finally {
    await crew.stop();
    upstream.close();
  }
}

for (let run = 1; run <= runs; run++) {
  test(`run ${run}: a gateway is killed`, (t) => campaign(t, 'kill'));
  test(`run ${run}: a gateway is cut off for a while`, (t) => campaign(t, pick(Object.keys(outages))));
}
