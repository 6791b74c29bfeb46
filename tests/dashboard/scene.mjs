// A gateway with routes, tenants, quotas and a ledger, a provider to call, and a browser to look at it.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

import { chromium } from 'playwright-core';

import { Gateway, sleep } from '../support/gateway.mjs';

export const HOSTILE = '<img src=x onerror="document.title=\'owned\'">';

const answerTo = (model, tokens) => JSON.stringify({
  id: 'chatcmpl-1', object: 'chat.completion', created: 1, model,
  choices: [{ index: 0, message: { role: 'assistant', content: 'yes' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: tokens, completion_tokens: 2 * tokens, total_tokens: 3 * tokens },
});

// The status is the end of the path, if that is a number; a `model` of the body is answered with usage.
export async function provider(t) {
  const server = http.createServer((req, res) => {
    let body = '';
    req.on('data', (data) => (body += data));
    req.on('end', () => {
      const status = Number(/(\d{3})$/.exec(req.url)?.[1] ?? 200);
      res.writeHead(status, { 'content-type': 'application/json' });
      let model;
      try {
        model = JSON.parse(body).model;
      } catch {
        model = 'none';
      }
      setTimeout(() => res.end(answerTo(model, 100)), req.url.includes('slow') ? 120 : 4);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t?.after(() => server.close());
  return server;
}

export async function scene(t, { admin = {}, ledger = true, extra = {} } = {}) {
  const server = await provider(t);
  const upstream = server.address().port;
  const quotas = [
    { name: 'rpm', requests: 600, per: '1m', burst: 100 },
    { name: 'daily-tokens', tokens: '2M', per: 'day' },
    { name: 'monthly', cost: '0.02 USD', per: 'month', action: 'warn' },
  ];
  const gateway = await Gateway.start({
    admin,
    gateway: { workers: 1 },
    secrets: { 'openai-key': 'sk-of-the-dashboard-test-0123456789', 'admin-token': 'a-token-that-may-do-all-0123456789abcdef', 'read-token': 'a-token-that-only-reads-0123456789abcdef' },
    routes: {
      openai: { upstream, provider: 'openai', credential: { secret: 'openai-key' } },
      search: { upstream, provider: 'http', credential: 'none', retry: 'off' },
      dead: { base_url: 'http://127.0.0.1:9', provider: 'http', credential: 'none', breaker: { consecutive: 2 }, retry: 'off' },
      'billing-of-a-team-with-a-rather-long-name': { upstream, provider: 'http', credential: { secret: 'absent' }, inject: { header: 'x-key', value: '{secret}' } },
    },
    tenants: {
      checkout: { allow: ['openai', 'search', 'dead'], quotas },
      support: { allow: ['openai', 'search'], quotas: [{ name: 'rpm', requests: 5, per: '1m' }, { name: 'slots', concurrency: 10 }] },
      'data-science': { allow: ['openai'], quotas: [{ name: 'budget', cost: '250 USD', per: 'month' }] },
    },
    extra: {
      ...(ledger ? { ledger: { url: 'sqlite:usage.db' } } : {}),
      quotas: [{ name: 'all', requests: '10k', per: '1h', route: 'openai' }],
      ...extra,
    },
  });
  t?.after(() => gateway.stop());
  gateway.upstream = server;
  return gateway;
}

// One call; nothing of how it ends matters here.
export async function call(gateway, tenant, route, target, model) {
  const res = await fetch(`${gateway.url}/${route}${target}`, {
    method: model ? 'POST' : 'GET',
    headers: { 'x-sallyport-key': gateway.keys[tenant], 'content-type': 'application/json' },
    body: model ? JSON.stringify({ model, max_tokens: 300, messages: [{ role: 'user', content: 'well?' }] }) : undefined,
  });
  await res.arrayBuffer();
  return { status: res.status, id: res.headers.get('x-sallyport-request-id') };
}

// Calls of all kinds, some a second, until stop() is called.
export function traffic(gateway, { perSecond = 20 } = {}) {
  let going = true;
  let turn = 0;
  const kinds = [
    ['checkout', 'openai', '/v1/chat/completions', 'gpt-4o'], ['checkout', 'search', '/v1/find'], ['support', 'search', '/slow'],
    ['data-science', 'openai', '/v1/chat/completions', 'gpt-4o-mini'], ['checkout', 'search', '/v1/items/404'], ['support', 'openai', '/v1/chat/completions', 'gpt-4o'],
    ['checkout', 'search', '/fails/500'], ['checkout', 'dead', '/x'],
  ];
  const run = (async () => {
    while (going) {
      const kind = kinds[turn++ % (turn % 3 ? 2 : kinds.length)];
      void call(gateway, ...kind).catch(() => {});
      await sleep(1000 / perSecond);
    }
  })();
  return { async stop() { going = false; await run; await sleep(300); } };
}

export async function browser(t) {
  const one = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--no-first-run'],
  });
  t?.after(() => one.close());
  return one;
}

// A page that fails the test for whatever the console complains of, or what is asked of elsewhere.
export async function open(t, chrome, url, { width = 1280, height = 900, colorScheme = 'light', expected = [], ...rest } = {}) {
  const context = await chrome.newContext({ viewport: { width, height }, colorScheme, ...rest });
  const page = await context.newPage();
  page.complaints = [];
  page.elsewhere = [];
  const { origin } = new URL(url);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !expected.some((words) => words.test(message.text()))) page.complaints.push(message.text());
  });
  page.on('pageerror', (err) => page.complaints.push(String(err)));
  page.on('request', (request) => {
    if (!request.url().startsWith('data:') && new URL(request.url()).origin !== origin) page.elsewhere.push(request.url());
  });
  t?.after(() => context.close());
  await page.goto(url);
  return page;
}

export const dashboardOf = (gateway) => `http://127.0.0.1:${gateway.adminPort}/`;

export const screenshots = (name) => {
  const folder = process.env.DASHBOARD_SCREENSHOTS;
  if (!folder) return null;
  fs.mkdirSync(folder, { recursive: true });
  return path.join(folder, `${name}.png`);
};
