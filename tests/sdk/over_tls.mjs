// What tests of SDKs over TLS have in common: an authority of the test's own, a certificate for the
// gateway and for what stands behind it, and the gateway's settings with it.
import fs from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';

import { Authority } from '../support/certificates.mjs';

export class OverTls {
  constructor(names = 'DNS:localhost,IP:127.0.0.1') {
    this.authority = new Authority();
    this.served = this.authority.sign(names);
    const files = { cert: path.join(this.authority.folder, 'gw.pem'), key: path.join(this.authority.folder, 'gw.key') };
    for (const [name, file] of Object.entries(files)) fs.writeFileSync(file, this.served[name]);
    this.gateway = { tls: files }; // for the config's `gateway`
    this.upstream = { tls: { ca: this.authority.file } }; // for a route
  }

  get pem() {
    return fs.readFileSync(this.authority.file);
  }

  // Every client of this process trusts the authority from now on.
  trust() {
    const { pem } = this;
    const create = tls.createSecureContext;
    tls.createSecureContext = (options) => {
      const context = create(options);
      context.context.addCACert(pem);
      return context;
    };
    return this;
  }

  remove() {
    this.authority.remove();
  }
}
