// What the page gives its scripts, and what they may take for granted: all they look for is HTML.

interface Figure {
  key: string;
  column: string;
  title: string;
  short: string;
  about: string;
  colour: number;
  head: string;
  unit: string;
  oracle: boolean;
  is_shown: boolean;
}

interface Window {
  cadPages: {name: string; title: string}[];
  cadTables: {
    active: string[];
    atWork: string[];
    jobs: Record<string, {page: string | null; done: string; stopped: string}>;
    figures: Figure[];
    exports: {name: string; title: string; says: string}[];
  };
  cadScripts: Promise<{begin(): void}>;
}

/** What the parts of the Diagnose page share: where its run is read, and much else. */
interface Diagnosed {
  base(): `/diagnosis/${number}`;
  // deno-lint-ignore no-explicit-any
  [name: string]: any;
}

interface EventTarget {
  closest(selectors: string): HTMLElement | null;
}

interface Element {
  dataset: DOMStringMap;
  style: CSSStyleDeclaration;
  focus(): void;
}
