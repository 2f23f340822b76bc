// When a task would run: in words, and its next instants in its own zone and in the reader's.
import { useNow } from "../../time/clock";
import { exact, relative } from "../../time/format";
import { MINE } from "../../time/zone";
import type { Preview } from "./usePreview";

const INSTRUCTIONS = "Complete the schedule to see when the task will run.";

export function PreviewPanel({ preview, zone }: { preview: Preview; zone: string }) {
  const now = useNow();
  const { state, description, instants, message } = preview;
  return (
    <section className={`preview${state === "loading" ? " is-loading" : ""}`} aria-label="Preview of the schedule" aria-busy={state === "loading"}>
      <p className="preview-words" role="status">
        {state === "incomplete" && INSTRUCTIONS}
        {state === "invalid" && "This schedule has no runs yet: see the message beside the field."}
        {state === "failed" && message}
        {(state === "valid" || state === "loading") && (description || "Asking…")}
      </p>
      {instants.length > 0 && (
        <ol>
          {instants.map((instant) => (
            <li key={instant}>
              <time dateTime={instant}>{exact(Date.parse(instant), zone)}</time>
              <span className="ink-3">
                {relative(Date.parse(instant), now)}
                {zone !== MINE && <> · {exact(Date.parse(instant), MINE)}</>}
              </span>
            </li>
          ))}
        </ol>
      )}
      {state === "valid" && instants.length === 0 && <p className="ink-2">There are no further runs.</p>}
    </section>
  );
}
