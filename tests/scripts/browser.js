// The little of a browser that modules without a page ask for; the page itself is driven in Chromium.

globalThis.window ??= globalThis;
globalThis.addEventListener ??= () => {};
globalThis.document = {baseURI: 'http://localhost/', addEventListener() {}, documentElement: {dataset: {}, style: {setProperty() {}}}, body: {dataset: {}}, querySelector: () => null, querySelectorAll: () => []};
globalThis.Image = class { decode() { return Promise.resolve(); } };

const held = new Map();
Object.defineProperty(globalThis, 'localStorage', {configurable: true, value: new Proxy({
  getItem: key => held.get(key) ?? null,
  setItem: (key, value) => { held.set(key, value); },
  removeItem: key => { held.delete(key); },
}, {ownKeys: () => [...held.keys()], getOwnPropertyDescriptor: (_target, key) => (held.has(key) ? {enumerable: true, configurable: true, value: held.get(key)} : undefined)})});

globalThis.cadTables = JSON.parse(process.env.CAD_TABLES);
