// The image of a sample: where it is, and itself.

import {h} from './dom.js';
import {address} from './store.js';

/** Where the image of a sample is. */
export const imageOf = (name, version, row) => address(`/image/${version}/${encodeURIComponent(name)}/${row}`);

/** A large image with a known place, so that nothing jumps while it loads. */
export function picture(name, version, row, label) {
  return h('img.picture', {src: imageOf(name, version, row), alt: label, draggable: 'false', on: {load: event => {
    event.target.style.imageRendering = event.target.naturalWidth < 128 ? 'pixelated' : 'auto';
  }}});
}
