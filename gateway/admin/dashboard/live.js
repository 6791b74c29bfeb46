// What happens now: counters that were read again and again, and what lies between two of them.
import { Chart, showTrend } from './charts.js';
import { count, duration, milliseconds, percent, perSecond } from './format.js';
import { byId, setRows, setText, text } from './page.js';

export const EVERY_MS = 2000;
const SLOTS_MAX = 150; // five minutes
const SLOTS_MIN = 30; // what a page that was just opened has room for
const NOW_MS = 10000; // what a headline covers
const ROUTES_SHOWN = 200;

const samples = []; // oldest first: {at, bounds, total, routes: Map}
let circuits = [];
let charts;

const counters = ['requests', 'ok', 'client_errors', 'limited', 'server_errors', 'gone'];

function add(sum, route) {
  for (const name of counters) sum[name] = (sum[name] ?? 0) + route[name];
  sum.latency = route.latency.map((value, index) => value + (sum.latency?.[index] ?? 0));
  return sum;
}

function difference(now, before) {
  const result = {};
  for (const name of counters) result[name] = (now?.[name] ?? 0) - (before?.[name] ?? 0);
  result.latency = (now?.latency ?? []).map((value, index) => value - (before?.latency[index] ?? 0));
  return result;
}

// Where that share of the durations ends, as far as the buckets tell; null: there were none.
export function quantile(latency, bounds, share) {
  const all = latency.reduce((sum, value) => sum + value, 0);
  if (all === 0) return null;
  let below = 0;
  for (let i = 0; i < latency.length; i++) {
    if (latency[i] > 0 && below + latency[i] >= share * all) {
      const from = i === 0 ? 0 : bounds[i - 1];
      return i === bounds.length ? from : from + (bounds[i] - from) * ((share * all - below) / latency[i]);
    }
    below += latency[i];
  }
  return bounds.at(-1);
}

// What the last `ms` had, of all or of one route.
function lately(pick, ms = NOW_MS) {
  const now = samples.at(-1);
  const before = samples.findLast((one) => now.at - one.at >= ms - EVERY_MS / 2) ?? samples[0];
  const seconds = Math.max((now.at - before.at) / 1000, EVERY_MS / 1000);
  return { seconds, bounds: now.bounds, ...difference(pick(now), pick(before)) };
}

const steps = (pick) => samples.slice(1).map((now, index) => {
  const before = samples[index];
  return { seconds: (now.at - before.at) / 1000, bounds: now.bounds, ...difference(pick(now), pick(before)) };
});

// As wide as what there is to show, from one minute to five.
const slotsNow = () => Math.min(SLOTS_MAX, Math.max(SLOTS_MIN, samples.length - 1));
const spanNow = () => duration(slotsNow() * EVERY_MS);

const failed = (part) => part.server_errors;

function showCharts() {
  charts ??= {
    rate: new Chart(byId('charts'), { title: 'Requests' }),
    latency: new Chart(byId('charts'), { title: 'Latency', keys: ['p50', 'p99'] }),
    errors: new Chart(byId('charts'), { title: 'Failed', kind: 'bad' }),
  };
  const now = lately((one) => one.total);
  const all = steps((one) => one.total);
  const p99 = quantile(now.latency, now.bounds, 0.99);
  const width = { slots: slotsNow(), span: spanNow() };
  charts.rate.show({
    headline: `${perSecond(now.requests / now.seconds)} /s`,
    note: `${count(samples.at(-1).inFlight)} in flight`,
    series: [all.map((one) => one.requests / one.seconds)],
    ...width,
    topText: (top) => `${perSecond(top)} /s`,
  });
  charts.latency.show({
    headline: p99 === null ? '–' : `${milliseconds(quantile(now.latency, now.bounds, 0.5))} / ${milliseconds(p99)}`,
    series: [0.5, 0.99].map((share) => all.map((one) => quantile(one.latency, one.bounds, share))),
    ...width,
    topText: milliseconds,
  });
  charts.errors.show({
    headline: percent(failed(now), now.requests),
    bad: failed(now) > 0,
    note: `${count(now.client_errors)} refused, ${count(now.limited)} limited, ${count(now.gone)} gone in 10 s`,
    series: [all.map((one) => (one.requests ? (100 * failed(one)) / one.requests : 0))],
    ...width,
    topText: (top) => `${top} %`,
  });
}

const circuitKinds = { closed: 'good', open: 'bad', half_open: 'warn', 'half-open': 'warn', off: '' };

const awayOf = (circuit) => (circuit?.credentials ?? []).filter((one) => one.state !== 'ready');

function credentialWords(circuit) {
  const away = awayOf(circuit);
  const count = circuit?.credentials.length ?? 0;
  if (count === 0) return 'none';
  return away.length === 0 ? `${count} ready` : away.map((one) => `${one.secret} ${one.state.replace('_', ' ')}`).join(', ');
}

const columns = [
  text((row) => row.name, { head: true }),
  text((row) => (row.circuit ? row.circuit.state.replace('_', ' ') + (row.circuit.health === 'ill' ? ', ill' : '') : '–'),
    { kind: (row) => (row.circuit?.health === 'ill' ? 'bad' : circuitKinds[row.circuit?.state]) }),
  text((row) => perSecond(row.now.requests / row.now.seconds), { number: true }),
  { show: (cell, row) => showTrend(cell, row.trend, slotsNow()) },
  text((row) => milliseconds(quantile(row.now.latency, row.now.bounds, 0.5)), { number: true }),
  text((row) => milliseconds(quantile(row.now.latency, row.now.bounds, 0.99)), { number: true }),
  text((row) => percent(failed(row.now), row.now.requests), { number: true, kind: (row) => (failed(row.now) > 0 ? 'bad' : null) }),
  text((row) => count(row.now.limited), { number: true, kind: (row) => (row.now.limited > 0 ? 'warn' : null) }),
  text((row) => row.circuit?.in_flight ?? '–', { number: true }),
  text((row) => credentialWords(row.circuit), { kind: (row) => (awayOf(row.circuit).length > 0 ? 'warn' : null) }),
];

// Of a route with several hosts: the worst circuit, and the requests of all.
function circuitsByRoute() {
  const severity = (one) => ['half_open', 'open'].indexOf(one.state);
  const byRoute = new Map();
  for (const one of circuits) {
    const before = byRoute.get(one.route);
    const worse = before === undefined || severity(one) > severity(before) ? one : before;
    byRoute.set(one.route, { ...worse, in_flight: one.in_flight + (before?.in_flight ?? 0) });
  }
  return byRoute;
}

function showRoutes() {
  const byRoute = circuitsByRoute();
  const names = [...new Set([...byRoute.keys(), ...samples.at(-1).routes.keys()])];
  const rows = names.map((name) => {
    const pick = (one) => one.routes.get(name);
    return { name: name === '' ? '(no route)' : name, circuit: byRoute.get(name), now: lately(pick), pick, total: pick(samples.at(-1))?.requests ?? 0 };
  });
  rows.sort((a, b) => b.total - a.total || (a.name < b.name ? -1 : 1));
  const shown = rows.slice(0, ROUTES_SHOWN);
  for (const row of shown) row.trend = steps(row.pick).map((one) => one.requests / one.seconds);
  setRows(byId('routes').tBodies[0], shown, (row) => row.name, columns);
  const more = rows.length - shown.length;
  setText(byId('routes-note'), names.length === 0 ? 'No route is configured.' : more > 0 ? `${more} more, with fewer requests.` : 'Rates, latencies and shares are of the last 10 s.');
}

export function takeLive(live, at) {
  if (samples.length > 0 && live.uptime_ms < samples.at(-1).uptime) samples.length = 0; // it began anew
  samples.push({
    at, uptime: live.uptime_ms, inFlight: live.in_flight, bounds: live.bounds_ms,
    routes: new Map(live.routes.map((one) => [one.route, one])),
    total: live.routes.reduce(add, Object.fromEntries([...counters.map((name) => [name, 0]), ['latency', [...live.bounds_ms, 0].map(() => 0)]])),
  });
  if (samples.length > SLOTS_MAX + 1) samples.shift();
  showCharts();
  showRoutes();
}

export function takeBreakers({ breakers }) {
  circuits = breakers;
}
