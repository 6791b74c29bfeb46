// Calls at a fixed rate, open loop: each from the moment that it was due.
import http from 'node:http';

import { call } from './call.mjs';
import { sleep } from './gateway.mjs';

// `paths` in turn. What call() found of each, its `path`, and how `late` it was answered, in ms.
export async function load(gateway, paths, rate, seconds) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 400 });
  const calls = [];
  const began = performance.now();
  for (let i = 0; i < rate * seconds; i++) {
    const due = began + i * 1000 / rate;
    await sleep(Math.max(0, due - performance.now()));
    const path = paths[i % paths.length];
    calls.push(call(gateway, path, { agent }).then((one) => ({ ...one, path, late: performance.now() - due })));
  }
  const results = await Promise.all(calls);
  agent.destroy();
  return results;
}
