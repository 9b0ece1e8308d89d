// How the samples chosen on one page reach the annotation page, where there is one.

import {change, open} from './store.js';

const PAGE = 'annotate';

/** Whether the window has an annotation page. */
export const annotatesHere = () => !!document.querySelector(`#pages > .tab-wrapper [role=tab][data-tab-id=${PAGE}]`);

/** Open the annotation page; it finds the rows it is to begin with in `state.queue`. */
export function sendToAnnotation(rows) {
  change({queue: [...rows]});
  open(PAGE);
}
