/**
 * The public conformance suite of the Durable Streams protocol as tests of the file that calls this,
 * but for its reserved subscription tests, which `seqlog serve` does not have.
 */
import { runConformanceTests } from "@durable-streams/server-conformance-tests";
import { TestRunner, afterEach, describe, expect, test } from "vitest";

/** A server that listens when the first test begins. */
export interface Suite {
  baseUrl: string;
  readonly longPollTimeoutMs: number;
}

/** The default of 20 s is too long for the tests that wait for what happens then. */
export const longPollSeconds = 2;

/** Of version 0.3.6: 338, less the six of the reserved subscriptions. */
const suiteTests = 332;

/** Defines the tests, and one that knows whether all of them ran. */
export function defineConformanceTests(suite: Suite): void {
  describe("the protocol's conformance suite", () => {
    let count = 0;
    afterEach(() => {
      count++;
    });
    runConformanceTests(suite);
    // It would be told as skipped.
    const { tasks } = TestRunner.getCurrentSuite();
    const subscriptions = tasks.findIndex((task) => task.name === "Reserved subscription APIs");
    tasks.splice(subscriptions, 1);

    test("all of the suite ran", () => {
      expect(count).toBe(suiteTests);
    });
  });
}
