// What a caller can write grows no metric: names of models and paths that were never seen before.
import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';

import { completion, json, metered } from '../support/meter.mjs';
import { withLedger } from '../support/ledger.mjs';

const FRESH = Number(process.env.FRESH_VALUES ?? 6000);

test(`${FRESH} models and as many paths that are new each time: the series are as many as before`, async (t) => {
  const { gateway } = await metered(t, { ...withLedger(), answer: () => json(completion()), gateway: { workers: 1, access_log: 'off' } });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
  t.after(() => agent.destroy());
  const post = (path, model) => new Promise((resolve, reject) => {
    const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] });
    const headers = { 'X-Sallyport-Key': gateway.key, 'Content-Type': 'application/json', 'Content-Length': body.length };
    http.request({ port: gateway.port, host: '127.0.0.1', method: 'POST', path, agent, headers },
      (response) => response.resume().on('end', () => resolve(response.statusCode))).on('error', reject).end(body);
  });
  let next = 0;
  const upTo = async (end) => {
    const worker = async () => {
      while (next < end) {
        const n = next++;
        assert.equal(await post('/ai/v1/chat/completions', `gpt-4o-${n}`), 200);
        assert.equal(await post(`/ai/v1/files/file-${n}`, 'gpt-4o'), 200);
      }
    };
    await Promise.all(Array.from({ length: 20 }, worker));
  };
  const seriesNow = async () => {
    const page = await (await fetch(`http://127.0.0.1:${gateway.adminPort}/metrics`)).text();
    return page.split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.replace(/ \S+$/, ''));
  };
  await upTo(FRESH / 2);
  const half = await seriesNow();
  await upTo(FRESH);
  const whole = await seriesNow();
  assert.deepEqual(whole, half);
  assert.ok(whole.some((line) => line.includes('model="__other__"')), 'the rest has a name');
  assert.ok(!whole.some((line) => line.includes('file-')), 'no path is a label');
  t.diagnostic(`${whole.length} series`);
});
