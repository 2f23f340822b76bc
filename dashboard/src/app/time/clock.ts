// The current time, which ticks once a second for all components that show it, and only while there are any.
import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();
let timer: number | undefined;
let now = Date.now();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= window.setInterval(() => {
    now = Date.now();
    listeners.forEach((each) => each());
  }, 1_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      window.clearInterval(timer);
      timer = undefined;
    }
  };
}

/** Return the current time, and render the component again each second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}
