// The Entangled pairs page: choose a search, a cosine and a class pair, and go through the pairs.

import {h, fill, count, counted, empty, percent, toast} from './dom.js';
import {createThreshold} from './bars.js';
import {createMatrix} from './matrix.js';
import {imageOf} from './picture.js';
import {createDecider} from './decider.js';
import {createJobForm} from './job_form.js';
import {createPair} from './pair.js';
import {load, thumbnail} from './sprite.js';
import {olderWords} from './versions.js';
import {address, annotate, bindKeys, change, current, isActive, on, onJobEnd, open, openDrawer, read, state, tell} from './store.js';

const PAGE = 100;
const LEAST_RECALL = 0.9;

export function mount({element, server}) {
  createJobForm({
    id: 'pairs-mine', name: 'mine', title: () => `Find entangled pairs of ${state.dataset}`, button: 'Find pairs',
    says: 'Two samples that are close in some features, share a candidate, and are taken to be of different classes.',
    start(fields) {
      const asked = {name: state.dataset, fields};
      return () => server.mine(asked);
    },
    arrange(fields) {
      // one of the two is given: typing one empties the other
      const [quantile, least] = ['quantile', 'threshold'].map(name => fields.get(name));
      for (const each of [quantile, least]) each.input.placeholder = 'not given';
      for (const [field, other] of [[quantile, least], [least, quantile]])
        field.input.addEventListener('input', () => { if (field.input.value.trim()) other.set(null); });
      return [...fields.values()].map(field => field.element);
    },
  });
  const searchPick = h('select.grow', {
    id: 'pairs-mining', 'aria-label': 'Search',
    on: {change: () => change({mining: +searchPick.value, threshold: null, classes: null, pair: null})},
  });
  const again = h('button.btn.act', {type: 'button', id: 'pairs-find', on: {click: () => openDrawer('pairs-mine')}}, 'Find');
  const rests = h('p.quiet-text');
  const threshold = createThreshold(value => change({threshold: value <= summary.floor + 1e-6 ? null : +value.toFixed(5)}));
  const matrix = createMatrix('Pairs by class', (a, b) => {
    const names = [about.class_names[a], about.class_names[b]];
    const same = state.classes && names.every(name => state.classes.includes(name));
    change({classes: same ? null : names, pair: null});
  });
  const listTitle = h('h2.grow', {}, 'Most entangled first');
  const listPlace = h('span.num', {id: 'pairs-place'});
  const list = h('div.list', {role: 'listbox', 'aria-label': 'Entangled pairs', tabindex: '-1'});
  const side = h('aside.side', {}, h('div.row', {}, searchPick, again), rests, threshold.element, matrix.element,
    h('section.panel-part.fill', {}, h('div.row', {}, listTitle, listPlace), list));

  const title = h('h1', {id: 'pairs-title', 'aria-live': 'polite'});
  const pills = h('div.pills');
  const viewer = createPair(row => { open('dataset'); change({instance: row}); }, (of, index, shift) => decider.pick(of, index, shift));
  const button = (id, text, key, run, before = false) => h('button.btn', {type: 'button', id, on: {click: run}},
    before ? h('kbd', {}, key) : null,
    text,
    before || !key ? null : h('kbd', {}, key));
  const previous = button('pairs-previous', 'Previous', 'k', () => step(-1), true);
  const next = button('pairs-next', 'Next', 'j', () => step(1));
  const reveal = button('pairs-reveal', 'Reveal true labels', 't', () => toggleTruth());
  const csv = h('a.btn', {id: 'pairs-csv', download: ''}, 'Pairs as CSV');
  const fix = h('button.btn.act', {
    type: 'button', id: 'pairs-annotate', title: 'Decide the samples of these pairs on the Annotate page',
    on: {
      click: () => annotate({
        cell: {mining: state.mining, classes: state.classes, threshold: state.threshold}, source: 'cell',
        title: state.classes ? `${state.classes.join(' and ')} pairs` : 'Samples of all pairs',
      }),
    },
  }, 'Annotate these');
  const keys = h('label.keys', {title: 'Single keys act on the page; turn them off if they get in the way of your tools'},
    h('input', {
      type: 'checkbox', id: 'pairs-keys',
      on: {change: event => { change({keys: event.target.checked}); localStorage.setItem('cad-keys', state.keys ? 'on' : 'off'); }},
    }),
    'Single keys');
  keys.querySelector('input').checked = state.keys;
  const actions = h('div.actions', {},
    previous, next, h('span.sep'), reveal,
    button('pairs-augment', 'See augmentations', 'g', seeAugmentations),
    button('pairs-link', 'Copy link', 'c', copyLink),
    h('span.grow'), keys, fix, csv);
  const why = h('p.why');
  const main = h('section.main', {}, h('div.tools', {}, title, pills), viewer.element, actions, why);
  const page = h('div.page.pairs-page', {}, side, main);
  fill(element.querySelector('.mount'), page);
  const decider = createDecider({
    root: page, prefix: 'pairs-decide', onChange: takeDecision, onNext: () => step(1),
    onBack: ([i, j]) => change({pair: `${Math.min(i, j)}-${Math.max(i, j)}`}),
  });
  viewer.element.querySelector('.pair').after(decider.element, actions);

  let about = null;
  let minings = [];
  let summary = null;
  let pages = new Map();
  let total = 0;
  let pairs = new Map();
  let shown = null;
  let deciding = null;
  let truths = [null, null];
  let stop = null;

  /** @returns {`/datasets/${string}`} */
  const path = () => `/datasets/${encodeURIComponent(state.dataset)}`;
  /** @returns {`/datasets/${string}/minings/${string}`} */
  const miningPath = () => `${path()}/minings/${state.mining}`;
  const wanted = () => ({threshold: state.threshold, class: state.classes || []});
  const pairKey = pair => `${pair.i}-${pair.j}`;

  async function drawDataset() {
    const data = current();
    about = null; summary = null; shown = null; pairs = new Map();
    if (!data) {
      nothing('This project holds no dataset',
        'Import one on the Dataset page; its pairs are found here.',
        h('button.btn.primary', {type: 'button', on: {click: () => open('dataset')}}, 'Go to Dataset'));
      return;
    }
    try {
      const [found, searches] = await Promise.all([read(path()), read(`${path()}/minings`)]);
      if (state.dataset !== data.name) return;
      about = found;
      minings = searches.minings;
      fill(searchPick, ...minings.map(mining => h('option', {value: mining.id}, searchName(mining))));
      if (!minings.length) {
        const job = state.jobs.find(each => ['open-sample', 'mine'].includes(each.kind) && isActive(each));
        if (job) nothing('Finding pairs', `${job.message}. The first pairs appear here by themselves.`);
        else if (about.singletons === about.n) {
          nothing(`${data.name} is only labelled`,
            'Every set has one candidate, so samples of different classes share none. '
              + 'Synthesize candidate sets on the Dataset page, or import them.',
            h('button.btn.primary', {type: 'button', on: {click: () => { open('dataset'); openDrawer('dataset-synthesize'); }}},
              'Synthesize sets'));
        } else nothing(`No pairs of ${data.name} yet`,
          'Choose features and how close a pair must be. Pixel features need no download and take seconds.',
          h('button.btn.primary', {type: 'button', on: {click: () => openDrawer('pairs-mine')}}, 'Find pairs'));
        return;
      }
      if (!minings.some(mining => mining.id === state.mining)) {
        if (state.mining !== null) toast('The search in this address is not in the project; the newest is shown.');
        change({mining: minings[0].id});
      }
      searchPick.value = state.mining;
      const unknown = (state.classes || []).find(name => !about.class_names.includes(name));
      if (unknown !== undefined) {
        toast(`'${unknown}' is not a class of ${data.name}. Pairs of all classes are shown.`, 'error');
        change({classes: null});
      }
      await drawSummary();
    } catch (error) { tell(error); }
  }

  function searchName(mining) {
    const cut = mining.quantile ? `closest ${+(100 * mining.quantile).toPrecision(6)} %` : `cosine ≥ ${mining.threshold.toFixed(3)}`;
    return `${mining.features} · `
      + `${cut}${mining.split ? ` · ${mining.split}` : ''}${mining.stale ? ` · of v${mining.version_number}` : ''}`;
  }

  function nothing(...parts) {
    page.classList.add('bare');
    fill(main, empty(...parts));
    page.dataset.shown = 'nothing';
  }

  async function drawSummary() {
    stop?.abort();
    stop = new AbortController();
    const {signal} = stop;
    const found = await read(miningPath(), wanted(), signal).catch(error => { tell(error); return null; });
    if (!found || signal.aborted || !about) return;
    const isNew = !summary || summary.mining !== found.mining;
    summary = found;
    if (page.classList.contains('bare')) { page.classList.remove('bare'); fill(main, ...parts); }
    if (isNew) threshold.show(found.histogram, state.threshold ?? found.floor);
    threshold.count(counted(found.n_pairs, 'pair'), `${counted(found.n_instances, 'sample')} of ${count(found.n_searched)} are in a pair.`);
    drawRests();
    drawMatrix();
    pages = new Map();
    await drawList(signal);
  }

  function drawRests() {
    const of = summary.n_found > summary.n_kept ? ` The ${count(summary.n_kept)} closest of ${count(summary.n_found)} are kept.` : '';
    const labels = {
      true: 'true labels', best: 'best current labels', mixed: 'true labels where known, else the best current label',
    }[summary.label_source];
    const recall = summary.recall === null ? '' : ` Approximate search, measured recall ${percent(summary.recall)}.`;
    fill(rests, `By ${summary.features_description}. Classes by ${labels}.${of}${recall} `);
    if (summary.recall !== null && summary.recall < LEAST_RECALL) rests.append(
      h('b.warn', {id: 'pairs-missed'}, 'Many pairs were missed: find pairs again with the method exact. '));
    const older = olderWords(minings.find(each => each.id === summary.mining)?.version_number);
    if (older) rests.append(
      h('b.warn', {id: 'pairs-older'}, `Pairs ${older}. `),
      state.readOnly ? '' : h('button.link', {type: 'button', on: {click: () => openDrawer('pairs-mine')}}, 'Find again'));
    const others = minings.filter(mining => mining.id !== summary.mining && mining.features !== summary.features);
    if (others.length) {
      const other = others[0];
      read(`${miningPath()}/agreement/${other.id}`).then(found => {
        if (summary && summary.mining === state.mining)
          rests.append(h('span', {
            title: 'Share of the most similar pairs that both searches found; the definition of a pair depends on the features',
          }, ` Shares ${percent(found.share)} of its top ${count(found.top)} pairs with ${other.features}.`));
      }).catch(tell);
    }
  }

  function drawMatrix() {
    const selected = state.classes ? state.classes.map(name => about.class_names.indexOf(name)) : null;
    matrix.show({classes: summary.classes, counts: summary.counts, names: about.class_names, diagonal: false, noun: 'pairs', selected,
      label: selected ? `${state.classes.join(' × ')}: ${count(at(summary.counts, selected))}`
        : summary.classes.length < about.k ? `${summary.classes.length} of ${about.k}` : '',
      note: (a, b) => `${percent(summary.sharing[a][b])} of the two classes' sets hold both`});
  }
  const at = (matrixCells, [a, b]) => {
    const [x, y] = [summary.classes.indexOf(a), summary.classes.indexOf(b)];
    return x < 0 || y < 0 ? 0 : matrixCells[x][y];
  };

  async function pageAt(offset, signal) {
    if (!pages.has(offset)) {
      const found = await read(`${miningPath()}/pairs`, {...wanted(), offset, limit: PAGE}, signal);
      await load(found.sprite);
      pages.set(offset, found);
    }
    return pages.get(offset);
  }

  async function drawList(signal) {
    try {
      let found = null;
      if (state.pair) {
        found = await read(`${miningPath()}/pairs`, {...wanted(), limit: PAGE, around: state.pair}, signal);
        await load(found.sprite);
        pages.set(found.offset, found);
      } else found = await pageAt(0, signal);
      if (signal?.aborted) return;
      total = found.total;
      list.replaceChildren();
      csv.href = address(`/datasets/${encodeURIComponent(state.dataset)}/minings/${state.mining}/pairs.csv`, wanted());
      if (!total) {
        listPlace.textContent = '0 pairs';
        title.textContent = 'No pairs match';
        pills.replaceChildren();
        viewer.element.classList.add('gone');
        why.textContent = summary.n_found ? 'Lower the cosine or choose another class pair.'
          : about.singletons === about.n
            ? 'Every set has one candidate, so samples of different classes share none. Synthesize candidate sets first.'
          : 'Find pairs again with a larger quantile or a lower threshold.';
        page.dataset.shown = 'none';
        return;
      }
      viewer.element.classList.remove('gone');
      appendItems(found);
      if (!state.pair) change({pair: pairKey(found.pairs[0])});
      else { markItem(); await drawPair(); }
    } catch (error) { tell(error); }
  }

  function appendItems(found, before = false) {
    const items = found.pairs.map((pair, position) => h('button.item', {
      type: 'button', role: 'option', data: {pair: pairKey(pair), at: found.offset + position}, 'aria-selected': 'false', tabindex: '-1',
      on: {click: () => change({pair: pairKey(pair)})},
    }, thumbnail(found.sprite, 2 * position), thumbnail(found.sprite, 2 * position + 1),
    h('span.text', {},
      h('span', {}, pair.classes ? pair.classes.map(index => about.class_names[index]).join(' · ') : 'class not known'),
      h('small', {}, `${pair.shared} shared`)),
    h('span.num', {}, pair.similarity.toFixed(3))));
    if (before) list.prepend(...items); else list.append(...items);
  }

  let growing = null;
  /** Add the pairs before or after those in the list; whether there were any. */
  async function grow(forward = true) {
    while (growing) await growing;
    growing = addPage(forward);
    try { return await growing; } finally { growing = null; }
  }

  async function addPage(forward) {
    const ends = [...list.children];
    if (!ends.length) return false;
    const offset = forward ? +ends[ends.length - 1].dataset.at + 1 : +ends[0].dataset.at - PAGE;
    if (offset < 0 || offset >= total) return false;
    const before = pages;
    try {
      const found = await pageAt(offset);
      if (pages !== before) return false;  // the filter has changed meanwhile
      const height = list.scrollHeight;
      appendItems(found, !forward);
      if (!forward) list.scrollTop += list.scrollHeight - height;
    } catch (error) { tell(error); return false; }
    return true;
  }
  list.addEventListener('scroll', () => {
    if (growing) return;
    if (list.scrollTop + list.clientHeight > list.scrollHeight - 600) grow(true);
    else if (list.scrollTop < 200) grow(false);
  });

  const itemOf = key => list.querySelector(`[data-pair="${key}"]`);

  function markItem() {
    const before = list.querySelector('[aria-selected=true]');
    before?.setAttribute('aria-selected', 'false');
    for (const each of list.querySelectorAll('[tabindex="0"]')) each.tabIndex = -1;
    const item = itemOf(state.pair);
    (item || list.firstElementChild)?.setAttribute('tabindex', '0');
    if (item) {
      item.setAttribute('aria-selected', 'true');
      if (document.activeElement === before) item.focus({preventScroll: true});
      const top = item.offsetTop - list.offsetTop;
      if (top < list.scrollTop) list.scrollTop = top;
      if (top + item.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top + item.offsetHeight - list.clientHeight;
    }
    listPlace.textContent = item ? `${count(+item.dataset.at + 1)} of ${count(total)}` : `outside the ${count(total)}`;
    previous.disabled = !!item && +item.dataset.at === 0;
    next.disabled = !!item && +item.dataset.at === total - 1;
  }

  async function fetchPair(key) {
    if (!pairs.has(key)) {
      const promise = read(`${miningPath()}/pair/${key}`).then(async found => {
        await Promise.all([...found.sides.map(each => load(each.neighbours.sprite)), ...found.sides.map(each => preload(each.row))]);
        return found;
      });
      pairs.set(key, promise);
      promise.catch(() => pairs.delete(key));
      if (pairs.size > 32) pairs.delete(pairs.keys().next().value);
    }
    return pairs.get(key);
  }

  function preload(row) {
    const image = new Image();
    image.src = imageOf(state.dataset, current().version, row);
    return image.decode().catch(() => {});
  }

  async function drawPair() {
    const key = state.pair;
    if (!key || !about || !summary) return;
    try {
      const found = await fetchPair(key);
      if (key !== state.pair) return;
      shown = found;
      deciding = null;
      truths = [null, null];
      paintPair();
      decider.show(found.sides.map(each => each.row), found.classes);
      page.dataset.shown = key;
      for (const item of [itemOf(key)?.nextElementSibling, itemOf(key)?.previousElementSibling]) {
        if (item) fetchPair(item.dataset.pair).catch(() => {});
      }
    } catch (error) {
      tell(error);
      const first = list.firstElementChild;
      if (first && first.dataset.pair !== key) change({pair: first.dataset.pair});
    }
  }

  /** What was decided of the pair that is shown; the log holds it, and the chips say it. */
  function takeDecision(card, how) {
    if (!shown || card.rows.join() !== shown.sides.map(each => each.row).join()) return;
    card.sides.forEach((each, at) => { shown.sides[at].candidates = [...each.candidates]; });
    shown.shared = shown.sides[0].candidates.filter(index => shown.sides[1].candidates.includes(index));
    deciding = how;
    itemOf(state.pair)?.classList.toggle('answered', !!card.decided);
    paintPair();
  }

  function paintPair() {
    const names = about.class_names;
    const found = shown;
    viewer.element.classList.remove('gone');
    viewer.show(state.dataset, current().version, found, names, truths, deciding);
    const [a, b] = found.classes || [];
    title.textContent = found.classes ? `${names[a]} or ${names[b]}?` : found.same_label ? 'The same class' : 'Which class is which?';
    const pill = (text, hint) => h('span.pill', {title: hint}, text);
    const byTruth = found.label_source === 'true' ? ' (uses true labels)' : '';
    fill(pills,
      pill(found.classes ? `labels differ${byTruth}` : found.same_label ? 'labels agree' : 'label not known',
        'By what each class was taken to be when the pairs were found'),
      pill(counted(found.shared.length, 'shared candidate'), found.shared.map(index => names[index]).join(', ')),
      found.sharing === null
        ? ''
        : pill(`${percent(found.sharing)} of ${names[a]} and ${names[b]} sets hold both`, 'Label sharing of the two classes'),
      found.in_list
        ? ''
        : pill('outside this search', 'The two are less close than this search asks for, or it does not count them as a pair'));
    const both = found.shared.length ? `both sets hold ${listed(found.shared.map(index => names[index]))}` : 'no candidate is shared';
    why.textContent = found.classes && found.in_list
      ? `Why this pair: cosine ${found.similarity.toFixed(3)} in ${summary.features_description}, the `
        + `${found.label_source === 'true' ? 'true' : 'best current'} labels differ, and ${both}.`
      : `Cosine ${found.similarity.toFixed(3)} in ${summary.features_description}; ${both}.`;
    reveal.disabled = !found.sides.some(each => each.truth_known);
    reveal.setAttribute('aria-pressed', String(truths.some(each => each !== null)));
    reveal.firstChild.textContent = truths.some(each => each !== null) ? 'Hide true labels' : 'Reveal true labels';
  }

  async function toggleTruth() {
    const asked = shown;
    if (!asked) return;
    let labels = [null, null];
    if (truths.every(each => each === null)) try {
      const found = await Promise.all(asked.sides.map(each => read(`${path()}/instance/${each.row}`, {reveal: 1})));
      labels = found.map(each => each.truth ?? null);
    } catch (error) { tell(error); }
    if (asked !== shown) return;  // another pair has taken its place
    truths = labels;
    paintPair();
  }

  // one after the other, so that no key is lost while the list grows
  let stepping = /** @type {Promise<unknown>} */ (Promise.resolve());
  function step(by) {
    stepping = stepping.then(() => stepOnce(by));
    return stepping;
  }

  async function stepOnce(by) {
    const item = itemOf(state.pair);
    const beside = () => (by > 0 ? item.nextElementSibling : item.previousElementSibling);
    if (item && !beside()) await grow(by > 0);
    const target = item ? beside() : list.firstElementChild;
    if (target) change({pair: target.dataset.pair});
    return !!target;
  }

  async function copyLink() {
    try { await navigator.clipboard.writeText(window.location.href); toast('The link to this pair is in the clipboard.'); }
    catch { toast(window.location.href); }
  }

  function seeAugmentations() { if (state.pair) { change({augment: state.pair}); open('augment'); } }

  const parts = [...main.children];
  bindKeys(page, {
    j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1), t: toggleTruth, c: copyLink,
    g: seeAugmentations,
  });
  on('mining threshold classes', changed => {
    if (!about || !minings.length) return;
    if (state.mining === null) { drawDataset(); return; }
    if (changed.includes('mining')) { searchPick.value = state.mining; pairs = new Map(); }
    drawSummary();
  });
  on('pair', () => { if (summary && list.children.length && state.pair) { markItem(); drawPair(); } });
  const close = () => page.classList.toggle('read-only', state.readOnly);
  on('readOnly started', close);
  close();
  let key = '';
  on('dataset datasets jobs started', () => {
    const data = current();
    const waiting = minings.length ? '' : state.jobs.map(job => job.status + job.message).join();
    const now = data ? `${data.name} ${data.version} ${waiting}` : 'none';
    if (now === key) return;
    key = now;
    drawDataset();
  });
  onJobEnd(job => {
    if (job.kind !== 'mine' && job.kind !== 'open-sample') return;
    const isOurs = job.status === 'done' && job.result?.name === state.dataset && job.result.mining;
    if (isOurs && job.result.mining === state.mining) return;  // shown already, and maybe filtered since
    if (isOurs) change({mining: null, pair: null, threshold: null, classes: null});
    drawDataset();
  });
  if (state.ready) { key = ''; drawDataset(); }
}

function listed(names) {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`;
}
