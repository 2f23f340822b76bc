/** Return a function that calls another at once, and then at most once in each interval, the last time after the last call. */
export function throttled(call: () => void, everyMs: number): () => void {
  let timer: number | undefined;
  let isWanted = false;
  const later = (): void => {
    timer = undefined;
    if (isWanted) {
      isWanted = false;
      call();
      timer = window.setTimeout(later, everyMs);
    }
  };
  return () => {
    if (timer === undefined) {
      call();
      timer = window.setTimeout(later, everyMs);
    } else {
      isWanted = true;
    }
  };
}
