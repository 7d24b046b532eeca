/** Why a stream does not do what was asked; told to the client in the words of HTTP by `http/`. */

/** What kind of refusal it is. */
export type RefusalKind =
  /** There is no such stream. */
  | "not-found"
  /** It was deleted, and lives on for its forks alone. */
  | "gone"
  /** It is otherwise than the request says. */
  | "conflict"
  /** The request cannot be right for any stream. */
  | "bad-request"
  /** It is a log that programs append to; not one that HTTP changes. */
  | "not-allowed";

export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly kind: RefusalKind;
  /** Stable, for programs. */
  readonly code: string;

  constructor(kind: RefusalKind, code: string, message: string) {
    super(message);
    this.kind = kind;
    this.code = code;
  }
}

/** The refusal for a name that no stream has. */
export function notFound(path: string): Refusal {
  return new Refusal("not-found", "NOT_FOUND", `there is no stream ${path}`);
}
