// Windows over a page: a sheet that is loaded when it is opened, and a question before something large.

import {h, fill} from './dom.js';
import {tell} from './store.js';

/** A window with a title and a body that `load(body)` fills each time it is opened. */
export function sheet(label, load) {
  const body = h('div.body');
  const close = h('button.quiet', {type: 'button', on: {click: () => element.close()}}, 'Close', h('kbd', {}, 'esc'));
  const element = h('dialog.sheet', {'aria-label': label}, h('div.row', {}, h('h1.grow', {}, label), close), body);
  return {
    element,
    async open(...given) {
      fill(body, h('div.skeleton'));
      element.showModal();
      try { await load(body, ...given); } catch (error) { element.close(); tell(error); }
    },
    close: () => element.close(),
  };
}

/** Ask before something is deleted that no undo brings back, and do it then. */
export async function forGood(mount, title, run) {
  if (await sure(mount, title, 'It is deleted for good.', 'Delete')) run();
}

/** Ask before something large; resolves to whether to go on. */
export function sure(mount, title, text, yes) {
  return new Promise(resolve => {
    const button = (kind, words, click) => h(kind, {type: 'button', on: {click}}, words);
    const agree = () => { dialog.returnValue = 'yes'; dialog.close('yes'); };
    const dialog = h('dialog.sheet.small', {'aria-label': title}, h('h1', {}, title), h('p', {}, text),
      h('div.row', {}, h('span.grow'), button('button.btn', 'Cancel', () => dialog.close()), button('button.btn.primary', yes, agree)));
    dialog.addEventListener('close', () => { resolve(dialog.returnValue === 'yes'); dialog.remove(); });
    mount.append(dialog);
    dialog.showModal();
  });
}
