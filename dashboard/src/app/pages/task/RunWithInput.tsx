// Runs a task once with another body than its own.
import { useState } from "react";

import { DialogForm } from "../../ui/DialogForm";
import { Field } from "../../ui/Field";
import type { Refusal } from "../../ui/useRefusal";
import type { TaskData } from "./query";

const LABELS = { payload: "Body as JSON" };

interface Props {
  task: TaskData;
  onClose: () => void;
  onRun: (payload: unknown) => Promise<Refusal | null>;
}

export function RunWithInput({ task, onClose, onRun }: Props) {
  const [text, setText] = useState(task.action.payload === null ? "{}" : JSON.stringify(task.action.payload, null, 2));

  async function save(): Promise<Refusal | null> {
    let payload: unknown;
    try {
      payload = JSON.parse(text);
    } catch (error) {
      return { problems: [{ path: ["payload"], message: `This is not JSON: ${(error as Error).message}` }] };
    }
    return onRun(payload);
  }

  return (
    <DialogForm title="Run with other input" action="Run now" labels={LABELS} onSave={save} onClose={onClose}>
      <Field name="payload" label={LABELS.payload} hint="For this run alone.">
        {(control) => (
          <textarea {...control} className="mono" rows={10} spellCheck={false} autoFocus value={text} onChange={({ target }) => setText(target.value)} />
        )}
      </Field>
    </DialogForm>
  );
}
