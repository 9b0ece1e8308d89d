// Thumbnails cut from one sheet per page, so that a page of pictures is one request.

import {h} from './dom.js';
import {given} from './store.js';

const loaded = new Map();

/** Load a sheet; resolves when it can be painted without a flicker. */
export function load(sprite) {
  if (!sprite) return Promise.resolve();
  const url = given(sprite.url);
  if (!loaded.has(url)) {
    const image = new Image();
    image.src = url;
    loaded.set(url, image.decode().catch(() => { loaded.delete(url); }).then(() => image));
    if (loaded.size > 24) loaded.delete(loaded.keys().next().value);
  }
  return loaded.get(url);
}

/** Cell number `position` of a sheet as an element whose side is the CSS variable --cell. */
export function thumbnail(sprite, position) {
  const column = position % sprite.columns;
  const line = Math.floor(position / sprite.columns);
  return h('span.thumb', {'aria-hidden': 'true', style: {
    'background-image': `url("${given(sprite.url)}")`,
    'background-size': `calc(var(--cell) * ${sprite.columns}) calc(var(--cell) * ${sprite.lines})`,
    'background-position': `calc(var(--cell) * ${-column}) calc(var(--cell) * ${-line})`,
    'image-rendering': sprite.px < 64 ? 'pixelated' : 'auto',
  }});
}
