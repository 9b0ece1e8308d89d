// Import data: a source or an upload, how it is read, and what it would bring before anything is imported.

import {h, fill, count, counted} from './dom.js';
import {createJobForm} from './job_form.js';
import {upload} from './studio.js';

/** The form; `ask(what, values)` asks the studio to look at a source, or to import it. */
export function createImportForm(ask) {
  /** @type {Promise<string> | null} Where the chosen file lies on the machine of the studio, once it is there. */
  let handed = null;
  let sent = null;  // that of the import that was asked for last
  let source = null;
  const file = h('input', {type: 'file', id: 'import-upload', 'aria-label': 'File to import', on: {change: bring}});
  const brought = h('p.help', {id: 'import-upload-name', role: 'status'});
  const found = h('div', {id: 'import-preview-found', 'aria-live': 'polite'});
  const look = h('button.btn', {type: 'button', id: 'import-look', on: {click: preview}}, 'Preview');
  const asked = what => fields => {
    const place = sent = handed;
    return async () => ask(what, {fields, upload: await place});
  };
  const form = createJobForm({
    id: 'dataset-import', name: 'import', title: () => 'Import data', button: 'Import', start: asked('start_import'),
    says: 'All or nothing: what is wrong is listed with its first case, and the project stays as it was. Preview shows how the '
      + 'source is read.',
    arrange(fields, more) {
      const [candidates, skip] = ['candidates', 'skip_bad'].map(name => fields.get(name).element);
      more.id = 'import-more';
      source = fields.get('source');
      source.input.placeholder = '/data/my-images';
      // the source that was given last is the only one that is shown, and the one that is imported
      source.input.addEventListener('input', drop);
      const or = h('div.setting.stacked', {}, h('label', {for: file.id}, 'Or upload one file'), h('div', {}, file,
        h('p.help', {}, 'A zip of images, a table, Parquet, npz or mat.'), brought));
      return [source.element, or, fields.get('name').element, candidates, more, skip, look, found];
    },
    onEdit: () => fill(found),  // what was seen is not what would be imported now
    onStarted(fields, values) {
      // the next source may have been given meanwhile
      if (handed === sent) drop();
      for (const name of ['source', 'name']) if (fields.get(name).read().value === (values[name] ?? '')) fields.get(name).reset();
      fill(found);
    },
  });

  function drop() { handed = null; file.value = ''; brought.textContent = ''; }

  async function bring() {
    const [chosen] = file.files;
    if (!chosen) { drop(); return; }
    source.reset();
    form.edited();
    brought.textContent = `Uploading ${chosen.name}…`;
    const bringing = upload(chosen);
    handed = bringing;
    try {
      await bringing;
      if (handed === bringing) brought.textContent = `${chosen.name} is there.`;
    } catch (error) {
      if (handed !== bringing) return;  // another file or a source was given since
      drop();
      if (sent !== bringing) brought.textContent = error.message;  // else the form says it
    }
  }

  async function preview() {
    const ended = await form.send(look, fields => {
      fill(found, h('p.quiet-text', {role: 'status'}, 'Looking at the source…'));
      return asked('preview_import')(fields);
    }, seen => fill(found, toBring(seen)), true);
    if (ended && !found.querySelector('section')) fill(found);
  }
}

function toBring(found) {
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
