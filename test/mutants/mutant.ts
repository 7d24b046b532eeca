/** What a mutant is: a named way to get the product wrong, as edits of its source. */

/** Replaces one piece of a source file, which must be there exactly once. */
export interface Edit {
  /** Under src/. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A product with a fault in it. */
export interface Mutant {
  readonly name: string;
  /** The promise of docs/durability.md that it breaks; where streams are looked at, of docs/server.md. */
  readonly breaks: number;
  /** Which histories look for it; those of the log alone where this is left out. */
  readonly lookIn?: "consumers" | "streams";
  readonly edits: readonly Edit[];
}
