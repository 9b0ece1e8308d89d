// Where a read-only studio has no button: the two lines that run a copy of one's own.

import {h, fill} from './dom.js';
import {on, state} from './store.js';

const LINES = 'pip install -r requirements.txt\npython app.py';

/** Why nothing starts here and what to do, hidden where one may; on a Space, the way to duplicate it. */
export function createOwnCopy(id, to) {
  const element = h('div.own-copy', {id, hidden: true});

  function draw() {
    element.hidden = !state.readOnly;
    if (!state.readOnly) return;
    if (!state.isClosed) {
      fill(element, h('p', {}, `Your role does not let you ${to}. Ask an owner of this studio.`));
      return;
    }
    const duplicate = h('a', {
      href: `https://huggingface.co/spaces/${state.space}?duplicate=true`, target: '_blank', rel: 'noopener',
    }, 'Duplicate this Space');
    fill(element,
      h('p', {},
        `This studio is read-only. To ${to}, run your own copy`,
        ...(state.space ? [': ', duplicate, ', or in the folder of the repository:'] : [', in the folder of the repository:'])),
      h('pre', {}, LINES));
  }

  on('readOnly isClosed space started', draw);
  draw();
  return element;
}
