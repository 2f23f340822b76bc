// Why a run was made, in words.
type Cause = "SCHEDULE" | "MANUAL" | "RETRY";

const WORDS: Record<Cause, string> = { SCHEDULE: "scheduled", MANUAL: "by hand", RETRY: "retry" };

/** Return a cause in a word or two. */
export function causeWord(cause: Cause): string {
  return WORDS[cause];
}
