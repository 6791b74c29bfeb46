// A provider that fails half of all calls, its circuit off: retries add no more than their budget to its
// load, however many workers there are.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';

import { call, tally } from '../support/call.mjs';
import { answer, Faulty } from '../support/faulty.mjs';
import { Gateway, measured, until } from '../support/gateway.mjs';

const COUNT = Number(process.env.FAULT_LIMIT ?? 1000) * 2;
const CLIENTS = 32;

for (const workers of [1, 4]) {
  for (const share of [0.5, 1]) {
    test(`${COUNT} calls, of which ${share * 100} % fail, ${workers} workers`, async (t) => {
      const upstream = await Faulty.start();
      let arrived = 0;
      upstream.play(() => (arrived++, Math.random() < share ? answer(503) : answer(200)));
      const gateway = await Gateway.start({
        program: measured,
        gateway: { workers },
        routes: { api: { provider: 'http', credential: 'none', upstream: upstream.port, breaker: 'off',
          retry: { attempts: 3, base: '1ms', cap: '5ms', budget: '20%' } } },
      });
      const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS });
      try {
        let left = COUNT;
        const statuses = [];
        const client = async () => {
          while (left-- > 0) statuses.push((await call(gateway, '/api/x', { agent })).status);
        };
        const began = performance.now();
        await Promise.all(Array.from({ length: CLIENTS }, client));
        const minutes = (performance.now() - began) / 60000;
        t.diagnostic(`${COUNT} calls, ${arrived} upstream (${(arrived / COUNT).toFixed(3)}), ${JSON.stringify(tally(statuses))}`);
        assert.equal(statuses.length, COUNT);
        assert.ok(arrived <= 1.2 * COUNT + 20 + Math.ceil(3 * minutes) + 2, `${arrived} upstream`);
        assert.ok(arrived <= 1.2 * COUNT + 25, `${arrived} upstream`);
        assert.ok(arrived >= 1.15 * COUNT, `${arrived} upstream: the budget is used`);
        await gateway.metricIs(arrived - COUNT, 'retries_total', { route: 'api' });
        assert.ok((await gateway.metric('retry_budget_left', { route: 'api' })) <= 3);
        await until('nothing is in flight', async () => (await gateway.metric('route_in_flight')) === 0);
      } finally {
        agent.destroy();
        await gateway.stop();
        await upstream.stop();
      }
    });
  }
}
