// Webhooks on the dashboard: what waits and what is dead, one of them in full, what may be done by whom; what hostile
// ids and types do to it; and who can use it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';

import { hooksFor, post, sign } from '../support/webhooks.mjs';
import { HOSTILE, browser, dashboardOf, open, screenshots } from './scene.mjs';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const secret = 'the secret of the hooks';
const later = (name) => ({ name, to: 'http://127.0.0.1:9/', schedule: ['12h'] });
const text = (page, selector) => page.locator(selector).innerText();
const rows = (page) => page.locator('#deliveries tbody tr').count();

async function send(gateway, id, type = 'invoice.paid', hook = 'stripe') {
  const body = JSON.stringify({ id, type, secret_of: 'the body' });
  assert.equal((await post(gateway, `/hooks/${hook}`, body, sign.stripe(secret, body))).status, 200);
}

async function start(t) {
  const gateway = await hooksFor(t, {
    stripe: { provider: 'stripe', secrets: ['s'], deliver: [later('billing'), { ...later('books'), events: ['charge.*'] }] },
    other: { provider: 'stripe', secrets: ['s'], deliver: later('else') },
  }, { secrets: { s: secret } });
  gateway.token = fs.readFileSync(path.join(gateway.folder, 'admin.token'), 'utf8').trim();
  return gateway;
}

async function look(t, gateway, options, chrome) {
  const page = await open(t, chrome ?? (await browser(t)), dashboardOf(gateway), options);
  await page.waitForSelector('#deliveries tbody tr', { timeout: 20000 });
  return page;
}

async function unlock(page, gateway) {
  await page.evaluate((token) => sessionStorage.setItem('sallyport-token', token), gateway.token);
  const known = page.waitForResponse((answer) => answer.url().endsWith('/api/v1/rights'));
  await page.reload();
  await known;
  await page.waitForSelector('#deliveries tbody tr', { timeout: 20000 });
}

test('targets and deliveries are there, with what is filtered, and one in full', async (t) => {
  const gateway = await start(t);
  await send(gateway, 'evt_1');
  await send(gateway, 'evt_2', 'charge.failed');
  await send(gateway, 'evt_3', 'payout.paid', 'other');
  const page = await look(t, gateway);
  assert.match(await text(page, '#webhooks-sum'), /^3 events are kept \(room for 1\.00 M\), \d+ B of 4\.0 GiB$/);
  assert.match(await text(page, '#hooks'), /other\s+else[^]*stripe\s+billing\s+\S+\s+2\s+0\s+0\s+0\s+\d+ s[^]*stripe\s+books\s+\S+\s+1\s/);
  assert.equal(await rows(page), 4);
  await page.selectOption('#webhooks-hook', 'other');
  await page.waitForFunction(() => document.querySelectorAll('#deliveries tbody tr').length === 1);
  await page.selectOption('#webhooks-hook', '');
  await page.selectOption('#webhooks-state', 'dead');
  await page.waitForFunction(() => document.querySelector('#webhooks-note').textContent === 'None is like that.');
  await page.selectOption('#webhooks-state', '');
  await page.fill('#webhooks-id', 'evt_2');
  await page.waitForFunction(() => document.querySelectorAll('#deliveries tbody tr').length === 2);
  await page.locator('#deliveries tbody button').first().focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.id === 'webhook-answer');
  assert.match(await text(page, '#webhook-answer'), /event\s+evt_2\s+type\s+charge\.failed[^]*billing\s+waiting[^]*books\s+waiting/);
  assert.doesNotMatch(await text(page, '#webhook-answer'), /the body/);
  assert.deepEqual([page.complaints, page.elsewhere], [[], []]);
});

test('without the token nothing is changed or seen in full; with it, a replay and a drop', async (t) => {
  const gateway = await start(t);
  await send(gateway, 'evt_1');
  const page = await look(t, gateway);
  await page.click('#deliveries tbody button');
  await page.waitForSelector('#webhook-answer .actions');
  assert.doesNotMatch(await text(page, '#webhook-answer .actions'), /Replay|Drop/);
  assert.match(await text(page, '#webhook-answer .actions'), /need the token that may do all/);
  await page.click('#webhook-answer .actions button');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'token');
  await page.keyboard.type('not-the-token-0123456789abcdef-0123456789');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /not known/.test(document.querySelector('#login-problem').textContent), null, { timeout: 10000 });
  await page.keyboard.type(gateway.token);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /Replay/.test(document.querySelector('#webhook-answer').textContent), null, { timeout: 20000 });
  assert.match(await text(page, '#webhook-answer'), /Headers\s+Stripe-Signature: t=\d+[^]*Body\s+\{"id":"evt_1"[^]*"the body"/);

  await page.getByRole('button', { name: 'Replay' }).click();
  await page.waitForFunction(() => document.querySelector('#webhook-done').textContent === 'Replayed: one delivery.');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'webhooks-state', 'the focus is not lost');
  await page.getByRole('button', { name: 'Drop' }).click();
  assert.equal(await page.getByRole('button', { name: 'Drop for good' }).count(), 1);
  assert.equal(await rows(page), 1, 'not at the first click');
  await page.getByRole('button', { name: 'Drop for good' }).click();
  await page.waitForFunction(() => document.querySelector('#webhook-done').textContent === 'Dropped.' && document.querySelector('#webhook-answer').hidden);
  await page.waitForFunction(() => document.querySelectorAll('#deliveries tbody tr').length === 0);
  await gateway.says(/1 deliveries replayed by admin: id msg_[^]*1 deliveries dropped by admin: id msg_/);
  assert.deepEqual([page.complaints, page.elsewhere], [[], []]);
});

test('hostile ids, types and bodies stay text', async (t) => {
  const gateway = await start(t);
  const body = JSON.stringify({ id: HOSTILE, type: HOSTILE, text: `</pre>${HOSTILE}` });
  await post(gateway, '/hooks/stripe', body, { ...sign.stripe(secret, body), 'X-Own': HOSTILE });
  const page = await look(t, gateway);
  await unlock(page, gateway);
  page.on('dialog', (dialog) => { dialog.dismiss(); page.alerted = true; });
  await page.waitForFunction((words) => document.querySelector('#deliveries').textContent.includes(words), HOSTILE);
  await page.click('#deliveries tbody button');
  await page.waitForFunction((words) => document.querySelector('#webhook-answer').textContent.includes(`</pre>${words.replaceAll('"', '\\"')}`), HOSTILE);
  assert.match(await text(page, '#webhook-answer'), /X-Own: <img src=x/);
  assert.equal(await page.title(), 'Sallyport');
  assert.equal(await page.locator('img, script:not([src])').count(), 0);
  assert.equal(page.alerted, undefined);
});

test('a gateway without hooks shows no section of them', async (t) => {
  const gateway = await hooksFor(t, {}, { extra: { webhook_queue: undefined, webhooks: undefined } });
  const page = await open(t, await browser(t), dashboardOf(gateway));
  await page.waitForFunction(() => document.querySelector('#state').textContent === 'serving');
  await page.waitForTimeout(3000);
  assert.equal(await page.locator('#webhooks-section').isVisible(), false);
  assert.deepEqual(page.complaints, []);
});

test('axe finds nothing, in both schemes and at both widths, and the keyboard reaches all', async (t) => {
  const gateway = await start(t);
  for (let i = 0; i < 5; i++) await send(gateway, `evt_${i}`, 'charge.failed');
  const chrome = await browser(t);
  for (const width of [1280, 390]) {
    for (const colorScheme of ['light', 'dark']) {
      const page = await look(t, gateway, { width, height: 844, colorScheme }, chrome);
      await unlock(page, gateway);
      await page.click('#deliveries tbody button');
      await page.waitForSelector('#webhook-answer .danger', { timeout: 20000 });
      const { violations } = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ['violations'] })`);
      assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(' ')}`), [], `${width} ${colorScheme}`);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, `${width}: the page itself scrolls sideways`);
      const file = screenshots(`webhooks-${width}-${colorScheme}`);
      if (file) await page.screenshot({ path: file, fullPage: true });
      if (width === 1280 && colorScheme === 'light') {
        const wanted = new Set(['#webhooks-state', '#webhooks-hook', '#webhooks-id', '#deliveries button', '#webhook-answer .danger', '#webhook-answer pre']);
        await page.focus('#content');
        const reached = new Set();
        for (let i = 0; i < 40; i++) {
          await page.keyboard.press('Tab');
          for (const selector of wanted) {
            if (await page.evaluate((css) => document.activeElement.matches(css) && getComputedStyle(document.activeElement).outlineStyle !== 'none', selector)) reached.add(selector);
          }
        }
        assert.deepEqual([...wanted].filter((one) => !reached.has(one)), [], 'not reached, or without a sign of it');
      }
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    }
  }
});
