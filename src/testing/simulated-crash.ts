/**
 * What an operation throws on a machine that has ended: the process is gone, and whatever its code
 * still does has no effect. Not a `SeqlogError`: a library must not take it for a failure it can
 * handle, and a test tells it from one.
 */
import type { Operation } from "./operation-log.ts";

/**
 * Thrown by the operation at which a machine ended, and by each one after it. A program under test
 * needs no code for it: nothing that it does when it sees one has an effect.
 */
export class SimulatedCrash extends Error {
  override readonly name = "SimulatedCrash";
  /** Where the fault plan ended the machine; undefined when the test did. */
  readonly operation: Operation | undefined;

  constructor(operation?: Operation) {
    super(
      operation === undefined
        ? "this machine was ended by the test"
        : `this machine ended at operation ${operation.number}: ${operation.kind} of ${operation.path}`,
    );
    this.operation = operation;
  }
}
