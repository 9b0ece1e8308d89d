// The middle of the Annotate page: a question with what is said of it, or what stands in its place.

import {h, fill, count} from './dom.js';
import {keyOf, shownKey} from './annotate_keys.js';
import {current, state} from './store.js';
import {createWordsSuggest} from './words_suggest.js';

const isTight = () => matchMedia('(max-width: 760px), (max-height: 480px)').matches;  // as in annotate.css

/** What is asked. */
function questionOf(card, names) {
  if (card.sides.length === 2) return card.classes ? `${names[card.classes[0]]} or ${names[card.classes[1]]}?` : 'Which is which?';
  const [one] = card.sides;
  return one.candidates.length === 1 ? `${names[one.candidates[0]]}` : 'Which one is it?';
}

function pillsOf(card) {
  const pill = (text, title, kind = '') => h('span.pill' + kind, {title}, text);
  return [
    card.position === null ? null : pill(`item ${count(card.position + 1)}`, 'Its place in the queue never changes'),
    card.decided ? pill(card.decided, 'Your decision on it', '.good') : null,
    card.sides.some(each => each.contradicts)
      ? pill('contradiction', 'Annotators exclude each other here; everything they said is kept', '.warn') : null,
  ];
}

/** What is saved, and the way on where something is not. */
export function createSaved(page, desk, retry) {
  const element = h('span.saved', {id: 'annotate-saved', role: 'status'});
  return {
    element,
    show({unsaved, trouble, savedAt}) {
      if (desk.isTrial()) { fill(element, 'not stored'); return; }
      element.dataset.state = trouble ? 'trouble' : unsaved ? 'saving' : 'saved';
      const words = trouble ? `Not saved yet: ${trouble}`
        : unsaved ? `Saving ${count(unsaved)}…`
        : savedAt ? '✓ saved'
        : '✓ all saved';
      fill(element, words, trouble ? h('button.quiet', {type: 'button', on: {click: retry}}, 'Try again') : null);
      element.title = savedAt ? `Last saved at ${new Date(savedAt).toLocaleTimeString()}` : '';
      page.dataset.unsaved = unsaved;
    },
  };
}

/** Owns `main`. `viewer`, `bar`, `notes`, `live` and `saved` are parts of it, `all` a button beside it. */
export function createStage({page, main, desk, viewer, bar, notes, live, saved, all}) {
  const title = h('h1', {id: 'annotate-title', 'aria-live': 'polite'});
  const pills = h('div.pills');
  const why = h('p.why');
  const head = h('div.tools', {}, title, pills, h('span.grow'), ...bar.tools, saved.element);
  const byWords = createWordsSuggest('annotate');
  const parts = [head, viewer.element, why, byWords.element, live.element];
  viewer.element.querySelector('.cards').after(bar.actions, notes.element);

  function setOut() {
    fill(main, ...parts);
    bar.actions.querySelector('.sep').after(bar.undo, bar.redo);
    head.append(saved.element);
  }

  function drawCard(card) {
    const {picks, side, belief, showModel} = desk;
    const ofModel = name => (showModel ? card.sides.map(each => belief[each.row]?.[name]) : null);
    viewer.show({
      dataset: state.dataset, version: current().version, card, names: desk.overview.class_names, picks, side, canAct: desk.canAct(),
      addKey: shownKey(keyOf('add')), findKey: shownKey(keyOf('find')), belief: ofModel('belief'), models: ofModel('model'),
    });
  }

  return {
    /** The card on the screen, anew. */
    paint(isNew) {
      const {trail, overview, side, showModel} = desk;
      const card = desk.card();
      if (main.firstChild !== head) setOut();
      drawCard(card);
      byWords.show(state.dataset, card.sides[side].row, overview.class_names);
      title.textContent = questionOf(card, overview.class_names);
      fill(pills, ...pillsOf(card));
      all.hidden = !trail.queue?.settings?.selection;
      bar.draw({card, names: overview.class_names, side, isFirst: trail.at() <= 0, canAct: desk.canAct(), showModel});
      why.textContent = card.why ? `Why this one: ${card.why}` : `Sample ${card.sides.map(each => each.id).join(' and ')}.`;
      page.dataset.shown = `${card.rows.join('-')}`;
      page.dataset.at = trail.at();
      if (!isNew) return;
      desk.shownAt = performance.now();
      notes.close();
      if (isTight()) viewer.element.querySelector('.cards').scrollIntoView({block: 'nearest'});
    },
    /** A heading and what stands in place of a card. */
    bare(heading, ...content) {
      page.classList.toggle('bare', !desk.overview);
      fill(main, h('div.tools', {}, h('h1', {}, heading), h('span.grow'), saved.element), ...content);
    },
    /** The next keys are meant for the card, wherever the queue was chosen. */
    takeKeys() {
      if (page.offsetParent === null || document.querySelector('dialog[open], .drawer.open')) return;
      main.tabIndex = -1;
      main.focus({preventScroll: true});
    },
  };
}
