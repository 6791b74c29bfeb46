// report FOLDER: makes Markdown tables of raw.jsonl, which bench/run wrote. Each figure is the median
// of the rounds; a ratio is the median of the rounds' ratios to nginx in the same round.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const folder = process.argv[2];
const lines = fs.readFileSync(path.join(folder, 'raw.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const targets = ['direct', 'nginx', 'haproxy', 'sallyport', 'nginx-log', 'sallyport-log',
  'sallyport-memory', 'sallyport-redis', 'nginx-lua', 'sallyport-metered']
  .filter((target) => lines.some((line) => line.target === target));

const of = (target, what) => lines.filter((line) => line.target === target && line.what === what);
const median = (values) => {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return NaN;
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
const show = (value, digits = 1) => (Number.isFinite(value) ? value.toFixed(digits) : '–');

// figure: a function of one line.
const figure = (target, what, value) => median(of(target, what).map(value));
// The median over the rounds of what `combine` makes of this target's and the other's figure.
const against = (other, target, what, value, combine) =>
  median(of(target, what).map((line) => {
    const peer = of(other, what).find((candidate) => candidate.round === line.round);
    return peer ? combine(value(line), value(peer)) : NaN;
  }));
const ratio = (target, what, value) => against('nginx', target, what, value, (a, b) => a / b);
const added = (target, what, value) => against('direct', target, what, value, (a, b) => a - b);

const cpu = (line) => line.cpu_us / line.count;
const table = (head, rows) => [head, head.map((_, i) => (i ? '---:' : '---')), ...rows]
  .map((row) => `| ${row.join(' | ')} |`).join('\n');
const gateways = targets.filter((target) => target !== 'direct');
const plain = gateways.filter((target) => !target.endsWith('-log'));
const names = {
  'sallyport-memory': 'sallyport, 4 quotas in memory',
  'sallyport-redis': 'sallyport, 4 quotas in Redis',
  'nginx-lua': 'nginx, Lua, 4 buckets in Redis',
  'sallyport-metered': 'sallyport, metered, with a ledger',
};
const name = (target) => names[target] ?? target.replace('-log', ', access log');
const withQuotas = targets.includes('nginx-lua');
const withMetering = targets.includes('sallyport-metered');

const rounds = Math.max(...lines.map((line) => line.round));
const busy = fs.readFileSync(path.join(folder, 'loadavg'), 'utf8').split(' ')[0];
console.log(`${rounds} rounds, ${new Date().toISOString().slice(0, 10)}, ${os.cpus().length} cores `
  + `(${os.cpus()[0].model.trim()}), Linux ${os.release().split('-')[0]}, load average before: ${busy}\n`);

console.log('### Requests: POST 1 KiB, answer 2 KiB, key checked and replaced\n');
console.log(table(
  ['', 'CPU µs at saturation', '× nginx', 'CPU µs at 4,000/s', '× nginx', 'requests/s reached',
    'p50 added µs', 'p99 added µs'],
  gateways.map((target) => [
    name(target),
    show(figure(target, 'saturation', cpu)), show(ratio(target, 'saturation', cpu), 2),
    show(figure(target, 'rate', cpu)), show(ratio(target, 'rate', cpu), 2),
    show(figure(target, 'saturation', (line) => line.per_second), 0),
    show(added(target, 'rate', (line) => line.p50_us), 0),
    show(added(target, 'rate', (line) => line.p99_us), 0),
  ])));

if (withQuotas) {
  const times = (target, other) => [name(target), name(other),
    show(against(other, target, 'saturation', cpu, (a, b) => a / b), 2),
    show(against(other, target, 'rate', cpu, (a, b) => a / b), 2)];
  console.log('\n### What quotas cost: CPU, the process of the gateway alone\n');
  console.log(table(['', 'against', 'at saturation', 'at 4,000/s'], [
    times('sallyport-memory', 'sallyport'), times('sallyport-redis', 'sallyport'),
    times('sallyport-redis', 'nginx-lua')]));
}

if (withMetering) {
  const [plain, metered] = ['sallyport', 'sallyport-metered'];
  const row = (title, what, digits) => [title,
    show(figure(plain, what, cpu), digits), show(figure(metered, what, cpu), digits),
    show(figure(metered, what, cpu) / figure(plain, what, cpu), 2),
    show(against(plain, metered, what, cpu, (a, b) => a / b), 2)];
  const faster = [...new Set(lines.map((line) => line.what))].filter((what) => what.startsWith('rate-'));
  console.log('\n### What metering and the ledger cost: CPU µs of the whole process\n');
  console.log(table(['', 'without', 'with', 'ratio', 'median of the rounds’ ratios'], [
    row('a request at 4,000/s', 'rate', 1),
    ...faster.map((what) => row(`at ${Number(what.slice(5)).toLocaleString('en')}/s`, what, 1)),
    row('each as many as it can', 'saturation', 1),
    row('an event of a stream', 'stream', 2),
  ]));
}

if (!withQuotas) console.log('\n### Streams: 100 at once, 50 events each, an event every 2 ms, unbuffered\n');
if (!withQuotas) console.log(table(
  ['', 'CPU µs an event', '× nginx', 'events/s', 'p50 added µs', 'p99 added µs'],
  gateways.map((target) => [
    name(target),
    show(figure(target, 'stream', cpu), 2), show(ratio(target, 'stream', cpu), 2),
    show(figure(target, 'stream', (line) => line.per_second), 0),
    show(added(target, 'stream', (line) => line.p50_us), 0),
    show(added(target, 'stream', (line) => line.p99_us), 0),
  ])));

const mib = (kib) => show(kib / 1024);
const rss = (target, what) => figure(target, what, (line) => line.rss_kib);
const idleConnections = 2000;
if (!withQuotas && !withMetering) console.log('\n### Memory (RSS)\n');
if (!withQuotas && !withMetering) console.log(table(
  ['', 'MiB at start', 'KiB an idle connection', 'MiB with 1,000 streams', 'and TLS to the upstream'],
  plain.map((target) => [
    target,
    mib(figure(target, 'idle', (line) => line.rss_before_kib)),
    show(figure(target, 'idle', (line) => (line.rss_kib - line.rss_before_kib) / idleConnections), 2),
    mib(rss(target, 'held-http')), mib(rss(target, 'held-https')),
  ])));

const one = (target, what) => figure(target, what, (line) => line.count);
console.log('\n### Figures that noise does not touch\n');
console.log(table(
  ['', 'system calls a request', 'user instructions a request'],
  plain.map((target) => [
    name(target),
    show(one(target, 'syscalls') / one(target, 'traced'), 1),
    show((one(target, 'instructions-4') - one(target, 'instructions-1')) /
      (one(target, 'counted-4') - one(target, 'counted-1')), 0),
  ])));

for (const target of gateways) {
  const file = path.join(folder, `${target}.metrics`);
  const found = fs.existsSync(file)
    && /^sallyport_loop_longest_turn_seconds\S* (\S+)$/m.exec(fs.readFileSync(file, 'utf8'));
  if (found) console.log(`\nLongest loop turn of ${name(target)} over all of this: ${show(Number(found[1]) * 1000, 2)} ms`);
}
const errors = lines.reduce((sum, line) => sum + (line.errors ?? 0), 0);
console.log(`\nErrors: ${errors}.`);
process.exit(errors === 0 ? 0 : 1);
