// Asks for an API key when the service refuses a request for want of one. The page stays as it is meanwhile.
import { keepKey } from "../../key/storage";
import { createStore } from "../stored";

interface Question {
  /** Why a key is needed. */
  reason: string;
  answer: (key: string) => void;
}

/** The open question for a key, which the shell shows; null if there is none. */
export const question = createStore<Question | null>(null);

let asked: Promise<void> | null = null;

/** Ask for a key, and return when there is one. Several that ask at the same time share one question. */
export function askForKey(reason: string): Promise<void> {
  asked ??= new Promise<void>((resolve) => {
    keepKey(null);
    question.set({
      reason,
      answer(key) {
        keepKey(key);
        asked = null;
        question.set(null);
        resolve();
      },
    });
  });
  return asked;
}
