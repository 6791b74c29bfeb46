// `sallyport webhooks` and its admin API: what is listed and shown, who may see a body, what is replayed and
// dropped, how it is misused; metrics and audit lines; and what a provider's hostile texts do to any of it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { bearer } from '../support/admin.mjs';
import { binary, freePort, sallyport, temporaryFolder, until } from '../support/gateway.mjs';
import { receiverFor } from '../support/receiver.mjs';
import { hooksFor, post, sign } from '../support/webhooks.mjs';

const HOSTILE = '"},{\u001b[2J\r\n<script>alert(1)</script>\u0007\u009b31m\u2028';
const API = '/api/v1/webhooks';
const READS = 'a-token-that-only-reads-0123456789abcdef';
const secrets = { 'stripe-hook': 'whsec_test_secret', 'git-hook': 'the secret of git', 'read-token': READS };
const stripe = { provider: 'stripe', secrets: ['stripe-hook'] };
const git = { provider: 'github', secrets: ['git-hook'] };

const run = (gateway, ...args) => spawnSync(binary, ['webhooks', ...args, ...(gateway ? ['-c', gateway.file] : [])], { encoding: 'utf8' });
const ok = (gateway, ...args) => {
  const result = run(gateway, ...args);
  assert.deepEqual([result.status, result.stderr], [0, ''], args.join(' '));
  return result.stdout;
};
const listed = (gateway, ...args) => JSON.parse(ok(gateway, 'list', '--json', ...args)).webhooks;
const answered = async (gateway, query = '', options) => JSON.parse((await gateway.ask(API + query, options)).body);
const token = (gateway) => fs.readFileSync(path.join(gateway.folder, 'admin.token'), 'utf8').trim();

// One line on stderr, that matches; nothing on stdout.
function refused(result, status, words) {
  assert.equal(result.status, status, result.stderr);
  assert.match(result.stderr, words);
  assert.equal(result.stderr.trimEnd().split('\n').length, 1, result.stderr);
  assert.equal(result.stdout, '');
}

async function sendStripe(gateway, id, type = 'invoice.paid', target = '/hooks/stripe') {
  const body = JSON.stringify({ id, type });
  assert.equal((await post(gateway, target, body, sign.stripe(secrets['stripe-hook'], body))).status, 200);
}

// Two hooks, one of which has two targets that nobody listens at for now.
async function start(t, options = {}) {
  const later = (name) => ({ name, to: 'http://127.0.0.1:9/', schedule: ['12h'] });
  return hooksFor(t, { stripe: { ...stripe, deliver: [later('billing'), { ...later('books'), events: ['charge.*'] }] }, git: { ...git, deliver: later('build') } }, { secrets, ...options });
}

test('the list, for people and for machines, with its filters and pages', async (t) => {
  const gateway = await start(t);
  assert.match(ok(gateway, 'list'), /^RECEIVED +STATE +TRIES +HOOK +TARGET +TYPE +ID +ANSWER\n$/);
  await sendStripe(gateway, 'evt_1');
  await sendStripe(gateway, 'evt_2', 'charge.failed');
  const body = '{"zen":"x"}';
  await post(gateway, '/hooks/git', body, sign.github(secrets['git-hook'], body, { id: 'delivery-1', event: 'ping' }));

  const all = listed(gateway);
  assert.deepEqual(all.map((one) => [one.hook, one.target, one.event_id, one.type, one.state, one.attempts]), [
    ['git', 'build', 'delivery-1', 'ping', 'waiting', 0],
    ['stripe', 'books', 'evt_2', 'charge.failed', 'waiting', 0],
    ['stripe', 'billing', 'evt_2', 'charge.failed', 'waiting', 0],
    ['stripe', 'billing', 'evt_1', 'invoice.paid', 'waiting', 0],
  ]);
  assert.ok(all.every((one) => /^msg_[0-9a-f]{32}$/.test(one.id) && Math.abs(Date.parse(one.received) - Date.now()) < 60000 && Date.parse(one.due) > 0));
  assert.deepEqual(await answered(gateway), { webhooks: all }, 'it is what the admin API says');
  assert.match(ok(gateway, 'list'), new RegExp(`\\n\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d waiting +0 +stripe +books +charge\\.failed +${all[1].id} +-\\n`));

  const fits = (...args) => listed(gateway, ...args).map((one) => one.event_id);
  assert.deepEqual(fits('--hook', 'git'), ['delivery-1']);
  assert.deepEqual(fits('--hook', 'stripe', '--target', 'books'), ['evt_2']);
  assert.deepEqual(fits('--type', 'invoice.paid'), ['evt_1']);
  assert.deepEqual(fits('--id', 'evt_2'), ['evt_2', 'evt_2']);
  assert.deepEqual(fits('--id', all[3].id), ['evt_1']);
  assert.deepEqual(fits('--state', 'dead,delivered'), []);
  assert.deepEqual(fits('--state', 'waiting', '--hook', 'git'), ['delivery-1']);
  assert.deepEqual(fits('--since', '1h').length, 4);
  assert.deepEqual(fits('--since', '2020-01-01T00:00:00Z').length, 4);
  assert.deepEqual(fits('--until', '1h'), []);
  assert.deepEqual(fits('--until', '2020-01-01'), []);
  assert.deepEqual(fits('--since', '2020-01-01T00:00:00Z', '--hook', 'nobody'), []);

  const first = JSON.parse(ok(gateway, 'list', '--json', '--limit', '3'));
  assert.deepEqual(first.webhooks, all.slice(0, 3));
  assert.equal(first.next, all[2].number);
  const second = JSON.parse(ok(gateway, 'list', '--json', '--limit', '3', '--before', String(first.next)));
  assert.deepEqual(second, { webhooks: all.slice(3) });
  assert.match(ok(gateway, 'list', '--limit', '3'), new RegExp(`\nthere are more: --before ${first.next}\n$`));
  assert.equal('next' in JSON.parse(ok(gateway, 'list', '--json', '--limit', '4')), false);
});

test('sums by target, and the gauges', async (t) => {
  const gateway = await start(t);
  await sendStripe(gateway, 'evt_1', 'charge.failed');
  const { queue, targets, max_events, max_bytes } = await answered(gateway, '/sums');
  assert.deepEqual(targets.map((one) => [one.hook, one.target, one.waiting, one.held_back, one.dead, one.delivered, one.configured]), [
    ['git', 'build', 0, 0, 0, 0, true], ['stripe', 'billing', 1, 0, 0, 0, true], ['stripe', 'books', 1, 0, 0, 0, true],
  ]);
  assert.deepEqual([queue.writable, queue.events, queue.waiting, queue.dead, queue.failures], [true, 1, 2, 0, 0]);
  assert.ok(queue.bytes > 10 && queue.oldest_seconds < 60 && max_events === 1000000 && max_bytes === 4 * 2 ** 30);
  assert.match(ok(gateway), /^HOOK +TARGET +WAITING +HELD BACK +DEAD +DELIVERED +OLDEST +CIRCUIT +IN FLIGHT\n.*\nstripe +billing +1 +0 +0 +0 +\d+ s .*\n.*\n\n1 event is kept, 0 of 4096 MiB\n$/);
  assert.deepEqual(JSON.parse(ok(gateway, '--json')).targets.length, 3);

  for (const [name, value] of [['waiting', 2], ['held_back', 0], ['dead_letters', 0], ['queue_up', 1], ['queue_failures_total', 0]]) {
    await gateway.metricIs(value, `webhooks_${name}`);
  }
  assert.ok(await gateway.metric('webhooks_queue_bytes') > 10);
  await until('it ages', async () => (await gateway.metric('webhooks_oldest_seconds')) >= 1);

  await gateway.reload((config) => { config.webhooks.stripe.deliver = { ...config.webhooks.stripe.deliver[0], name: 'other' }; });
  const left = (await answered(gateway, '/sums')).targets;
  assert.deepEqual(left.map((one) => [one.target, one.configured, one.waiting]), [['build', true, 0], ['other', true, 0], ['billing', false, 1], ['books', false, 1]]);
  assert.match(ok(gateway), /billing .* not in the config\n/);
});

test('one webhook, and its body only for who may do all', async (t) => {
  const gateway = await start(t, { admin: { read_token: { secret: 'read-token' } } });
  const body = JSON.stringify({ id: 'evt_1', type: 'charge.failed', text: 'é\n\u001b[31mred' });
  await post(gateway, '/hooks/stripe', body, { ...sign.stripe(secrets['stripe-hook'], body), 'X-Own': 'a b' });
  const [{ id }] = listed(gateway);
  const shown = JSON.parse(ok(gateway, 'show', id, '--json'));
  assert.deepEqual(Object.keys(shown).sort(), ['bytes', 'deliveries', 'event_id', 'hook', 'id', 'received', 'suspect', 'type']);
  assert.deepEqual([shown.id, shown.event_id, shown.bytes, shown.suspect], [id, 'evt_1', Buffer.byteLength(body), false]);
  assert.deepEqual(shown.deliveries.map((one) => [one.target, one.state]), [['billing', 'waiting'], ['books', 'waiting']]);
  const text = ok(gateway, 'show', id);
  assert.match(text, new RegExp(`^id +${id}\nhook +stripe\nevent +evt_1\ntype +charge\\.failed\nreceived .*\nbody +${Buffer.byteLength(body)} bytes\ntarget +billing: waiting after 0 attempts, due at `));
  assert.doesNotMatch(text, /red|X-Own/);

  const whole = JSON.parse(ok(gateway, 'show', id, '--body', '--json'));
  assert.equal(whole.body, body);
  assert.deepEqual(whole.headers.filter((one) => one.name === 'X-Own'), [{ name: 'X-Own', value: 'a b' }]);
  const printed = ok(gateway, 'show', id, '--body');
  assert.match(printed, /\nX-Own: a b\n[^]*\n\{"id":"evt_1"[^]*é/);
  assert.doesNotMatch(printed, /\u001b/);

  const ask = async (query, headers = {}) => (await gateway.ask(`${API}/${id}${query}`, { headers })).status;
  assert.equal(await ask('?body=true'), 401, 'on loopback, too');
  assert.equal(await ask('?body=true', bearer('not-the-token-not-the-token-0123456789')), 401);
  assert.equal(await ask('?body=true', bearer(READS)), 403);
  assert.equal(await ask('?body=true', bearer(token(gateway))), 200);
  assert.equal(await ask(''), 200);
  assert.equal(await ask('?bodies=true'), 400);
  assert.equal((await gateway.ask(`${API}/msg_${'0'.repeat(32)}`)).status, 404);
  refused(run(gateway, 'show', `msg_${'0'.repeat(32)}`), 1, /\(404\): no webhook "msg_0+" is in the queue/);

  fs.renameSync(path.join(gateway.folder, 'admin.token'), path.join(gateway.folder, 'elsewhere'));
  refused(run(gateway, 'show', id, '--body'), 1, /admin\.token/);
  assert.equal(run(gateway, 'show', id).status, 0, 'the rest needs none here');
});

test('a body that is no text', async (t) => {
  const gateway = await start(t);
  const body = Buffer.from([0x7b, 0xff, 0x00, 0x7d]);
  await post(gateway, '/hooks/git', body, sign.github(secrets['git-hook'], body, { id: 'd1' }));
  const [{ id }] = listed(gateway);
  const whole = JSON.parse(ok(gateway, 'show', id, '--body', '--json'));
  assert.deepEqual([whole.body, Buffer.from(whole.body_base64, 'base64')], [undefined, body]);
  assert.match(ok(gateway, 'show', id, '--body'), /\n\(it is no text; in base64:\)\ne\/8AfQ==\n$/);
});

test('drop forgets what fits, and says how many; the audit log has who and what', async (t) => {
  const audit = path.join(temporaryFolder(), 'audit.log');
  const gateway = await start(t, { gateway: { audit_log: audit } });
  for (const id of ['evt_1', 'evt_2', 'evt_3']) await sendStripe(gateway, id, 'charge.failed');
  assert.equal(ok(gateway, 'drop', 'evt_1', '--target', 'books'), '1 delivery dropped\n');
  assert.deepEqual(listed(gateway, '--id', 'evt_1').map((one) => one.target), ['billing']);
  assert.deepEqual(JSON.parse(ok(gateway, 'drop', 'evt_1', '--json')), { count: 1 });
  refused(run(gateway, 'drop', 'evt_1'), 1, /\(404\): no delivery of such a webhook/);
  assert.equal(ok(gateway, 'drop', '--hook', 'git'), 'no delivery is like that\n');
  assert.equal(ok(gateway, 'drop', '--hook', 'stripe', '--state', 'dead'), 'no delivery is like that\n');
  assert.equal(ok(gateway, 'drop', '--target', 'books', '--type', 'charge.failed', '--since', '1h', '--state', 'waiting'), '2 deliveries dropped\n');
  assert.equal(ok(gateway, 'drop', '--all'), '2 deliveries dropped\n');
  assert.deepEqual(listed(gateway), []);
  await gateway.metricIs(0, 'webhooks_waiting');
  await sendStripe(gateway, 'evt_1', 'charge.failed');
  assert.deepEqual(listed(gateway), [], 'a repeat stays one');

  const lines = await until('all are written', () => {
    const all = fs.readFileSync(audit, 'utf8').trim().split('\n').map((line) => JSON.parse(line)).filter((line) => line.event === 'admin_webhooks');
    return all.length === 7 && all;
  });
  assert.deepEqual(lines.map((line) => [line.peer, line.count ?? 0]), [1, 1, 0, 0, 0, 2, 2].map((count) => ['127.0.0.1', count]));
  assert.equal(lines[0].text, 'webhooks: 1 deliveries dropped by admin: id evt_1, target books');
  assert.match(lines[5].text, /target books, state waiting, since 2\d{3}-\S+Z, type charge\.failed$/);
  assert.match(lines[6].text, /: all$/);
  await gateway.says(/audit: webhooks: 2 deliveries dropped by admin: all\n/);
});

test('what is dead is listed with why, and replayed under its id; so is what was delivered, at a rate', async (t) => {
  let status = 500;
  const receiver = await receiverFor(t, () => status);
  const gateway = await start(t);
  await gateway.reload((config) => {
    config.webhooks.stripe.deliver = { name: 'billing', to: receiver.url('/in'), schedule: ['0s'] };
    config.webhooks.git.deliver = { name: 'build', to: 'http://127.0.0.1:9/', schedule: ['0s'] };
  });
  await sendStripe(gateway, 'evt_1');
  const body = '{"zen":"x"}';
  await post(gateway, '/hooks/git', body, sign.github(secrets['git-hook'], body, { id: 'delivery-1' }));
  const dead = await until('both are dead', () => listed(gateway, '--state', 'dead').length === 2 && listed(gateway, '--state', 'dead'));
  const of = (hook) => dead.find((one) => one.hook === hook);
  assert.deepEqual([of('stripe').status, of('stripe').attempts, of('git').status], [500, 1, undefined]);
  assert.ok(of('git').error.length > 5 && Date.parse(of('git').ended) > 0, JSON.stringify(of('git')));
  await gateway.metricIs(2, 'webhooks_dead_letters');
  assert.match(ok(gateway), /git +build +0 +0 +1 +0 +- +closed +0\n/);
  assert.match(ok(gateway, 'show', of('stripe').id), /billing: dead after 1 attempt, at 2\d{3}-.*\n +the last answer: /);

  status = 204;
  assert.equal(ok(gateway, 'replay', of('stripe').id), '1 delivery will be made again\n');
  const [first, second] = await receiver.until('/in', 2);
  assert.equal(second.headers['webhook-id'], first.headers['webhook-id']);
  assert.equal(second.headers['webhook-id'], of('stripe').id);
  assert.deepEqual(second.body, first.body);
  const [entry] = await until('it is delivered', () => listed(gateway, '--state', 'delivered').length === 1 && listed(gateway, '--state', 'delivered'));
  assert.deepEqual([entry.id, entry.status], [of('stripe').id, 204]);
  assert.equal(ok(gateway, 'replay', 'evt_1'), '1 delivery will be made again\n', 'by the id that the provider has, and what was delivered, too');
  await receiver.until('/in', 3);

  for (let i = 2; i <= 7; i++) await sendStripe(gateway, `evt_${i}`);
  await until('all are delivered', () => listed(gateway, '--state', 'delivered').length === 7);
  const before = receiver.requests.length;
  const began = Date.now();
  assert.equal(ok(gateway, 'replay', '--hook', 'stripe', '--state', 'delivered', '--since', '1h', '--rate', '5/s'), '7 deliveries will be made again\n');
  const again = (await receiver.until('/in', before + 7, { timeout: 30000 })).slice(before);
  assert.equal(new Set(again.map((one) => one.headers['webhook-id'])).size, 7);
  assert.ok(again.at(-1).at - began >= 1150, `7 at 5 a second took ${again.at(-1).at - began} ms`);
  assert.equal(ok(gateway, 'drop', '--state', 'dead'), '1 delivery dropped\n');
  await gateway.metricIs(0, 'webhooks_dead_letters');
});

test('what the admin API refuses', async (t) => {
  const gateway = await start(t, { admin: { read_token: { secret: 'read-token' } } });
  await sendStripe(gateway, 'evt_1');
  const ask = (query, method, headers = bearer(token(gateway))) => gateway.ask(API + query, { method, headers });
  for (const [query, method, status, headers] of [
    ['/drop?hook=stripe', 'POST', 401, {}],
    ['/drop?hook=stripe', 'POST', 403, bearer(READS)],
    ['/replay?hook=stripe', 'POST', 401, bearer('x'.repeat(40))],
    ['/drop?hook=stripe', 'POST', 403, { ...bearer(token(gateway)), Origin: 'https://evil.example' }],
    ['/drop?hook=stripe', 'GET', 405],
    ['/drop', 'POST', 400],
    ['/replay', 'POST', 400],
    ['/drop?hook=', 'POST', 400],
    ['/drop?hook=stripe&stat=dead', 'POST', 400],
    ['/drop?hook=stripe&hook=git', 'POST', 400],
    ['/drop?hook=stripe&all=true', 'POST', 400],
    ['/drop?all=yes', 'POST', 400],
    ['/drop?hook=stripe&per_second=5', 'POST', 400],
    ['/replay?hook=stripe&per_second=0', 'POST', 400],
    ['/replay?hook=stripe&state=odd', 'POST', 400],
    ['/replay?hook=stripe&since=never', 'POST', 400],
    ['/replay?hook=%zz', 'POST', 400],
    [`/drop?type=${'x'.repeat(300)}`, 'POST', 400],
    ['?state=odd', 'GET', 400],
    ['?limit=1001', 'GET', 400],
    ['?limit=0', 'GET', 400],
    ['?before=x', 'GET', 400],
    ['?since=1h&until=2h', 'GET', 400],
    ['', 'POST', 405],
    ['/sums', 'POST', 405],
  ]) {
    const answer = await ask(query, method, headers);
    assert.equal(answer.status, status, `${method} ${query}: ${answer.body}`);
    if (status === 400) assert.ok(JSON.parse(answer.body).error.length > 10, answer.body);
  }
  assert.equal(listed(gateway).length, 1, 'none of these did anything');
});

test('a hostile id and type are text, in the list, on the terminal and in the logs', async (t) => {
  const audit = path.join(temporaryFolder(), 'audit.log');
  const gateway = await start(t, { gateway: { audit_log: audit } });
  await sendStripe(gateway, HOSTILE, HOSTILE);
  await sendStripe(gateway, 'n\u0000l', 't\u0000t');
  const [, one] = await until('both are there', () => listed(gateway).length >= 1 && listed(gateway, '--limit', '2'));
  const hostile = listed(gateway).find((entry) => entry.event_id === HOSTILE) ?? one;
  assert.deepEqual([hostile.event_id, hostile.type], [HOSTILE, HOSTILE]);
  const control = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/;
  for (const text of [ok(gateway, 'list'), ok(gateway, 'show', hostile.id), ok(gateway, 'show', hostile.id, '--body')]) {
    assert.doesNotMatch(text, control);
  }
  assert.equal(ok(gateway, 'list').trimEnd().split('\n').length, 1 + listed(gateway).length, 'a line each');
  assert.equal(listed(gateway, '--type', HOSTILE).length, 1);
  assert.equal(ok(gateway, 'drop', HOSTILE), '1 delivery dropped\n');
  await until('it is audited', () => /deliveries dropped by admin: id "\},\{\?/.test(gateway.stderr));
  assert.doesNotMatch(gateway.stderr, control);
  const lines = fs.readFileSync(audit, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  assert.equal(lines.filter((line) => line.event === 'admin_webhooks').length, 1);
  assert.equal(gateway.accessLog().filter((line) => line.event_type === HOSTILE).length, 1);
});

test('misuse is told in one line', async (t) => {
  const gateway = await start(t);
  for (const [args, words] of [
    [['--wrong'], /no option --wrong; see 'sallyport webhooks --help'/],
    [['lst'], /"lst" is none of list, show, replay, drop, send/],
    [['list', 'x'], /^sallyport webhooks list: unexpected "x"; see 'sallyport webhooks list --help'/],
    [['list', '--since', 'never'], /"never" is no time; write 24h/],
    [['list', '--since', '1h', '--until', '2h'], /--until is not after --since/],
    [['show'], /say which/],
    [['show', ''], /say which/],
    [['show', 'a', 'b'], /unexpected "b"/],
    [['drop'], /say which: ID, --hook, .* or --all/],
    [['drop', ''], /no webhook's id/],
    [['drop', '--hook', 'stripe', '--all'], /--all is every delivery/],
    [['drop', 'a', 'b'], /unexpected "b"/],
    [['drop', '--hook', 'stripe', '--rate', '5'], /no option --rate/],
    [['replay'], /say which/],
    [['replay', '--hook', 'stripe', '--rate', 'fast'], /"fast" is no rate; write 50 or 50\/s/],
    [['replay', '--hook', 'stripe', '--rate', '0/s'], /is no rate/],
    [['replay', '--hook', 'stripe', '--until', 'x'], /"x" is no time/],
    [['drop', '--type', 'x'.repeat(2000)], /too long/],
  ]) {
    refused(run(gateway, ...args), 2, words);
  }
  refused(run(null, 'list', '--limit'), 2, /needs a value/);
  refused(run(gateway, 'list', '--state', 'odd'), 1, /\(400\): state: one of waiting, held_back, delivered, dead/);
  refused(run(gateway, 'list', '--limit', '5000'), 1, /\(400\): limit: a number from 1 to 1000/);
  refused(run(gateway, 'replay', '--all', '--rate', '1000000'), 1, /\(400\): per_second: a number from 1 to 100000/);
  const folder = temporaryFolder();
  refused(run({ file: path.join(folder, 'absent.yaml') }, 'list', '--since', '1h'), 2, /absent\.yaml/);
  fs.writeFileSync(path.join(folder, 'a.yaml'), `version: 1\nadmin: {listen: "127.0.0.1:${await freePort()}"}\n`);
  refused(run({ file: path.join(folder, 'a.yaml') }, 'list'), 1, /does not answer/);
});

test('a gateway without hooks says so', async (t) => {
  const gateway = await hooksFor(t, {}, { extra: { webhook_queue: undefined, webhooks: undefined } });
  refused(run(gateway, 'list'), 1, /\(404\): there is no queue of webhooks/);
  refused(run(gateway), 1, /no queue/);
  refused(run(gateway, 'drop', '--all'), 1, /no queue/);
  await gateway.metricIs(1, 'webhooks_queue_up');
});

test('--help says what there is', () => {
  assert.match(sallyport(['--help']), /\n {2}webhooks +events of providers/);
  assert.match(sallyport(['webhooks', '--help']), /^usage: sallyport webhooks /);
  for (const part of ['list', 'show', 'replay', 'drop', 'send']) {
    const help = sallyport(['webhooks', part, '--help']);
    assert.match(help, new RegExp(`^usage: sallyport webhooks ${part} `));
    assert.ok(help.split('\n').every((line) => line.length <= 100), part);
  }
});
