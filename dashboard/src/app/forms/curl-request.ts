// The request that a curl command describes, as the form takes it.

export type HttpMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS";

export interface CurlHeader {
  name: string;
  value: string;
  secret: boolean;
}

export type CurlBody =
  | { kind: "none" }
  | { kind: "json"; text: string }
  | { kind: "text"; text: string }
  | { kind: "form"; fields: { name: string; value: string }[] };

export interface CurlRequest {
  method: HttpMethod;
  url: string;
  headers: CurlHeader[];
  body: CurlBody;
  /** Null stands for the default. */
  timeoutMs: number | null;
  redirects: number;
  retry: { maxAttempts: number; initialDelayMs: number | null; maxElapsedMs: number | null } | null;
}

export interface NotTaken {
  /** The part of the command, such as "--insecure". */
  part: string;
  why: string;
}

export interface ReadCurl {
  request: CurlRequest;
  notTaken: NotTaken[];
}

const ALWAYS_SECRET = new Set(["authorization", "cookie", "proxy-authorization", "x-api-key"]);
const SECRET_LOOKING = /auth|token|secret|passw|api[-_]?key|session|signature|credential/i;
/** The server refuses a shorter secret, because it could not mask it in responses. */
const SHORTEST_SECRET = 6;

const REFUSED_HEADERS: Record<string, string> = {
  "host": "It is made from the URL.",
  "content-length": "It is made from the body.",
  "transfer-encoding": "It is made from the body.",
  "expect": "It is not supported.",
};
const CONNECTION_HEADERS = new Set(
  ["connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "trailers", "upgrade"],
);

/** Return whether the service always keeps a header with this name secret. */
export function isAlwaysSecret(name: string): boolean {
  return ALWAYS_SECRET.has(name.trim().toLowerCase());
}

/** Return why the service refuses a header with this name, in lower case; null if it does not. */
export function whyRefused(name: string): string | null {
  return REFUSED_HEADERS[name] ?? (CONNECTION_HEADERS.has(name) ? "It concerns one connection only." : null);
}

/** Return whether the value of a header is to be kept secret, judged by its name. */
export function looksSecret(name: string, value: string): boolean {
  return isAlwaysSecret(name) || (SECRET_LOOKING.test(name) && value.length >= SHORTEST_SECRET);
}

/** Return whether a text is JSON. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Return the fields of a form, or null if they would not be sent as the text has them. */
export function formFields(text: string): { name: string; value: string }[] | null {
  if (text === "" || !text.split("&").every((part) => part.includes("="))) {
    return null;
  }
  const fields = [...new URLSearchParams(text)].map(([name, value]) => ({ name, value }));
  // Bytes that are no UTF-8 become U+FFFD, and would be sent as that.
  return fields.some(({ name, value }) => `${name}${value}`.includes("\ufffd")) ? null : fields;
}

/** Return a text as --data-urlencode sends it. */
export function percentEncoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Return a text without percent-encoding; one that is not encoded stays as it is. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
