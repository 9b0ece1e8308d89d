// Train on another machine: pack the run of the form into a file, and take its result back.

import {h, fill} from './dom.js';
import {upload} from './studio.js';
import {address, onJobEnd, read, refresh} from './store.js';
import {megabytes} from './train_words.js';

/** A disclosure that owns its element. `request()` reads the form or throws words; `onPacked(run)` after a start. */
export function createElsewhere({ask, request, tellProblem, onPacked}) {
  const truth = h('input', {type: 'checkbox', id: 'elsewhere-truth'});
  const pack = h('button.btn', {type: 'button', id: 'elsewhere-pack', on: {click: packNow}}, 'Pack this run');
  const packed = h('div', {id: 'elsewhere-packed', role: 'status'});
  const path = h('input.entry', {
    id: 'elsewhere-path', type: 'text', autocomplete: 'off', spellcheck: 'false', placeholder: '/home/me/proden-12.result.zip',
    'aria-label': 'Path of a result file on the machine of the studio',
  });
  const file = h('input', {type: 'file', id: 'elsewhere-file', accept: '.zip', 'aria-label': 'Result file to upload'});
  const take = h('button.btn', {type: 'button', id: 'elsewhere-take', on: {click: takeNow}}, 'Take the result back');
  const taken = h('div', {id: 'elsewhere-taken', role: 'status'});
  const element = h('details.elsewhere.act', {id: 'train-elsewhere'}, h('summary', {}, 'Train on another machine'),
    h('p.help', {},
      'One file holds images, candidate sets and settings. The other machine needs CAD Studio and torch; no project and no window.'),
    h('label.keys', {title: 'Without them the run has no test accuracy until it is back and evaluated here'},
      truth, 'True labels travel too'),
    pack, packed,
    h('p.help', {}, 'Upload the result, or give its path on the machine of the studio.'), file, path, take, taken);
  let packing = null;
  let taking = null;

  const note = (place, words) => fill(place, h('p.quiet-text', {}, words));

  async function packNow() {
    tellProblem(null);
    let asked;
    try { asked = request(); } catch (error) { tellProblem(error); return; }
    pack.disabled = true;
    try {
      const made = await ask('pack', {request: asked, with_truth: truth.checked});
      packing = made.job;
      note(packed, 'Packing…');
      refresh();
      onPacked(made.run);
    } catch (error) { tellProblem(error); } finally { pack.disabled = false; }
  }

  async function takeNow() {
    tellProblem(null);
    take.disabled = true;
    try {
      const chosen = file.files[0];
      if (chosen) note(taken, 'Uploading…');
      const {job} = await ask('take', {path: chosen ? await upload(chosen) : path.value});
      taking = job;
      note(taken, 'Checking the file…');
      refresh();
    } catch (error) { fill(taken); tellProblem(error); } finally { take.disabled = false; }
  }

  function showPacked(result) {
    const name = result.out.split('/').pop();
    const command = `python -m cad_studio run train ${name} --device cuda`;
    fill(packed,
      h('a.btn', {id: 'elsewhere-download', href: address(`/jobs/${packing}/file`), download: ''}, `Download ${megabytes(result.bytes)}`),
      ...result.notes.map(words => h('p.help', {}, words)),
      h('p.help', {}, 'On the other machine:'),
      h('pre', {id: 'elsewhere-command'}, command),
      h('p.help', {}, 'It writes the result beside its checkpoints. Bring it back here, or with:'),
      h('pre', {}, `python -m cad_studio run take ${name.replace(/\.run\.zip$/, '')}.result.zip`));
  }

  onJobEnd(async job => {
    if (job.id === packing) {
      if (job.status !== 'done') { note(packed, job.error || 'The file was not made.'); return; }
      const full = await read(`/jobs/${job.id}`).catch(() => job);
      if (full.result) showPacked(full.result);
    }
    if (job.id === taking) {
      if (job.status !== 'done') { note(taken, job.error || 'The result was not taken back.'); return; }
      const full = await read(`/jobs/${job.id}`).catch(() => job);
      file.value = '';
      path.value = '';
      note(taken, `${full.result?.name || 'The run'} is back: curves, model and checkpoints as if it had run here.`);
      if (full.result) onPacked(full.result.run);
    }
  });

  return element;
}
