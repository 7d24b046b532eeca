/**
 * Record-index entries kept in memory for looking records up one by one: whole pages of entries that
 * will not change, read when first needed. All logs of the process share one bound; the page that
 * was read first goes first.
 */
import { entryLength } from "../format/index-entry.ts";
import type { IndexFile } from "./index-file.ts";

/** Entries of a page: 8 KiB. */
const pageEntries = 512;

/** 32 MiB. */
const maxPages = 4096;

interface Page {
  readonly owner: Map<number, Page>;
  readonly number: number;
  readonly view: DataView;
}

const all = new Set<Page>();

/** The pages of one segment's record index. */
export class EntryPages {
  readonly #index: IndexFile;
  readonly #pages = new Map<number, Page>();

  constructor(index: IndexFile) {
    this.#index = index;
  }

  /**
   * The page with the entry of `seq`, which stands at `placeOf(seq)`. Blocks when it is not there yet.
   * Undefined when not all of its entries are before `nextSeq`: then they may still be written.
   */
  pageSync(seq: number, nextSeq: number): DataView | undefined {
    const number = Math.floor((seq - this.#index.base) / pageEntries);
    const known = this.#pages.get(number);
    if (known !== undefined) return known.view;
    const first = this.#index.base + number * pageEntries;
    if (first + pageEntries > nextSeq) return undefined;
    const view = this.#index.entriesSync(first, pageEntries);
    if (view.byteLength < pageEntries * entryLength) return undefined;
    const page: Page = { owner: this.#pages, number, view };
    this.#pages.set(number, page);
    all.add(page);
    if (all.size > maxPages) forgetOldest();
    return view;
  }

  /** Where in its page the entry of `seq` stands. */
  placeOf(seq: number): number {
    return ((seq - this.#index.base) % pageEntries) * entryLength;
  }
}

function forgetOldest(): void {
  for (const page of all) {
    all.delete(page);
    page.owner.delete(page.number);
    return;
  }
}
