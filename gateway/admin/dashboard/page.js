// What the page is made of. All text gets in as text: nothing is ever parsed as HTML.

export const byId = (id) => document.getElementById(id);

const svgNames = new Set(['svg', 'path', 'rect']);

// make('td', {class: 'n'}, 'text', child, ...)
export function make(tag, attributes = {}, ...children) {
  const node = svgNames.has(tag) ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// Pairs of a term and a description: {term: text}, or {term: [text, class]}.
export function setPairs(list, pairs) {
  const text = JSON.stringify(pairs);
  if (list.shownPairs === text) return;
  list.shownPairs = text;
  list.replaceChildren(...Object.entries(pairs).map(([term, value]) => {
    const [shown, kind] = Array.isArray(value) ? value : [value];
    return make('div', {}, make('dt', {}, term), make('dd', { class: kind }, shown));
  }));
}

// Rows that stay the same elements as long as their key is there, so that a selection, the focus and
// the place survive. `columns` is a list of {head, number, show(cell, item)}; the first one heads its row.
export function setRows(body, items, key, columns) {
  const rows = (body.rowsByKey ??= new Map());
  const seen = new Set();
  let at = body.firstElementChild;
  for (const item of items) {
    const name = key(item);
    seen.add(name);
    let row = rows.get(name);
    if (!row) {
      row = make('tr', {}, ...columns.map(({ head, number }) => make(head ? 'th' : 'td', { scope: head ? 'row' : null, class: number ? 'n' : null })));
      rows.set(name, row);
    }
    columns.forEach(({ show }, index) => show(row.children[index], item));
    if (row === at) at = at.nextElementSibling;
    else body.insertBefore(row, at);
  }
  for (const [name, row] of rows) {
    if (!seen.has(name)) {
      row.remove();
      rows.delete(name);
    }
  }
}

// A cell's text; a long one in full as its title, where it is cut.
export const text = (read, { head, number, kind } = {}) => ({
  head,
  number,
  show(cell, item) {
    const shown = String(read(item) ?? '');
    setText(cell, shown);
    if (!number) setAttribute(cell, 'title', shown);
    if (kind) setAttribute(cell, 'class', `${number ? 'n ' : ''}${kind(item) ?? ''}`);
  },
});
