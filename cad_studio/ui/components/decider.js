// Decide a sample or a pair where one looks at it: the keys, the answers and the log of the Annotate page.

import {h, fill, says, toast} from './dom.js';
import {createAnswers} from './annotate_answers.js';
import {byDigit} from './annotate_card.js';
import {createDecisions} from './annotate_decisions.js';
import {COMMANDS, keyOf, listen, shownKey} from './annotate_keys.js';
import {createSearch} from './annotate_search.js';
import {current, refresh, read, state, tell} from './store.js';
import {lent} from './steps.js';

const BUTTONS = {
  accept: 'A · B',
  reverse: 'B · A',
  same: 'Same class',
  none: 'None of these',
  add: 'Add a class',
  flag: 'Flag',
  undo: 'Undo',
  redo: 'Redo',
};
const OF_PAIR = ['accept', 'reverse', 'same'];
const BACK = ['undo', 'redo'];

/**
 * Owns `element`, its buttons. `show(rows, classes)` takes up one sample or two; `onChange(card, how)` is told of what is
 * shown, `onNext()` when it is decided and says whether there is a next, `onBack(rows)` when an earlier one is undone.
 * Keys act while `root` is seen.
 */
export function createDecider({root, prefix, onChange, onNext, onBack}) {
  const search = createSearch(prefix);
  const saved = h('span.saved', {role: 'status'});
  const buttons = Object.fromEntries(
    Object.entries(BUTTONS).map(([command, text]) => [
      command,
      h(
        'button.btn',
        {
          type: 'button',
          id: `${prefix}-${command}`,
          class: `btn${command === 'accept' ? ' primary' : ''}`,
          on: {click: () => run(command)},
        },
        h('span', {}, text),
        h('kbd', {}, '')
      ),
    ])
  );
  const element = h(
    'div.actions.decide',
    {hidden: true, role: 'group', 'aria-label': 'Decide here'},
    ...Object.values(buttons),
    saved,
    search.element
  );
  let overview = null;
  let card = null;
  let picks = [null, null];
  let side = 0;
  let shownAt = 0;
  let asked = 0;
  let opened = '';

  const who = () => overview?.login || localStorage.getItem('cad-annotator') || 'me';
  const canAct = () => !!overview && overview.role !== 'viewer';
  const decisions = createDecisions({
    server: {act: wanted => lent().act(wanted)},
    ctx: () => ({dataset: state.dataset, who: who(), overview}),
    onSaved: tellSaved,
    onRecent: () => {},
    onClasses: () => refresh(),
    onRows: takeOver,
    onRefusal: (_of, words) => toast(words, 'error'),
    onSteps: steps => {
      Object.assign(overview, steps);
      draw();
      refreshSoon();
    },
  });
  const answers = createAnswers({
    card: () => card,
    canAct,
    search,
    decisions,
    paint: changed,
    step: goOn,
    queueOf: () => null,
    namesOf: () => overview.class_names,
    classesOf: () => overview.classes,
    sideOf: () => side,
    turn: to => {
      side = to;
    },
    picksOf: () => picks,
    trailAt: () => card.rows,
    seconds: () => Math.min(3600, (performance.now() - shownAt) / 1000),
    shownOf: () => ({}),
    onDecision: () => {},
    onChange: () => {},
  });
  const commands = {
    ...answers.commands,
    undo: () => {
      const rows = decisions.undo();
      if (rows && rows.join() !== card?.rows.join()) onBack(rows);
      else changed();
      return true;
    },
    redo: () => {
      decisions.redo();
      return true;
    },
    side: () => {
      if (card?.sides.length === 2) {
        side = 1 - side;
        changed();
      }
      return true;
    },
  };

  /** What was done is taken back also while the next sample is on its way. */
  function run(command) {
    const isReady = card || BACK.includes(command);
    return isReady && canAct() && !buttons[command]?.disabled ? commands[command]() : false;
  }

  async function show(rows, classes = null) {
    const mine = ++asked;
    const data = current();
    leave();
    if (!data) return;
    try {
      const path = `/annotate/${encodeURIComponent(data.name)}`;
      const key = `${data.name} ${data.version}`;
      if (opened !== key) {
        overview = await read(path, {who: who()});
        opened = key;
        decisions.open(data.name);
      }
      if (!canAct()) return;
      const found = await read(`${path}/card`, {rows: rows.join(), who: who(), near: 0});
      if (mine !== asked) return;
      const bothHold = classes?.every(index => found.sides.every(each => each.candidates.includes(index)));
      card = {...found, classes: bothHold ? classes : null};
      [picks, side, shownAt] = [[null, null], 0, performance.now()];
      changed();
    } catch (error) {
      tell(error);
    }
  }

  /** On to the next; the last of a list stays. */
  async function goOn() {
    const {rows, classes} = card;
    const mine = asked;
    changed();
    leave();
    if (!(await onNext()) && asked === mine) show(rows, classes);
  }

  /** Until the next is there, no key is meant for the one before. */
  function leave() {
    card = null;
    for (const [command, button] of Object.entries(buttons)) button.disabled = !BACK.includes(command) || button.disabled;
  }

  function hide() {
    asked++;
    leave();
    element.hidden = true;
  }

  /** What the studio says holds now. */
  function takeOver(rows) {
    for (const one of card?.sides || []) if (rows[one.row]) Object.assign(one, rows[one.row]);
    if (card && !decisions.pending) changed();
  }

  function changed() {
    draw();
    if (card) onChange(card, {picks, side, canAct: canAct()});
  }

  function draw() {
    for (const [button, step] of [[buttons.undo, overview.undo || decisions.pending], [buttons.redo, overview.redo]]) {
      button.disabled = !step;
    }
    if (!card) return;
    element.hidden = !canAct();
    const isPair = card.sides.length === 2,
      names = overview.class_names,
      [a, b] = card.classes || [];
    for (const [command, button] of Object.entries(buttons)) {
      button.lastChild.textContent = shownKey(keyOf(command));
      if (!BACK.includes(command)) button.disabled = false;
      button.hidden = OF_PAIR.includes(command) && (!isPair || (command === 'accept' && !card.classes));
    }
    if (card.classes) {
      says(buttons.accept, `A ${names[a]} · B ${names[b]}`);
      says(buttons.reverse, `A ${names[b]} · B ${names[a]}`);
    } else buttons.reverse.hidden = true;
    buttons.none.hidden = isPair;
    says(buttons.flag, card.sides[side].flagged ? 'Take flag away' : 'Flag');
  }

  function tellSaved({unsaved, trouble, savedAt}) {
    fill(saved, trouble ? `Not saved yet: ${trouble}` : unsaved ? 'Saving...' : savedAt ? '✓ saved' : '');
    saved.dataset.state = trouble ? 'trouble' : unsaved ? 'saving' : 'saved';
    element.dataset.unsaved = unsaved;
  }

  let later = 0;
  function refreshSoon() {
    clearTimeout(later);
    later = setTimeout(refresh, 600);
  }

  const known = new Set([...COMMANDS.map(([name]) => name)].filter(name => commands[name] && name !== 'skip'));
  listen(
    root,
    command => known.has(command) && run(command),
    (number, {shiftKey}) => {
      const found = card && canAct() ? byDigit(card, number) : null;
      if (found) answers.pick(found[0], found[1], shiftKey);
      return !!found;
    }
  );

  return {
    element,
    show,
    hide,
    pick: (of, index, toggles) => {
      if (canAct()) answers.pick(of, index, toggles);
    },
  };
}
