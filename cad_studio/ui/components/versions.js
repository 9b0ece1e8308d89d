// A state of the data is said by number and count: v1, v1 + 15 changes, and what is older than that.

import {count, counted} from './dom.js';
import {change, current, open} from './store.js';

/** "v1", with what annotators changed since: "v1 + 15 changes". */
export const versionWords = data => `v${data.version_number}${data.changes ? ` + ${counted(data.changes, 'change')}` : ''}`;

/** Show the samples whose sets were changed since a version. */
export function openChanges(number) {
  open('dataset');
  change({filter: {since: number}, sheet: 0, instance: null});
}

/** What is older than the sets are now, by number and count: "of v1; 15 sets changed since"; '' where nothing is. */
export function olderWords(version) {
  const data = current();
  if (!data || (version === data.version_number && !data.changes)) return '';
  const since =
    data.changes && version === data.version_number
      ? `${counted(data.changes, 'set')} changed since`
      : `the data is v${data.version_number}${data.changes ? ` + ${count(data.changes)}` : ''} now`;
  return `of v${version}; ${since}`;
}
