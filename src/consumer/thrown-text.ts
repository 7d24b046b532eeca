/** What a handler threw, as text; whatever that was. */
export function thrownText(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message) : String(error);
  } catch {
    return "something was thrown that has no text";
  }
}
