// How long a well-behaved client waits while others misbehave.
import assert from 'node:assert/strict';

import { sleep } from './gateway.mjs';

export const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)];

// Calls one after the other while `busy` is pending, or `count` times. Returns milliseconds.
export async function latencies(gateway, path, { count = Infinity, busy } = {}) {
  const found = [];
  let over = false;
  busy?.finally(() => (over = true)).catch(() => {});
  while (!over && found.length < count) {
    const startedAt = performance.now();
    const answer = await fetch(`${gateway.url}${path}`, { headers: { 'x-sallyport-key': gateway.key } });
    assert.equal(await answer.text(), 'ok');
    assert.equal(answer.status, 200);
    found.push(performance.now() - startedAt);
    await sleep(5);
  }
  return found;
}

export const describe = (values) =>
  `${values.length} calls: p50 ${quantile(values, 0.5).toFixed(1)} ms, p99 ${quantile(values, 0.99).toFixed(1)} ms, ` +
  `most ${Math.max(...values).toFixed(1)} ms`;

// The longest turn of any worker in the last 15 to 30 seconds, in milliseconds.
export async function longestTurn(gateway) {
  const text = await gateway.metrics();
  const turns = [...text.matchAll(/^sallyport_loop_longest_turn_seconds\{.*\} ([0-9.]+)$/gm)];
  assert.ok(turns.length > 0);
  return 1000 * Math.max(...turns.map((match) => Number(match[1])));
}
