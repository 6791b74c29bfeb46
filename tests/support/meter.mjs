// What tests of metered calls share: a provider that is a script, so that every figure is known; a call
// with its trailers; and what the gateway says of a quota.
import http from 'node:http';

import { gatewayFor, sallyport, until } from './gateway.mjs';
import { upstreamFor } from './wire.mjs';

export const json = (value, status = '200 OK', fields = '') => {
  const body = typeof value === 'string' ? value : JSON.stringify(value);
  return `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\n${fields}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
};

export const completion = (usage = { prompt_tokens: 10, completion_tokens: 5 }, more = {}) => ({
  id: 'c-1', object: 'chat.completion', model: 'gpt-4o-mini',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
  ...(usage ? { usage } : {}), ...more,
});

// The same, longer by so many bytes.
export const longCompletion = (bytes, usage) =>
  completion(usage, { choices: [{ index: 0, message: { content: 'x'.repeat(bytes) }, finish_reason: 'stop' }] });

export const chunk = (text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
export const chunkedHead = (type = 'application/json') =>
  `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`;
export const event = (data) => chunk(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
export const delta = (text) => event({
  id: 'c-1', object: 'chat.completion.chunk', created: 1, model: 'gpt-4o-mini', choices: [{ index: 0, delta: { content: text } }],
});

// A whole event stream with its usage, as an answer.
export const stream = (usage = { prompt_tokens: 10, completion_tokens: 5 }) => chunkedHead('text/event-stream')
  + delta('Hello') + (usage ? event({ id: 'c-1', choices: [], usage }) : '') + event('[DONE]') + '0\r\n\r\n';

export async function metered(t, { answer = () => json(completion()), quotas, route = {}, ...options } = {}) {
  const upstream = await upstreamFor(t, answer);
  const gateway = await gatewayFor(t, {
    routes: { ai: { provider: 'openai', credential: 'none', upstream: upstream.port, ...route } },
    tenants: { app: { allow: ['ai'], ...(quotas ? { quotas } : {}) } },
    ...options,
  });
  return { gateway, upstream };
}

// {status, headers, trailers, body, cut, id, cost (nano-USD), usage}; `cost` and `usage` as the receipt has
// them, wherever it stands; undefined: there is none.
export function chat(gateway, body = {}, { path = '/ai/v1/chat/completions', headers = {}, raw, key = gateway.key, signal } = {}) {
  const bytes = raw ?? JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }], ...body });
  return new Promise((resolve) => {
    const result = { status: 0, headers: {}, trailers: {}, body: '', cut: false };
    const request = http.request({
      port: gateway.port, host: '127.0.0.1', path, method: 'POST', agent: false, signal,
      headers: { 'X-Sallyport-Key': key, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(bytes), ...headers },
    }, (response) => {
      Object.assign(result, { status: response.statusCode, headers: response.headers });
      result.id = response.headers['x-sallyport-request-id'];
      const parts = [];
      response.on('data', (data) => parts.push(data));
      response.on('error', () => {});
      response.on('close', () => {
        Object.assign(result, { body: Buffer.concat(parts).toString('latin1'), cut: !response.complete, trailers: response.trailers });
        resolve(Object.assign(result, receiptOf(result)));
      });
    });
    request.on('error', (error) => resolve(Object.assign(result, { error, cut: result.status > 0 })));
    request.end(bytes);
  });
}

function receiptOf({ headers, trailers }) {
  const cost = headers['x-sallyport-cost-usd'] ?? trailers['x-sallyport-cost-usd'];
  const usage = headers['x-sallyport-usage'] ?? trailers['x-sallyport-usage'];
  return {
    cost: cost === undefined ? undefined : Number(cost.replace('.', '')),
    usage: usage && Object.fromEntries(usage.split(';').map((part) => part.split('=')).map(([kind, count]) => [kind, Number(count)])),
  };
}

export const quotaOf = (gateway, name) => JSON.parse(sallyport(['quotas', '--json', '-c', gateway.file])).quotas
  .find((quota) => quota.quota === name);

export const settled = (gateway, name) => until('the quota is settled', () => {
  const quota = quotaOf(gateway, name);
  return quota.open === 0 && quota;
});
