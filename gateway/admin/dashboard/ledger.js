// What the ledger tells: spend, errors of late, and one request in full.
import { amount, count, milliseconds, money, nanousd } from './format.js';
import { byId, make, setAttribute, setRows, setText, text } from './page.js';

const SHOWN = 8;
const dimensions = ['tenant', 'route', 'model'];
const spans = ['today', 'month'];

const tables = {};

function costOf(group) {
  return nanousd(group.cost_usd);
}

const nameOf = (group, by) => group[by] ?? '';

// Of each name what it cost today and this month; what cost nothing is counted, too.
function merge(by, today, month) {
  const lines = new Map();
  const line = (group) => {
    const name = nameOf(group, by);
    if (!lines.has(name)) lines.set(name, { name: name === '' ? '(none)' : name, today: 0n, month: 0n, requests: 0 });
    return lines.get(name);
  };
  for (const group of month) {
    const one = line(group);
    one.month = costOf(group);
    one.requests = group.requests;
  }
  for (const group of today) line(group).today = costOf(group);
  return [...lines.values()].sort((a, b) => (a.month === b.month ? b.requests - a.requests : a.month > b.month ? -1 : 1));
}

function tableFor(by) {
  if (!tables[by]) {
    tables[by] = make('tbody', {});
    byId('spend').append(make('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': `Spend by ${by}` },
      make('table', {}, make('thead', {}, make('tr', {}, make('th', { scope: 'col' }, `By ${by}`), make('th', { scope: 'col', class: 'n' }, 'Today'),
        make('th', { scope: 'col', class: 'n' }, 'This month'), make('th', { scope: 'col', class: 'n' }, 'Requests'))), tables[by])));
  }
  return tables[by];
}

const spendColumns = [
  text((one) => one.name, { head: true }),
  text((one) => money(one.today), { number: true }),
  text((one) => money(one.month), { number: true }),
  text((one) => count(one.requests), { number: true }),
];

export function takeSpend(answers) {
  const sums = { today: 0n, month: 0n };
  for (const by of dimensions) {
    const [today, month] = spans.map((span) => answers[by][span]);
    const lines = merge(by, today, month);
    if (by === 'tenant') {
      for (const one of lines) {
        sums.today += one.today;
        sums.month += one.month;
      }
    }
    const rest = lines.slice(SHOWN);
    const shown = rest.length < 2 ? lines : [...lines.slice(0, SHOWN), rest.reduce((sum, one) => ({
      name: sum.name, today: sum.today + one.today, month: sum.month + one.month, requests: sum.requests + one.requests,
    }), { name: `${rest.length} others`, today: 0n, month: 0n, requests: 0 })];
    setRows(tableFor(by), shown, (one) => one.name, spendColumns);
  }
  setText(byId('spend-sum'), `${money(sums.today)} today, ${money(sums.month)} this month`);
  setText(byId('spend-note'), '');
}

export function noLedger(words) {
  byId('spend').replaceChildren();
  for (const by of dimensions) delete tables[by];
  setText(byId('spend-sum'), '');
  setText(byId('spend-note'), words);
  byId('errors-section').hidden = true;
}

// ---- errors ----

const errorColumns = (explain) => [
  text((one) => one.opened.replace('T', ' ').slice(0, 19), { head: true }),
  text((one) => one.status || '–', { number: true, kind: (one) => (one.status >= 500 || !one.status ? 'bad' : 'warn') }),
  text((one) => one.code || '–'),
  text((one) => (one.times > 1 ? `× ${one.times}` : ''), { number: true }),
  text((one) => one.tenant || '–'),
  text((one) => one.route || '–'),
  text((one) => `${one.method ?? ''} ${one.path ?? ''}`),
  text((one) => milliseconds(one.duration === undefined ? null : one.duration / 1000), { number: true }),
  {
    show(cell, one) {
      if (!cell.firstChild) {
        const button = make('button', { type: 'button', class: 'id' });
        button.addEventListener('click', () => explain(button.request));
        cell.append(button);
      }
      cell.firstChild.request = one.id;
      setText(cell.firstChild, one.id.slice(0, 12));
      setAttribute(cell.firstChild, 'aria-label', `Explain ${one.id.slice(0, 12)}`);
    },
  },
];

// Those of one kind are one row: how many there were among the latest, and the last of them.
function grouped(errors) {
  const kinds = new Map();
  for (const one of errors) {
    const key = JSON.stringify([one.status, one.code, one.tenant, one.route]);
    if (kinds.has(key)) kinds.get(key).times += 1;
    else kinds.set(key, { ...one, key, times: 1 });
  }
  return [...kinds.values()];
}

export function takeErrors(answer, explain) {
  const list = grouped(answer.errors);
  byId('errors-section').hidden = false;
  setRows(byId('errors').tBodies[0], list, (one) => one.key, errorColumns(explain));
  setText(byId('errors-note'), list.length === 0 ? 'None: every request in the ledger ended well.' : `The latest ${answer.errors.length}, those of a kind in one row.`);
}

// ---- one request ----

const groups = {
  Outcome: ['status', 'upstream_status', 'code', 'ended_by', 'step', 'attempts'],
  Request: ['method', 'path', 'tenant', 'route', 'served_by', 'provider', 'model', 'credential', 'label', 'upstream_id', 'opened', 'closed'],
  Cost: ['cost_usd', 'metered', 'estimated', 'price_fallback', 'gateway_died', 'reserved_tokens', 'reserved_cost'],
  Times: ['duration', 'upstream_duration', 'first_byte', 'overhead'],
};

const writers = {
  cost_usd: money,
  reserved_cost: money,
  ...Object.fromEntries(groups.Times.map((name) => [name, (value) => milliseconds(value / 1000)])),
};

function pairs(entries) {
  return make('dl', { class: 'pairs' }, ...entries.map(([name, value]) =>
    make('div', {}, make('dt', {}, name.replaceAll('_', ' ')), make('dd', {}, (writers[name] ?? String)(value)))));
}

function quotaTable(quotas) {
  const head = ['Quota', 'Limit', 'Used before', 'Reserved', 'Charged'];
  return make('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': 'Quotas of this request' }, make('table', {},
    make('thead', {}, make('tr', {}, ...head.map((words, index) => make('th', { scope: 'col', class: index ? 'n' : null }, words)))),
    make('tbody', {}, ...quotas.map((one) => make('tr', {}, make('th', { scope: 'row' }, one.name),
      ...['limit', 'used', 'demand', 'settled'].map((name) => make('td', { class: 'n' }, one[name] === undefined ? '–' : amount(one.unit, one[name]))))))));
}

// What is nothing is left out: an empty text, a false flag, a unit of which there was none.
const told = (entries) => entries.filter(([, value]) => value !== undefined && value !== null && value !== '' && value !== false && value !== 0);

export function showRequest(answer) {
  const parts = [];
  for (const [title, names] of Object.entries(groups)) {
    const entries = told(names.map((name) => [name, answer[name]]));
    if (title === 'Cost') entries.push(...told(Object.entries(answer.units ?? {})));
    if (entries.length > 0) parts.push(make('div', {}, make('h3', {}, title), pairs(entries)));
  }
  const { quotas, ...rest } = answer.details ?? {};
  byId('request-answer').replaceChildren(make('div', { class: 'groups' }, ...parts),
    ...(quotas?.length ? [make('h3', {}, 'Quotas'), quotaTable(quotas)] : []),
    ...Object.entries(rest).flatMap(([name, value]) => [make('h3', {}, name.replaceAll('_', ' ')), make('pre', {}, JSON.stringify(value, null, 1))]));
}
