// The dashboard in a browser: what it shows and how soon, what hostile names do to it, who can use it,
// and that nothing leaves for elsewhere.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import { sleep, until } from '../support/gateway.mjs';
import { HOSTILE, browser, call, dashboardOf, open, scene, screenshots, traffic } from './scene.mjs';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const looks = [1280, 390].flatMap((width) => ['light', 'dark'].map((colorScheme) => ({ width, height: width === 390 ? 844 : 900, colorScheme })));
const json = (value) => ({ status: 200, contentType: 'application/json', body: JSON.stringify(value) });
const text = (page, selector) => page.locator(selector).innerText();

function calm(page) {
  assert.deepEqual(page.complaints, []);
  assert.deepEqual(page.elsewhere, [], 'something was asked of elsewhere');
}

test('traffic, circuits, quotas and spend are there, and follow by themselves', async (t) => {
  const gateway = await scene(t);
  const chrome = await browser(t);
  const page = await open(t, chrome, dashboardOf(gateway));
  await page.waitForFunction(() => document.querySelector('#state').textContent === 'serving');
  await until('two samples are there', async () => /^0 \/s/.test(await text(page, '#charts figure:first-child b')));

  const begun = performance.now();
  await Promise.all(Array.from({ length: 8 }, () => call(gateway, 'checkout', 'openai', '/v1/chat/completions', 'gpt-4o')));
  await call(gateway, 'checkout', 'search', '/fails/500');
  await call(gateway, 'checkout', 'dead', '/x');
  await call(gateway, 'checkout', 'dead', '/x');
  const asked = performance.now();
  await page.waitForFunction(() => {
    const cells = [...document.querySelectorAll('#routes tbody tr')].map((row) => row.innerText);
    return parseFloat(document.querySelector('#charts figure b').textContent) > 0 && cells.some((row) => /^openai\s+closed\s+0\.[1-9]|^openai\s+closed\s+[1-9]/.test(row)) &&
      cells.some((row) => /^dead\s+open/.test(row)) &&
      [...document.querySelectorAll('#quotas tbody tr')].some((row) => /^checkout[^]*2 400 of 2\.00 M/.test(row.innerText));
  }, null, { timeout: 15000 });
  const took = performance.now() - asked;
  t.diagnostic(`shown ${Math.round(took)} ms after the last answer, ${Math.round(performance.now() - begun)} ms after the first call`);
  assert.match(await text(page, '#charts figure:nth-child(3) b'), /[1-9].* %/);
  assert.match(await text(page, '#charts figure:nth-child(2) b'), /ms \/ /);

  await page.waitForFunction(() => /\$0\.0\d+ today/.test(document.querySelector('#spend-sum').textContent), null, { timeout: 30000 });
  assert.match(await text(page, '#spend'), /By tenant[^]*checkout[^]*By route[^]*openai[^]*By model[^]*gpt-4o/);
  await page.waitForFunction(() => document.querySelectorAll('#errors tbody tr').length >= 2, null, { timeout: 30000 });
  assert.match(await text(page, '#errors'), /500[^]*search/);
  assert.match(await text(page, '#news'), /credential_unavailable: route billing-of/);
  assert.match(await text(page, '#process'), /4 routes, 3 tenants/);
  calm(page);
});

test('money is exact', async (t) => {
  const gateway = await scene(t);
  const chrome = await browser(t);
  const page = await open(t, chrome, dashboardOf(gateway));
  const shown = await page.evaluate(async () => {
    const { money } = await import('/format.js');
    return ['9007199.254740993', '123456789.010000001', '0.000123450', '0.000000001', '0', '1.995', '0.03'].map(money);
  });
  assert.deepEqual(shown, ['$9 007 199.25', '$123 456 789.01', '$0.000123', '$0.000000001', '$0.00', '$1.99', '$0.0300']);
});

test('quantiles lie where the buckets say', async (t) => {
  const gateway = await scene(t);
  const page = await open(t, await browser(t), dashboardOf(gateway));
  const shown = await page.evaluate(async () => {
    const { quantile } = await import('/live.js');
    const bounds = [10, 20, 40];
    return [[[0, 0, 0, 0], 0.5], [[10, 0, 0, 0], 0.5], [[1, 98, 1, 0], 0.5], [[0, 0, 0, 5], 0.99], [[50, 0, 50, 0], 0.99]]
      .map(([latency, share]) => quantile(latency, bounds, share));
  });
  assert.deepEqual(shown.map((one) => one === null ? null : Math.round(one * 10) / 10), [null, 5, 15, 40, 39.6]);
});

test('tenants show which ways in they have; those whose keys need a look come first', async (t) => {
  const gateway = await scene(t);
  const page = await open(t, await browser(t), dashboardOf(gateway));
  const rows = () => page.evaluate(() => [...document.querySelectorAll('#tenants tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent)));
  await until('they are there', async () => (await rows()).length === 3);
  assert.deepEqual((await rows())[0], ['checkout', '1 good', '–', '–', 'dead, openai, search', '–', '–']);
  const day = 86400_000;
  const at = (ms) => new Date(Date.now() + ms).toISOString();
  const one = (tenant, more) => ({ tenant, keys: [], jwt: [], mtls: [], allow: [], deny: { rules: 0, refused: 0 }, ...more });
  await page.route('**/api/v1/tenants', (route) => route.fulfill(json({ tenants: [
    one('a', { keys: [{ state: 'good', expires: at(400 * day) }] }),
    one('b', { keys: [{ state: 'good', expires: at(2 * day - 1000) }, { state: 'good' }] }),
    one('c', { keys: [{ state: 'expired', expires: at(-day) }, { state: 'not yet good', not_before: at(day) }] }),
    one('d', { jwt: [{ issuer: 'https://login.corp', audience: 'gw' }, { issuer: 'https://login.corp', audience: 'gw' }], mtls: ['spiffe://corp/d', 'd.corp'], deny: { rules: 2, refused: 1234 } }),
  ] })));
  await until('the new ones are there', async () => (await rows()).length === 4);
  assert.deepEqual(await rows(), [
    ['c', '1 expired, 1 not yet good', '–', '–', 'nothing', '–', '–'],
    ['b', '2 good, one expires in 1 d 23 h', '–', '–', 'nothing', '–', '–'],
    ['a', '1 good', '–', '–', 'nothing', '–', '–'],
    ['d', '–', 'https://login.corp for gw', 'spiffe://corp/d, d.corp', 'nothing', '2', '1 234'],
  ]);
  await page.fill('#tenant-filter', 'CORP/D');
  assert.deepEqual((await rows()).map(([name]) => name), ['d']);
  await page.fill('#tenant-filter', 'nobody');
  assert.equal(await text(page, '#tenants-note'), 'None fits the filter.');
  calm(page);
});

test('hostile names stay text, wherever they come from', async (t) => {
  const gateway = await scene(t);
  const chrome = await browser(t);
  const real = await call(gateway, 'checkout', 'openai', '/v1/chat/completions', HOSTILE);
  await call(gateway, 'checkout', 'search', '/%3Cscript%3Ealert(1)%3C/script%3E/500');
  const context = await chrome.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  page.on('dialog', (dialog) => { dialog.dismiss(); page.alerted = true; });
  const group = { requests: 1, errors: 0, cost_usd: '1.000000001' };
  const bodies = {
    '/api/v1/usage': { since: '', usage: ['tenant', 'route', 'model'].map(() => ({ ...group, tenant: HOSTILE, route: HOSTILE, model: HOSTILE })) },
    '/api/v1/quotas': { store: HOSTILE, quotas: [{ tenant: HOSTILE, quota: HOSTILE, route: HOSTILE, unit: 'requests', per: '60s', rule: HOSTILE, action: 'deny', limit: 1, burst: 1, used: 1, left: 0, reserved: 0, resets_ms: 1 }] },
    '/api/v1/tenants': { tenants: [{ tenant: HOSTILE, keys: [{ hash: HOSTILE, state: HOSTILE, label: HOSTILE }], jwt: [{ issuer: HOSTILE, audience: HOSTILE }], mtls: [HOSTILE], allow: [HOSTILE], deny: { rules: 1, refused: 1 } }] },
    '/api/v1/breakers': { breakers: [{ route: HOSTILE, state: HOSTILE, health: HOSTILE, in_flight: 0, credentials: [{ secret: HOSTILE, state: HOSTILE }] }] },
    '/api/v1/errors': { errors: [{ id: `${HOSTILE}1234`, opened: HOSTILE, status: 500, code: HOSTILE, tenant: HOSTILE, route: HOSTILE, method: HOSTILE, path: HOSTILE, duration: 1 }] },
    '/api/v1/status': { version: HOSTILE, state: HOSTILE, uptime_seconds: 1, config: { file: HOSTILE, taken: HOSTILE, problem: HOSTILE, generation: 1, last_reload_success: false }, store: { url: HOSTILE, name: HOSTILE, up: true }, ledger: true, time_zone: 'UTC', workers: 1, routes: 1, tenants: 1, requests: { refused_early: 0 }, connections: 0, buffered_bytes: 0 },
    '/readyz': `ready\ncredential_unavailable: route ${HOSTILE}\n`,
  };
  await page.route((url) => url.pathname in bodies, (route) => {
    const body = bodies[new URL(route.request().url()).pathname];
    return route.fulfill(typeof body === 'string' ? { status: 200, contentType: 'text/plain', body } : json(body));
  });
  await page.goto(dashboardOf(gateway));
  await page.waitForFunction((words) => ['#spend', '#quotas', '#tenants', '#routes', '#errors', '#facts', '#news', '#process']
    .every((id) => document.querySelector(id).textContent.includes(words)), HOSTILE, { timeout: 30000 });
  await page.unroute('**/*').catch(() => {});
  await page.fill('#request-id', real.id);
  await page.click('#request-form button');
  await page.waitForFunction((words) => document.querySelector('#request-answer').textContent.includes(words), HOSTILE, { timeout: 20000 });
  assert.equal(await page.title(), 'Sallyport');
  assert.equal(await page.locator('img, script:not([src])').count(), 0);
  assert.equal(page.alerted, undefined);
});

test('nothing of the page is written as HTML, and the policy would stop a script in it', async (t) => {
  const gateway = await scene(t, { ledger: false });
  const page = await open(t, await browser(t), dashboardOf(gateway), { expected: [/Content Security Policy/] });
  for (const name of ['dashboard.js', 'charts.js', 'format.js', 'ledger.js', 'live.js', 'page.js', 'quotas.js', 'tenants.js', 'webhooks.js']) {
    const source = (await gateway.ask(`/${name}`)).body;
    assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser|localStorage|document\.cookie/, name);
  }
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'document.title = "owned"';
    document.body.append(script);
    const image = document.createElement('img');
    image.src = 'http://127.0.0.1:1/x.png';
    document.body.append(image);
  });
  await sleep(300);
  assert.equal(await page.title(), 'Sallyport');
  await assert.rejects(page.evaluate(() => fetch('http://127.0.0.1:1/')));
});

test('without a ledger the page says so', async (t) => {
  const gateway = await scene(t, { ledger: false });
  const page = await open(t, await browser(t), dashboardOf(gateway));
  await page.waitForFunction(() => /No ledger/.test(document.querySelector('#spend-note').textContent), null, { timeout: 20000 });
  assert.equal(await page.locator('#errors-section').isVisible(), false);
  await page.fill('#request-id', 'a'.repeat(32));
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /no ledger/i.test(document.querySelector('#request-problem').textContent));
});

test('axe finds nothing, in both schemes and at both widths', async (t) => {
  const gateway = await scene(t);
  const going = traffic(gateway);
  const chrome = await browser(t);
  for (const look of looks) {
    const page = await open(t, chrome, dashboardOf(gateway), look);
    const { id } = await call(gateway, 'data-science', 'openai', '/v1/chat/completions', 'gpt-4o-mini');
    await page.waitForFunction(() => document.querySelectorAll('#errors tbody tr').length > 0 && document.querySelectorAll('#spend tbody tr').length > 2, null, { timeout: 40000 });
    await page.fill('#request-id', id);
    await page.click('#request-form button');
    await page.waitForFunction(() => document.querySelector('#request-answer').childElementCount > 0, null, { timeout: 20000 });
    // Not by script tag: the page's own policy would not have it.
    const { violations } = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ['violations'] })`);
    assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(' ')}`), [], JSON.stringify(look));
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, `${look.width}: the page itself scrolls sideways`);
    const file = screenshots(`${look.width}-${look.colorScheme}`);
    if (file) await page.screenshot({ path: file, fullPage: true });
    calm(page);
    await page.context().close();
  }
  await going.stop();
});

test('the keyboard reaches all that can be used', async (t) => {
  const gateway = await scene(t);
  const page = await open(t, await browser(t), dashboardOf(gateway));
  await call(gateway, 'checkout', 'search', '/fails/500');
  await page.waitForFunction(() => document.querySelectorAll('#errors button').length > 0 && document.querySelectorAll('#spend table').length === 3, null, { timeout: 40000 });
  const wanted = new Set(['a.skip', '#quota-filter', '#request-id', '#request-form button', '#errors button', '.scroll']);
  const reached = new Set();
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press('Tab');
    for (const selector of wanted) {
      const there = await page.evaluate((css) => {
        const node = document.activeElement;
        return node.matches(css) && getComputedStyle(node).outlineStyle !== 'none';
      }, selector);
      if (there) reached.add(selector);
    }
  }
  assert.deepEqual([...wanted].filter((one) => !reached.has(one)), [], 'not reached, or without a sign of it');
  await page.locator('#errors button').first().focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /500/.test(document.querySelector('#request-answer').textContent) && document.activeElement.id === 'request-answer', null, { timeout: 20000 });
});

test('a hidden page does not ask, and goes on when it is looked at', async (t) => {
  const gateway = await scene(t);
  const page = await open(t, await browser(t), dashboardOf(gateway));
  await page.waitForFunction(() => document.querySelector('#state').textContent === 'serving');
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  const look = (hidden) => page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { value, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await look(true);
  await sleep(500);
  asked.length = 0;
  await sleep(5000);
  assert.deepEqual(asked, []);
  assert.match(await text(page, '#paused'), /Paused/);
  await look(false);
  await until('it asks again', () => asked.some((url) => url.endsWith('/api/v1/live')), { timeout: 5000 });
});

test('a gateway that went away is told once, with how old the rest is', async (t) => {
  const gateway = await scene(t);
  const page = await open(t, await browser(t), dashboardOf(gateway), { expected: [/ERR_CONNECTION_REFUSED/] });
  await page.waitForFunction(() => document.querySelector('#state').textContent === 'serving');
  await page.route('**/api/**', (route) => route.abort('connectionrefused'));
  await page.waitForFunction(() => /does not answer\. What is shown is of \d\d:/.test(document.querySelector('#alarm').textContent), null, { timeout: 15000 });
  assert.equal(await page.locator('#alarm').getAttribute('role'), 'alert');
  await page.unroute('**/api/**');
  await page.waitForFunction(() => document.querySelector('#alarm').textContent === '', null, { timeout: 15000 });
});

test('how soon it is painted, and what it costs', async (t) => {
  const gateway = await scene(t);
  const going = traffic(gateway, { perSecond: 20 });
  const chrome = await browser(t);
  const page = await open(t, chrome, dashboardOf(gateway));
  const paint = await until('it was painted', () => page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime));
  t.diagnostic(`first paint after ${Math.round(paint)} ms`);
  await page.waitForFunction(() => document.querySelectorAll('#spend tbody tr').length > 0, null, { timeout: 40000 });
  await going.stop();
  const session = await chrome.newBrowserCDPSession();
  const cpuOfPage = async () => (await session.send('SystemInfo.getProcessInfo')).processInfo.filter(({ type }) => type === 'renderer').reduce((sum, { cpuTime }) => sum + cpuTime, 0);
  const cpuOfGateway = () => fs.readFileSync(`/proc/${gateway.pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13).reduce((sum, ticks) => sum + Number(ticks) / 100, 0);
  const before = [await cpuOfPage(), cpuOfGateway(), performance.now()];
  await sleep(20000);
  const seconds = (performance.now() - before[2]) / 1000;
  const shares = [(100 * (await cpuOfPage() - before[0])) / seconds, (100 * (cpuOfGateway() - before[1])) / seconds];
  t.diagnostic(`CPU of a core while it is looked at: the page ${shares[0].toFixed(2)} %, the gateway ${shares[1].toFixed(2)} %`);
  assert.ok(shares[0] < 10 && shares[1] < 10, shares.join(', '));
});
