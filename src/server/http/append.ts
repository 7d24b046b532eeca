/** POST: appends, closes, or both. */
import { SeqlogError } from "../../errors.ts";
import { frameOf } from "../streams/new-frame.ts";
import { mediaTypeOf } from "../streams/content-type.ts";
import { offsetToken } from "../streams/offset-token.ts";
import type { AppendResult } from "../streams/open-stream.ts";
import { maxProducers } from "../streams/stream-state.ts";
import type { StreamStore } from "../streams/stream-store.ts";
import { type AppendRequest, appendRequestOf } from "./append-request.ts";
import { refuseWhenClosing, whileOpen } from "./closing.ts";
import type { HttpAnswer, HttpRequest } from "./exchange.ts";
import { Problem } from "./problem.ts";
import { header } from "./protocol-headers.ts";
import type { Context } from "./routes.ts";

/** Answers a POST when what it brings is durable. */
export async function append(context: Context, request: HttpRequest, name: string): Promise<HttpAnswer> {
  const { catalog, limits, closing } = context;
  const asked = appendRequestOf(request);
  const body = await request.body(limits.maxBodyBytes);
  // A body may take its time.
  refuseWhenClosing(closing);
  const entry = catalog.streamToChange(name);
  const { contentType } = entry.meta;
  // A close without data has no content that could be of a type.
  if (body.length > 0 || !asked.close) checkContent(body, asked, contentType);
  const frame = frameOf(body, contentType, asked, (bytes) => request.charge(bytes));
  if (body.length > 0 && frame.payload.length === 0) {
    throw new Problem(400, "EMPTY", "an empty array brings no messages");
  }
  const streams = catalog.streams as StreamStore;
  const { stream, release } = await whileOpen(context, name, streams.hold(entry));
  try {
    refuseWhenClosing(closing);
    streams.touch(entry, "append");
    return answerOfAppend(asked, await stream.append(frame), body.length > 0);
  } catch (error) {
    // It may have been deleted meanwhile: then that is the answer.
    if (SeqlogError.is(error, "SEQLOG_CLOSED")) catalog.streamToChange(name);
    throw error;
  } finally {
    release();
  }
}

function checkContent(body: Uint8Array, asked: AppendRequest, contentType: string): void {
  if (body.length === 0) throw new Problem(400, "EMPTY", "there is nothing to append");
  if (asked.contentType === undefined || asked.contentType.trim() === "") {
    throw new Problem(400, "CONTENT_TYPE", "Content-Type is missing", { hint: `the stream's is ${contentType}` });
  }
  if (mediaTypeOf(asked.contentType) !== mediaTypeOf(contentType)) {
    throw new Problem(409, "CONTENT_TYPE", `the stream is of ${contentType}, not ${asked.contentType}`);
  }
}

function answerOfAppend({ producer }: AppendRequest, result: AppendResult, hasData: boolean): HttpAnswer {
  const headers: Record<string, string> = { [header.nextOffset]: offsetToken(result.tail) };
  if (result.isClosed) headers[header.closed] = "true";
  switch (result.kind) {
    case "appended":
      if (producer === undefined) return { status: 204, headers };
      Object.assign(headers, placeOf(producer.epoch, producer.seq));
      return hasData ? { status: 200, headers: { ...headers, "content-length": "0" } } : { status: 204, headers };
    case "duplicate":
      return { status: 204, headers: { ...headers, ...placeOf(producer?.epoch ?? 0, result.lastSeq) } };
    case "already-closed":
      return { status: 204, headers };
    case "closed":
      throw new Problem(409, "CLOSED", "the stream is closed", { headers });
    case "stale-epoch":
      throw new Problem(403, "STALE_EPOCH", `the producer is at epoch ${result.epoch} by now`, {
        hint: "another instance took over; to take it back begin a later epoch with seq 0",
        headers: { [header.producerEpoch]: String(result.epoch) },
      });
    case "epoch-start":
      throw new Problem(400, "EPOCH_START", "a new epoch begins with Producer-Seq 0");
    case "gap":
      throw new Problem(409, "PRODUCER_GAP", `the producer's next seq is ${result.expected}`, {
        hint: "the requests before this one have not arrived; send it again after them",
        headers: {
          [header.producerExpected]: String(result.expected),
          [header.producerReceived]: String(producer?.seq ?? 0),
        },
      });
    case "too-many-producers":
      throw new Problem(409, "TOO_MANY_PRODUCERS", `the stream has ${maxProducers} producers, and takes no new one`, {
        hint: "go on with a Producer-Id that it knows and a later Producer-Epoch, or begin another stream",
      });
    case "stream-seq":
      throw new Problem(409, "STREAM_SEQ", `Stream-Seq is not past the last one, ${JSON.stringify(result.last)}`);
  }
}

function placeOf(epoch: number, seq: number): Record<string, string> {
  return { [header.producerEpoch]: String(epoch), [header.producerSeq]: String(seq) };
}
