// An issuer of JSON Web Tokens: keys, tokens of any kind, and its key set over TLS, which can be slow,
// large, wrong or away.
import crypto from 'node:crypto';
import https from 'node:https';

const url64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

const kinds = {
  RS256: () => crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => crypto.generateKeyPairSync('ed25519'),
};

export function newSigner(alg, kid) {
  const { publicKey, privateKey } = kinds[alg]();
  return { alg, kid, publicKey, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } };
}

export function signature(signer, text) {
  if (signer.alg === 'EdDSA') return crypto.sign(null, Buffer.from(text), signer.privateKey);
  return crypto.sign('sha256', Buffer.from(text), { key: signer.privateKey, dsaEncoding: 'ieee-p1363' });
}

// `claims` and `header`: objects, or JSON as text. `text`: what is put behind, in place of the signature.
export function newToken(signer, claims, { header = {}, text } = {}) {
  const head = typeof header === 'string' ? header : { alg: signer.alg, kid: signer.kid, typ: 'JWT', ...header };
  const front = `${url64(head)}.${url64(claims)}`;
  return `${front}.${text ?? signature(signer, front).toString('base64url')}`;
}

export const seconds = (from = 0) => Math.floor(Date.now() / 1000) + from;

export class Issuer {
  constructor(name, server) {
    Object.assign(this, { name, server, fetches: 0, signers: [], answer: null });
    this.add('ES256', 'k1');
  }

  static async start(authority, name = 'https://login.example') {
    const pair = authority.sign('DNS:localhost,IP:127.0.0.1');
    const server = https.createServer(pair, (req, res) => issuer.serve(req, res));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const issuer = new Issuer(name, server);
    issuer.authority = authority;
    return issuer;
  }

  get jwks() {
    return `https://localhost:${this.server.address().port}/keys`;
  }

  // As a tenant lists it.
  config(more = {}) {
    return {
      issuer: this.name, audience: 'sallyport', jwks: this.jwks, claims: { sub: 'checkout' },
      tls: { ca: this.authority.file }, ...more,
    };
  }

  add(alg, kid) {
    this.signers.push(newSigner(alg, kid));
    return this.signers.at(-1);
  }

  document() {
    return JSON.stringify({ keys: this.signers.map(({ jwk }) => jwk) });
  }

  // `answer`: a function of the response, in place of the key set.
  serve(req, res) {
    this.fetches++;
    if (this.answer) return this.answer(res, req);
    res.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'max-age=600' });
    res.end(this.document());
  }

  claims(more = {}) {
    return { iss: this.name, aud: 'sallyport', sub: 'checkout', iat: seconds(), exp: seconds(300), ...more };
  }

  token(more = {}, options = {}) {
    return newToken(options.signer ?? this.signers[0], this.claims(more), options);
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

export async function issuerFor(t, authority, name) {
  const issuer = await Issuer.start(authority, name);
  t.after(() => issuer.stop());
  return issuer;
}
