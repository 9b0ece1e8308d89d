// Divide a dataset into splits, and make its sets again from the votes; both show first what comes of it.

import {h, fill, count, counted, debounced, turns} from './dom.js';

/** A dialog with inputs, what they come to, and one button. `look()` answers the preview's words. */
function previewed({title, id, says, inputs, button, look, act}) {
  const words = h('div', {id: `${id}-says`, role: 'status'});
  const go = h('button.btn.primary', {type: 'button', id: `${id}-do`, disabled: true}, button);
  const element = h('dialog.sheet.small', {'aria-label': title}, h('h1', {}, title), h('p.quiet-text', {}, says), ...inputs, words,
    h('div.row', {}, h('button.btn', {type: 'button', on: {click: () => element.close()}}, 'Cancel'), h('span.grow'), go));
  const turn = turns();
  async function draw() {
    const isNewest = turn();
    go.disabled = true;
    const answer = await look();
    if (!isNewest()) return;
    fill(words, ...(answer.error ? [h('p.warn', {}, answer.error)] : answer.lines.map(line => h('p', {}, line))));
    go.disabled = !!answer.error || !answer.changed;
  }
  const later = debounced(draw, 200);
  for (const input of inputs) for (const event of ['input', 'change']) input.addEventListener(event, later);
  go.addEventListener('click', async () => {
    go.disabled = true;
    const answer = await act();
    if (answer.error) { fill(words, h('p.warn', {}, answer.error)); return; }
    element.close();
  });
  return {element, open() { element.showModal(); draw(); }};
}

const line = (text, input, title) => h('label.row', {title}, h('span.grow', {}, text), input);

/** `train 80, test 20` to {train: 0.8, test: 0.2}; Error where a part is neither, is there twice, or they are not all. */
export function readShares(text) {
  const shares = {};
  let total = 0;
  for (const part of text.split(',').map(each => each.trim()).filter(Boolean)) {
    const found = part.match(/^(.*[^\s=:])[\s=:]+(\d+(?:\.\d+)?)\s*%?$/);
    if (!found) throw new Error(`"${text}" does not give each split its per cent, such as train 80, test 20.`);
    const name = found[1].trim();
    if (Object.hasOwn(shares, name)) throw new Error(`${name} is named twice.`);
    shares[name] = +found[2] / 100;
    total += +found[2];
  }
  if (Math.abs(total - 100) > 1e-4) throw new Error(`The splits are ${+total.toPrecision(4)} % together; they have to be 100 %.`);
  return shares;
}

/** `ctx()` gives {about}; `preview(config)` and `make(config)` ask the studio. */
export function splitDialog(ctx, preview, make) {
  const shares = h('input.field', {type: 'text', id: 'split-shares', value: 'train 80, test 20', 'aria-label': 'Splits in per cent'});
  const group = h('select', {id: 'split-group', 'aria-label': 'Keep together'});
  const within = h('select', {id: 'split-within', 'aria-label': 'Divide'});
  const seed = h('input.field', {type: 'number', id: 'split-seed', min: 0, value: 0, 'aria-label': 'Random seed'});
  const config = () => ({shares: readShares(shares.value), seed: +seed.value, group_by: group.value, within: within.value});
  const ask = run => {
    try { return run(config()); } catch (error) { return {error: error.message}; }
  };
  const dialog = previewed({
    title: 'Divide into splits', id: 'split', button: 'Divide',
    says: 'By chance, repeatable by its seed; one undo takes it back. Runs keep the split they were trained with.',
    inputs: [
      line('Splits in per cent', shares),
      line('Keep together', group, 'Samples of one value, such as one patient, come into one split'), line('Divide', within),
      line('Random seed', seed),
    ],
    look: async () => {
      const found = await ask(preview);
      if (found.error) return found;
      const parts = Object.entries(found.splits).map(([name, n]) => `${name} ${count(n)}`).join(', ');
      return {
        changed: found.changed,
        lines: [
          `${parts}${found.groups === null ? '' : `, in ${counted(found.groups, 'group')}`}. ${counted(found.changed, 'sample')} `
            + 'would come into another split.',
          ...found.notes,
        ],
      };
    },
    act: () => ask(make),
  });
  return {element: dialog.element, open() {
    const {fields, splits} = ctx().about;
    const [kept, part] = [group.value, within.value];
    fill(group, h('option', {value: ''}, 'nothing'), ...fields.map(each => h('option', {value: each.name}, `samples of one ${each.name}`)));
    fill(within, h('option', {value: ''}, 'all samples'), ...Object.keys(splits).map(name => h('option', {value: name}, `only ${name}`)));
    group.value = fields.some(each => each.name === kept) ? kept : '';
    within.value = part in splits ? part : '';
    dialog.open();
  }};
}

/** The share of a sample's votes that makes a class a candidate. */
export function votesDialog(preview, make) {
  const share = h('input.field', {
    type: 'number', id: 'votes-threshold', min: 0, max: 100, step: 5, value: 0, 'aria-label': 'Vote threshold in per cent',
  });
  return previewed({
    title: 'Sets from votes', id: 'votes', button: 'Make the sets',
    says: 'A class is a candidate where at least this share of the votes is for it; 0 takes every class with a vote. Makes a new '
      + 'version; what annotators decided here stays in force.',
    inputs: [line('Vote threshold in per cent', share)],
    look: async () => {
      const found = await preview(+share.value / 100);
      if (found.error) return found;
      const lines = [
        `${count(found.changed)} of ${counted(found.n, 'set')} with votes would change: ${found.mean_before.toFixed(2)} candidates `
          + `on average become ${found.mean_candidates.toFixed(2)}.`,
      ];
      if (found.thin) lines.push(`${counted(found.thin, 'sample')} where no class has that share `
        + `${found.thin === 1 ? 'keeps' : 'keep'} the classes with the most votes.`);
      if (found.now !== null) lines.push(`Now in force: ${+(100 * found.now).toFixed(1)} %.`);
      return {changed: found.changed, lines};
    },
    act: () => make(+share.value / 100),
  });
}
