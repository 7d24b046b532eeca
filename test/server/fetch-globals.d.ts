/** A global of `fetch` that `@durable-streams/client` names and that the types of Node.js 20 leave out. */
type BodyInit = NonNullable<RequestInit["body"]>;
