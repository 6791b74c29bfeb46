// Asks the admin API again and again, as long as the page is looked at, and hands out the answers.
import { EVERY_MS, takeBreakers, takeLive } from './live.js';
import { noLedger, showRequest, takeErrors, takeSpend } from './ledger.js';
import { showQuotas, takeQuotas } from './quotas.js';
import { showTenants, takeTenants } from './tenants.js';
import { bytes, clock, count, duration } from './format.js';
import { byId, make, setPairs, setText } from './page.js';
import { hideWebhook, noWebhooks, setWebhooksMayChange, showWebhook, takeWebhookSums, takeWebhooks, webhookQuery, webhookShown, webhooksMayChange } from './webhooks.js';

const TOKEN = 'sallyport-token';
const BYTES_PER_MS = 100; // what is long is asked for seldom: a megabyte every ten seconds
const TIMEOUT_MS = 15000;

class Refused extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

// `asked`, if given, is told how long the answer was.
async function get(path, asked = {}, method = 'GET') {
  const token = sessionStorage.getItem(TOKEN);
  const answer = await fetch(path, { method, headers: token ? { Authorization: `Bearer ${token}` } : {}, cache: 'no-store', redirect: 'error', signal: AbortSignal.timeout(method === 'GET' ? TIMEOUT_MS : 2 * TIMEOUT_MS) });
  const body = await answer.text();
  asked.bytes = (asked.bytes ?? 0) + body.length;
  let parsed = null;
  if (/^application\/json/.test(answer.headers.get('content-type') ?? '')) parsed = JSON.parse(body);
  if (!answer.ok && !(path.startsWith('/readyz') && answer.status === 503)) throw new Refused(answer.status, parsed?.error ?? body.trim());
  return parsed ?? body;
}

// ---- sources ----

function takeStatus(status) {
  const draining = status.state !== 'serving';
  const { config, store } = status;
  setText(byId('state'), status.state);
  byId('state').className = `pill ${draining ? 'warn' : 'good'}`;
  setPairs(byId('facts'), {
    version: status.version,
    up: duration(status.uptime_seconds * 1000),
    config: [`generation ${config.generation}${config.last_reload_success ? '' : ', last reload refused'}`, config.last_reload_success ? '' : 'bad'],
    store: [store.up ? `${store.url} up` : `${store.url} down`, store.up ? '' : 'bad'],
  });
  setPairs(byId('process'), {
    'config file': config.file,
    'config taken': config.taken.replace('T', ' ').slice(0, 19),
    ...(config.problem ? { 'last reload': [config.problem, 'bad'] } : {}),
    store: [`${store.url} (${store.name})`, store.up ? '' : 'bad'],
    ledger: status.ledger ? 'kept' : 'none',
    workers: count(status.workers),
    configured: `${count(status.routes)} routes, ${count(status.tenants)} tenants`,
    connections: count(status.connections),
    'bodies held': bytes(status.buffered_bytes),
    'refused unread': count(status.requests.refused_early),
  });
  ledger.known = status.ledger;
  if (status.webhooks && !webhooks.known) askAgain(webhooks);
  webhooks.known = Boolean(status.webhooks);
  ledger.zone = status.time_zone;
  if (!status.ledger) noLedger('No ledger: the config has none (ledger: {url: "sqlite:usage.db"}), so spend and single requests are not known.');
}

function takeReadiness(text) {
  const lines = String(text).trim().split('\n').slice(1).filter((line) => line !== 'every route has its credential');
  const shown = JSON.stringify(lines);
  if (byId('news').shown === shown) return;
  byId('news').shown = shown;
  byId('attention').hidden = lines.length === 0;
  byId('news').replaceChildren(...lines.slice(0, 20).map((line) => make('li', {}, line)), ...(lines.length > 20 ? [make('li', {}, `and ${lines.length - 20} more: /readyz?verbose`)] : []));
}

const ledger = { known: false, zone: 'UTC' };

// Minutes since the day or the month began, where the gateway's budgets are: in its time zone.
function minutesOf(span) {
  const wall = (date) => {
    const parts = Object.fromEntries(new Intl.DateTimeFormat('en-u-hc-h23', { timeZone: ledger.zone, day: 'numeric', hour: 'numeric', minute: 'numeric' })
      .formatToParts(date).map(({ type, value }) => [type, Number(value)]));
    return ((span === 'month' ? parts.day - 1 : 0) * 24 + parts.hour) * 60 + parts.minute;
  };
  const now = Date.now();
  const minutes = wall(new Date(now));
  const off = wall(new Date(now - minutes * 60000)); // where the clock was changed in between: an hour
  return Math.max(1, off <= 720 ? minutes + off : minutes);
}

async function readSpend(asked) {
  if (!ledger.known) return;
  const answers = {};
  for (const by of ['tenant', 'route', 'model']) {
    answers[by] = {};
    for (const span of ['today', 'month']) {
      answers[by][span] = (await get(`/api/v1/usage?by=${by}&since=${minutesOf(span)}m`, asked)).usage;
    }
  }
  takeSpend(answers);
}

async function readErrors(asked) {
  if (ledger.known) takeErrors(await get('/api/v1/errors', asked), explain);
}

// What may be done with the token that is here; without one, what anybody on this machine may.
async function readRights() {
  const { right, token } = await get('/api/v1/rights');
  if (token === 'unknown' && sessionStorage.getItem(TOKEN)) throw new Refused(401, 'unknown');
  const before = webhooksMayChange();
  setWebhooksMayChange(right === 'all');
  if (before !== webhooksMayChange() && webhookShown()) await lookAtWebhook(webhookShown().id, { focus: false });
}

async function readWebhooks(asked) {
  if (!webhooks.known) return noWebhooks();
  takeWebhookSums(await get('/api/v1/webhooks/sums', asked));
  const query = webhookQuery();
  const answer = await get(`/api/v1/webhooks?${query}`, asked);
  if (query === webhookQuery()) takeWebhooks(answer, lookAtWebhook);
  return undefined;
}

// What this gateway does not know is left out.
async function unlessAbsent(read, absent) {
  try {
    await read();
  } catch (err) {
    if (!(err instanceof Refused) || (err.status !== 404 && err.status !== 503)) throw err;
    absent(err);
  }
}

// In Redis each rule is a question of its own.
const quotas = {
  every: EVERY_MS,
  async read(asked) {
    const answer = await get('/api/v1/quotas', asked);
    takeQuotas(answer);
    quotas.every = answer.store === 'memory:' ? EVERY_MS : 5 * EVERY_MS;
  },
};

const webhooks = { known: false, every: 2 * EVERY_MS, read: (asked) => unlessAbsent(() => readWebhooks(asked), noWebhooks) };

const sources = [
  { every: EVERY_MS, read: async (asked) => takeLive(await get('/api/v1/live', asked), performance.now()) },
  { every: EVERY_MS, read: async (asked) => takeBreakers(await get('/api/v1/breakers', asked)) },
  quotas,
  { every: 2 * EVERY_MS, read: async (asked) => takeStatus(await get('/api/v1/status', asked)) },
  { every: 15 * EVERY_MS, read: readRights },
  { every: 5 * EVERY_MS, read: async (asked) => takeTenants(await get('/api/v1/tenants', asked)) },
  webhooks,
  { every: 5 * EVERY_MS, read: async () => takeReadiness(await get('/readyz?verbose')) },
  { every: 5 * EVERY_MS, read: (asked) => unlessAbsent(() => readSpend(asked), (err) => setText(byId('spend-note'), `Spend cannot be read: ${err.message}`)) },
  { every: 5 * EVERY_MS, read: (asked) => unlessAbsent(() => readErrors(asked), () => (byId('errors-section').hidden = true)) },
];

// ---- asking ----

let lastGood = 0;
let locked = false;

function askForToken(words) {
  if (locked) return;
  locked = true;
  byId('board').hidden = true;
  byId('login').hidden = false;
  byId('forget').hidden = true;
  setText(byId('login-problem'), words);
  setText(byId('alarm'), '');
  setText(byId('state'), 'locked');
  byId('state').className = 'pill warn';
  byId('token').focus();
}

function complain(err) {
  if (err instanceof Refused && err.status === 401) {
    const had = sessionStorage.getItem(TOKEN);
    sessionStorage.removeItem(TOKEN);
    askForToken(had ? 'This token is not known here.' : '');
  } else if (err instanceof Refused && err.status === 429) {
    askForToken('Too many wrong tokens came from this address; wait a minute.');
  } else {
    const since = lastGood ? ` What is shown is of ${clock(new Date(lastGood))}.` : '';
    setText(byId('alarm'), `${err instanceof Refused ? `The gateway says: ${err.message}` : 'The gateway does not answer.'}${since}`);
    setText(byId('state'), 'not reached');
    byId('state').className = 'pill bad';
  }
}

function noteGood() {
  lastGood = Date.now();
  setText(byId('alarm'), '');
  setText(byId('age'), `Read at ${clock(new Date(lastGood))}, every ${EVERY_MS / 1000} s.`);
  byId('forget').hidden = !sessionStorage.getItem(TOKEN);
}

// Each goes on by itself, so that a slow one holds up no other.
async function run(source) {
  const begun = performance.now();
  const asked = { bytes: 0 };
  source.running = true;
  try {
    await source.read(asked);
    if (!locked) noteGood();
  } catch (err) {
    if (!locked) complain(err);
  }
  source.running = false;
  source.due = begun + Math.max(source.every, asked.bytes / BYTES_PER_MS);
  plan(source);
}

function plan(source) {
  clearTimeout(source.timer);
  if (document.hidden || locked || source.running) return;
  source.timer = setTimeout(run, Math.max(0, (source.due ?? 0) - performance.now()), source);
}

function askAgain(source) {
  source.due = 0;
  plan(source);
}

function goOn() {
  setText(byId('paused'), document.hidden ? 'Paused while it is not looked at.' : '');
  sources.forEach(plan);
}

// ---- what is done by hand ----

async function explain(id) {
  byId('request-id').value = id;
  setText(byId('request-problem'), '');
  byId('request-answer').replaceChildren();
  try {
    showRequest(await get(`/api/v1/requests/${encodeURIComponent(id)}`));
    byId('request-answer').focus();
  } catch (err) {
    if (err instanceof Refused && err.status === 401) complain(err);
    else setText(byId('request-problem'), err instanceof Refused && err.status === 404 ? 'No such request in the ledger, or there is no ledger.' : err.message);
  }
}

async function lookAtWebhook(id, { focus = true } = {}) {
  setText(byId('webhook-problem'), '');
  if (focus) setText(byId('webhook-done'), '');
  try {
    const webhook = await get(`/api/v1/webhooks/${encodeURIComponent(id)}${webhooksMayChange() ? '?body=true' : ''}`);
    showWebhook(webhook, { replay: (one) => changeWebhook('replay', one), drop: (one) => changeWebhook('drop', one), unlock: () => askForToken('') });
    if (focus) byId('webhook-answer').focus();
  } catch (err) {
    if (err instanceof Refused && err.status === 401) complain(err);
    else {
      hideWebhook();
      setText(byId('webhook-problem'), err.message);
    }
  }
}

async function changeWebhook(what, id) {
  setText(byId('webhook-problem'), '');
  try {
    const { count: changed } = await get(`/api/v1/webhooks/${what}?id=${encodeURIComponent(id)}`, {}, 'POST');
    if (what === 'drop') hideWebhook();
    else await lookAtWebhook(id, { focus: false });
    byId('webhooks-state').focus();
    setText(byId('webhook-done'), what === 'drop' ? 'Dropped.' : `Replayed: ${changed === 1 ? 'one delivery' : `${changed} deliveries`}.`);
    askAgain(webhooks);
  } catch (err) {
    if (err instanceof Refused && err.status === 401) complain(err);
    else setText(byId('webhook-problem'), err.message);
  }
}

byId('webhooks-filter').addEventListener('input', () => askAgain(webhooks));
byId('webhooks-filter').addEventListener('submit', (event) => event.preventDefault());
byId('request-form').addEventListener('submit', (event) => {
  event.preventDefault();
  void explain(byId('request-id').value.trim().toLowerCase());
});
byId('login-form').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, byId('token').value.trim());
  byId('token').value = '';
  locked = false;
  byId('login').hidden = true;
  byId('board').hidden = false;
  for (const source of sources) source.due = 0;
  byId('content').focus();
  goOn();
});
byId('forget').addEventListener('click', () => {
  sessionStorage.removeItem(TOKEN);
  location.reload();
});
byId('quota-filter').addEventListener('input', showQuotas);
byId('tenant-filter').addEventListener('input', showTenants);
document.addEventListener('visibilitychange', goOn);
goOn();
