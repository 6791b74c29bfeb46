// A certificate authority of a test's own, and certificates that it signs.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { temporaryFolder } from './gateway.mjs';

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];

function openssl(...args) {
  return execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
}

export class Authority {
  constructor() {
    this.folder = temporaryFolder();
    this.file = path.join(this.folder, 'ca.pem');
    this.key = path.join(this.folder, 'ca.key');
    this.count = 0;
    openssl('req', '-x509', ...newKey, '-subj', '/CN=a test', '-keyout', this.key, '-out', this.file,
      '-addext', 'basicConstraints=critical,CA:TRUE');
  }

  // {cert, key} in PEM, for names as in "DNS:localhost,IP:127.0.0.1". `usage`: the one that it is for.
  sign(names, { expired = false, usage } = {}) {
    const base = path.join(this.folder, `${++this.count}`);
    openssl('req', '-new', ...newKey.slice(0, 5), '-subj', '/CN=a server', '-keyout', `${base}.key`, '-out', `${base}.csr`);
    fs.writeFileSync(`${base}.ext`, `subjectAltName=${names}\n${usage ? `extendedKeyUsage=${usage}\n` : ''}`);
    openssl('x509', '-req', '-in', `${base}.csr`, '-CA', this.file, '-CAkey', this.key, '-set_serial', String(this.count),
      '-days', expired ? '-1' : '2', '-extfile', `${base}.ext`, '-out', `${base}.pem`);
    return { cert: fs.readFileSync(`${base}.pem`), key: fs.readFileSync(`${base}.key`) };
  }

  remove() {
    fs.rmSync(this.folder, { recursive: true });
  }
}

export function authorityFor(t) {
  const authority = new Authority();
  t.after(() => authority.remove());
  return authority;
}
