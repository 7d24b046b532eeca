/**
 * Logs numbered lines with pino, says which, and kills itself the moment it has said one:
 * `node pino-writer.mjs PATH MODE NUMBER`. Its output is to be a file: writing to that blocks, so that
 * what was said before the kill was said, also where the event loop gets no turn.
 */
import pino from "pino";
import { destination } from "seqlog/pino";
import { nodeMachine } from "seqlog/testing";

const [, , path, mode, last] = process.argv;
const padding = "x".repeat(900);

function say(n) {
  process.stdout.write(`${n}\n`);
  if (n >= Number(last)) process.kill(process.pid, "SIGKILL");
}

/** Resolves when the event loop has had a turn. */
function turn() {
  return nodeMachine.clock.turn();
}

function loggerOf(stream) {
  return pino({ base: null, timestamp: false }, stream);
}

/** Without ever giving the event loop a turn: nothing is written in the background. */
function inOneTurn(logger) {
  for (let n = 0; ; n++) {
    logger.info({ n, padding });
    say(n);
  }
}

async function inManyTurns(logger) {
  for (let n = 0; ; n++) {
    logger.info({ n, padding });
    say(n);
    if (n % 7 === 0) await turn();
  }
}

function flushed(logger) {
  return new Promise((resolve, reject) => logger.flush((error) => (error ? reject(error) : resolve())));
}

/** pino ends the thread of a transport that nothing refers to, and a function that waits for a flush is no reference. */
const held = [];

function transport(options) {
  const stream = pino.transport({ target: "seqlog/pino", options: { path }, ...options });
  held.push(stream);
  return stream;
}

const modes = {
  sync: () => inOneTurn(loggerOf(destination({ path }))),
  "buffered, in one turn": () => inOneTurn(loggerOf(destination({ path, mode: "buffered", maxBufferedBytes: 65_536 }))),
  "buffered, in many turns": () =>
    inManyTurns(loggerOf(destination({ path, mode: "buffered", maxBufferedBytes: 65_536 }))),
  "transport, sync": () => inOneTurn(loggerOf(transport({ sync: true }))),
  "transport, flush": async () => {
    const logger = loggerOf(transport());
    for (let n = 0; ; n++) {
      logger.info({ n, padding });
      if (n % 50 !== 49) continue;
      await flushed(logger);
      say(n);
    }
  },
  "transport, fatal": async () => {
    const logger = loggerOf(transport());
    for (let n = 0; ; n++) {
      if (n % 5 === 4) {
        logger.fatal({ n, padding });
        say(n);
      } else {
        logger.info({ n, padding });
      }
      if (n % 200 === 0) await turn();
    }
  },
};

await modes[mode]();
