// A form in a dialog, with what was refused beside its fields.
import { useState, type ReactNode } from "react";

import { Dialog } from "./Dialog";
import { FieldProblems } from "./Field";
import { ProblemSummary } from "./ProblemSummary";
import { type Refusal, useRefusal } from "./useRefusal";

interface Props {
  title: string;
  action: string;
  labels: Record<string, string>;
  /** Save, and return null, or why nothing was saved. */
  onSave: () => Promise<Refusal | null>;
  onClose: () => void;
  children: ReactNode;
}

/** `labels` are the names of fields for people. The dialog closes once it is saved. */
export function DialogForm({ title, action, labels, onSave, onClose, children }: Props) {
  const { controls, problems, summary, attempt, refuse, clear } = useRefusal((field) => labels[field] ?? field);
  const [isSaving, setSaving] = useState(false);

  async function save(): Promise<void> {
    setSaving(true);
    const refusal = await onSave();
    setSaving(false);
    if (refusal === null) {
      onClose();
    } else {
      refuse(refusal);
    }
  }

  return (
    <Dialog title={title} onClose={onClose} className="dialog-wide">
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        {summary.length > 0 && <ProblemSummary problems={summary} attempt={attempt} />}
        <FieldProblems controls={controls} problems={problems} clear={clear}>
          {children}
        </FieldProblems>
        <div className="dialog-actions">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button className="button button-main" disabled={isSaving}>
            {isSaving ? "Saving…" : action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
