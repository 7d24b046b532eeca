/** Assertions of the conformance suite. Each carries the rule that is broken when it fails. */
import { AssertionError } from "node:assert";
import { inspect, isDeepStrictEqual } from "node:util";
import { SeqlogError, type SeqlogErrorCode } from "../../errors.ts";

/** How a promise ended. */
export type Outcome<T> = { readonly value: T } | { readonly error: unknown };

function broken(rule: string, found: unknown, wanted: unknown): AssertionError {
  return new AssertionError({
    message: `${rule}\n  found:  ${inspect(found, { breakLength: 120 })}\n  wanted: ${inspect(wanted, { breakLength: 120 })}`,
    actual: found,
    expected: wanted,
    // Not one of assert's own: those put a second comparison behind the message.
    operator: "conformance",
  });
}

/** Both are deeply and strictly the same. */
export function same(found: unknown, wanted: unknown, rule: string): void {
  if (!isDeepStrictEqual(found, wanted)) throw broken(rule, found, wanted);
}

/** It is so. */
export function holds(condition: boolean, rule: string): asserts condition {
  if (!condition) throw new AssertionError({ message: rule, actual: false, expected: true, operator: "conformance" });
}

/** It is there. */
export function given<T>(value: T | undefined, rule: string): T {
  if (value === undefined) throw broken(rule, value, "a value");
  return value;
}

/** How a promise will end; never rejects, so that it can be asked for before it is awaited. */
export async function outcomeOf<T>(promise: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}

/** The error that a call which returns a promise ends with; that it throws instead is a broken rule too. */
async function errorOf(
  work: (() => Promise<unknown>) | Promise<Outcome<unknown>>,
  wanted: unknown,
  rule: string,
): Promise<unknown> {
  let promise: Promise<Outcome<unknown>>;
  if (typeof work === "function") {
    try {
      promise = outcomeOf(work());
    } catch (error) {
      throw broken(`${rule} (as a rejection, not thrown)`, error, wanted);
    }
  } else {
    promise = work;
  }
  const outcome = await promise;
  if ("value" in outcome) throw broken(rule, outcome.value, wanted);
  return outcome.error;
}

/** It is rejected with this code, and with these facts where they are given. */
export async function refused(
  work: (() => Promise<unknown>) | Promise<Outcome<unknown>>,
  code: SeqlogErrorCode,
  rule: string,
  facts?: Readonly<Record<string, unknown>>,
): Promise<void> {
  const error = await errorOf(work, code, rule);
  if (!SeqlogError.is(error, code)) throw broken(rule, error, code);
  if (facts === undefined) return;
  for (const [name, wanted] of Object.entries(facts)) {
    same((error.facts as Record<string, unknown>)[name], wanted, `${rule} (facts.${name})`);
  }
}

/** It is rejected as a mistake of the program that calls. */
export async function refusedAs(
  work: () => Promise<unknown>,
  kind: typeof TypeError | typeof RangeError,
  rule: string,
): Promise<void> {
  const error = await errorOf(work, kind.name, rule);
  if (!(error instanceof kind)) throw broken(rule, error, kind.name);
}

/** It is rejected with this very value. */
export async function rejectedWith(
  work: (() => Promise<unknown>) | Promise<Outcome<unknown>>,
  reason: unknown,
  rule: string,
): Promise<void> {
  const error = await errorOf(work, reason, rule);
  if (error !== reason) throw broken(rule, error, reason);
}

/** What a blocking call throws. */
export function thrownBy(call: () => unknown, rule: string): unknown {
  let value: unknown;
  try {
    value = call();
  } catch (error) {
    return error;
  }
  throw broken(rule, value, "an error");
}
