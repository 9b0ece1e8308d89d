// The entanglement view: what training made of the pairs that look alike.

import {h, fill, count, counted} from './dom.js';
import {createPlot} from './xy_plot.js';
import {change, open, read, tell} from './store.js';

const share = value => (value === null || value === undefined ? 'n/a' : `${(100 * value).toFixed(1)} %`);

/** @param {Diagnosed} shared */
export function createEntanglementView(shared) {
  const facts = h('div.kpis.three', {});
  const closest = h('table.plain', {id: 'closest-table'});
  const apart = h('table.plain', {id: 'apart-table'});
  const apartAbout = h('p.quiet-text', {});
  const curve = createPlot('Accuracy by similarity (uses true labels)');
  const about = h('p.quiet-text', {});
  const element = h('div.columns-view', {},
    h('section.scroll', {tabindex: '0'},
      facts,
      h('h2', {}, 'On the closest cross-class pairs (uses true labels)'),
      closest, about, curve.element),
    h('section.scroll', {tabindex: '0'}, h('h2', {}, 'Pairs that came apart, by classes'), apartAbout, apart));
  let shownFor = '';

  async function draw() {
    if (element.hidden || !shared.about) return;
    const key = shared.token();
    if (key === shownFor) return;
    try {
      const found = await read(`${shared.base()}/entanglement`, {split: shared.about.split});
      shownFor = key;
      drawFound(found);
      element.dataset.shown = key;
    } catch (error) { tell(error); }
  }

  function drawFound(found) {
    const {distances, parts} = found;
    const fact = (title, value, hint) => h('div.kpi', {title: hint}, h('small', {}, title), h('b', {}, value));
    fill(facts,
      fact('Class centres apart',
        distances.between === null ? 'n/a' : distances.between.toFixed(3),
        `Mean distance of two class centres in the run's own features, ${found.split}; 0 to 2`),
      fact('To the own centre',
        distances.within === null ? 'n/a' : distances.within.toFixed(3),
        'Mean distance of a sample to the centre of its class'),
      fact('Ratio',
        distances.ratio === null ? 'n/a' : distances.ratio.toFixed(2),
        'Between the centres over to the own one; higher is better'));
    const lines = Object.entries(parts).flatMap(([part, of]) => Object.entries(of.closest).map(([name, told]) => h('tr', {},
      h('td', {}, part), h('td.number', {}, `${name} %`), h('td.number', {}, count(told.n)),
      ...[told.instance_accuracy, told.pair_accuracy, told.swap_rate].map(value => h('td.number', {}, share(value))))));
    fill(closest,
      h('thead', {}, h('tr', {}, ...['Split', 'Closest', 'Samples', 'Accuracy', 'Both right', 'Swapped'].map((text, at) =>
        h('th', {class: at ? 'number' : ''}, text)))),
      h('tbody', {}, ...lines));
    closest.hidden = !lines.length;
    about.textContent = lines.length
      ? `Pairs of samples of different true class, by cosine in ${found.features} features. Swapped: predicted as the partner's class.`
      : 'No true label is known here, so accuracy on the pairs cannot be told.';
    const part = parts.test.apart.n ? 'test' : 'train';
    const told = parts[part].apart;
    const train = parts.train.apart;
    const andTrain = train.n && part === 'test' ? ` and ${share(train.resolved)} of ${count(train.n)} of train` : '';
    apartAbout.textContent = told.n
      ? `${share(told.resolved)} of the ${count(told.n)} closest pairs of ${part}${andTrain} are entangled no more: in the run's own `
        + `features their cosine is below ${told.threshold.toFixed(3)}, which the closest 0.1 % of cross-class pairs reach there.`
      : 'There are no two samples of different classes, so there are no pairs.';
    fill(apart,
      h('thead', {}, h('tr', {}, ...['Classes', 'Pairs', 'Came apart', ''].map((text, at) =>
        h('th', {class: at === 1 || at === 2 ? 'number' : ''}, text || h('span.sr', {}, 'Open'))))),
      h('tbody', {}, ...told.classes.slice(0, 60).map(each => h('tr', {},
        h('td', {}, h('button.link-cell', {
          type: 'button', title: 'Open on the Entangled pairs page',
          on: {click: () => { change({classes: each.names, pair: null}); open('pairs'); }},
        }, each.names.join(' · '))),
        h('td.number', {}, count(each.n)), h('td.number', {}, share(each.resolved)),
        h('td', {}, h('span.meter', {role: 'img', 'aria-label': share(each.resolved)},
          h('i', {style: {width: `${100 * each.resolved}%`}})))))));
    curve.element.hidden = !found.curve;
    if (found.curve && found.curve.similarity.length) {
      const {similarity, accuracy, n} = found.curve;
      const points = similarity.map((value, at) => [
        value, accuracy[at],
        `${counted(n[at], 'sample')} whose nearest of another class has cosine ${value.toFixed(3)}: ${share(accuracy[at])} right`,
      ]);
      const low = Math.min(...accuracy);
      curve.show({
        lines: [{label: 'accuracy', colour: 'var(--accent)', points}], x: 'cosine of the nearest sample of another class',
        y: 'accuracy', xRange: [similarity[0], Math.max(similarity[similarity.length - 1], similarity[0] + 0.01)],
        yRange: [Math.max(0, Math.floor(low * 10) / 10 - 0.1), 1], about: `${found.split}, equal numbers a point`,
      });
    }
  }

  return {element, draw};
}
