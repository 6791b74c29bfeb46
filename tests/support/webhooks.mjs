// What tests of webhooks share: signers as the providers' documents have them, a gateway with hooks,
// and what lies in its queue, straight out of the file.
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import http from 'node:http';
import path from 'node:path';

import { gatewayFor, until } from './gateway.mjs';

const hmac = (algorithm, key, text, encoding) => crypto.createHmac(algorithm, key).update(text).digest(encoding);
const seconds = () => Math.floor(Date.now() / 1000);

// Each gives the headers that sign the body.
export const sign = {
  stripe: (secret, body, t = seconds()) => ({
    'Stripe-Signature': `t=${t},v1=${hmac('sha256', secret, Buffer.concat([Buffer.from(`${t}.`), Buffer.from(body)]), 'hex')}`,
  }),
  github: (secret, body, { id = crypto.randomUUID(), event = 'push' } = {}) => ({
    'X-Hub-Signature-256': `sha256=${hmac('sha256', secret, body, 'hex')}`,
    'X-GitHub-Delivery': id,
    'X-GitHub-Event': event,
  }),
  slack: (secret, body, t = seconds()) => ({
    'X-Slack-Request-Timestamp': String(t),
    'X-Slack-Signature': `v0=${hmac('sha256', secret, Buffer.concat([Buffer.from(`v0:${t}:`), Buffer.from(body)]), 'hex')}`,
  }),
  shopify: (secret, body) => ({ 'X-Shopify-Hmac-Sha256': hmac('sha256', secret, body, 'base64') }),
  gitlab: (secret) => ({ 'X-Gitlab-Token': secret, 'X-Gitlab-Event': 'Push Hook' }),
  standard: (secret, body, { id = `msg_${crypto.randomUUID()}`, t = seconds() } = {}) => ({
    'webhook-id': id,
    'webhook-timestamp': String(t),
    'webhook-signature': `v1,${hmac('sha256', Buffer.from(secret.slice('whsec_'.length), 'base64'), `${id}.${t}.${body}`, 'base64')}`,
  }),
  // Of a form post; `url` is the public one.
  twilio: (secret, url, parameters) => ({
    'X-Twilio-Signature': hmac('sha1', secret,
      url + Object.keys(parameters).sort().map((name) => name + parameters[name]).join(''), 'base64'),
  }),
};

// A hook's target that nobody listens at, and that is not tried before the test is over.
export const nowhere = { to: 'http://127.0.0.1:9/', schedule: ['12h'] };

// hooks: {name: {...}}; without `deliver` events go nowhere. secrets: {name: value}. One worker, so that
// lines of the log are in order.
export function hooksFor(t, hooks, options = {}) {
  const webhooks = Object.fromEntries(Object.entries(hooks).map(([name, hook]) => [name, { deliver: nowhere, ...hook }]));
  return gatewayFor(t, {
    tenants: {}, ...options, gateway: { workers: 1, ...options.gateway },
    extra: { webhook_queue: { url: 'sqlite:webhooks.db' }, webhooks, ...options.extra },
  });
}

// {status, headers, body}; status 0: the connection broke. headers: an object, or a flat list.
export function post(gateway, target, body, headers = {}, { method = 'POST', port = gateway.port, agent = false, host = '127.0.0.1' } = {}) {
  return new Promise((resolve) => {
    const list = Array.isArray(headers) ? headers : Object.entries({ 'Content-Length': Buffer.byteLength(body ?? ''), ...headers });
    const request = http.request({ host, port, path: target, method, agent, headers: Object.fromEntries(list) }, (response) => {
      const parts = [];
      response.on('data', (data) => parts.push(data));
      response.on('close', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts).toString() }));
    });
    request.on('error', (error) => resolve({ status: 0, error }));
    request.end(body);
  });
}

const query = (gateway, sql) => JSON.parse(execFileSync('sqlite3', ['-json', '-readonly',
  path.join(gateway.folder, 'webhooks.db'), sql], { encoding: 'utf8', maxBuffer: 1 << 28 }) || '[]');

// [{id, event_id, type, suspect, fields, body (a buffer), deliveries}], in the order in which they came.
export function events(gateway) {
  return query(gateway, 'SELECT e.id, event_id, type, suspect, CAST(fields AS TEXT) AS fields, hex(body) AS body, '
    + '(SELECT count(*) FROM deliveries d WHERE d.number / 16 = e.number) AS deliveries '
    + 'FROM events e JOIN bodies b ON b.number = e.number ORDER BY e.number')
    .map((event) => ({ ...event, body: Buffer.from(event.body, 'hex') }));
}

// Of each delivery, in order: is it held back, is it in a line?
export const lines = (gateway) => query(gateway, 'SELECT state = 1 AS held_back, line IS NOT NULL AS ordered FROM deliveries ORDER BY number');

// Lines of the access log that are of webhooks, as soon as there are so many.
export const hookLines = (gateway, count) => until(`${count} lines of webhooks`, () => {
  const lines = gateway.accessLog().filter((line) => line.outcome);
  return lines.length >= count && lines;
});
