// What the money campaign runs in: a provider that does what each request asks of it, clients that ask for all
// that a provider can do, leave, and note what they were told; and a gateway that is killed and started again.
import http from 'node:http';

import { Gateway, newKey, sleep, until } from '../support/gateway.mjs';
import { Redis } from '../support/redis.mjs';

const between = (least, most) => least + Math.floor(Math.random() * (most - least + 1));
const pick = (list) => list[Math.floor(Math.random() * list.length)];

// [how often of 100, kind]: see `play`.
const kinds = [
  [26, 'plain'], [6, 'late'], [5, 'mute'], [16, 'stream'], [4, 'mute_stream'], [3, 'long'], [5, 'flaky'], [3, 'e400'], [2, 'e404'], [2, 'e429'],
  [3, 'e500'], [2, 'e503'], [2, 'cut'], [2, 'cut_stream'], [2, 'reset'], [5, 'embeddings'], [3, 'images'], [3, 'models'], [1, 'stranger'], [1, 'nowhere'],
  [2, 'fallback'], [2, 'claude'],
].flatMap(([count, kind]) => Array(count).fill(kind));

const slow = new Set(['late', 'stream', 'mute_stream', 'cut_stream', 'long']);

// ---- the provider ----

const usage = () => {
  const input = between(1, 400);
  return { prompt_tokens: input, completion_tokens: between(1, 300), prompt_tokens_details: { cached_tokens: Math.random() < 0.3 ? between(0, input) : 0 } };
};

const completion = (more, text = 'Hi') => JSON.stringify({
  id: 'c', object: 'chat.completion', model: 'gpt-4o-mini', choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }], ...more,
});

const send = (response, status, body, fields = {}) => response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), ...fields }).end(body);
const fail = (response, status) => send(response, status, JSON.stringify({ error: { message: 'no', type: 'x' } }));
const event = (data) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;

async function playStream(response, { tells = true, breaks = false }) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  for (let i = between(2, 6); i > 0 && !response.destroyed; i--) {
    response.write(event({ id: 'c', model: 'gpt-4o-mini', choices: [{ index: 0, delta: { content: 'x'.repeat(between(1, 200)) } }] }));
    await sleep(between(0, 12));
  }
  if (breaks) return response.destroy();
  return response.end((tells ? event({ id: 'c', choices: [], usage: usage() }) : '') + event('[DONE]'));
}

const plays = {
  plain: (response) => send(response, 200, completion({ usage: usage() })),
  late: async (response) => (await sleep(between(5, 60)), send(response, 200, completion({ usage: usage() }))),
  mute: (response) => send(response, 200, completion({})),
  long: (response) => send(response, 200, completion({ usage: usage() }, 'x'.repeat(between(100000, 400000)))),
  stream: (response) => playStream(response, {}),
  mute_stream: (response) => playStream(response, { tells: false }),
  cut_stream: (response) => playStream(response, { breaks: true }),
  flaky: (response) => (Math.random() < 0.5 ? fail(response, pick([500, 503])) : send(response, 200, completion({ usage: usage() }))),
  cut: (response) => (response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': 1000 }).write('{"id":'), setTimeout(() => response.destroy(), 2)),
  reset: (response) => response.destroy(),
  embeddings: (response) => send(response, 200, JSON.stringify({ object: 'list', data: [], model: 'text-embedding-3-small', usage: { prompt_tokens: between(1, 500), total_tokens: 9 } })),
  images: (response) => send(response, 200, JSON.stringify({ created: 1, data: [{ b64_json: 'xx' }] })),
  claude: (response) => send(response, 200, JSON.stringify({
    id: 'm', type: 'message', model: 'claude-haiku-4-5', content: [], usage: { input_tokens: between(1, 300), output_tokens: between(1, 200), cache_read_input_tokens: between(0, 50) },
  })),
  fallback: (response, request) => (request.headers['x-first'] ? fail(response, 503) : send(response, 200, completion({ usage: usage() }))),
  models: (response) => send(response, 200, '{"data":[]}'),
};
for (const status of [400, 404, 429, 500, 503]) plays[`e${status}`] = (response) => fail(response, status);

export async function provider(t) {
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part)).on('end', () => {
      const kind = /"user":"([a-z_0-9]+)"/.exec(Buffer.concat(parts).toString('latin1'))?.[1] ?? 'models';
      plays[kind](response, request);
    });
    request.on('error', () => {});
    response.on('error', () => {});
  });
  server.keepAliveTimeout = 60000;
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  return server.address().port;
}

// ---- the gateway ----

export const tenants = ['a', 'b', 'c'];

// `tight`: tenant b's budget of a day, in USD, which is to be used up on the way.
export async function world(t, { redis: shared, tight, workers = 2 }) {
  const port = await provider(t);
  const redis = shared ? await Redis.start() : null;
  const keys = Object.fromEntries(tenants.map((name) => [name, newKey(name)]));
  const base = { base_url: `http://127.0.0.1:${port}`, credential: 'none', breaker: 'off', timeouts: { total: '20s' } };
  const retry = { attempts: 2, base: '1ms', cap: '2ms', budget: '100%' };
  const all = { name: 'all', cost: '1000000 USD', per: 'month' };
  const quotas = {
    a: [all, { name: 'tokens', tokens: '1000M', per: 'month' }, { name: 'open', concurrency: 1000 }],
    b: [all, { name: 'tight', cost: `${tight} USD`, per: '30d' }],
    c: [all, { name: 'mini', cost: '1000000 USD', per: 'month', model: 'gpt-4o-mini' }, { name: 'calls', requests: 10000, per: '1s' }],
  };
  const gateway = await Gateway.start({
    routes: {
      ai: { provider: 'openai', ...base, retry },
      claude: { provider: 'anthropic', ...base, retry },
      first: { provider: 'openai', ...base, retry: 'off', fallback: ['ai'], headers: { set: { 'X-First': '1' } } },
    },
    tenants: {},
    gateway: { workers },
    extra: {
      tenants: Object.fromEntries(tenants.map((name) => [name, { keys: [keys[name].hash], allow: ['ai', 'claude', 'first'], quotas: quotas[name] }])),
      quotas: [{ name: 'everyone', cost: '1000000 USD', per: 'month' }],
      ledger: { url: 'sqlite:usage.db' },
      ...(redis ? { store: { url: redis.url, on_failure: 'deny', timeout: '2s' } } : {}),
    },
  });
  const here = { redis, gateway, keys, life: 0, lives: [{ from: Date.now() * 1000 }], quotas };
  const up = () => !redis || until('it reaches Redis', async () => (await here.gateway.metric('store_up')) === 1);
  await up();
  // Kills it, and starts another one in its place.
  here.kill = async () => {
    const dead = here.gateway;
    here.down = true;
    dead.signal('SIGKILL');
    await dead.exited;
    here.lives[here.life].killed = true;
    await here.begin();
  };
  here.begin = async () => {
    const { folder, file, port: same, adminPort, config, options } = here.gateway;
    const again = new Gateway(['run', '-c', file], { cwd: folder });
    Object.assign(again, { folder, file, port: same, adminPort, config, options });
    await again.ready();
    here.gateway = again;
    await up();
    here.lives.push({ from: Date.now() * 1000 });
    here.life++;
    here.down = false;
  };
  here.stop = async () => {
    await here.gateway.stop({ signal: 'SIGKILL', expected: null });
    await redis?.stop();
  };
  return here;
}

// ---- the clients ----

const paths = { embeddings: '/ai/v1/embeddings', images: '/ai/v1/images/generations', claude: '/claude/v1/messages', models: '/ai/v1/models', fallback: '/first/v1/chat/completions' };

function bodyOf(kind) {
  const stream = kind.endsWith('stream');
  const user = kind;
  if (kind === 'embeddings') return { model: 'text-embedding-3-small', input: 'x'.repeat(between(1, 300)), user };
  if (kind === 'images') return { model: 'dall-e-3', prompt: 'x', n: between(1, 2), user };
  if (kind === 'claude') return { model: 'claude-haiku-4-5', max_tokens: between(10, 300), messages: [{ role: 'user', content: 'x' }], metadata: { user } };
  return {
    model: pick(['gpt-4o', 'gpt-4o-mini', 'gpt-4o-mini', 'of-no-list']), user, messages: [{ role: 'user', content: 'x'.repeat(between(1, 600)) }],
    ...(Math.random() < 0.7 ? { max_tokens: between(50, 400) } : {}), ...(stream ? { stream, ...(Math.random() < 0.5 ? { stream_options: { include_usage: true } } : {}) } : {}),
  };
}

const nanousd = (text) => (text === undefined ? undefined : Number(text.replace('.', '')));

// {label, kind, tenant, life, status, id, cost, cut, left, error}: what the client of one request saw. status 0: no head came.
function ask(here, agent, label, kind, leaves) {
  const tenant = kind === 'stranger' ? 'nobody' : pick(tenants);
  const seen = { label, kind, tenant, life: here.life, status: 0 };
  const body = kind === 'models' ? undefined : JSON.stringify(bodyOf(kind === 'stranger' || kind === 'nowhere' ? 'plain' : kind));
  const headers = { 'X-Sallyport-Key': here.keys[tenant]?.key ?? 'sp_of_nobody', 'X-Request-Id': label, ...(Math.random() < 0.5 ? { TE: 'trailers' } : {}) };
  if (body) Object.assign(headers, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  const path = kind === 'nowhere' ? '/nowhere' : paths[kind] ?? '/ai/v1/chat/completions';
  return new Promise((resolve) => {
    const done = () => {
      seen.ended = here.life;
      resolve(seen);
    };
    const request = http.request({ port: here.gateway.port, host: '127.0.0.1', path, method: body ? 'POST' : 'GET', agent, headers }, (response) => {
      Object.assign(seen, { status: response.statusCode, id: response.headers['x-sallyport-request-id'], code: response.headers['x-sallyport-error'] });
      seen.cost = nanousd(response.headers['x-sallyport-cost-usd']);
      response.on('error', () => {});
      response.on('close', () => {
        seen.cut = !response.complete;
        seen.cost ??= nanousd(response.trailers['x-sallyport-cost-usd']);
        done();
      });
      response.resume();
    });
    request.on('error', (error) => {
      seen.error = error.code ?? error.message;
      if (!seen.status) done();
    });
    if (leaves) {
      setTimeout(() => {
        seen.left = true;
        request.destroy();
      }, between(1, 40));
    }
    request.end(body);
  });
}

// `calls` requests of `clients` at a time; what each of them saw. `at`: {after so many: function}.
export async function load(here, calls, { clients = 48, at = {} } = {}) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: clients });
  const seen = [];
  const events = [];
  let next = 0;
  const client = async () => {
    while (next < calls) {
      const number = next++;
      if (at[number]) events.push(at[number]());
      while (here.down) await sleep(5);
      const kind = pick(kinds);
      seen.push(await ask(here, agent, `${here.name ?? 'm'}-${number}`, kind, Math.random() < (slow.has(kind) ? 0.15 : 0.01)));
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  await Promise.all(events);
  agent.destroy();
  return seen;
}
