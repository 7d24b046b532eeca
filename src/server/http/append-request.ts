/** What a POST says in its headers. */
import type { ProducerPlace } from "../frame/frame.ts";
import type { HttpRequest } from "./exchange.ts";
import { Problem } from "./problem.ts";
import { header } from "./protocol-headers.ts";

/** Header values are kept with each record, or with the stream. */
const maxValueBytes = 1024;

/** A POST before its body. */
export interface AppendRequest {
  readonly contentType: string | undefined;
  readonly close: boolean;
  readonly producer: ProducerPlace | undefined;
  readonly streamSeq: string | undefined;
}

/** Reads them. @throws {Problem} */
export function appendRequestOf(request: HttpRequest): AppendRequest {
  const streamSeq = request.header(header.seq);
  checkLength("Stream-Seq", streamSeq);
  return {
    contentType: request.header("content-type"),
    close: isTrue(request.header(header.closed)),
    producer: producerOf(request),
    streamSeq,
  };
}

/** Flags of the protocol are set by `true` alone. */
export function isTrue(value: string | undefined): boolean {
  return value !== undefined && value.trim().toLowerCase() === "true";
}

function producerOf(request: HttpRequest): ProducerPlace | undefined {
  const id = request.header(header.producerId);
  const epoch = request.header(header.producerEpoch);
  const seq = request.header(header.producerSeq);
  if (id === undefined && epoch === undefined && seq === undefined) return undefined;
  if (id === undefined || epoch === undefined || seq === undefined) {
    throw new Problem(400, "PRODUCER", "Producer-Id, Producer-Epoch and Producer-Seq go together");
  }
  if (id === "") throw new Problem(400, "PRODUCER", "Producer-Id is empty");
  checkLength("Producer-Id", id);
  return { id, epoch: countOf(epoch, "Producer-Epoch"), seq: countOf(seq, "Producer-Seq") };
}

function countOf(text: string, name: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) {
    throw new Problem(400, "PRODUCER", `${name} must be a whole number from 0 to 2^53-1`);
  }
  return value;
}

/** @throws {Problem} for a header value that is too long to be kept */
export function checkLength(name: string, value: string | undefined): void {
  if (value === undefined || value.length <= maxValueBytes) return;
  throw new Problem(400, "HEADER_TOO_LONG", `${name} is longer than ${maxValueBytes} bytes`);
}
