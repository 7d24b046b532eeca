/**
 * From a consumer to the output: what `tail --consumer` does.
 *
 * Invariant: a record is acknowledged only after the output has taken it, and all before it. So
 * whatever ends this, what is printed next time begins no later than after the last record that was
 * handed over.
 */
import type { Consumer, Delivery } from "../index.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Output } from "./output.ts";
import { select, type Selection } from "./print-records.ts";
import type { RecordFormat } from "./record-format.ts";

/**
 * Prints deliveries until the consumer stands at `end` (Infinity: it goes on), or the limit, the
 * output or `stop` ends it. What `selection` leaves out is acknowledged too.
 */
export async function printDeliveries(
  consumer: Consumer,
  end: number,
  selection: Selection,
  format: RecordFormat,
  output: Output,
  stop: AbortSignal,
): Promise<void> {
  const deliveries = consumer[Symbol.asyncIterator]();
  const leave = (): void => void deliveries.return?.();
  stop.addEventListener("abort", leave);
  let handedOut: Delivery[] = [];
  const settle = async (): Promise<void> => {
    await output.flush();
    const taken = handedOut;
    handedOut = [];
    if (!output.closed) await Promise.all(taken.map((delivery) => delivery.ack()));
  };
  let position: number = consumer.nextSeq;
  let printed = 0;
  let turn: Promise<boolean> | undefined;
  try {
    while (position < end && printed < selection.limit && !output.closed && !stop.aborted) {
      const next = deliveries.next();
      // Should the output fail first, nobody else would hear of it.
      next.catch(() => {});
      // Handed over as soon as nothing more is at hand: the next record may be long in coming.
      if (handedOut.length > 0 && (output.isFull || !(await isAtHand(next, (turn ??= aTurn()))))) {
        turn = undefined;
        await settle();
      }
      const { done, value: delivery } = await next;
      if (done === true) break;
      const view = select(delivery, selection);
      if (view !== undefined) {
        format(view, output);
        printed++;
      }
      handedOut.push(delivery);
      position = delivery.seq + 1;
    }
  } finally {
    stop.removeEventListener("abort", leave);
    await deliveries.return?.();
    await settle();
  }
}

async function aTurn(): Promise<boolean> {
  await nodeMachine.clock.turn();
  return false;
}

async function isAtHand(next: Promise<unknown>, turn: Promise<boolean>): Promise<boolean> {
  return await Promise.race([next.then(() => true), turn]);
}
