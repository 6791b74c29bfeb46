// What tests of the ledger share: a gateway that has one, and its rows, straight out of the file.
import { execFileSync } from 'node:child_process';
import path from 'node:path';

import { binary, until } from './gateway.mjs';

export const withLedger = (more = {}) => ({ extra: { ledger: { url: 'sqlite:usage.db' }, ...more } });
export const ledgerFile = (gateway) => path.join(gateway.folder, 'usage.db');

// {status, body}
export async function ask(gateway, target) {
  const answer = await fetch(`http://127.0.0.1:${gateway.adminPort}${target}`);
  const body = await answer.json();
  return { status: answer.status, body };
}

// The row of a request, as soon as it is written.
export const rowOf = (gateway, id) => until(`a row for ${id}`, async () => {
  const { status, body } = await ask(gateway, `/api/v1/requests/${id}`);
  return status === 200 && body;
});

export const written = (gateway, count) => until(`${count} rows are written`,
  async () => (await gateway.metric('ledger_rows_total')) >= count && (await gateway.metric('ledger_backlog')) === 0);

// The sums of the last day: [{requests, cost_nanousd, ...}].
export const sums = async (gateway, parameters = '') => (await ask(gateway, `/api/v1/usage?since=24h${parameters}`)).body.usage;

export const explain = (gateway, id, args = []) =>
  execFileSync(binary, ['explain', id, '-c', gateway.file, ...args], { encoding: 'utf8' });
