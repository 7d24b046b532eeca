/** Makes `console.log` show objects whose values are getters. */
import { inspect } from "node:util";

/** From now on objects of this prototype are shown as what their `toJSON` returns. */
export function showAsPlain(prototype: { toJSON(): unknown }): void {
  Object.defineProperty(prototype, inspect.custom, {
    value(this: { toJSON(): unknown }) {
      return this.toJSON();
    },
  });
}
