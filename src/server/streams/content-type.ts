/** Content types, as far as streams need to understand them. */

const mediaType = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(?:;.*)?$/;

/** The media type alone, in lower case: what is compared. */
export function mediaTypeOf(contentType: string): string {
  return (contentType.split(";", 1)[0] as string).trim().toLowerCase();
}

/** Whether a header is a media type, with or without parameters. */
export function isContentType(value: string): boolean {
  return mediaType.test(value.trim());
}

/** Whether messages have bounds, and bodies are checked. */
export function isJsonType(contentType: string): boolean {
  return mediaTypeOf(contentType) === "application/json";
}

/** Whether server-sent events, which are text, can carry it as it is. */
export function isTextType(contentType: string): boolean {
  return mediaTypeOf(contentType).startsWith("text/") || isJsonType(contentType);
}
