/**
 * Event sourcing: the log is the truth, and what the program knows is built from it. Commands are
 * decided by the state, become events, and the events change the state: that very same way when the
 * program starts again.
 *
 *   node examples/event-sourcing/event-sourcing.mjs ./data/event-sourcing
 *
 * Each run rebuilds the stock of a shop, does a day's business, and rebuilds again to compare.
 */
import { isDeepStrictEqual } from "node:util";
import { SeqlogError, json, openLog } from "seqlog";

const directory = process.argv[2] ?? "./data/event-sourcing";

const log = await openLog(directory, { codec: json() });

/** A projection is a first state and a function that an event takes it on with. This one: the stock, item by item. */
const stock = {
  initial: () => ({}),
  apply: (state, { type, item, count }) => ({
    ...state,
    [item]: (state[item] ?? 0) + (type === "delivered" ? count : -count),
  }),
};

/** Another one, made up long after the events: how much was sold. */
const sales = {
  initial: () => 0,
  apply: (sold, { type, count }) => (type === "sold" ? sold + count : sold),
};

/** The projection's state after all events, and the seq of the next one. */
async function rebuild({ initial, apply }) {
  let state = initial();
  let nextSeq = 0;
  for await (const { seq, data } of log.read()) {
    state = apply(state, data);
    nextSeq = seq + 1;
  }
  return { state, nextSeq };
}

let current = await rebuild(stock);
console.log(`rebuilt from ${current.nextSeq} events:`, current.state);

/** Goes on to a later state; one that was rebuilt while others went on may be an earlier one. */
function advance(to) {
  if (to.nextSeq > current.nextSeq) current = to;
}

/**
 * Decides on a state and appends what was decided, only if nothing has happened since: two who sell
 * the last lamp at the same time do not both succeed. The other one decides again.
 */
async function execute(decide) {
  for (;;) {
    const { state, nextSeq } = current;
    const event = decide(state);
    try {
      const { seq } = await log.append(event, { expectedSeq: nextSeq });
      advance({ state: stock.apply(state, event), nextSeq: seq + 1 });
      return;
    } catch (error) {
      if (!SeqlogError.is(error, "SEQLOG_CONFLICT")) throw error;
      advance(await rebuild(stock));
    }
  }
}

const deliver = (item, count) => execute(() => ({ type: "delivered", item, count }));

const sell = (item, count) =>
  execute((state) => {
    if ((state[item] ?? 0) < count) throw new Error(`there are ${state[item] ?? 0} of ${item}, not ${count}`);
    return { type: "sold", item, count };
  });

await deliver("lamp", 3);
await deliver("chair", 2);
// All at once: each is decided on what the others have done.
const orders = await Promise.allSettled([sell("lamp", 2), sell("lamp", 2), sell("chair", 1), sell("table", 1)]);
for (const { status, reason } of orders) console.log(status === "fulfilled" ? "sold" : `not sold: ${reason.message}`);

const rebuilt = await rebuild(stock);
console.log("after the day:", current.state);
console.log(
  isDeepStrictEqual(rebuilt, current) ? "rebuilt from the log it is the same" : "the log says something else!",
);
console.log(`sold in all: ${(await rebuild(sales)).state}`);
await log.close();
