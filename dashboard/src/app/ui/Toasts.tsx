// Short messages about what was done, some with a way to undo it.
import { createStore, useStore } from "../stored";
import { Icon } from "./icons";

const SHOWN_FOR_MS = 7_000;
const MOST = 3;

interface Toast {
  number: number;
  tone: "ok" | "bad";
  message: string;
  undo: (() => void) | undefined;
}

const toasts = createStore<readonly Toast[]>([]);
let last = 0;

/** Show a message for some seconds. `undo` reverts what it tells of. */
export function toast(message: string, { tone = "ok", undo }: { tone?: "ok" | "bad"; undo?: () => void } = {}): void {
  last += 1;
  const shown = { number: last, tone, message, undo };
  toasts.set([...toasts.get(), shown].slice(-MOST));
  window.setTimeout(() => dismiss(shown.number), SHOWN_FOR_MS);
}

function dismiss(number: number): void {
  toasts.set(toasts.get().filter((each) => each.number !== number));
}

/** The place in which messages are shown. */
export function Toasts() {
  return (
    <div className="toasts" role="status" aria-live="polite">
      {useStore(toasts).map(({ number, tone, message, undo }) => (
        <div key={number} className="toast">
          <Icon name={tone === "ok" ? "check" : "alert"} className={`ink-${tone}`} />
          <p>{message}</p>
          {undo !== undefined && (
            <button
              type="button"
              className="button button-small"
              onClick={() => {
                dismiss(number);
                undo();
              }}
            >
              Undo
            </button>
          )}
          <button type="button" className="button button-icon" aria-label="Dismiss" onClick={() => dismiss(number)}>
            <Icon name="cross" />
          </button>
        </div>
      ))}
    </div>
  );
}
