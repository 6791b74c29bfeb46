// The gateway over TLS before pretend providers that check the credential: a route for each of
// `answers`, which is as ProviderFake has it.
import { freePort, Gateway } from '../support/gateway.mjs';
import { OverTls } from './over_tls.mjs';
import { ProviderFake, secret } from './provider_fake.mjs';

// hosts: {name: an address of loopback}, for SDKs that take no path. stop() ends all of it; check()
// says whether all that came to the providers was right.
export async function startProviders(answers, { hosts = {} } = {}) {
  const addresses = ['127.0.0.1', ...Object.values(hosts)];
  const secured = new OverTls(`DNS:localhost,${addresses.map((address) => `IP:${address}`).join()}`).trust();
  const fake = await ProviderFake.start(secured.served, answers);
  const routes = Object.fromEntries(Object.keys(answers).map((name) => [name, {
    provider: name, base_url: `https://localhost:${fake.port}/${name}`, credential: { secret: 'all' }, ...secured.upstream,
    retry: 'off', ...(hosts[name] && { host: hosts[name] }),
  }]));
  const port = await freePort();
  const gateway = await Gateway.start({
    routes, secrets: { all: secret },
    tenants: { app: { allow: Object.keys(routes) }, stranger: { allow: [] } },
    gateway: { listen: addresses.map((address) => `${address}:${port}`), ...secured.gateway },
  });
  gateway.port = port;
  const { app: key, stranger } = gateway.keys;
  fake.keys.push(key, stranger);
  return {
    fake, gateway, key, stranger, pem: secured.pem,
    route: (name) => `https://localhost:${port}/${name}`,
    check: () => fake.check(),
    stop: async () => {
      await gateway.stop();
      await fake.stop();
      secured.remove();
    },
  };
}
