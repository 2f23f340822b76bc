// The API key of this browser tab, which all pages share. It is gone when the tab is closed.
const KEPT = "duetime:key";

/** Return the key of this tab, or null. */
export function keptKey(): string | null {
  return sessionStorage.getItem(KEPT);
}

/** Keep a key for this tab; null forgets it. */
export function keepKey(key: string | null): void {
  if (key === null) {
    sessionStorage.removeItem(KEPT);
  } else {
    sessionStorage.setItem(KEPT, key);
  }
}

/** Return the header that contains a key. */
export function authorization(key: string | null): Record<string, string> {
  return key === null ? {} : { Authorization: `Bearer ${key}` };
}
