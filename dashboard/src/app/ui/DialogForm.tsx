// A form or a question in a dialog, with what was refused beside its fields.
import { useState, type ReactNode } from "react";

import { Dialog } from "./Dialog";
import { FieldProblems } from "./Field";
import { ProblemSummary } from "./ProblemSummary";
import { type Refusal, useRefusal } from "./useRefusal";

interface Props {
  title: string;
  /** What the button does, such as "Create key". */
  action: string;
  /** What the button does that changes nothing. */
  back?: string;
  /** The names of the fields for people. A question has none. */
  labels?: Readonly<Record<string, string>>;
  /** Whether the action takes something away for good. The focus is on the other button then. */
  danger?: boolean;
  /** Do it, and return null, or why it was not done. */
  onSave: () => Refusal | null | Promise<Refusal | null>;
  /** Null if the dialog stays until it is answered. */
  onClose: (() => void) | null;
  className?: string;
  children: ReactNode;
}

const NONE = {};

/** The dialog closes once the action is done. */
export function DialogForm({ title, action, back = "Cancel", labels = NONE, danger = false, onSave, onClose, className = "", children }: Props) {
  const { controls, problems, summary, attempt, refuse, clear } = useRefusal((field) => labels[field] ?? field);
  const [isSaving, setSaving] = useState(false);

  async function save(): Promise<void> {
    setSaving(true);
    const refusal = await onSave();
    setSaving(false);
    if (refusal === null) {
      onClose?.();
    } else {
      refuse(refusal);
    }
  }

  return (
    <Dialog title={title} onClose={onClose} className={className}>
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
          {onClose !== null && (
            <button type="button" className="button" autoFocus={danger} onClick={onClose}>
              {back}
            </button>
          )}
          <button className={`button ${danger ? "button-danger" : "button-main"}`} disabled={isSaving}>
            {action}
            {isSaving && " …"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
