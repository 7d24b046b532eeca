/**
 * A request and its answer, as far as the routes know them: the two ways in (`node-exchange.ts`,
 * `fetch-exchange.ts`) turn theirs into these and back.
 */

/** A request. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query as they were sent, below whatever the handler is mounted at. */
  readonly target: string;
  /** The path as it was sent, with what the handler is mounted at. */
  readonly fullPath: string;
  readonly isEncrypted: boolean;
  /** A header by its name in lower case; of one that was sent twice both, with a comma between. */
  header(name: string): string | undefined;
  /** The whole body. @throws {Problem} when it is larger */
  body(maxBytes: number): Promise<Uint8Array>;
  /** Counts what the body takes in memory beside its bytes, until the answer was sent. @throws {Problem} when there is no room */
  charge(bytes: number): void;
  /** Calls when the client goes away before the answer was sent. */
  onAbort(call: () => void): void;
}

/** Where the bytes of an answer that goes on go to. */
export interface EventSink {
  /** True: taken. Else what resolves when it was; of a client that is gone it never does. */
  write(bytes: Uint8Array): true | Promise<void>;
  /** Ends the answer; where the client has not taken what was written, its connection. */
  end(): void;
  onClose(call: () => void): void;
}

/** Of an answer that cannot be sent: what it holds on to is let go of. */
export const goneSink: EventSink = {
  write: () => new Promise(() => undefined),
  end: () => undefined,
  onClose: (call) => call(),
};

/** An answer. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Pieces to send one behind the other. */
  readonly body?: readonly Uint8Array[];
  /** An answer that goes on: called when its head was sent. */
  readonly stream?: (sink: EventSink) => void;
}
