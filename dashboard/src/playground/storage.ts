import type { Storage } from "@graphiql/toolkit";

/** The entries in which GraphiQL stores the history of operations and the favorites. */
const HISTORIES = ["graphiql:queries", "graphiql:favorites"];

/**
 * The browser's storage without the headers of the history. An API key in them would outlive the page, and the next user of
 * the browser could read it. GraphiQL itself does not store the headers of tabs.
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
