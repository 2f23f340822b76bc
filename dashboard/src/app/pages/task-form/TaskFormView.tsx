// The form of a task, new or existing.
import { useRef, useState, type ReactNode } from "react";

import type { ReadCurl } from "../../forms/curl-request";
import { place } from "../../forms/problems";
import { type TaskForm, withCurl } from "../../forms/task-form";
import { equal, type Input } from "../../forms/task-input";
import { Card } from "../../ui/Card";
import { Field, FieldProblems } from "../../ui/Field";
import { ProblemSummary } from "../../ui/ProblemSummary";
import { type Refusal, useRefusal } from "../../ui/useRefusal";
import { CurlDialog } from "./CurlDialog";
import { CurlNote } from "./CurlNote";
import { labelOf } from "./labels";
import { LeaveDialog } from "./LeaveDialog";
import { NotesSection } from "./NotesSection";
import { PolicySection } from "./PolicySection";
import { RequestSection } from "./RequestSection";
import { RetrySection } from "./RetrySection";
import { ScheduleSection } from "./ScheduleSection";
import { usePreview } from "./usePreview";
import "./task-form.css";

interface Props {
  form: TaskForm;
  onChange: (form: TaskForm) => void;
  /** The form without changes. */
  clean: TaskForm;
  /** Return the input to save, and what is wrong with it. */
  input: (form: TaskForm) => Input;
  /** Save the input, and return null, or why it was not saved. */
  save: (input: Input["input"]) => Promise<Refusal | null>;
  submitLabel: string;
  onCancel: () => void;
  /** What stands above the fields, such as a conflict. */
  note?: ReactNode;
}

export function TaskFormView({ form, onChange, clean, input, save, submitLabel, onCancel, note }: Props) {
  const { controls, problems, summary, attempt, refuse, clear } = useRefusal(labelOf);
  const [isSaving, setSaving] = useState(false);
  const [isPasting, setPasting] = useState(false);
  const [curl, setCurl] = useState<ReadCurl | null>(null);
  const preview = usePreview(form.trigger);
  const isSaved = useRef(false);

  function change(members: Partial<TaskForm>): void {
    onChange({ ...form, ...members });
  }

  async function submit(): Promise<void> {
    const made = input(form);
    if (made.problems.length > 0) {
      refuse({ problems: made.problems });
      return;
    }
    setSaving(true);
    isSaved.current = true;
    const refusal = await save(made.input);
    setSaving(false);
    if (refusal !== null) {
      isSaved.current = false;
      refuse(refusal);
    } else {
      clear();
    }
  }

  const live = place(preview.problems, [...controls.current.keys()]).byField;
  const shown = preview.state === "invalid" ? new Map([...problems, ...live]) : problems;

  return (
    <>
      <form
        className="task-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        {note}
        {summary.length > 0 && <ProblemSummary problems={summary} attempt={attempt} />}
        {curl !== null && <CurlNote notTaken={curl.notTaken} onDismiss={() => setCurl(null)} />}
        <FieldProblems controls={controls} problems={shown} clear={clear}>
          <Card title="Task">
            <div className="card-body form-grid">
              <Field name="name" label="Name">
                {(control) => (
                  <input
                    {...control}
                    autoComplete="off"
                    maxLength={255}
                    placeholder="Nightly report"
                    value={form.name}
                    onChange={(event) => change({ name: event.target.value })}
                  />
                )}
              </Field>
              <Field name="tags" label="Tags" hint="For filtering, separated by commas; at most 20.">
                {(control) => (
                  <input {...control} autoComplete="off" placeholder="billing, nightly" value={form.tags} onChange={(event) => change({ tags: event.target.value })} />
                )}
              </Field>
            </div>
          </Card>
          <RequestSection
            action={form.action}
            onChange={(members) => change({ action: { ...form.action, ...members } })}
            onPaste={() => setPasting(true)}
          />
          <ScheduleSection trigger={form.trigger} preview={preview} onChange={(members) => change({ trigger: { ...form.trigger, ...members } })} />
          <RetrySection form={form} onChange={change} />
          <PolicySection form={form} onChange={change} />
          <NotesSection form={form} onChange={change} />
        </FieldProblems>
        <div className="form-bar">
          <button type="button" className="button" onClick={onCancel}>
            Cancel
          </button>
          <button className="button button-main" disabled={isSaving}>
            {isSaving ? "Saving…" : submitLabel}
          </button>
        </div>
      </form>
      {isPasting && (
        <CurlDialog
          onClose={() => setPasting(false)}
          onRead={(read) => {
            onChange(withCurl(form, read.request));
            clear();
            setCurl(read);
          }}
        />
      )}
      <LeaveDialog mayLeave={() => isSaved.current || equal(form, clean)} />
    </>
  );
}
