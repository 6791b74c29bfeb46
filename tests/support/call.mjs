// One call at the gateway over a connection of its own, with all that came back; and what tests of
// retries, circuits and the like share.
import assert from 'node:assert/strict';
import http from 'node:http';

import { sallyport, until } from './gateway.mjs';

// {status, headers, body, ms, cut (broken off inside the answer), code}; a broken connection is
// status 0. `chunks`: a list of parts, sent one after the other without a length. `heard` is called with
// each piece of the body.
export function call(gateway, path, options = {}) {
  const { body, chunks, headers = {}, key = gateway.key, agent = false, signal, heard } = options;
  const method = options.method ?? (body === undefined && !chunks ? 'GET' : 'POST');
  const began = performance.now();
  return new Promise((resolve) => {
    const result = { status: 0, headers: {}, body: '', cut: false };
    const done = (more) => resolve(Object.assign(result, more, { ms: performance.now() - began }));
    const request = http.request({
      port: gateway.port, host: '127.0.0.1', path, method, agent, signal,
      headers: { 'X-Sallyport-Key': key, ...(body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) }), ...headers },
    }, (response) => {
      Object.assign(result, { status: response.statusCode, headers: response.headers, code: response.headers['x-sallyport-error'] });
      result.id = response.headers['x-sallyport-request-id'];
      result.attempts = Number(response.headers['x-sallyport-attempts'] ?? NaN);
      const parts = [];
      response.on('data', (data) => {
        parts.push(data);
        heard?.(data);
      });
      response.on('error', () => {});
      response.on('close', () => done({ body: Buffer.concat(parts).toString('latin1'), cut: !response.complete }));
    });
    request.on('error', (error) => done({ error, cut: result.status > 0 }));
    if (chunks) {
      for (const chunk of chunks) request.write(chunk);
      request.end();
    } else {
      request.end(body);
    }
  });
}

export const many = (count, what) => Promise.all(Array.from({ length: count }, (_, i) => what(i)));

// One after the other.
export async function series(count, what) {
  const results = [];
  for (let i = 0; i < count; i++) results.push(await what(i));
  return results;
}

// How often each value occurs: {200: 3, 503: 1}.
export function tally(values) {
  const counts = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

// What the access log says of each attempt.
export const triesOf = async (gateway, answer) => (await gateway.logLine(answer.id)).tries;

// Of those that may be repeated, and of those that may not.
export const methods = ['GET', 'PUT', 'POST', 'PATCH'];
export const eachMethod = (gateway, path) =>
  series(methods.length, (i) => call(gateway, path, { method: methods[i], body: methods[i] === 'GET' ? undefined : 'x' }));

// Each was tried until its attempts were spent, and no byte of any was sent.
export async function assertNothingSent(gateway, results, { status = 502, code = 'upstream_unreachable', attempts = 3 } = {}) {
  for (const lost of results) {
    assert.equal(lost.status, status);
    assert.equal(lost.code, code);
    assert.equal(lost.attempts, attempts);
    assert.equal(lost.headers['x-should-retry'], 'false');
    const tries = await triesOf(gateway, lost);
    assert.equal(tries.length, attempts);
    for (const one of tries) {
      assert.equal(one.sent, false);
      assert.ok(one.fault, JSON.stringify(one));
    }
  }
}

export const breakers = (gateway) => JSON.parse(sallyport(['breakers', '--json', '-c', gateway.file])).breakers;
export const breaker = (gateway, route) => breakers(gateway).find((one) => one.route === route);

export const untilState = (gateway, route, state, options) =>
  until(`the circuit of ${route} is ${state}`, () => breaker(gateway, route).state === state, options);
