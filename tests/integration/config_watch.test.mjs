// The config is reloaded when its files change, however they are changed; and only then.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { freePort, Gateway, gatewayFor, sleep, temporaryFolder, until } from '../support/gateway.mjs';
import { upstreamFor } from '../support/wire.mjs';

const call = async (gateway, name) =>
  (await fetch(`${gateway.url}/${name}/x`, { headers: { 'X-Sallyport-Key': gateway.key } })).status;

// A config with one route more, and its tenant's right to it.
function withRoute(config, name) {
  const copy = structuredClone(config);
  copy.routes[name] = copy.routes.api;
  copy.tenants.app.allow.push(name);
  return copy;
}

// So long no file of it changes before it is looked at.
const QUIET_MS = 200;

const text = (config) => JSON.stringify(config, null, 2);

// What the gateway says of reloads from now on.
function listen(gateway) {
  const from = gateway.stderr.length;
  const lines = () => gateway.stderr.slice(from).split('\n').filter((line) => /reload/.test(line));
  return {
    lines,
    taken: () => until('a reload', () => lines().some((line) => /reloaded /.test(line))),
    refused: () => until('a refused reload', () => lines().some((line) => /the old config stays/.test(line))),
  };
}

const taken = (news) => news.lines().filter((line) => /reloaded /.test(line)).length;

test('a file that is written, renamed over, broken, mended, removed and put back', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, { routes: { api: { upstream: upstream.port, provider: 'http' } } });

  let news = listen(gateway);
  fs.writeFileSync(gateway.file, text(withRoute(gateway.config, 'written')));
  await news.taken();
  assert.match(news.lines()[0], /sallyport\.yaml has changed: reloading/);
  assert.equal(await call(gateway, 'written'), 200);
  assert.equal(await call(gateway, 'renamed'), 404);

  news = listen(gateway);
  fs.writeFileSync(`${gateway.file}.new`, text(withRoute(gateway.config, 'renamed')));
  fs.renameSync(`${gateway.file}.new`, gateway.file);
  await news.taken();
  assert.equal(await call(gateway, 'renamed'), 200);
  assert.equal(await call(gateway, 'written'), 404);

  news = listen(gateway);
  fs.writeFileSync(gateway.file, text({ ...gateway.config, nonsense: 1 }));
  await news.refused();
  assert.match(news.lines().join('\n'), /reload refused: .*sallyport\.yaml:\d+:\d+: nonsense: unknown key/);
  assert.equal(await call(gateway, 'renamed'), 200);
  await gateway.metricIs(0, 'config_last_reload_success');
  await sleep(1000);
  assert.equal(news.lines().filter((line) => /the old config/.test(line)).length, 1); // told once

  news = listen(gateway);
  fs.writeFileSync(gateway.file, text(withRoute(gateway.config, 'mended')));
  await news.taken();
  assert.equal(await call(gateway, 'mended'), 200);
  await gateway.metricIs(1, 'config_last_reload_success');

  news = listen(gateway);
  fs.rmSync(gateway.file);
  await news.refused();
  assert.equal(await call(gateway, 'mended'), 200);
  news = listen(gateway);
  fs.writeFileSync(gateway.file, text(withRoute(gateway.config, 'back')));
  await news.taken();
  assert.equal(await call(gateway, 'back'), 200);
});

test('other files beside it, and a reload by signal, are no second change', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, { routes: { api: { upstream: upstream.port, provider: 'http' } } });
  const news = listen(gateway);
  fs.writeFileSync(path.join(gateway.folder, 'other.yaml'), 'x: 1');
  fs.writeFileSync(`${gateway.file}.swp`, 'x');
  await call(gateway, 'api'); // a line in the access log, which is in the same folder
  await sleep(600);
  assert.deepEqual(news.lines(), []);

  await gateway.reload((config) => Object.assign(config, withRoute(config, 'more')));
  await sleep(600);
  assert.equal(taken(news), 1, news.lines().join('\n'));
  await gateway.metricIs(2, 'config_generation');
});

test('many writes within a moment are one reload, and a folder that never rests does not put it off', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, { routes: { api: { upstream: upstream.port, provider: 'http' } } });
  let news = listen(gateway);
  for (let tries = 1; ; tries++) {
    let longest = 0;
    for (let i = 0; i < 20; i++) {
      const from = performance.now();
      fs.writeFileSync(gateway.file, text(withRoute(gateway.config, `r${tries}-${i}`)));
      await sleep(5);
      longest = Math.max(longest, performance.now() - from);
    }
    await until('the last one is taken', async () => (await call(gateway, `r${tries}-19`)) === 200);
    await sleep(400);
    if (longest > QUIET_MS / 2 && tries < 20) { // a moment was too long on a busy machine
      news = listen(gateway);
      continue;
    }
    assert.equal(taken(news), 1, news.lines().join('\n'));
    break;
  }

  news = listen(gateway);
  fs.writeFileSync(gateway.file, text(withRoute(gateway.config, 'late')));
  const end = Date.now() + 4000;
  while (Date.now() < end && taken(news) === 0) {
    fs.writeFileSync(path.join(gateway.folder, 'noise'), 'x');
    await sleep(50);
  }
  assert.equal(taken(news), 1);
  assert.equal(await call(gateway, 'late'), 200);
});

test('reloads by signal that follow each other closely are as many as the signals', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, { routes: { api: { upstream: upstream.port, provider: 'http' } } });
  const news = listen(gateway);
  const end = Date.now() + 3000;
  let [asked, late] = [0, 0];
  for (; Date.now() < end; asked++) {
    const from = performance.now();
    fs.writeFileSync(gateway.file, text({ ...gateway.config, quotas: [{ requests: 1000 + asked, per: '1s' }] }));
    await sleep(80);
    await gateway.reload();
    if (performance.now() - from > QUIET_MS - 20) late++; // the watch may have been there before the signal
  }
  await sleep(500);
  assert.ok(taken(news) >= asked && taken(news) <= asked + late, `${taken(news)} of ${asked}, ${late} late`);
});

test('gateway.reload: signal turns it off, and watch on again', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    routes: { api: { upstream: upstream.port, provider: 'http' } }, gateway: { reload: 'signal' },
  });
  let news = listen(gateway);
  fs.writeFileSync(gateway.file, text(withRoute(gateway.config, 'quiet')));
  await sleep(800);
  assert.deepEqual(news.lines(), []);
  assert.equal(await call(gateway, 'quiet'), 404);

  await gateway.reload((config) => (config.gateway.reload = 'watch'));
  news = listen(gateway);
  fs.writeFileSync(gateway.file, text(withRoute(gateway.config, 'seen')));
  await news.taken();
  assert.equal(await call(gateway, 'seen'), 200);

  news = listen(gateway);
  gateway.config.gateway.reload = 'signal';
  fs.writeFileSync(gateway.file, text(gateway.config));
  await news.taken();
  news = listen(gateway);
  fs.writeFileSync(gateway.file, text(withRoute(gateway.config, 'quiet')));
  await sleep(800);
  assert.deepEqual(news.lines(), []);
});

// As Kubernetes mounts a ConfigMap: files are links into ..data, which is a link that is swapped.
class Mount {
  constructor() {
    this.place = temporaryFolder();
    this.folder = path.join(this.place, 'mount');
    this.version = 0;
    fs.mkdirSync(this.folder);
  }

  publish(files) {
    const before = `..v${this.version}`;
    const name = `..v${++this.version}`;
    const at = (...more) => path.join(this.folder, ...more);
    fs.mkdirSync(at(name));
    for (const [file, value] of Object.entries(files)) fs.writeFileSync(at(name, file), text(value));
    fs.symlinkSync(name, at('..data_tmp'));
    fs.renameSync(at('..data_tmp'), at('..data'));
    for (const file of Object.keys(files)) {
      if (!fs.existsSync(at(file))) fs.symlinkSync(path.join('..data', file), at(file));
    }
    for (const file of fs.readdirSync(this.folder)) {
      if (!file.startsWith('..') && !(file in files)) fs.rmSync(at(file));
    }
    fs.rmSync(at(before), { recursive: true, force: true });
  }

  async serve(t, config, { of = '', port, adminPort, keys }) {
    const gateway = new Gateway(['run', '-c', path.join(this.folder, of)], { cwd: this.place });
    Object.assign(gateway, { folder: this.place, port, adminPort, keys, config, key: keys.app, options: {} });
    await gateway.ready();
    t.after(() => gateway.stop());
    return gateway;
  }
}

async function mounted(t) {
  const upstream = await upstreamFor(t);
  const mount = new Mount();
  const ports = { port: await freePort(), adminPort: await freePort(), keys: {} };
  const routes = { api: { upstream: upstream.port, provider: 'http' } };
  const { config } = Gateway.config({ routes, folder: mount.place, ...ports });
  config.admin.token_file = path.join(mount.place, 'admin.token');
  return { mount, ports, config };
}

test('a file that is a link into a swapped folder', async (t) => {
  const { mount, ports, config } = await mounted(t);
  mount.publish({ 'sallyport.yaml': config });
  const gateway = await mount.serve(t, config, { of: 'sallyport.yaml', ...ports });
  for (const name of ['one', 'two', 'three']) {
    const news = listen(gateway);
    mount.publish({ 'sallyport.yaml': withRoute(config, name) });
    await news.taken();
    assert.equal(await call(gateway, name), 200);
    await sleep(300);
    assert.equal(taken(news), 1, news.lines().join('\n'));
  }
});

test('a folder of links into a swapped folder: files come, are broken, mended and go', async (t) => {
  const { mount, ports, config } = await mounted(t);
  const { tenants, ...rest } = config;
  mount.publish({ 'a.yaml': rest, 'b.yaml': { tenants } });
  const gateway = await mount.serve(t, config, ports);

  const more = withRoute(config, 'more');
  const files = { 'a.yaml': rest, 'b.yaml': { tenants: more.tenants }, 'c.yaml': { routes: { more: more.routes.more } } };
  let news = listen(gateway);
  mount.publish(files);
  await news.taken();
  await until('the new route', async () => (await call(gateway, 'more')) === 200);

  news = listen(gateway);
  mount.publish({ ...files, 'b.yaml': { tenantz: {} } });
  await news.refused();
  assert.match(news.lines().join('\n'), /b\.yaml:2:3: tenantz: unknown key; did you mean "tenants"/);
  assert.equal(await call(gateway, 'more'), 200);

  news = listen(gateway);
  mount.publish({ 'a.yaml': rest, 'b.yaml': { tenants } });
  await news.taken();
  await until('the route is gone', async () => (await call(gateway, 'more')) === 404);
});

test('a folder that is exchanged as a whole, and a link that is turned', async (t) => {
  const { mount, ports, config } = await mounted(t);
  const put = (name, value) => {
    const folder = path.join(mount.place, name);
    fs.mkdirSync(folder);
    fs.writeFileSync(path.join(folder, 'a.yaml'), text(value));
    return folder;
  };
  fs.rmdirSync(mount.folder);
  fs.symlinkSync(put('first', config), mount.folder);
  const gateway = await mount.serve(t, config, ports);

  let news = listen(gateway);
  fs.symlinkSync(put('second', withRoute(config, 'second')), path.join(mount.place, 'next'));
  fs.renameSync(path.join(mount.place, 'next'), mount.folder);
  await news.taken();
  assert.equal(await call(gateway, 'second'), 200);

  news = listen(gateway); // it is looked at where it leads to now
  fs.writeFileSync(path.join(mount.place, 'second', 'a.yaml'), text(withRoute(config, 'third')));
  await news.taken();
  assert.equal(await call(gateway, 'third'), 200);

  news = listen(gateway);
  fs.rmSync(mount.folder);
  await news.refused();
  fs.mkdirSync(mount.folder);
  await sleep(500);
  news = listen(gateway);
  fs.writeFileSync(path.join(mount.folder, 'b.json'), text(withRoute(config, 'fourth')));
  await news.taken();
  assert.equal(await call(gateway, 'fourth'), 200);
});

test('links to files elsewhere, and a folder whose files are the same but that is another', async (t) => {
  const { mount, ports, config } = await mounted(t);
  const at = (...more) => path.join(mount.place, ...more);
  fs.mkdirSync(at('elsewhere'));
  fs.writeFileSync(at('elsewhere', 'text'), text(config));
  fs.symlinkSync(at('elsewhere', 'text'), at('mount', 'a.yaml'));
  const gateway = await mount.serve(t, config, ports);
  await sleep(500); // what it makes at its start is in a folder that it watches

  let news = listen(gateway);
  fs.writeFileSync(at('elsewhere', 'new'), text(withRoute(config, 'linked')));
  fs.renameSync(at('elsewhere', 'new'), at('elsewhere', 'text'));
  await news.taken();
  assert.equal(await call(gateway, 'linked'), 200);

  news = listen(gateway);
  fs.mkdirSync(at('twin'));
  fs.linkSync(at('elsewhere', 'text'), at('twin', 'a.yaml'));
  fs.renameSync(at('mount'), at('before'));
  fs.renameSync(at('twin'), at('mount'));
  await sleep(1000);
  assert.deepEqual(news.lines(), []); // nothing has changed
  fs.writeFileSync(at('mount', 'new'), text(withRoute(config, 'twin')));
  fs.renameSync(at('mount', 'new'), at('mount', 'a.yaml'));
  await news.taken();
  assert.equal(await call(gateway, 'twin'), 200);
});
