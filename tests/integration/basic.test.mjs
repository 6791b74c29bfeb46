// The way of an ordinary call: matched, identified, with the credential injected, relayed.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { gatewayFor, newKey } from '../support/gateway.mjs';
import { RawClient, upstreamFor } from '../support/wire.mjs';

const secret = 'sk-test-0123456789abcdefghijklmnop';

function withOpenAi(t, upstream, more = {}) {
  return gatewayFor(t, {
    routes: { openai: { upstream: upstream.port, credential: { secret: 'openai-key' } } },
    secrets: { 'openai-key': secret },
    ...more,
  });
}

test('a call goes through with the credential in place of the tenant key', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await withOpenAi(t, upstream);

  const answer = await fetch(`${gateway.url}/openai/v1/models?a=%2F&b`, {
    headers: { authorization: `Bearer ${gateway.key}`, 'x-custom': 'kept', cookie: 'a=b' },
  });
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), 'ok');

  const { head } = upstream.requests[0];
  assert.match(head, /^GET \/v1\/models\?a=%2F&b HTTP\/1\.1\r\n/);
  assert.match(head, new RegExp(`^authorization: Bearer ${secret}\r$`, 'im'));
  assert.match(head, new RegExp(`^host: 127\\.0\\.0\\.1:${upstream.port}\r$`, 'im'));
  assert.match(head, /^x-custom: kept\r$/im);
  assert.doesNotMatch(head, /cookie|sp_|connection:/i);

  const line = await gateway.logLine(answer.headers.get('x-sallyport-request-id'));
  assert.equal(line.tenant, 'app');
  assert.equal(line.route, 'openai');
  assert.equal(line.status, 200);
  assert.equal(line.path, '/openai/v1/models');
  await gateway.metricIs(1, 'requests_total', { route: 'openai', status: '200' });
});

test('a body goes through, small and large, and the connection is kept', async (t) => {
  const upstream = await upstreamFor(t, ({ body }) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const gateway = await withOpenAi(t, upstream, { gateway: { workers: 1 } });
  for (const size of [1, 1000, 100_000, 3_000_000]) {
    const body = 'x'.repeat(size);
    const answer = await fetch(`${gateway.url}/openai/v1/files`, {
      method: 'POST', body, headers: { authorization: `Bearer ${gateway.key}` },
    });
    assert.equal(answer.status, 200);
    assert.equal(await answer.text(), body);
  }
  assert.equal(upstream.connections, 1);
});

test('callers without a known key get 401 in the shape of the provider', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await withOpenAi(t, upstream);
  const cases = [
    [{}, 'tenant_key_missing'],
    [{ authorization: 'Bearer sk-something-else' }, 'tenant_unknown'],
    [{ authorization: `Bearer ${newKey().key}` }, 'tenant_unknown'],
  ];
  for (const [headers, code] of cases) {
    const answer = await fetch(`${gateway.url}/openai/v1/models`, { headers });
    assert.equal(answer.status, 401);
    assert.equal(answer.headers.get('x-sallyport-error'), code);
    assert.equal(typeof (await answer.json()).error.message, 'string');
  }
  const longer = await fetch(`${gateway.url}/openai/v1/models`, { headers: { authorization: `Bearer ${gateway.key}x` } });
  assert.match((await longer.json()).error.message, /no tenant key, or one that is cut or mistyped: they begin with sp_/);
  assert.equal(upstream.requests.length, 0);
});

test('what no route covers is 404 as problem+json', async (t) => {
  const upstream = await upstreamFor(t);
  const gateway = await withOpenAi(t, upstream);
  const answer = await fetch(`${gateway.url}/other`, { headers: { authorization: `Bearer ${gateway.key}` } });
  assert.equal(answer.status, 404);
  assert.equal(answer.headers.get('x-sallyport-error'), 'no_such_route');
  assert.equal(answer.headers.get('content-type'), 'application/problem+json');
});

test('fifty pipelined requests are answered in order', async (t) => {
  const upstream = await upstreamFor(t, ({ head }) => {
    const body = /\/n\/(\d+)/.exec(head)[1];
    return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  });
  const gateway = await withOpenAi(t, upstream);
  const client = await RawClient.connect(gateway.port);
  t.after(() => client.close());
  let bytes = '';
  for (let i = 0; i < 50; i++) {
    bytes += `GET /openai/n/${i} HTTP/1.1\r\nHost: gw\r\nX-Sallyport-Key: ${gateway.key}\r\n\r\n`;
  }
  client.send(bytes);
  await client.until((c) => c.statuses().length === 50);
  const bodies = [...client.text.matchAll(/\r\n\r\n(\d+)/g)].map((match) => Number(match[1]));
  assert.deepEqual(bodies, [...Array(50).keys()]);
  await gateway.metricIs(1, 'connections_total');
  await gateway.metricIs(1, 'connections_open');
});
