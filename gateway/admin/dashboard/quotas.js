// What is left of each quota, the fullest first.
import { showBar } from './charts.js';
import { amount, duration } from './format.js';
import { byId, setRows, setText, text } from './page.js';

const SHOWN = 100;

let quotas = [];

const share = (one) => (one.burst > 0 ? one.used / one.burst : 0);
const kind = (one) => (share(one) >= 1 ? 'bad' : share(one) >= 0.8 ? 'warn' : '');

function resetWords(one) {
  if (one.resets_ms === undefined) return '–';
  return one.unit === 'concurrency' ? 'when one ends' : one.resets_ms === 0 ? 'now' : duration(one.resets_ms);
}

const columns = [
  text((one) => (one.tenant === '' ? 'all' : one.tenant), { head: true }),
  text((one) => `${one.rule}${one.route ? ` · ${one.route}` : ''}${one.action === 'warn' ? ' · warns' : ''}`),
  {
    show: (cell, one) => showBar(cell, {
      used: share(one), held: one.burst > 0 ? Math.min(one.reserved, one.used) / one.burst : 0, kind: kind(one),
      words: `${amount(one.unit, one.used)} of ${amount(one.unit, one.burst)}`,
    }),
  },
  text((one) => amount(one.unit, one.left), { number: true, kind }),
  text((one) => (one.reserved > 0 ? amount(one.unit, one.reserved) : '–'), { number: true }),
  text(resetWords, { number: true }),
];

export function showQuotas() {
  const wanted = byId('quota-filter').value.trim().toLowerCase();
  const fitting = quotas.filter((one) => `${one.tenant} ${one.rule} ${one.route} ${one.quota}`.toLowerCase().includes(wanted));
  fitting.sort((a, b) => share(b) - share(a) || (a.tenant < b.tenant ? -1 : a.tenant > b.tenant ? 1 : 0));
  const shown = fitting.slice(0, SHOWN);
  setRows(byId('quotas').tBodies[0], shown, (one) => JSON.stringify([one.tenant, one.quota, one.route]), columns);
  const more = fitting.length - shown.length;
  setText(byId('quotas-note'), quotas.length === 0 ? 'No quota is configured.' : fitting.length === 0 ? 'None fits the filter.' : more > 0 ? `${more} more have more left; the filter finds them.` : '');
}

export function takeQuotas(answer) {
  quotas = answer.quotas;
  showQuotas();
}
