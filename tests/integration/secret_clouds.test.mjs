// Secrets in the stores of AWS, Google and Azure: found, not there, rotated, refused.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { cloudStoresFor } from '../support/cloud_stores.mjs';
import { gatewayFor, until } from '../support/gateway.mjs';
import { upstreamFor } from '../support/wire.mjs';

const clouds = [
  { type: 'aws-secrets-manager', credential: () => 'AKIDEXAMPLE:the/secret+of the id', more: () => ({ region: 'eu-central-1', prefix: 'prod/' }), place: 'prod/openai-key', version: 'version-' },
  { type: 'aws-ssm', credential: () => 'AKIDEXAMPLE:the/secret+of the id', more: () => ({ region: 'eu-central-1', prefix: '/prod/' }), place: '/prod/openai-key', version: '' },
  { type: 'gcp-secret-manager', credential: (cloud) => cloud.serviceAccount, more: (cloud) => ({ project: 'my-project', token_url: `${cloud.url}/token` }), place: 'openai-key', version: '' },
  { type: 'azure-key-vault', credential: () => 'my-client:the-secret-of-my-client', more: (cloud) => ({ directory: 'contoso', token_url: `${cloud.url}/token`, prefix: 'prod.' }), place: 'prod-openai-key', version: 'version' },
];

async function start(t, cloud, kind, { credential = kind.credential(cloud), source = {}, names = ['openai-key'], ...rest } = {}) {
  const upstream = await upstreamFor(t);
  const gateway = await gatewayFor(t, {
    gateway: { audit_log: 'audit.json' },
    secrets: { 'cloud-key': credential },
    routes: Object.fromEntries(names.map((name) => [name, {
      upstream: upstream.port, provider: 'http', credential: { secret: name }, inject: { header: 'Authorization', value: 'Bearer {secret}' },
    }])),
    extra: {
      secrets: [
        { type: 'env' },
        { type: kind.type, url: cloud.url, ca: cloud.ca, refresh: '1s', credential: { secret: 'cloud-key' }, ...kind.more(cloud), ...source },
        { type: 'env', prefix: 'NEXT_' },
      ],
    },
    ...rest,
  });
  gateway.upstream = upstream;
  return gateway;
}

async function call(gateway, name = 'openai-key') {
  const answer = await fetch(`${gateway.url}/${name}/x`, { headers: { 'x-sallyport-key': gateway.key } });
  await answer.text();
  return answer.status;
}
const sent = (gateway) => /^authorization: Bearer (.*)\r$/im.exec(gateway.upstream.requests.at(-1)?.head)?.[1];
const audit = (gateway) => fs.readFileSync(path.join(gateway.folder, 'audit.json'), 'utf8');

for (const kind of clouds) {
  test(`${kind.type}: found, rotated, with its version; what is not there is looked for in the next source`, async (t) => {
    const cloud = await cloudStoresFor(t);
    cloud.secrets[kind.place] = ['first-value-in-the-cloud'];
    cloud.secrets['team-json'] = [JSON.stringify({ api_key: 'value-of-the-member', other: 'not this one' })];
    const gateway = await start(t, cloud, kind, {
      names: ['openai-key', 'member', 'absent'], source: { names: { member: 'team-json#api_key' } },
      env: { NEXT_ABSENT: 'value-of-the-next-source' },
    });
    assert.equal(await call(gateway), 200, gateway.stderr);
    assert.equal(sent(gateway), 'first-value-in-the-cloud');
    assert.equal(await call(gateway, 'member'), 200, gateway.stderr);
    assert.equal(sent(gateway), 'value-of-the-member');
    assert.equal(await call(gateway, 'absent'), 200, gateway.stderr);
    assert.equal(sent(gateway), 'value-of-the-next-source');
    cloud.secrets[kind.place].push('second-value-in-the-cloud');
    await until('the new one is used', async () => (await call(gateway)) === 200 && sent(gateway) === 'second-value-in-the-cloud');
    await until('it is audited', () => audit(gateway).includes(`version ${kind.version}2`));
    assert.ok(cloud.tokens.size <= 1);
    const said = gateway.stderr + audit(gateway) + await gateway.metrics() + (await gateway.ask('/api/v1/config')).body;
    assert.doesNotMatch(said, /-in-the-cloud|value-of-the-|the\/secret|the-secret-of|PRIVATE KEY|token-number/);
  });

  test(`${kind.type}: a wrong credential is a failure, and the next source is not asked`, async (t) => {
    const cloud = await cloudStoresFor(t);
    cloud.secrets[kind.place] = ['value-in-the-cloud'];
    const wrong = kind.type === 'gcp-secret-manager' ? '{"type":"service_account"}' : kind.credential(cloud).replace('the', 'another');
    const gateway = await start(t, cloud, kind, { credential: wrong, env: { NEXT_OPENAI_KEY: 'value-of-the-next-source' } });
    assert.equal(await call(gateway), 502);
    await gateway.says(new RegExp(`secret "openai-key": ${kind.type} https://localhost:`));
    assert.doesNotMatch(gateway.stderr, /stolen-value|another/);
  });
}

test('a token that is refused early is had again', async (t) => {
  const cloud = await cloudStoresFor(t);
  cloud.secrets['openai-key'] = ['value-in-the-cloud'];
  const gateway = await start(t, cloud, clouds[2]);
  assert.equal(await call(gateway), 200);
  cloud.tokens = new Set(['of another life']);
  cloud.secrets['openai-key'].push('value-behind-the-second-login');
  await until('it is used', async () => (await call(gateway)) === 200 && sent(gateway) === 'value-behind-the-second-login');
});
