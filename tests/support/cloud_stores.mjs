// The secret stores of AWS, Google and Azure over TLS, as their public references describe them. Each call's
// signature or token is verified; what does not fit is refused as they do.
import crypto from 'node:crypto';
import https from 'node:https';

import { authorityFor } from './certificates.mjs';

const hmac = (key, text) => crypto.createHmac('sha256', key).update(text).digest();
const sha256 = (text) => crypto.createHash('sha256').update(text).digest('hex');

// Of a request to "/" without a query.
function goodSignature(call, id, secret, region, service) {
  const match = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(call.headers.authorization ?? '');
  if (!match) return false;
  const [, key, day, itsRegion, itsService, names, signature] = match;
  const canonical = ['POST', '/', '', ...names.split(';').map((name) => `${name}:${call.headers[name]}`), '', names, sha256(call.text)].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', call.headers['x-amz-date'], scope, sha256(canonical)].join('\n');
  const derived = ['aws4_request'].reduce(hmac, [day, region, service].reduce(hmac, `AWS4${secret}`));
  return key === id && itsRegion === region && itsService === service && names.includes('host') && names.includes('x-amz-target') &&
    signature === hmac(derived, text).toString('hex');
}

export class CloudStores {
  static async start(authority) {
    const cloud = new CloudStores();
    cloud.ca = authority.file;
    cloud.calls = [];
    cloud.secrets = {}; // name -> [value, ...]
    cloud.keys = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
    cloud.tokens = new Set();
    cloud.server = https.createServer(authority.sign('DNS:localhost,IP:127.0.0.1'), (request, response) => {
      let text = '';
      request.on('data', (data) => (text += data));
      request.on('end', () => {
        const call = { method: request.method, path: request.url, headers: request.headers, text };
        cloud.calls.push(call);
        const [status, body] = cloud.answer(call);
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(body));
      });
    });
    await new Promise((resolve) => cloud.server.listen(0, '127.0.0.1', resolve));
    cloud.url = `https://localhost:${cloud.server.address().port}`;
    return cloud;
  }

  get serviceAccount() {
    return JSON.stringify({
      type: 'service_account', client_email: 'robot@project.test', private_key_id: 'k1',
      private_key: this.keys.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    });
  }

  answer(call) {
    if (call.path === '/token') return this.token(call);
    if (call.headers['x-amz-target']) return this.aws(call);
    if (!this.tokens.has(call.headers.authorization)) return [401, { error: { status: 'UNAUTHENTICATED', code: 'Unauthorized' } }];
    return call.path.startsWith('/v1/') ? this.google(call.path) : this.azure(call.path);
  }

  token(call) {
    const form = Object.fromEntries(new URLSearchParams(call.text));
    const google = form.assertion && (() => {
      const [head, body, signature] = form.assertion.split('.');
      const claims = JSON.parse(Buffer.from(body, 'base64url'));
      return claims.iss === 'robot@project.test' && claims.aud === `${this.url}/token` && claims.scope.endsWith('cloud-platform') &&
        crypto.verify('sha256', `${head}.${body}`, this.keys.publicKey, Buffer.from(signature, 'base64url'));
    })();
    const azure = form.client_id === 'my-client' && form.client_secret === 'the-secret-of-my-client' && form.scope === 'https://vault.azure.net/.default';
    if (!google && !azure) return [400, { error: 'invalid_grant' }];
    const token = `token-number-${this.tokens.size + 1}-of-the-cloud`;
    this.tokens.add(`Bearer ${token}`);
    return [200, { access_token: token, token_type: 'Bearer', expires_in: 3600 }];
  }

  aws(call) {
    const [service, action] = call.headers['x-amz-target'].split('.');
    const manager = service === 'secretsmanager' && action === 'GetSecretValue';
    if (!manager && call.headers['x-amz-target'] !== 'AmazonSSM.GetParameter') return [400, { __type: 'UnknownOperationException' }];
    if (!goodSignature(call, 'AKIDEXAMPLE', 'the/secret+of the id', 'eu-central-1', manager ? 'secretsmanager' : 'ssm')) {
      return [400, { __type: 'InvalidSignatureException', message: 'stolen-value' }];
    }
    const said = JSON.parse(call.text);
    const versions = this.secrets[manager ? said.SecretId : said.Name];
    if (!versions) return [400, { __type: manager ? 'ResourceNotFoundException' : 'ParameterNotFound' }];
    if (manager) return [200, { Name: said.SecretId, SecretString: versions.at(-1), VersionId: `version-${versions.length}` }];
    return said.WithDecryption ? [200, { Parameter: { Value: versions.at(-1), Version: versions.length } }] : [200, { Parameter: { Value: 'AQICAHg=' } }];
  }

  google(path) {
    const name = /^\/v1\/projects\/my-project\/secrets\/([^/]+)\/versions\/latest:access$/.exec(path)?.[1];
    const versions = this.secrets[name];
    if (!versions) return [404, { error: { code: 404, status: 'NOT_FOUND' } }];
    return [200, { name: `projects/1/secrets/${name}/versions/${versions.length}`, payload: { data: Buffer.from(versions.at(-1)).toString('base64') } }];
  }

  azure(path) {
    const name = /^\/secrets\/([A-Za-z0-9-]+)\?api-version=7\.4$/.exec(path)?.[1];
    const versions = this.secrets[name];
    if (!versions) return [404, { error: { code: 'SecretNotFound' } }];
    return [200, { value: versions.at(-1), id: `${this.url}/secrets/${name}/version${versions.length}` }];
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export async function cloudStoresFor(t) {
  const cloud = await CloudStores.start(authorityFor(t));
  t.after(() => cloud.stop());
  return cloud;
}
