// A budget in dollars under concurrent streams and plain calls over two gateways, with clients that leave:
// what the store has charged is the sum of what the access logs say each call cost, to the nano-USD, and
// passes the budget only by what quota_overrun_total says.
import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';

import { Child, freePort } from '../support/gateway.mjs';
import { cli, fleet, items, pick, settled, until } from './fleet.mjs';

const CALLS = Number(process.env.FAULT_LIMIT ?? 2000) / 10;
const demoKey = 'sk-demo-of-the-fault-tests-0123456789';

async function demo() {
  const port = await freePort();
  const child = new Child(['demo', '--listen', `127.0.0.1:${port}`], { env: { SALLYPORT_DEMO_KEY: demoKey } });
  await until('the demo provider listens', async () => fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false));
  return { child, port };
}

// Half of them streams, some of which are left in the middle.
function call(agent, gateway, key, { leave }) {
  const stream = leave || Math.random() < 0.5;
  const body = JSON.stringify({
    model: pick(['gpt-4o', 'gpt-4o-mini']), stream, max_tokens: pick([undefined, 100, 400]),
    ...(stream && Math.random() < 0.5 ? { stream_options: { include_usage: true } } : {}),
    messages: [{ role: 'user', content: 'x'.repeat(Math.floor(Math.random() * 800)) }],
  });
  return new Promise((resolve) => {
    const request = http.request({
      port: gateway.port, host: '127.0.0.1', path: '/openai/v1/chat/completions', method: 'POST', agent,
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
    }, (response) => {
      if (leave && response.statusCode === 200) {
        setTimeout(() => response.destroy(), Math.random() * 100);
        response.on('close', () => resolve('left'));
        response.on('error', () => {});
        return;
      }
      response.on('error', () => resolve('broken'));
      response.resume().on('end', () => resolve(response.statusCode));
    });
    request.on('error', () => resolve('broken'));
    request.end(body);
  });
}

test(`${CALLS} calls by 16 clients: charged is what the calls cost`, async (t) => {
  const { child, port } = await demo();
  const limit = 40_000_000; // 0.04 USD
  const crew = await fleet({
    count: 2,
    quotas: [{ name: 'budget', cost: '0.04 USD', per: 'day' }, { name: 'open', concurrency: 100 }],
    store: { on_failure: 'deny', timeout: '1s' },
    routes: { openai: { base_url: `http://127.0.0.1:${port}`, credential: { secret: 'demo-key' } } },
    secrets: { 'demo-key': demoKey },
  });
  const agent = new http.Agent({ keepAlive: true });
  try {
    const outcomes = {};
    let left = CALLS;
    const client = async () => {
      while (left-- > 0) {
        const outcome = await call(agent, pick(crew.members).gateway, crew.key, { leave: Math.random() < 0.2 });
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: 16 }, client));
    for (const { gateway } of crew.members) {
      await until('nothing is in flight', async () => (await gateway.metric('exchanges')) === 0);
      await settled(gateway);
      const ended = await gateway.metric('requests_total');
      await until('all is logged', () => gateway.accessLog().length === ended);
    }
    let receipts = 0;
    let overrun = 0;
    for (const { gateway } of crew.members) {
      for (const line of gateway.accessLog()) receipts += line.cost_nanousd ?? 0;
      overrun += await gateway.metric('quota_overrun_total', { quota: 'budget' });
    }
    const [budget, open] = await items(crew.members[0].gateway);
    t.diagnostic(`${JSON.stringify(outcomes)}: charged ${budget.used}, receipts ${receipts}, overrun ${overrun}`);
    assert.equal(budget.used, receipts);
    assert.ok(budget.used <= limit + overrun, `${budget.used} of ${limit}, overrun ${overrun}`);
    assert.ok(outcomes[429] > 0, 'the budget was reached');
    assert.equal(open.used, 0, 'no place is held any more');
    assert.match(await cli('quotas', 'audit', '-c', crew.members[0].gateway.file), / 0 differ/);
  } finally {
    agent.destroy();
    await crew.stop();
    await child.stop();
  }
});
