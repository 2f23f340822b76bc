// Makes the warnings of client libraries failures, and records what they ask. For programs that run with the libraries'
// development builds, which warn about data that a cache loses.

export interface Request {
  operationName?: string;
  query?: string;
  extensions?: { persistedQuery?: { sha256Hash: string } };
}

/** Requests by POST, in their order. */
export const requests: Request[] = [];

// React's own warning about the renderer that needs no browser.
const EXPECTED = "react-test-renderer is deprecated";

for (const level of ["warn", "error"] as const) {
  console[level] = (...words: unknown[]) => {
    const text = words.join(" ");
    if (!text.includes(EXPECTED)) {
      process.stderr.write(`console.${level}: ${text}\n`);
      process.exit(1);
    }
  };
}

const send = globalThis.fetch;
globalThis.fetch = (input, init) => {
  if (typeof init?.body === "string") {
    requests.push(JSON.parse(init.body) as Request);
  }
  return send(input, init);
};
