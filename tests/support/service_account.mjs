// A service account of Google's, as the JSON file says it, and what it has signed.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';

// {header, claims} of a JSON Web Token, or an error if it is not signed by the key.
export function verified(token, publicKey, algorithm) {
  const [header, claims, signature] = token.split('.');
  const read = (text) => JSON.parse(Buffer.from(text, 'base64url'));
  const key = { key: publicKey };
  if (algorithm === 'ES256') key.dsaEncoding = 'ieee-p1363';
  if (algorithm === 'PS256') Object.assign(key, { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
  assert.equal(read(header).alg, algorithm);
  assert.ok(crypto.verify('sha256', Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, 'base64url')), 'the signature');
  return { header: read(header), claims: read(claims) };
}

// {json: the file, email, keyId, publicKey, privateKey}
export function serviceAccount() {
  const { publicKey, privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  const email = 'robot@p.example';
  const keyId = 'key-1';
  const json = JSON.stringify({
    type: 'service_account', project_id: 'p', private_key_id: keyId, private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: email, client_id: '1', token_uri: 'https://elsewhere.example.com/token',
  });
  return { json, email, keyId, publicKey, privateKey };
}

// The claims of an assertion that this account signed; else an error.
export function serviceAccountClaims(account, assertion) {
  const { header, claims } = verified(assertion, account.publicKey, 'RS256');
  assert.equal(header.kid, account.keyId);
  return claims;
}
