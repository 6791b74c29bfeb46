// Webhooks: what waits for each target, what became of deliveries, and one webhook; replays and drops by hand.
import { bytes, count, duration } from './format.js';
import { byId, make, setAttribute, setRows, setText, text } from './page.js';

const SHOWN = 50;
const SHOWN_BODY = 64 * 1024; // characters

let mayChange = false;
let shown = null; // the webhook that is looked at: {id}

// ---- targets ----

const circuitKinds = { closed: 'good', open: 'bad', half_open: 'warn' };
const above = (name, kind) => ({ number: true, kind: (one) => (one[name] > 0 ? kind : null) });

const targetColumns = [
  text((one) => one.hook, { head: true }),
  text((one) => `${one.target}${one.configured ? '' : ' (not in the config)'}`),
  text((one) => (one.breaker ?? '–').replace('_', ' '), { kind: (one) => circuitKinds[one.breaker] }),
  text((one) => count(one.waiting), { number: true }),
  text((one) => count(one.held_back), { number: true }),
  text((one) => count(one.dead), above('dead', 'bad')),
  text((one) => count(one.delivered), { number: true }),
  text((one) => (one.oldest ? duration(one.oldest_seconds * 1000) : '–'), { number: true, kind: (one) => (one.oldest_seconds > 900 ? 'warn' : null) }),
  text((one) => count(one.in_flight), { number: true }),
];

// The hooks to choose from; the choice stays.
function offerHooks(targets) {
  const select = byId('webhooks-hook');
  const names = ['', ...new Set(targets.map((one) => one.hook))];
  if (JSON.stringify(names) === select.shownNames) return;
  select.shownNames = JSON.stringify(names);
  const chosen = select.value;
  select.replaceChildren(...names.map((name) => make('option', { value: name }, name === '' ? 'all' : name)));
  select.value = names.includes(chosen) ? chosen : '';
}

export function takeWebhookSums({ queue, targets, max_events, max_bytes }) {
  byId('webhooks-section').hidden = false;
  setRows(byId('hooks').tBodies[0], targets, (one) => JSON.stringify([one.hook, one.target]), targetColumns);
  offerHooks(targets);
  const words = queue.writable
    ? `${count(queue.events)} events are kept (room for ${count(max_events)}), ${bytes(queue.bytes)} of ${bytes(max_bytes)}`
    : 'The queue cannot be written: providers are answered 503.';
  setText(byId('webhooks-sum'), words);
  setAttribute(byId('webhooks-sum'), 'class', queue.writable ? 'quiet' : 'bad');
}

export function noWebhooks() {
  byId('webhooks-section').hidden = true;
}

// ---- deliveries ----

const stateKinds = { dead: 'bad', delivered: 'good', held_back: 'warn' };
const answerOf = (one) => one.error ?? (one.status ? String(one.status) : '–');
const timeOf = (value) => (value ? value.replace('T', ' ').slice(0, 19) : '–');

const deliveryColumns = (look) => [
  text((one) => timeOf(one.received), { head: true }),
  text((one) => one.state.replace('_', ' '), { kind: (one) => stateKinds[one.state] }),
  text((one) => one.attempts, { number: true }),
  text((one) => one.hook),
  text((one) => one.target),
  text((one) => one.type || '–'),
  text(answerOf),
  {
    show(cell, one) {
      if (!cell.firstChild) {
        const button = make('button', { type: 'button', class: 'id' });
        button.addEventListener('click', () => look(button.webhook));
        cell.append(button);
      }
      cell.firstChild.webhook = one.id;
      setText(cell.firstChild, one.id.slice(0, 16));
      setAttribute(cell.firstChild, 'aria-label', `Show webhook ${one.id.slice(0, 16)}`);
    },
  },
];

// What the list is asked for.
export function webhookQuery() {
  const wanted = { state: byId('webhooks-state').value, hook: byId('webhooks-hook').value, id: byId('webhooks-id').value.trim(), limit: SHOWN };
  return Object.entries(wanted).filter(([, value]) => value !== '').map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
}

export function takeWebhooks({ webhooks, next }, look) {
  setRows(byId('deliveries').tBodies[0], webhooks, (one) => String(one.number), deliveryColumns(look));
  setText(byId('webhooks-note'), webhooks.length === 0 ? 'None is like that.' : next ? `The latest ${SHOWN}; \`sallyport webhooks list\` shows more.` : '');
}

// ---- one webhook ----

function pairs(entries) {
  return make('dl', { class: 'pairs' }, ...entries.filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, String(value)))));
}

function deliveryTable(deliveries) {
  const head = ['Target', 'State', 'Tries', 'Next, or ended', 'Last answer'];
  return make('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': 'Deliveries of this webhook' }, make('table', {},
    make('thead', {}, make('tr', {}, ...head.map((words) => make('th', { scope: 'col', class: words === 'Tries' ? 'n' : null }, words)))),
    make('tbody', {}, ...deliveries.map((one) => make('tr', {}, make('th', { scope: 'row' }, one.target),
      make('td', { class: stateKinds[one.state] }, one.state.replace('_', ' ')), make('td', { class: 'n' }, String(one.attempts)),
      make('td', {}, timeOf(one.due ?? one.ended)), make('td', {}, answerOf(one)))))));
}

function contentOf(webhook) {
  if (webhook.headers === undefined) return [];
  const body = webhook.body ?? webhook.body_base64;
  const cut = body.length > SHOWN_BODY ? `\n(${count(body.length - SHOWN_BODY)} more characters: sallyport webhooks show ${webhook.id} --body)` : '';
  return [
    make('h3', {}, 'Headers'), make('pre', { tabindex: '0' }, webhook.headers.map(({ name, value }) => `${name}: ${value}`).join('\n')),
    make('h3', {}, webhook.body === undefined ? 'Body, in base64: it is no text' : 'Body'), make('pre', { tabindex: '0' }, body.slice(0, SHOWN_BODY) + cut),
  ];
}

// One that cannot be undone asks twice.
function changeButton(words, change, { twice } = {}) {
  const button = make('button', { type: 'button', class: twice ? 'danger' : null }, words);
  button.addEventListener('click', () => {
    if (twice && button.textContent !== twice) {
      setText(button, twice);
      return;
    }
    void change();
  });
  if (twice) button.addEventListener('blur', () => setText(button, words));
  return button;
}

function actions(webhook, { replay, drop, unlock }) {
  if (!mayChange) {
    const button = make('button', { type: 'button' }, 'Enter the token');
    button.addEventListener('click', unlock);
    return make('div', { class: 'actions' }, make('span', { class: 'quiet' }, 'Body, replay and drop need the token that may do all.'), button);
  }
  return make('div', { class: 'actions' },
    changeButton('Replay', () => replay(webhook.id)),
    changeButton('Drop', () => drop(webhook.id), { twice: 'Drop for good' }));
}

export function showWebhook(webhook, handlers) {
  shown = webhook;
  byId('webhook-answer').hidden = false;
  byId('webhook-answer').replaceChildren(
    make('h3', {}, `Webhook ${webhook.id}`),
    pairs([['hook', webhook.hook], ['event', webhook.event_id], ['type', webhook.type], ['received', timeOf(webhook.received)], ['body', bytes(webhook.bytes)],
      ['suspect', webhook.suspect ? 'the same content had come before under another id' : '']]),
    deliveryTable(webhook.deliveries), actions(webhook, handlers), ...contentOf(webhook));
}

export function hideWebhook() {
  shown = null;
  byId('webhook-answer').hidden = true;
  byId('webhook-answer').replaceChildren();
}

export const webhookShown = () => shown;
export const webhooksMayChange = () => mayChange;

export function setWebhooksMayChange(may) {
  mayChange = may;
}
