/** What histories of consumers met. */

/** What histories met, so that a test can tell that they meet what they are for. */
export interface ConsumerTally {
  crashes: number;
  acknowledged: number;
  delivered: number;
  redelivered: number;
  /** Acknowledgements of which the program was told that they count. */
  acks: number;
  handled: number;
  buried: number;
  committed: number;
  seeks: number;
  mismatches: number;
  locked: number;
  /** Records that retention or a trim removed. */
  removed: number;
  /** Times that a consumer held records back. */
  heldBack: number;
}

/** Nothing yet. */
export function emptyConsumerTally(): ConsumerTally {
  return {
    crashes: 0,
    acknowledged: 0,
    delivered: 0,
    redelivered: 0,
    acks: 0,
    handled: 0,
    buried: 0,
    committed: 0,
    seeks: 0,
    mismatches: 0,
    locked: 0,
    removed: 0,
    heldBack: 0,
  };
}
