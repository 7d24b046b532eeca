/**
 * The public conformance suite of the Durable Streams protocol as tests of the file that calls this,
 * with its tests of subscriptions or without.
 */
import { runConformanceTests } from "@durable-streams/server-conformance-tests";
import { TestRunner, afterEach, describe, expect, test } from "vitest";

/** A server that listens when the first test begins. */
export interface Suite {
  baseUrl: string;
  readonly longPollTimeoutMs: number;
  /** Whether the tests of subscriptions are among them. */
  readonly subscriptions: boolean;
}

/** The default of 20 s is too long for the tests that wait for what happens then. */
export const longPollSeconds = 2;

/** Of version 0.3.6. */
const suiteTests = 338;
const subscriptionTests = 6;

/** Defines the tests, and one that knows whether all of them ran. */
export function defineConformanceTests(suite: Suite): void {
  describe("the protocol's conformance suite", () => {
    let count = 0;
    afterEach(() => {
      count++;
    });
    runConformanceTests(suite);
    if (!suite.subscriptions) {
      // They would be told as skipped.
      const { tasks } = TestRunner.getCurrentSuite();
      const subscriptions = tasks.findIndex((task) => task.name === "Reserved subscription APIs");
      tasks.splice(subscriptions, 1);
    }

    test("all of the suite ran", () => {
      expect(count).toBe(suite.subscriptions ? suiteTests : suiteTests - subscriptionTests);
    });
  });
}
