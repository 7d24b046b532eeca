/** Something that the person at the keyboard can put right: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** For `--json`: `USAGE`, or a narrower word where a script would act differently. */
  readonly code: "USAGE" | "NO_RECORD" | "NO_CONSUMER" | "INVALID_INPUT";
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(
    message: string,
    code: "USAGE" | "NO_RECORD" | "NO_CONSUMER" | "INVALID_INPUT" = "USAGE",
    facts: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.code = code;
    this.facts = facts;
  }
}
