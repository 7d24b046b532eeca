/**
 * Record-index entries kept in memory for looking records up one by one: pages of entries that were
 * read when first needed, and each found to be the one of its place (its check is seeded with the
 * segment and the seq). Entries of durable records do not change, so a page only grows. All logs of
 * the process share one bound; the page that was read first goes first.
 */
import { entryKind, entryLength } from "../format/index-entry.ts";
import type { IndexFile } from "./index-file.ts";

/** Entries of a page: 8 KiB. */
const pageEntries = 512;

/** 32 MiB. */
const maxPages = 4096;

interface Page {
  readonly owner: Map<number, Page>;
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** So many entries, from the first on, are there and self-valid. */
  count: number;
  /** What `nextSeq` was when it was read: until it grows, what is not there is not worth another look. */
  nextSeq: number;
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
   * Undefined when that entry, or one before it in its page, is not self-valid.
   */
  pageSync(seq: number, nextSeq: number): DataView | undefined {
    const place = seq - this.#index.base;
    const number = Math.floor(place / pageEntries);
    const inPage = place - number * pageEntries;
    const page = this.#pages.get(number) ?? this.#newPage(number);
    if (inPage >= page.count) {
      if (nextSeq <= page.nextSeq) return undefined;
      this.#extendSync(page, nextSeq);
      if (inPage >= page.count) return undefined;
    }
    return page.view;
  }

  /** Where in its page the entry of `seq` stands. */
  placeOf(seq: number): number {
    return ((seq - this.#index.base) % pageEntries) * entryLength;
  }

  /** Gives the memory back. */
  clear(): void {
    for (const page of this.#pages.values()) all.delete(page);
    this.#pages.clear();
  }

  #newPage(number: number): Page {
    const bytes = new Uint8Array(pageEntries * entryLength);
    const page = { owner: this.#pages, number, bytes, view: new DataView(bytes.buffer), count: 0, nextSeq: 0 };
    this.#pages.set(number, page);
    all.add(page);
    if (all.size > maxPages) forgetOldest();
    return page;
  }

  /** Reads the entries that are not there yet, of records before `nextSeq`. */
  #extendSync(page: Page, nextSeq: number): void {
    const { base, seed } = this.#index;
    const first = base + page.number * pageEntries;
    const wanted = Math.min(pageEntries, nextSeq - first);
    const read = this.#index.readSync(first + page.count, page.bytes, page.count, wanted);
    const end = page.count + read;
    page.nextSeq = nextSeq;
    while (page.count < end) {
      if (entryKind(page.view, page.count * entryLength, seed, first + page.count) === "invalid") return;
      page.count++;
    }
  }
}

function forgetOldest(): void {
  for (const page of all) {
    all.delete(page);
    page.owner.delete(page.number);
    return;
  }
}
