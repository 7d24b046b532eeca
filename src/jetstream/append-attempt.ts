/** A record on its way into a stream, and each time that it was sent. */

/** A record, and who waits for it. */
export interface LaneItem {
  readonly data: Uint8Array;
  readonly id: string;
  /** What the server knows a repetition by. */
  readonly messageId: string;
  /** −1: any. */
  readonly expectedSeq: number;
  /** @param duplicate nothing was stored now: it, or another of its message id, was there */
  settled(seq: number, duplicate: boolean): void;
  failed(error: Error): void;
  /** Whether it is no longer wanted: another of its batch has failed. */
  readonly isOver: boolean;
}

/** An item in its place of the lane. */
export interface Place {
  readonly item: LaneItem;
  /** The times that it was sent and of which it is not known whether they stored it. */
  attempts: Attempt[];
  isDone: boolean;
}

/** One time that a record was sent. It can become message `expected + 1` and no other. */
export interface Attempt {
  readonly place: Place;
  /** The last token of the subject that its answer comes on. */
  readonly token: number;
  readonly expected: number;
  /** Sent when nothing else was on its way, as it names another message than the last one known. */
  readonly isAlone: boolean;
  /** It names the message id before it as well, so it can follow that one alone. */
  readonly isGuarded: boolean;
  /** No answer is waited for: the connection was lost, or the servers were silent. One may come all the same. */
  isLost: boolean;
}
