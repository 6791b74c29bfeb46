// A collector for OTLP over HTTP with JSON: keeps what arrives, and checks its form strictly, as a Protobuf parser of the
// JSON encoding would.
import assert from 'node:assert/strict';

import { faultyFor, json } from './faulty.mjs';

const isHex = (text, digits) => assert.match(text, new RegExp(`^(?!0+$)[0-9a-f]{${digits}}$`));
const isUint64 = (text) => assert.ok(typeof text === 'string' && /^(0|[1-9]\d{0,19})$/.test(text), `${text} is a 64-bit number, as text`);
const hasOnly = (object, names) => assert.deepEqual(Object.keys(object).filter((name) => !names.includes(name)), []);

// {key: value} of a list of attributes, whole numbers as numbers.
export function attributesOf(list) {
  const found = {};
  for (const { key, value, ...rest } of list) {
    assert.deepEqual(rest, {});
    assert.ok(!(key in found), `${key} is there once`);
    const [[kind, content], ...more] = Object.entries(value);
    assert.equal(more.length, 0);
    if (kind === 'intValue') isUint64(content);
    else assert.ok(kind === 'stringValue' && typeof content === 'string' && content !== '', `${key} is a text`);
    found[key] = kind === 'intValue' ? Number(content) : content;
  }
  return found;
}

// The items of a body: resourceSpans > scopeSpans > spans, or the same of metrics.
function itemsOf(body, what) {
  const Name = what[0].toUpperCase() + what.slice(1);
  hasOnly(body, [`resource${Name}`]);
  return body[`resource${Name}`].flatMap(({ resource, ...scopes }) => {
    const about = attributesOf(resource.attributes);
    assert.ok(about['service.name'] && about['service.version']);
    hasOnly(scopes, [`scope${Name}`]);
    return scopes[`scope${Name}`].flatMap(({ scope, ...items }) => {
      assert.equal(scope.name, 'sallyport');
      hasOnly(items, [what]);
      return items[what].map((item) => ({ ...item, service: about['service.name'] }));
    });
  });
}

function checkSpan(span) {
  hasOnly(span, ['traceId', 'spanId', 'parentSpanId', 'traceState', 'name', 'kind', 'startTimeUnixNano', 'endTimeUnixNano', 'attributes', 'status', 'service']);
  isHex(span.traceId, 32);
  isHex(span.spanId, 16);
  if ('parentSpanId' in span) isHex(span.parentSpanId, 16);
  assert.ok(typeof span.name === 'string' && span.name !== '');
  assert.ok([2, 3].includes(span.kind));
  isUint64(span.startTimeUnixNano);
  isUint64(span.endTimeUnixNano);
  assert.ok(BigInt(span.startTimeUnixNano) <= BigInt(span.endTimeUnixNano));
  assert.ok(Math.abs(Number(BigInt(span.endTimeUnixNano) / 1000000n) - Date.now()) < 120000, 'it is of now');
  if ('status' in span) assert.deepEqual(span.status, { code: 2 });
  return { ...span, attributes: attributesOf(span.attributes) };
}

function checkPoint(point, kind) {
  hasOnly(point, ['attributes', 'timeUnixNano', ...(kind === 'gauge' ? [] : ['startTimeUnixNano']),
    ...(kind === 'histogram' ? ['count', 'sum', 'bucketCounts', 'explicitBounds'] : ['asInt', 'asDouble'])]);
  isUint64(point.timeUnixNano);
  if (kind !== 'gauge') assert.ok(BigInt(point.startTimeUnixNano) <= BigInt(point.timeUnixNano));
  if (kind === 'histogram') {
    isUint64(point.count);
    point.bucketCounts.forEach(isUint64);
    assert.equal(point.bucketCounts.length, point.explicitBounds.length + 1);
    assert.equal(point.bucketCounts.reduce((sum, count) => sum + BigInt(count), 0n), BigInt(point.count));
    assert.ok(point.explicitBounds.every((bound, i, all) => typeof bound === 'number' && (i === 0 || bound > all[i - 1])));
    assert.equal(typeof point.sum, 'number');
  } else {
    assert.equal(('asInt' in point) + ('asDouble' in point), 1);
    if ('asInt' in point) assert.match(point.asInt, /^-?\d+$/);
    else assert.equal(typeof point.asDouble, 'number');
  }
  return { ...point, attributes: attributesOf(point.attributes), value: Number(point.asInt ?? point.asDouble ?? point.count) };
}

function checkMetric(metric) {
  const kind = ['sum', 'gauge', 'histogram'].find((one) => one in metric);
  hasOnly(metric, ['name', 'description', 'unit', kind, 'service']);
  assert.ok(metric.description);
  const { dataPoints, ...more } = metric[kind];
  const expected = { sum: { aggregationTemporality: 2, isMonotonic: true }, gauge: {}, histogram: { aggregationTemporality: 2 } };
  assert.deepEqual(more, expected[kind], metric.name);
  assert.ok(dataPoints.length > 0, metric.name);
  return { ...metric, kind, points: dataPoints.map((point) => checkPoint(point, kind)) };
}

export class Collector {
  constructor(faulty) {
    this.faulty = faulty;
  }

  get url() {
    return `http://127.0.0.1:${this.faulty.port}`;
  }

  // Whole requests for spans or metrics.
  to(path) {
    return this.faulty.whole.filter((request) => request.path.endsWith(path));
  }

  // Those of `requests`, or of all that arrived, checked.
  spans(requests = this.to('/v1/traces')) {
    return requests.flatMap((request) => {
      assert.equal(request.method, 'POST');
      assert.equal(request.headers['content-type'], 'application/json');
      const spans = itemsOf(JSON.parse(request.body), 'spans').map(checkSpan);
      assert.ok(spans.length > 0 && spans.length <= 512, `${spans.length} spans in a request`);
      return spans;
    });
  }

  // The metrics of the last request, by name.
  metrics() {
    const last = this.to('/v1/metrics').at(-1);
    const metrics = last ? itemsOf(JSON.parse(last.body), 'metrics').map(checkMetric) : [];
    const byName = Object.fromEntries(metrics.map((metric) => [metric.name, metric]));
    assert.equal(Object.keys(byName).length, metrics.length, 'each is there once');
    return byName;
  }

  everything() {
    return this.faulty.requests.map((request) => JSON.stringify(request.headers) + request.body).join('\n');
  }
}

export const taken = () => json(200, { partialSuccess: {} });

export async function collectorFor(t, script = taken(), options = {}) {
  return new Collector(await faultyFor(t, script, options));
}
