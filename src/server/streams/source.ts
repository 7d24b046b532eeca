/** What the reading routes need of a stream, a fork or a plain log alike. */
import type { Changes } from "./changes.ts";

/** Data that lies one behind the other. */
export interface Piece {
  /** The seq that it begins with. */
  readonly from: number;
  /** The seq behind it: where reading goes on. */
  readonly next: number;
  /** Of JSON each one message or more with commas between, to be joined by commas; else bytes to be joined. */
  readonly parts: readonly Uint8Array[];
}

/** Something that can be read by offsets. */
export interface Source {
  readonly contentType: string;
  readonly isJson: boolean;
  /** Another one for another history: part of every ETag. */
  readonly tag: string;
  /** The first seq that is still there. */
  readonly first: number;
  /** The seq behind the last one that there is to read. */
  readonly tail: number;
  /** Whether nothing will follow the tail. */
  readonly isClosed: boolean;
  /** Whether another process may have brought it further than can be seen yet. */
  readonly mayGoFurther: boolean;
  /** Whether it was removed while it was read. */
  readonly isGone: boolean;
  readonly changes: Changes;
  /** At most about `maxBytes`, or one record; empty at the tail. */
  read(from: number, maxBytes: number): Promise<Piece> | Piece;
  /** Keeps it open, and followed where another process writes it; returns how to let go. */
  follow(): () => void;
}

/** Nothing. */
export function emptyPiece(at: number): Piece {
  return { from: at, next: at, parts: [] };
}
