// Numbers as people read them. Money is nano-USD as BigInt: no floating point touches it.

export function nanousd(value) {
  return typeof value === 'string' && value.includes('.') ? fromDecimal(value) : BigInt(value ?? 0);
}

function fromDecimal(text) {
  const [whole, part] = text.split('.');
  return BigInt(whole) * 1000000000n + BigInt((part + '000000000').slice(0, 9));
}

// "$12.34"; small sums as long as they need to be: "$0.000123450".
export function money(value) {
  const amount = nanousd(value);
  const whole = (amount / 1000000000n).toString().replace(/\B(?=(\d{3})+$)/g, ' ');
  const part = (amount % 1000000000n).toString().padStart(9, '0');
  const digits = amount >= 1000000000n || amount === 0n ? 2 : Math.min(9, Math.max(2, part.search(/[1-9]/) + 3));
  return `$${whole}.${part.slice(0, digits)}`;
}

export function count(value) {
  const number = Number(value);
  if (number >= 1e9) return `${(number / 1e9).toFixed(2)} G`;
  if (number >= 1e6) return `${(number / 1e6).toFixed(2)} M`;
  return Math.round(number).toString().replace(/\B(?=(\d{3})+$)/g, ' ');
}

export function bytes(value) {
  const number = Number(value);
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = number < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(number) / 10));
  return `${power === 0 ? number : (number / 1024 ** power).toFixed(1)} ${units[power]}`;
}

// An amount in a quota's unit.
export function amount(unit, value) {
  return unit === 'cost' ? money(value) : unit === 'bytes' ? bytes(value) : count(value);
}

export function perSecond(value) {
  return value === 0 ? '0' : value < 9.95 ? value.toFixed(1) : count(value);
}

export function percent(part, whole) {
  if (!whole) return '0 %';
  const share = (100 * part) / whole;
  return share === 0 ? '0 %' : share < 0.1 ? '<0.1 %' : `${share < 9.95 ? share.toFixed(1) : Math.round(share)} %`;
}

export function milliseconds(value) {
  if (value === null || value === undefined) return '–';
  if (value < 10) return `${value.toFixed(1)} ms`;
  if (value < 1000) return `${Math.round(value)} ms`;
  return value < 60000 ? `${(value / 1000).toFixed(1)} s` : duration(value);
}

// "2 d 3 h", "4 min 5 s"
export function duration(value) {
  const seconds = Math.ceil(value / 1000);
  const steps = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];
  const first = steps.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0 s';
  const [name, size] = steps[first];
  const rest = first < 3 ? Math.floor((seconds % size) / steps[first + 1][1]) : 0;
  return `${Math.floor(seconds / size)} ${name}${rest ? ` ${rest} ${steps[first + 1][0]}` : ''}`;
}

export const clock = (date) => date.toTimeString().slice(0, 8);
