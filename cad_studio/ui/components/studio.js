// The one way to the studio and back: what is read waits for a studio that does not answer, and goes on
// when it does; what is to be done is said not to have been answered. No other script asks by itself.

import {h} from './dom.js';

export const root = new URL('.', document.baseURI).href.replace(/\/$/, '');
const base = root + '/gradio_api/cad';

const KEPT = 'The studio does not answer; your work is kept and will be sent.';
const WAITS = 'The studio does not answer. Check that it is running; this page goes on when it answers.';
const UNSURE = 'The studio does not answer, so this may not have been done. Check when it answers, and try again.';
const ASIDE = new Set([502, 503, 504]);  // said by a proxy in its place
const LONGEST_WAIT = 8000;

/** A path of the studio as an address, with query values; empty ones are left out. */
export function address(path, query = {}) {
  const parts = new URLSearchParams();
  for (const [key, value] of Object.entries(query))
    for (const each of [value].flat())
      if (each !== null && each !== undefined && each !== '') parts.append(key, each);
  const text = parts.toString();
  return base + path + (text ? '?' + text : '');
}

/** An address the server gave, seen from this page. */
export const given = url => root + url;

/**
 * Read JSON; a refusal becomes an Error in the server's words.
 *
 * What is read has the names of `views.d.ts`, which is made of the server's own.
 * @template {string} Path
 * @param {Path} path
 * @param {Record<string, any>} [query]
 * @param {AbortSignal} [signal]
 * @returns {Promise<Answer<Path>>}
 */
export async function read(path, query = {}, signal = undefined) {
  const {status, body} = await answered(address(path, query), signal, answer => answer.text());
  const value = parsed(body) ?? {error: `The studio answered with status ${status}.`};
  if (!isGood(status)) throw new Error(value.error || `The studio answered with status ${status}.`);
  return value;
}

/** Read an array of numbers as it lies in memory; a refusal becomes an Error in the server's words. */
export async function readBytes(path, query = {}) {
  const {status, body} = await answered(address(path, query), undefined, answer => answer.arrayBuffer());
  if (isGood(status)) return body;
  throw new Error(parsed(new TextDecoder().decode(body))?.error || `The studio answered with status ${status}.`);
}

/** Post JSON, or a form with files; a refusal, or no answer, becomes an Error in words. */
export async function send(path, body) {
  const isForm = body instanceof FormData;
  const headers = isForm ? {} : {'Content-Type': 'application/json'};
  const answer = await fetch(root + path, {method: 'POST', headers, body: isForm ? body : JSON.stringify(body)}).catch(() => null);
  if (!answer || ASIDE.has(answer.status)) { lost(); throw new Error(UNSURE); }
  const text = await answer.text();
  if (!isGood(answer.status)) throw new Error(parsed(text)?.error || `The studio answered with status ${answer.status}.`);
  return parsed(text);
}

/** Bring a file to the machine of the studio; where it lies there. */
export async function upload(file) {
  const body = new FormData();
  body.append('files', file);
  return (await send('/gradio_api/upload', body))[0];
}

const isGood = status => status >= 200 && status < 300;
function parsed(text) { try { return JSON.parse(text); } catch { return null; } }

/** The status and content of an answer. Reading changes nothing, so it is asked again until there is one. */
async function answered(url, signal, take) {
  for (;;) {
    if (away) await unlessAborted(away.back, signal);
    try {
      const answer = await fetch(url, {signal});
      if (!ASIDE.has(answer.status)) return {status: answer.status, body: await take(answer)};
    } catch (error) {
      if (error.name === 'AbortError') throw error;
    }
    lost();
  }
}

function unlessAborted(promise, signal) {
  return !signal ? promise : Promise.race([promise, new Promise((_, fail) => {
    if (signal.aborted) fail(signal.reason);
    signal.addEventListener('abort', () => fail(signal.reason), {once: true});
  })]);
}

/**
 * The functions Gradio lends a component as {server}, each of which always answers: with what the studio says, or
 * with {error} in words. `isLost` is true of an answer that never came.
 */
export function calls(lent) {
  return new Proxy({}, {get: (_, name) => async value => {
    gradio();
    const {server} = await lent;
    const answer = await server[name](value).catch(() => undefined);  // Gradio gives undefined for most failures
    if (answer !== undefined && answer !== null) return answer;
    const status = await probe();
    if (status === null) { lost(); return {error: UNSURE, isLost: true}; }
    return {
      error: status === 401
        ? 'Log in again: reload this page.'
        : 'The studio refused this; the reason is in its log. Reload this page and try again.',
    };
  }});
}

/** The answer to something that may be asked twice, however long the studio is away. */
export async function untilAnswered(ask) {
  for (;;) {
    const answer = await ask();
    if (!answer.isLost) return answer;
    await away?.back;
  }
}

/** Wait until the studio answers, saying so while it does not. */
export async function answering() {
  while (await probe() === null) { lost(); await away.back; }
}

/** Resolves when a page is opened; at once for what is on every page. */
function opened(name) {
  const isOpen = () => !name || document.body.dataset.page === name;
  if (isOpen()) return Promise.resolve();
  return new Promise(done => {
    const watch = new MutationObserver(() => { if (isOpen()) { watch.disconnect(); done(); } });
    watch.observe(document.body, {attributeFilter: ['data-page']});
  });
}

// ---- header and pages stand before Gradio does ----
const LATEST = 5000;
const early = new Map();  // script -> where it draws, and how it is told of what Gradio lends it

/** Draw into an element when its page is opened first. */
async function draw(module, element, lent, page = null) {
  await opened(page);
  const script = await import(`./${module}.js`);
  script.mount({element, server: calls(lent)});
}

/** Begin the header and all pages; what they only read needs nothing of Gradio's. */
export function begin() {
  const system = window.matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  const theme = new URLSearchParams(window.location.search).get('__theme');
  document.body.classList.toggle('dark', (['dark', 'light'].includes(theme) ? theme : system) === 'dark');
  const stage = h('main', {id: 'stage'});
  document.body.prepend(stage);
  for (const page of [null, ...window.cadPages.map(each => each.name)]) {
    const module = page ? `${page}_page` : 'header';
    const element = h('div', {}, h('div.mount'));
    stage.append(page ? h('div.studio-page', {id: `stage-${page}`}, element) : element);
    let lend = null;
    const lent = new Promise(done => { lend = done; });
    early.set(module, {element, lend});
    draw(module, element, lent, page);
  }
  // Gradio begins when the page that is open has drawn itself, so that the line and the processor are the page's till then
  const look = () => { if (document.querySelector(`.${document.body.dataset.page}-page[data-shown]:not([data-shown=""])`)) gradio(); };
  new MutationObserver(look).observe(stage, {subtree: true, attributeFilter: ['data-shown']});
  setTimeout(gradio, LATEST);
}

/** Let Gradio begin, where it was held back. */
export function gradio() {
  const held = document.getElementById('gradio-script');
  held?.replaceWith(h('script', {type: 'module', crossorigin: '', src: held.getAttribute('src')}));
}

/** Give a script its place among Gradio's components, and what it may call there. */
export function mount(module, element, server) {
  const begun = early.get(module);
  const place = element.querySelector('.mount');
  if (!begun) { draw(module, element, Promise.resolve({server})); return; }
  move(begun.element, place);
  place.remove();
  begun.lend({server});
  const stage = document.getElementById('stage');
  if (!stage || stage.querySelector('.mount')) return;
  stage.remove();
  for (const {name} of window.cadPages) import(`./${name}_page.js`);  // before they are opened
}

/** Move an element before another; what has the focus keeps it. */
function move(element, before) {
  const focused = document.activeElement;
  if (before.parentNode.moveBefore) before.parentNode.moveBefore(element, before);
  else before.before(element);
  if (element.contains(focused) && document.activeElement !== focused) focused.focus();
}

// ---- a studio that does not answer ----
let away = null;  // {back, note}: a promise for its return, and what says that it is away
let unsent = 0;
const returns = [];

/** Run a function whenever the studio answers again. */
export const onReturn = run => returns.push(run);

/** Whether the studio did not answer when it was last asked. */
export const isAway = () => away !== null;

/** Say how much of this window's work is not on the disk yet. */
export function keep(number) { unsent = number; tellAway(); }

/** What is told of work that waits for the studio. */
export const keptWords = KEPT;

function tellAway() {
  if (away) away.note.textContent = unsent ? KEPT : WAITS;
}

/** The status the studio answers a short question with, or null for none. */
async function probe() {
  try {
    const answer = await fetch(address('/alive'), {cache: 'no-store'});
    return ASIDE.has(answer.status) ? null : answer.status;
  } catch { return null; }
}

/** Say so once, and look for the studio until it is back; nobody waits in a window that is not shown. */
function lost() {
  if (away) return;
  let came;
  const note = h('div.cad-away', {role: 'alert', id: 'studio-away'});
  away = {back: new Promise(done => { came = done; }), note};
  tellAway();
  document.body.append(note);
  let wait = 500;
  const look = async () => {
    if (document.hidden) { document.addEventListener('visibilitychange', look, {once: true}); return; }
    if (await probe() === null) { wait = Math.min(LONGEST_WAIT, wait * 2); setTimeout(look, wait); return; }
    note.remove();
    away = null;
    came();
    paintMissing();
    for (const run of returns) run();
  };
  setTimeout(look, wait);
}

/** Pictures that could not be fetched meanwhile. */
function paintMissing() {
  for (const image of /** @type {NodeListOf<HTMLImageElement>} */ (document.querySelectorAll('.mount img'))) {
    if (image.complete && !image.naturalWidth) image.src = image.src;
  }
  for (const thumb of document.querySelectorAll('.mount .thumb')) {
    const sheet = thumb.style.backgroundImage;
    thumb.style.backgroundImage = 'none';
    requestAnimationFrame(() => { thumb.style.backgroundImage = sheet; });
  }
}
