/** What simulated histories of the HTTP server met. */

/** Counts, so that a test can tell that histories meet what they are for. */
export interface StreamTally {
  crashes: number;
  acknowledged: number;
  /** Records that readers were served. */
  served: number;
  /** Appends that were there already, and were not appended again. */
  duplicates: number;
  /** Refused for their producer's seq, for its epoch, for their Stream-Seq, and because the stream is closed. */
  gaps: number;
  stale: number;
  streamSeqs: number;
  closed: number;
  /** Answers that a stream is there when only uses have kept it alive. */
  kept: number;
  /** Streams whose time was found to be over. */
  expired: number;
  /** Names that were taken anew. */
  reused: number;
  /** Requests that another server's lock refused. */
  locked: number;
  /** Times that a server became the owner of the directory after another one. */
  takeovers: number;
  /** Requests whose answer never came. */
  unanswered: number;
}

/** Nothing yet. */
export function emptyStreamTally(): StreamTally {
  return {
    crashes: 0,
    acknowledged: 0,
    served: 0,
    duplicates: 0,
    gaps: 0,
    stale: 0,
    streamSeqs: 0,
    closed: 0,
    kept: 0,
    expired: 0,
    reused: 0,
    locked: 0,
    takeovers: 0,
    unanswered: 0,
  };
}
