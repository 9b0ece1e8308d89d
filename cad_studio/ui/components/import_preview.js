// What an import would bring, below the fields of its form: counts, how the source was read, the first rows.

import {h, fill, count, counted} from './dom.js';
import './store.js';  // makes window.cadStudio

export function mount({element}) {
  const place = h('div', {id: 'import-preview-found', 'aria-live': 'polite'});
  fill(element.querySelector('.mount'), place);
  window.cadStudio.previewed = found => {
    if (found) place.replaceChildren(preview(JSON.parse(String(found))));
    return '';
  };
  window.cadStudio.looking = () => { fill(place, h('p.quiet-text', {role: 'status'}, 'Looking at the source…')); };
  window.cadStudio.taken = () => place.replaceChildren();
}

function preview(found) {
  const splits = Object.entries(found.splits).map(([name, n]) => `${name} ${count(n)}`).join(', ');
  const lines = [...found.lines, ...found.problem_lines];
  if (found.n_bad) lines.push(`${count(found.n_bad)} of them cannot be imported as they are.`);
  return h('section.import-found', {'aria-label': 'Preview of the import'},
    h('h2', {}, `${counted(found.n, 'sample')}, ${counted(found.k, 'class', 'classes')}: ${splits}`),
    h('p.quiet-text', {}, `${found.mean_candidates.toFixed(2)} candidates a sample. Nothing was imported yet.`),
    h('ul', {}, ...lines.map(line => h('li', {}, line))),
    h('table', {}, h('thead', {}, h('tr', {}, ...['Image', 'Id', 'Split', 'Candidates', 'True label'].map(name => h('th', {}, name)))),
      h('tbody', {}, ...found.rows.map(row => h('tr', {},
        h('td', {}, row.picture ? h('img', {src: row.picture, alt: row.id}) : row.trouble || ''),
        h('td', {}, row.id), h('td', {}, row.split), h('td', {}, row.candidates.join(' | ')), h('td', {}, row.label || ''))))));
}
