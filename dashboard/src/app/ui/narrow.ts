// Whether the page has the width of a phone, for components whose sizes scripts have to know.
import { useSyncExternalStore } from "react";

const NARROW = window.matchMedia("(max-width: 52rem)");

function subscribe(listener: () => void): () => void {
  NARROW.addEventListener("change", listener);
  return () => NARROW.removeEventListener("change", listener);
}

export function useNarrow(): boolean {
  return useSyncExternalStore(subscribe, () => NARROW.matches);
}
