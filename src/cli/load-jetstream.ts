/** Loads `seqlog/jetstream`, which needs packages that not everybody installs. */
import type * as JetStream from "../jetstream/index.ts";
import { UsageError } from "./usage-error.ts";

/** @throws {UsageError} that says what to install */
export async function loadJetStream(): Promise<typeof JetStream> {
  try {
    return await import("../jetstream/index.ts");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "ERR_MODULE_NOT_FOUND" || !message.includes("@nats-io/")) throw error;
    throw new UsageError(
      "nats:// needs two more packages: npm install @nats-io/transport-node @nats-io/jetstream",
      "USAGE",
    );
  }
}
