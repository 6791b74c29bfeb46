// The dashboard where a token is needed: over TLS, from an address that is not loopback.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { authorityFor } from '../support/certificates.mjs';
import { Gateway, freePort } from '../support/gateway.mjs';
import { browser, open } from './scene.mjs';

const TOKEN = 'a-token-that-only-reads-0123456789abcdef';
const address = Object.values(os.networkInterfaces()).flat().find((one) => one.family === 'IPv4' && !one.internal)?.address;

test('it asks for a token, keeps it in the tab, and sends it as a header', { skip: address === undefined && 'there is no other address' }, async (t) => {
  const authority = authorityFor(t);
  const [cert, key] = ['a.crt', 'a.key'].map((name) => path.join(authority.folder, name));
  const pair = authority.sign(`IP:${address},DNS:localhost`);
  fs.writeFileSync(cert, pair.cert);
  fs.writeFileSync(key, pair.key);
  const adminPort = await freePort();
  const gateway = await Gateway.start({
    adminPort, adminCa: fs.readFileSync(authority.file),
    admin: { listen: `0.0.0.0:${adminPort}`, tls: { cert, key }, read_token: { secret: 'read-token' } },
    secrets: { 'read-token': TOKEN },
  });
  t.after(() => gateway.stop());
  const page = await open(t, await browser(t), `https://${address}:${adminPort}/`, { ignoreHTTPSErrors: true, expected: [/401/] });
  await page.waitForSelector('#login:not([hidden])');
  assert.equal(await page.locator('#board').isVisible(), false);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'token');

  await page.keyboard.type('not-the-token-0123456789abcdef-0123456789');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /not known/.test(document.querySelector('#login-problem').textContent));
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);

  const seen = [];
  page.on('request', (request) => seen.push(request));
  await page.keyboard.type(TOKEN);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#state').textContent === 'serving');
  assert.equal(await page.locator('#login').isVisible(), false);
  assert.ok(seen.every((request) => request.headers().authorization === `Bearer ${TOKEN}`));
  assert.ok(seen.every((request) => !request.url().includes(TOKEN) && request.method() === 'GET'));
  assert.deepEqual(await page.context().cookies(), []);
  assert.equal(await page.evaluate(() => localStorage.length), 0);
  await page.reload();
  await page.waitForFunction(() => document.querySelector('#state').textContent === 'serving');

  await page.click('#forget');
  await page.waitForSelector('#login:not([hidden])');
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assert.deepEqual(page.complaints, []);
  assert.deepEqual(page.elsewhere, []);
});
