// Whom a request is from, behind proxies: the PROXY protocol and X-Forwarded-For are believed of
// gateway.trusted_proxies alone; quotas by address, the access log and the audit log have the client.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';

import { authorityFor } from '../support/certificates.mjs';
import { Gateway, gatewayFor, until } from '../support/gateway.mjs';
import { RawClient, upstreamFor } from '../support/wire.mjs';

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
// Version 2: command and family, the rest behind the length.
function v2(command, family, rest) {
  const fixed = Buffer.alloc(4);
  fixed[0] = 0x20 | command;
  fixed[1] = family;
  fixed.writeUInt16BE(rest.length, 2);
  return Buffer.concat([signature, fixed, rest]);
}
const tlv = (type, value) => Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 255]), value]);
const ipv4 = Buffer.from([192, 0, 2, 7, 10, 0, 0, 1, 0xdc, 0x04, 0x01, 0xbb]);
const v1 = (address) => `PROXY TCP4 ${address} 10.0.0.1 56324 443\r\n`;

async function start(t, { gateway = {}, quotas } = {}) {
  const upstream = await upstreamFor(t);
  return gatewayFor(t, {
    routes: { api: { provider: 'http', upstream: upstream.port } },
    tenants: { app: { allow: ['api'], ...(quotas ? { quotas } : {}) } },
    gateway: { trusted_proxies: ['127.0.0.0/8'], workers: 1, ...gateway }, // one: its log lines are in order
  });
}

const request = (gateway, fields = '') =>
  `GET /api/x HTTP/1.1\r\nHost: a\r\nX-Sallyport-Key: ${gateway.key}\r\n${fields}\r\n`;

// The status of a request on a connection of its own.
async function ask(gateway, { before = '', fields = '' } = {}) {
  const client = await RawClient.connect(gateway.port);
  client.send(Buffer.concat([Buffer.from(before), Buffer.from(request(gateway, fields))]));
  await client.until(() => client.statuses().length === 1 || client.closed);
  client.close();
  return client.statuses()[0];
}

const peers = async (gateway, count) => {
  await until('the access log has all', () => gateway.accessLog().length >= count);
  return gateway.accessLog().map((line) => line.peer);
};

test('X-Forwarded-For of a trusted proxy tells the client', async (t) => {
  const gateway = await start(t, { quotas: [{ requests: 1, per: 'day', each: 'ip' }] });
  const from = (list) => ask(gateway, { fields: `X-Forwarded-For: ${list}\r\n` });
  assert.equal(await from('192.0.2.7'), 200);
  assert.equal(await from('192.0.2.8'), 200);
  assert.equal(await from('192.0.2.7'), 429, 'its second one');
  assert.equal(await from('203.0.113.99, 192.0.2.8'), 429, 'what stands further left is the client\'s own word');
  assert.equal(await from('203.0.113.99, 192.0.2.9, 127.0.0.2'), 200);
  assert.deepEqual(await peers(gateway, 5), ['192.0.2.7', '192.0.2.8', '192.0.2.7', '192.0.2.8', '192.0.2.9']);
});

test('X-Forwarded-For of anyone else is ignored', async (t) => {
  const gateway = await start(t, {
    gateway: { trusted_proxies: ['10.0.0.0/8'] }, quotas: [{ requests: 1, per: 'day', each: 'ip' }],
  });
  assert.equal(await ask(gateway, { fields: 'X-Forwarded-For: 192.0.2.7\r\n' }), 200);
  assert.equal(await ask(gateway, { fields: 'X-Forwarded-For: 192.0.2.8\r\n' }), 429);
  assert.deepEqual(await peers(gateway, 2), ['127.0.0.1', '127.0.0.1']);
});

test('without trusted proxies nobody is believed', async (t) => {
  const gateway = await start(t, { gateway: { trusted_proxies: [] } });
  assert.equal(await ask(gateway, { fields: 'X-Forwarded-For: 192.0.2.7\r\n' }), 200);
  assert.deepEqual(await peers(gateway, 1), ['127.0.0.1']);
});

test('the PROXY protocol, both versions', async (t) => {
  const gateway = await start(t, {
    gateway: { proxy_protocol: 'on' }, quotas: [{ requests: 2, per: 'day', each: 'ip' }],
  });
  assert.equal(await ask(gateway, { before: v1('192.0.2.7') }), 200);
  assert.equal(await ask(gateway, { before: v2(1, 0x11, ipv4) }), 200);
  assert.equal(await ask(gateway, { before: v2(1, 0x11, Buffer.concat([ipv4, tlv(1, Buffer.from('h2')), tlv(4, Buffer.alloc(3000))])) }), 429);
  assert.equal(await ask(gateway, { before: v2(1, 0x21, Buffer.concat([Buffer.from('20010db8000000000000000000000007'.repeat(2), 'hex'), Buffer.alloc(4)])) }), 200);
  assert.equal(await ask(gateway, { before: v2(0, 0, Buffer.alloc(0)) }), 200, 'the proxy itself');
  assert.equal(await ask(gateway, { before: 'PROXY UNKNOWN\r\n' }), 200, 'the proxy itself');
  assert.deepEqual(await peers(gateway, 6),
    ['192.0.2.7', '192.0.2.7', '192.0.2.7', '2001:db8::7', '127.0.0.1', '127.0.0.1']);
});

test('a refused key is in the audit log with the client', async (t) => {
  const audit = path.join(fs.mkdtempSync('/tmp/sallyport-test-'), 'audit.log');
  t.after(() => fs.rmSync(path.dirname(audit), { recursive: true }));
  const gateway = await start(t, { gateway: { proxy_protocol: 'on', audit_log: audit } });
  const client = await RawClient.connect(gateway.port);
  client.send(`${v1('192.0.2.7')}GET /api/x HTTP/1.1\r\nHost: a\r\nX-Sallyport-Key: sp_none\r\n\r\n`);
  await client.until(() => client.statuses()[0] === 401);
  client.close();
  await until('it is written', () => fs.readFileSync(audit, 'utf8').includes('"peer":"192.0.2.7"'));
});

test('behind TLS the header comes in clear before the ClientHello', async (t) => {
  const authority = authorityFor(t);
  const { cert, key } = authority.sign('IP:127.0.0.1');
  fs.writeFileSync(path.join(authority.folder, 's.pem'), cert);
  fs.writeFileSync(path.join(authority.folder, 's.key'), key);
  const gateway = await start(t, {
    gateway: {
      proxy_protocol: 'on',
      tls: { cert: path.join(authority.folder, 's.pem'), key: path.join(authority.folder, 's.key') },
    },
  });
  for (const [header, split] of [[v1('192.0.2.7'), 5], [v2(1, 0x11, ipv4), 14]]) {
    const socket = net.connect(gateway.port, '127.0.0.1');
    const bytes = Buffer.from(header);
    socket.setNoDelay(true);
    socket.write(bytes.subarray(0, split));
    await new Promise((resolve) => setTimeout(resolve, 50)); // in two packets
    socket.write(bytes.subarray(split));
    const secure = tls.connect({ socket, ca: cert, checkServerIdentity: () => undefined, rejectUnauthorized: false });
    let text = '';
    secure.on('data', (data) => (text += data));
    secure.write(request(gateway));
    await until('an answer', () => text.includes('HTTP/1.1 200'));
    secure.destroy();
  }
  assert.deepEqual(await peers(gateway, 2), ['192.0.2.7', '192.0.2.7']);
});

test('a trusted proxy without the header, or with a wrong one, is closed, and it is said', async (t) => {
  const gateway = await start(t, { gateway: { proxy_protocol: 'on', timeouts: { header: '500ms' } } });
  const closed = async (bytes, says) => {
    const seen = gateway.stderr.length;
    const client = await RawClient.connect(gateway.port);
    client.send(bytes);
    await client.untilClosed();
    assert.equal(client.text, '');
    await until(`the log says: ${says}`, () => gateway.stderr.slice(seen).includes(says));
    assert.match(gateway.stderr.slice(seen), /gateway\.proxy_protocol: the connection from 127\.0\.0\.1, a trusted proxy, is closed/);
    await new Promise((resolve) => setTimeout(resolve, 1050)); // a worker says it once a second
  };
  await closed(request(gateway), 'it begins with no PROXY header');
  await closed('PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n', 'its second port is none');
  await closed(v2(1, 0x11, ipv4.subarray(1)), 'it is shorter than its addresses');
  await closed('PROXY TCP4 192.0.2.7', 'no PROXY header came in time');
  assert.deepEqual(gateway.accessLog(), []);
  assert.equal(await ask(gateway, { before: v1('192.0.2.7') }), 200);
});

test('who is not trusted sends no PROXY header: it is no head', async (t) => {
  const gateway = await start(t, { gateway: { proxy_protocol: 'on', trusted_proxies: ['10.0.0.0/8'] } });
  assert.equal(await ask(gateway, { before: v1('192.0.2.7') }), 400);
  assert.equal(await ask(gateway, { before: v2(1, 0x11, ipv4) }), 400);
  assert.equal(await ask(gateway), 200);
  assert.deepEqual(await peers(gateway, 3), ['127.0.0.1', '127.0.0.1', '127.0.0.1']);
});

test('a reload changes who is believed from the next connection on', async (t) => {
  const gateway = await start(t);
  assert.equal(await ask(gateway, { before: v1('192.0.2.7') }), 400);
  assert.match(await gateway.reload((config) => (config.gateway.proxy_protocol = 'on')), /reloaded/);
  assert.equal(await ask(gateway, { before: v1('192.0.2.7') }), 200);
  assert.match(await gateway.reload((config) => (config.gateway.trusted_proxies = ['10.0.0.0/8'])), /reloaded/);
  assert.equal(await ask(gateway, { before: v1('192.0.2.7') }), 400);
  assert.equal(await ask(gateway), 200);
});

test('what is no network, or is set without proxies, is said', async () => {
  const refused = async (settings, says) => {
    const gateway = await Gateway.start({ gateway: settings }).catch((error) => error);
    assert.match(String(gateway), says);
  };
  await refused({ trusted_proxies: ['10.0.0.1/8'] }, /trusted_proxies.*10\.0\.0\.0\/8/s);
  await refused({ trusted_proxies: ['lb.internal'] }, /trusted_proxies.*lb\.internal/s);
  await refused({ proxy_protocol: 'on' }, /proxy_protocol.*trusted_proxies/s);
});
