// Pretend providers on one TLS server: /NAME/... is the provider NAME, which takes a request only if
// the credential is where its profile says, and nowhere a key of a tenant. What each answers is a
// table of the test's.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import zlib from 'node:zlib';

import { root } from '../support/gateway.mjs';

export const credential = { user: 'user-part-of-the-secret', password: 'pass-part-of-the-secret' };
export const secret = `${credential.user}:${credential.password}`;

const profileOf = (name) => JSON.parse(fs.readFileSync(path.join(root, `routes/profiles/${name}.json`), 'utf8'));
const fill = (template = '{secret}', whole = secret) => template.replaceAll('{secret}', whole)
  .replaceAll('{user}', credential.user).replaceAll('{password}', credential.password);

// Why the credential is not right; null: it is. An end user's own token may stand in its place.
function wrong(profile, request, target, whole) {
  for (const place of [profile.credential].flat()) {
    const expected = fill(place.value, whole);
    if (place.in === 'path') {
      if (!target.startsWith(`/${encodeURIComponent(expected)}/`)) return `path ${target}`;
    } else if (place.in === 'query') {
      const values = new URL(target, 'https://x').searchParams.getAll(place.name);
      if (values.length !== 1 || values[0] !== expected) return `query ${values}`;
    } else if (place.in === 'body') {
      const form = /x-www-form-urlencoded/.test(request.headers['content-type']);
      if (request.body === '') continue;
      const value = form ? new URLSearchParams(request.body).get(place.name) : JSON.parse(request.body)[place.name];
      if (value !== expected) return `body ${value}`;
    } else {
      const name = place.in === 'basic' ? 'authorization' : place.name.toLowerCase();
      const value = place.in === 'basic' ? `Basic ${Buffer.from(expected).toString('base64')}` : expected;
      const users = profile.user_token?.name === name && request.headers[name]?.startsWith('Bearer eyJ');
      if (request.headers[name] !== value && !users) return `${name}: ${request.headers[name]}`;
    }
  }
  return null;
}

export class ProviderFake {
  // answers: {name: (request, target) => value | {raw: {status, headers, body}}}; a value is sent as JSON.
  // secrets: {name: the credential of that one}, where it is not `secret`.
  static async start(served, answers, { secrets = {} } = {}) {
    const fake = new ProviderFake();
    fake.secrets = secrets;
    fake.seen = [];
    fake.wrong = [];
    fake.keys = [];
    fake.server = https.createServer(served, (request, response) => fake.serve(request, response, answers));
    await new Promise((resolve) => fake.server.listen(0, '127.0.0.1', resolve));
    fake.port = fake.server.address().port;
    return fake;
  }

  async serve(request, response, answers) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const sent = Buffer.concat(chunks);
    request.body = (request.headers['content-encoding'] === 'gzip' ? zlib.gunzipSync(sent) : sent).toString('latin1');
    const [, name, target] = /^\/([^/?]+)(.*)$/.exec(request.url);
    const raw = `${request.url}\n${request.rawHeaders.join('\n')}\n${request.body}`;
    for (const key of this.keys) {
      for (const form of [key, ...['', 'api', 'any'].flatMap((other) =>
        [`${key}:${other}`, `${other}:${key}`].map((pair) => Buffer.from(pair).toString('base64')))]) {
        if (raw.includes(form)) this.wrong.push(`${name}: a tenant's key went up\n${raw}`);
      }
    }
    const why = wrong(profileOf(name), request, target, this.secrets[name]);
    if (why) this.wrong.push(`${name}: ${why}`);
    this.seen.push({ name, target, method: request.method, headers: request.headers, body: request.body });
    const answer = (await answers[name]?.(request, target)) ?? {};
    const { status = 200, headers = {}, body = answer } = answer.raw ? answer.raw : {};
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  }

  last(name) {
    return this.seen.findLast((request) => request.name === name);
  }

  // Ends a test: all that came was right.
  check() {
    assert.deepEqual(this.wrong, []);
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
