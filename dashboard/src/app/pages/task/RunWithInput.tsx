// Runs a task once with another body than its own.
import { useState } from "react";

import { Dialog } from "../../ui/Dialog";
import type { TaskData } from "./query";

interface Props {
  task: TaskData;
  onClose: () => void;
  onRun: (payload: unknown) => void;
}

export function RunWithInput({ task, onClose, onRun }: Props) {
  const [text, setText] = useState(task.action.payload === null ? "{}" : JSON.stringify(task.action.payload, null, 2));
  const [problem, setProblem] = useState<string | null>(null);
  return (
    <Dialog title="Run with other input" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          try {
            onRun(JSON.parse(text));
          } catch (error) {
            setProblem(`This is not JSON: ${(error as Error).message}`);
          }
        }}
      >
        <label className="field">
          <span>Body as JSON, for this run alone</span>
          <textarea
            className="mono"
            rows={10}
            spellCheck={false}
            autoFocus
            value={text}
            aria-invalid={problem !== null}
            onChange={({ target }) => {
              setText(target.value);
              setProblem(null);
            }}
          />
          {problem !== null && (
            <span className="field-problem" role="alert">
              {problem}
            </span>
          )}
        </label>
        <div className="dialog-actions">
          <button type="button" className="button" onClick={onClose}>
            Back
          </button>
          <button className="button button-main">Run now</button>
        </div>
      </form>
    </Dialog>
  );
}
