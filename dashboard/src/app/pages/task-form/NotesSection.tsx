// What people and programs keep with a task, for how long, and the limit that it shares with others.
import type { TaskForm } from "../../forms/task-form";
import { Card } from "../../ui/Card";
import { DurationInput } from "../../ui/DurationInput";
import { Field } from "../../ui/Field";

interface Props {
  form: TaskForm;
  onChange: (change: Partial<TaskForm>) => void;
}

export function NotesSection({ form, onChange }: Props) {
  return (
    <Card title="Notes, limits and retention">
      <div className="card-body form-stack">
        <Field name="description" label="Description" hint="For people: what the task is for, and whom to ask.">
          {(control) => <textarea {...control} rows={3} maxLength={4000} value={form.description} onChange={(event) => onChange({ description: event.target.value })} />}
        </Field>
        <div className="form-grid">
          <Field name="externalId" label="External id" hint="A name of your own by which programs find the task; unique.">
            {(control) => (
              <input {...control} className="mono" autoComplete="off" spellCheck={false} value={form.externalId} onChange={(event) => onChange({ externalId: event.target.value })} />
            )}
          </Field>
          <Field name="flowKey" label="Flow key" hint="Tasks with the same key share its limit, such as the name of an account.">
            {(control) => (
              <input {...control} className="mono" autoComplete="off" spellCheck={false} maxLength={255} value={form.flowKey} onChange={(event) => onChange({ flowKey: event.target.value })} />
            )}
          </Field>
          <Field name="retentionDays" label="Keep runs for" hint="0 keeps them without limit.">
            {(control) => (
              <div className="with-unit">
                <input
                  {...control}
                  type="number"
                  min={0}
                  max={36500}
                  placeholder="default"
                  value={form.retentionDays}
                  onChange={(event) => onChange({ retentionDays: event.target.value })}
                />
                <span>days</span>
              </div>
            )}
          </Field>
          <Field name="deleteAfterMs" label="Delete the task" hint="This long after it completed or was cancelled.">
            {(control) => (
              <DurationInput control={control} label="the time until the task is deleted" placeholder="never" value={form.deleteAfter} onChange={(deleteAfter) => onChange({ deleteAfter })} />
            )}
          </Field>
        </div>
        <Field name="metadata" label="Metadata" hint="Any JSON to keep with the task; at most 4 KiB.">
          {(control) => (
            <textarea {...control} className="mono" rows={3} spellCheck={false} placeholder='{ "team": "billing" }' value={form.metadata} onChange={(event) => onChange({ metadata: event.target.value })} />
          )}
        </Field>
      </div>
    </Card>
  );
}
