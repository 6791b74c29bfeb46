// Every built-in profile whose requests are signed, through the real binary: the tenant key is found
// in each of its slots, and what goes up is signed with the secret, as the pretend clouds verify.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Gateway, newKey } from '../support/gateway.mjs';
import { callRoute, checkNoKey, checkRefused, inSlot, walks } from '../support/profiles.mjs';
import { AwsFake, credentials } from './aws_fake.mjs';
import { AzureFake } from './azure_fake.mjs';
import { OverTls } from './over_tls.mjs';

let secured;
let aws;
let azure;
let gateway;

const isAzure = ({ sign }) => sign.scheme === 'azure-shared-key';

before(async () => {
  secured = new OverTls();
  aws = await AwsFake.start(secured.served);
  aws.options = { anything: true };
  azure = await AzureFake.start({ anything: true });
  const atAws = { base_url: `https://localhost:${aws.port}`, credential: { secret: 'aws' }, sign: { region: 'eu-central-1' }, ...secured.upstream };
  gateway = await Gateway.start({
    routes: Object.fromEntries(walks.signing.map(([name, profile]) =>
      [name, { provider: name, retry: 'off', ...(isAzure(profile) ? { upstream: azure.port, credential: { secret: 'azure' } } : atAws) }])),
    secrets: { aws: `${credentials.accessKeyId}:${credentials.secretAccessKey}`, azure: azure.secret },
  });
});

after(async () => {
  await gateway?.stop();
  await aws?.stop();
  await azure?.stop();
  secured?.remove();
});

test('in every slot of every profile that signs the tenant key is taken, and the signature is the secret\'s', async () => {
  assert.ok(walks.signing.length >= 9);
  for (const [name, profile] of walks.signing) {
    const { seen } = isAzure(profile) ? azure : aws;
    for (const slot of profile.slots) {
      seen.length = 0;
      const { answer, text } = await callRoute(gateway, name, inSlot(slot, gateway.key));
      assert.equal(answer.status, 200, `${name} ${JSON.stringify(slot)}: ${text}`);
      assert.equal(seen.length, 1);
      const [{ url, rawHeaders, body }] = seen;
      const sent = { head: `${url}\n${rawHeaders.join('\n')}`, body: body.toString() };
      checkNoKey(`${name} ${JSON.stringify(slot)}`, gateway.key, sent);
      for (const secret of [credentials.secretAccessKey, azure.key]) assert.ok(!`${sent.head}${sent.body}`.includes(secret), name);
      if (!isAzure(profile)) assert.match(sent.head, new RegExp(`/eu-central-1/${profile.sign.service}/aws4_request`));
      assert.equal(sent.body, '{"a":1}');
    }
  }
});

test('an error of the gateway has the shape of the provider\'s there, too', async () => {
  const stranger = newKey('nobody').key;
  for (const [name, profile] of walks.signing) await checkRefused(gateway, name, profile, stranger);
});
