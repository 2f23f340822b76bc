import type { Storage } from "@graphiql/toolkit";

/** Where GraphiQL keeps the history of what was executed, and what of it was liked. */
const HISTORIES = ["graphiql:queries", "graphiql:favorites"];

/**
 * The browser's storage, to which no headers of the history go: the key that somebody has shown would outlive the page
 * there, for whoever uses the browser next. Of tabs GraphiQL keeps none itself.
 */
export const storage: Storage = {
  get length() {
    return localStorage.length;
  },
  clear: () => localStorage.clear(),
  getItem: (name) => localStorage.getItem(name),
  removeItem: (name) => localStorage.removeItem(name),
  setItem: (name, value) => localStorage.setItem(name, HISTORIES.includes(name) ? withoutHeaders(value) : value),
};

function withoutHeaders(history: string): string {
  return JSON.stringify(JSON.parse(history), (name, value: unknown) => (name === "headers" ? undefined : value));
}
