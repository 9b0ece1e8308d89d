// How the samples chosen on one page reach the annotation page, where there is one.

import {change, open, state} from './store.js';

const PAGE = 'annotate';

/** Whether the window has an annotation page. */
export const annotatesHere = () => !!document.querySelector(`#pages > .tab-wrapper [role=tab][data-tab-id=${PAGE}]`);

/** The address of the annotation page with some rows of the dataset as its queue. */
export function annotationLink(rows) {
  const url = new URL(window.location.pathname, window.location.href);
  url.searchParams.set('page', PAGE);
  url.searchParams.set('dataset', state.dataset);
  url.searchParams.set('rows', rows.join(','));
  return url.href;
}

/** Open the annotation page on some rows. */
export function sendToAnnotation(rows) {
  change({queue: [...rows]});
  open(PAGE);
}
