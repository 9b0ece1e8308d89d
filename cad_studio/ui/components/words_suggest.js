// What the words for each class suggest for one sample: asked for by hand, and no set is changed by it.

import {h, fill, percent} from './dom.js';
import {colour} from './chips.js';
import {searchable} from './search_bar.js';
import {read} from './store.js';

/** Owns its element, whose ids begin with `prefix`; `show(name, row, names)` at another sample, hidden where no model reads words. */
export function createWordsSuggest(prefix) {
  const says = h('p.quiet-text', {role: 'status'});
  const list = h('ul.chips', {id: `${prefix}-words-suggested`, 'aria-label': 'Suggested by the words for each class'});
  const ask = h('button.btn', {
    type: 'button', id: `${prefix}-words-suggest`,
    title: 'Compares the sample with the text of each class (Augmentations, Prompts). A suggestion: no set is changed',
    on: {click: suggest},
  }, 'What do the class names suggest?');
  const element = h('section', {hidden: true}, ask, says, list);
  let shown = null;
  let turn = 0;
  const offers = new Map();

  async function suggest() {
    const mine = turn;
    const {name, row, names} = shown;
    try {
      await searchable(name, {words: 'any'}, text => { if (mine === turn) says.textContent = text; });
      const found = await read(`/datasets/${encodeURIComponent(name)}/zero-shot/${row}`);
      if (mine !== turn) return;
      says.textContent = `By the class texts, in ${found.features}. No set is changed.`;
      fill(list, ...found.classes.map(each => h('li.chip', {
        style: {'--k': colour(each.class)}, title: each.prompt, data: {class: each.class},
      },
        h('i.square', {'aria-hidden': 'true'}), h('span.name', {}, names[each.class]), h('span.num', {}, percent(each.share)))));
    } catch (error) { if (mine === turn) says.textContent = error.message; }
  }

  return {element, async show(name, row, names) {
    if (shown?.name === name && shown.row === row) return;
    const mine = ++turn;
    shown = {name, row, names};
    says.textContent = '';
    fill(list);
    if (!offers.has(name)) offers.set(name, read(`/datasets/${encodeURIComponent(name)}/search`).catch(() => {
      offers.delete(name);
      return {words: []};
    }));
    const found = await offers.get(name);
    if (!found.words.length) offers.delete(name);  // they may be extracted any time
    if (mine === turn) element.hidden = !found.words.length;
  }};
}
