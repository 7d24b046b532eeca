export { SeqlogError } from "./errors.ts";
