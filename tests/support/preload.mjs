// Builds the small libraries of tests/support that are preloaded into the gateway to change what
// the system around it does.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { root, temporaryFolder } from './gateway.mjs';

let folder;

// The environment for a gateway with tests/support/NAME.c in front of the C library.
export function preloaded(name) {
  if (!folder) {
    folder = temporaryFolder();
    process.on('exit', () => fs.rmSync(folder, { recursive: true }));
  }
  const library = path.join(folder, `${name}.so`);
  const source = path.join(root, 'tests/support', `${name}.c`);
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', library, source, '-ldl']);
  return {
    LD_PRELOAD: library,
    // AddressSanitizer would be first, but what is replaced here is none of its business.
    ASAN_OPTIONS: [process.env.ASAN_OPTIONS, 'verify_asan_link_order=0'].filter(Boolean).join(':'),
  };
}

// A clock that a test moves on: {env, ahead(seconds)}.
export function movingClock() {
  const env = preloaded('moving_clock');
  const file = path.join(folder, `clock-${process.hrtime.bigint()}`);
  fs.writeFileSync(file, Buffer.alloc(8));
  const ahead = (seconds) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(seconds));
    const fd = fs.openSync(file, 'r+'); // in place: it is mapped
    fs.writeSync(fd, bytes);
    fs.closeSync(fd);
  };
  return { env: { ...env, CLOCK_FILE: file }, ahead };
}
