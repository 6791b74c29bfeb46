// Lines over the last minutes, as SVG paths; newest at the right.
import { make, setAttribute, setText } from './page.js';

const WIDTH = 600;
const HEIGHT = 100;

// `values`, oldest first; null leaves a gap. Fewer than `slots` begin further right.
export function linePath(values, slots, top) {
  let path = '';
  let drawing = false;
  values.forEach((value, index) => {
    if (value === null) {
      drawing = false;
      return;
    }
    const x = ((slots - values.length + index) / (slots - 1)) * WIDTH;
    const y = HEIGHT - 1 - (top > 0 ? value / top : 0) * (HEIGHT - 4);
    path += `${drawing ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    drawing = true;
  });
  return path;
}

function areaPath(values, slots, top) {
  const line = linePath(values.map((value) => value ?? 0), slots, top);
  if (!line) return '';
  const first = ((slots - values.length) / (slots - 1)) * WIDTH;
  return `${line}L${WIDTH} ${HEIGHT}L${first.toFixed(1)} ${HEIGHT}Z`;
}

// 1, 2 or 5 times a power of ten, not below `value`.
export function niceTop(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= value * 0.999);
}

// A figure: show({headline, bad, note, series: [values, ...], slots, span, topText}).
export class Chart {
  constructor(parent, { title, keys = [], kind = '' }) {
    this.headline = make('b', {}, '–');
    this.note = make('span', {});
    this.area = make('path', { class: `area ${kind}` });
    this.lines = [make('path', { class: kind }), ...keys.slice(1).map(() => make('path', { class: 'two' }))];
    this.svg = make('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' }, this.area, ...this.lines);
    this.top = make('span', { class: 'top', 'aria-hidden': 'true' });
    this.span = make('span', {});
    this.title = title;
    parent.append(make('figure', {},
      make('figcaption', {}, make('h3', {}, title), this.headline, this.note,
        ...keys.map((key, index) => make('span', { class: index ? 'key two' : 'key' }, key))),
      make('div', { class: 'plot' }, this.svg, this.top),
      make('div', { class: 'span', 'aria-hidden': 'true' }, this.span, make('span', {}, 'now'))));
  }

  show({ headline, bad, note = '', series, slots, span, topText }) {
    const top = niceTop(Math.max(0, ...series.flat().filter((value) => value !== null)));
    setText(this.headline, headline);
    setAttribute(this.headline, 'class', bad ? 'bad' : '');
    setText(this.note, note);
    setText(this.top, topText(top));
    setText(this.span, `${span} ago`);
    setAttribute(this.svg, 'aria-label', `${this.title}, last ${span}: now ${headline}, the scale ends at ${topText(top)}`);
    setAttribute(this.area, 'd', areaPath(series[0], slots, top));
    this.lines.forEach((line, index) => setAttribute(line, 'd', linePath(series[index], slots, top)));
  }
}

// A cell with a small line in it.
export function showTrend(cell, values, slots) {
  let path = cell.querySelector('path');
  if (!path) {
    path = make('path', {});
    cell.append(make('svg', { class: 'trend', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, path));
  }
  setAttribute(path, 'd', linePath(values, slots, Math.max(...values, 0)));
}

// A cell with a bar: `used` of 1, of which `held` is not settled; the words say the same.
export function showBar(cell, { used, held, kind, words }) {
  let bar = cell.querySelector('svg');
  if (!bar) {
    bar = make('svg', { class: 'bar', 'aria-hidden': 'true' },
      make('rect', { class: 'track', width: '100%', height: '100%' }), make('rect', { height: '100%' }), make('rect', { class: 'held', height: '100%' }));
    cell.append(bar, make('span', {}));
  }
  const [, filled, open] = bar.children;
  const share = Math.min(1, used);
  setAttribute(filled, 'class', kind);
  setAttribute(filled, 'width', `${(100 * Math.max(0, share - held)).toFixed(2)}%`);
  setAttribute(open, 'x', `${(100 * Math.max(0, share - held)).toFixed(2)}%`);
  setAttribute(open, 'width', `${(100 * Math.min(share, held)).toFixed(2)}%`);
  setText(cell.lastChild, words);
}
