// What opens over the Annotate page: the history, the agreement, many samples at once, the way out.

import {h, fill, count, counted, percent} from './dom.js';
import {colour} from './chips.js';
import {address, read, tell} from './store.js';

/** A window with a title and a body that `load(body)` fills each time it is opened. */
export function sheet(label, load) {
  const body = h('div.body');
  const element = h('dialog.sheet', {'aria-label': label},
    h('div.row', {}, h('h1.grow', {}, label), h('button.quiet', {type: 'button', on: {click: () => element.close()}}, 'Close', h('kbd', {}, 'esc'))), body);
  return {element, async open(...given) {
    fill(body, h('div.skeleton'));
    element.showModal();
    try { await load(body, ...given); } catch (error) { element.close(); tell(error); }
  }, close: () => element.close()};
}

const MOST_PEOPLE = 100;
const tenth = share => `${(100 * share).toFixed(1)} %`;

const set = (classes, names) => classes.length ? classes.map(index => h('i.square', {title: names[index], style: {'--k': colour(index)}})) : ['none'];

function change(action, names) {
  const {class: one, name, into} = action.details.arguments || {};
  if (action.kind === 'rename-class') return [`to ${name}`];
  if (action.kind === 'merge-class') return [`${names[one]} into ${names[into]}`];
  if (action.kind === 'remove-class') return [names[one]];
  if (action.kind === 'split') return [Object.entries((action.details.arguments || {}).shares || {}).map(([split, share]) => `${split} ${percent(share)}`).join(', ')];
  const [first] = action.changes;
  if (!first) return [action.why];
  if ('tag' in first) return [first.given ? `tag ${first.tag}` : `tag ${first.tag} taken off`];
  if ('flag' in first) return [first.flag ? 'flagged' : 'flag taken away'];
  return [...set(first.before, names), ' → ', ...set(first.after, names), ` ${first.after.map(index => names[index]).slice(0, 3).join(', ')}`];
}

/** Who did what, and the way back to any point. `ctx()` gives {dataset, names, role}; `restore(number)` acts. */
export function historySheet(ctx, restore) {
  const panel = sheet('History', async body => {
    const {dataset, names, role} = ctx();
    const rows = h('tbody');
    const more = h('button.btn', {type: 'button'}, 'Older');
    let before = 0;
    const grow = async () => {
      const found = await read(`/annotate/${encodeURIComponent(dataset)}/history`, {before, limit: 100});
      for (const action of found.actions) rows.append(h('tr', {},
        h('td.number', {}, count(action.number)), h('td.num', {title: action.at}, action.at.slice(0, 16).replace('T', ' ')), h('td', {}, action.who),
        h('td', {}, action.kind + (action.reverses ? ` of ${count(action.reverses)}` : '')), h('td.num', {}, action.n_rows > 2 ? counted(action.n_rows, 'sample') : action.rows.join(', ')),
        h('td', {}, h('span.squares', {}, ...change(action, names))),
        h('td', {}, role === 'owner' ? h('button.quiet', {type: 'button', title: 'Bring back all sets as they were after this action; a new action, which can be undone', on: {click: () => restore(action.number, panel)}}, 'Back to here') : null)));
      before = found.actions.at(-1)?.number || 0;
      more.hidden = before <= 1;
      return found;
    };
    more.addEventListener('click', () => grow().catch(tell));
    const found = await grow();
    fill(body, found.head ? h('div.scroll', {}, h('table.runs', {}, h('thead', {}, h('tr', {}, ...['Action', 'When (UTC)', 'Who', 'What', 'Samples', 'Before and after', h('span.sr', {}, 'Restore')].map(text => h('th', {}, text)))), rows)) : h('p.quiet-text', {}, 'Nothing has been done to this dataset yet.'),
      h('div.row', {}, more, role === 'owner' && found.head ? h('button.btn', {type: 'button', on: {click: () => restore(0, panel)}}, 'Back to the imported sets') : null,
        h('span.grow'), h('a.btn', {href: address(`/annotate/${encodeURIComponent(dataset)}/history.jsonl`), download: ''}, 'Whole log as JSON lines')));
  });
  return panel;
}

/** How far the annotators agree, and the queue of what they dispute. */
export function agreementSheet(ctx, openDisputed) {
  return sheet('Agreement', async body => {
    const {dataset, names} = ctx();
    const found = await read(`/annotate/${encodeURIComponent(dataset)}/agreement`);
    const figure = (words, value, title) => h('div.figure', {title}, h('span.grow', {}, words), h('b', {}, value));
    const number = value => value === null ? '–' : value.toFixed(3);
    fill(body,
      h('div.figures.three', {}, figure('Votes', count(found.votes), 'Decisions for one class, and imported votes'),
        figure('Agree', found.raw === null ? '–' : percent(found.raw), 'Share of couples of votes on the same sample that say the same'),
        figure("Krippendorff's alpha", number(found.alpha), '1 is full agreement, 0 is chance, below 0 is worse than chance')),
      found.items ? h('p.quiet-text', {}, `${counted(found.items, 'sample')} with two votes or more; ${count(found.disputed)} disputed.`) : h('p.quiet-text', {}, 'No sample has two votes yet. Set "Annotators per item" to 2 or more, or import votes.'),
      found.class_pairs.length ? h('div.scroll', {}, h('table.runs', {}, h('thead', {}, h('tr', {}, ...['Classes', 'Confused', 'Samples', 'Agree', 'Alpha'].map(text => h('th', {}, text)))),
        h('tbody', {}, ...found.class_pairs.map(pair => h('tr', {}, h('td', {}, pair.classes.map(index => names[index]).join(' and ')), h('td.number', {}, count(pair.confused)),
          h('td.number', {}, count(pair.items)), h('td.number', {}, percent(pair.raw)), h('td.number', {}, number(pair.alpha))))))) : null,
      found.consensus.people.length ? qualityTable(found.consensus) : null,
      found.people.length ? h('ul.plain', {}, ...found.people.slice(0, 12).map(each => h('li.row', {}, h('span.grow', {}, each.who), h('span.num', {}, `${counted(each.votes, 'vote')}${each.raw === null ? '' : `, agrees with others ${percent(each.raw)}`}`)))) : null,
      h('div.row', {}, h('button.btn.primary', {type: 'button', disabled: !found.disputed, on: {click: openDisputed}}, `Go through ${counted(found.disputed, 'disputed sample')}`)));
  });
}

/** How often each annotator is right by the consensus of all (Dawid-Skene), with a 95 % interval. */
function qualityTable({people, samples, sure}) {
  const known = people.filter(each => each.accuracy !== null).slice(0, MOST_PEOPLE);
  if (!known.length) return null;
  const span = each => h('span.interval', {'aria-hidden': 'true'}, h('i', {style: {left: `${100 * each.low}%`, width: `${100 * (each.high - each.low)}%`}}), h('b', {style: {left: `${100 * each.accuracy}%`}}));
  return h('section', {id: 'agreement-quality'}, h('h2', {title: 'Estimated from the votes alone (Dawid-Skene); no true label is used'}, 'How often each annotator is right'),
    h('p.quiet-text', {}, `By the consensus of all, in which good annotators count more. It is sure (95 % or more) of ${count(sure)} of ${counted(samples, 'sample')}.`),
    h('div.scroll', {}, h('table.runs', {}, h('thead', {}, h('tr', {}, ...['Annotator', 'Right', '95 % interval', h('span.sr', {}, 'Interval drawn'), 'Votes'].map(text => h('th', {}, text)))),
      h('tbody', {}, ...known.map(each => h('tr', {data: {who: each.who}}, h('td', {}, each.who), h('td.number', {}, tenth(each.accuracy)), h('td.number', {}, `${tenth(each.low)} to ${tenth(each.high)}`), h('td', {}, span(each)), h('td.number', {}, count(each.n_votes))))))),
    people.length > known.length ? h('p.quiet-text', {}, `${counted(people.length - known.length, 'annotator')} more: python -m cad_studio annotate agreement.`) : null);
}

/** The same change on every sample of a selection; the count is shown first. `ask(what, class)` previews, `act` does. */
export function bulkSheet(ctx, preview, act) {
  return sheet('All samples of this selection', async body => {
    const {names, classes, queue} = ctx();
    const what = h('select', {id: 'bulk-what', 'aria-label': 'What to do'}, ...[['add', 'Add a class to every set'], ['remove', 'Remove a class from every set'], ['set', 'Leave only one class in every set'], ['tag', 'Put a tag on every sample'], ['untag', 'Take a tag off every sample']].map(([value, text]) => h('option', {value}, text)));
    const which = h('select', {id: 'bulk-class', 'aria-label': 'Class'}, ...classes.map(index => h('option', {value: index}, names[index])));
    const tag = h('input.field', {type: 'text', id: 'bulk-tag', maxlength: 60, 'aria-label': 'Tag', hidden: true});
    const isTag = () => ['tag', 'untag'].includes(what.value);
    const skip = h('input', {type: 'checkbox', id: 'bulk-skip'});
    const words = h('p', {id: 'bulk-says', role: 'status'});
    const go = h('button.btn.primary', {type: 'button', id: 'bulk-do', disabled: true}, 'Do it');
    const wanted = () => ({kind: what.value, arguments: isTag() ? {tag: tag.value} : {class: +which.value, ...(skip.checked ? {skip_last: true} : {})}, queue});
    async function look() {
      which.hidden = isTag();
      tag.hidden = !isTag();
      if (isTag() && !tag.value.trim()) { go.disabled = true; words.textContent = ''; return; }
      go.disabled = true;
      const answer = await preview(wanted());
      words.className = answer.error ? 'warn' : '';
      words.textContent = answer.error || answer.says;
      go.disabled = !!answer.error || !answer.changed;
    }
    tag.addEventListener('input', look);
    for (const each of [what, which, skip]) each.addEventListener('change', look);
    go.addEventListener('click', async () => { go.disabled = true; if (await act(wanted())) body.closest('dialog').close(); });
    fill(body, h('div.row', {}, what, which, tag), h('label.keys', {}, skip, 'Leave out samples that would lose their last candidate'), words, h('div.row', {}, go, h('span.quiet-text', {}, 'One step of undo takes all of it back.')));
    await look();
  });
}

/** Ask before something large; resolves to whether to go on. */
export function sure(mount, title, text, yes) {
  return new Promise(resolve => {
    const dialog = h('dialog.sheet.small', {'aria-label': title}, h('h1', {}, title), h('p', {}, text),
      h('div.row', {}, h('span.grow'), h('button.btn', {type: 'button', on: {click: () => dialog.close()}}, 'Cancel'),
        h('button.btn.primary', {type: 'button', on: {click: () => { dialog.returnValue = 'yes'; dialog.close('yes'); }}}, yes)));
    dialog.addEventListener('close', () => { resolve(dialog.returnValue === 'yes'); dialog.remove(); });
    mount.append(dialog);
    dialog.showModal();
  });
}
