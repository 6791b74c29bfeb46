// Which ways in each tenant has, and what it may not do; those that need a look first.
import { count, duration } from './format.js';
import { byId, setRows, setText, text } from './page.js';

const SHOWN = 100;
const SOON_MS = 14 * 86400 * 1000; // as `sallyport check` warns

let tenants = [];

const soon = (key) => key.state === 'good' && key.expires !== undefined && Date.parse(key.expires) - Date.now() < SOON_MS;
const expired = (one) => one.keys.some((key) => key.state === 'expired');
const rank = (one) => (expired(one) ? 2 : one.keys.some(soon) ? 1 : 0);
const kind = (one) => ['', 'warn', 'bad'][rank(one)];

function keyWords(one) {
  const states = {};
  for (const { state } of one.keys) states[state] = (states[state] ?? 0) + 1;
  const words = Object.entries(states).map(([state, keys]) => `${keys} ${state}`);
  const next = one.keys.filter(soon).map((key) => Date.parse(key.expires) - Date.now()).sort((a, b) => a - b)[0];
  if (next !== undefined) words.push(`one expires in ${duration(Math.max(0, next))}`);
  return words.join(', ') || '–';
}

const tokenWords = (one) => [...new Set(one.jwt.map(({ issuer, audience }) => `${issuer} for ${audience}`))].join(', ') || '–';

const columns = [
  text((one) => one.tenant, { head: true }),
  text(keyWords, { kind }),
  text(tokenWords),
  text((one) => one.mtls.join(', ') || '–'),
  text((one) => one.allow.join(', ') || 'nothing'),
  text((one) => (one.deny.rules > 0 ? count(one.deny.rules) : '–'), { number: true }),
  text((one) => (one.deny.rules > 0 ? count(one.deny.refused) : '–'), { number: true }),
];

export function showTenants() {
  const wanted = byId('tenant-filter').value.trim().toLowerCase();
  const fitting = tenants.filter((one) => [one.tenant, tokenWords(one), ...one.mtls, ...one.allow].join(' ').toLowerCase().includes(wanted));
  fitting.sort((a, b) => rank(b) - rank(a) || (a.tenant < b.tenant ? -1 : 1));
  const shown = fitting.slice(0, SHOWN);
  setRows(byId('tenants').tBodies[0], shown, (one) => one.tenant, columns);
  const more = fitting.length - shown.length;
  setText(byId('tenants-note'), tenants.length === 0 ? 'No tenant is configured.' : fitting.length === 0 ? 'None fits the filter.' : more > 0 ? `${more} more; the filter finds them.` : '');
}

export function takeTenants(answer) {
  tenants = answer.tenants;
  showTenants();
}
