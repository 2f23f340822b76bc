// The form of a rule, new or existing.
import { useState } from "react";
import { useClient } from "urql";

import { refusalOf } from "../../api/refusal";
import { type Duration, fromMs, toMs } from "../../forms/durations";
import type { Problem } from "../../forms/problems";
import { list } from "../../forms/task-input";
import { DialogForm } from "../../ui/DialogForm";
import { DurationInput } from "../../ui/DurationInput";
import { Field } from "../../ui/Field";
import type { Refusal } from "../../ui/useRefusal";
import { EVENTS } from "./events";
import { CREATE_RULE, type Rule, type RuleInput, UPDATE_RULE } from "./operations";

const LABELS = {
  name: "Name",
  channelIds: "Channels",
  events: "Events",
  tags: "Tags",
  taskIds: "Tasks",
  afterFailures: "Failures in a row",
  lateMs: "Late after",
  toleranceMs: "Tolerance",
  remindEveryMs: "Repeat every",
  gatherMs: "Gather for",
};

interface RuleValues {
  name: string;
  channelIds: readonly string[];
  events: Rule["events"];
  tags: string;
  taskIds: string;
  afterFailures: string;
  late: Duration;
  tolerance: Duration;
  remindEvery: Duration;
  gather: Duration;
}

interface Props {
  /** Null for a new one. */
  rule: Rule | null;
  channels: readonly { id: string; name: string }[];
  onSaved: () => void;
  onClose: () => void;
}

export function RuleForm({ rule, channels, onSaved, onClose }: Props) {
  const client = useClient();
  const [values, setValues] = useState(() => valuesOf(rule, channels));
  const change = (members: Partial<RuleValues>): void => setValues({ ...values, ...members });
  const isLate = values.events.includes("LATE");
  const isTolerant = values.events.includes("ABSENT") || values.events.includes("NO_WORKERS");

  async function save(): Promise<Refusal | null> {
    const { input, problems } = inputOf(values);
    if (problems.length > 0) {
      return { problems };
    }
    let refusal: Refusal | null;
    if (rule === null) {
      const { data, error } = await client.mutation(CREATE_RULE, { input });
      refusal = refusalOf(data?.createNotificationRule, error);
    } else {
      const { data, error } = await client.mutation(UPDATE_RULE, { id: rule.id, input: { ...input, remindEveryMs: input.remindEveryMs ?? 0, expectedVersion: rule.version } });
      refusal = refusalOf(data?.updateNotificationRule, error);
    }
    if (refusal === null) {
      onSaved();
    }
    return refusal;
  }

  return (
    <DialogForm
      title={rule === null ? "New rule" : `Edit ${rule.name}`}
      action={rule === null ? "Create rule" : "Save changes"}
      className="dialog-wide"
      labels={LABELS}
      onSave={save}
      onClose={onClose}
    >
      <Field name="name" label="Name">
        {(control) => (
          <input {...control} autoFocus autoComplete="off" maxLength={255} placeholder="Failures of billing" value={values.name} onChange={(event) => change({ name: event.target.value })} />
        )}
      </Field>
      <Checks
        name="events"
        legend="Tell when"
        options={EVENTS.map(([event, label, explanation]) => ({ value: event, label, explanation }))}
        chosen={values.events}
        onChange={(events) => change({ events })}
      />
      <Checks
        name="channelIds"
        legend="To these channels"
        options={channels.map(({ id, name }) => ({ value: id, label: name }))}
        chosen={values.channelIds}
        onChange={(channelIds) => change({ channelIds })}
      />
      <div className="form-grid">
        <Field name="tags" label="Only tasks with these tags" hint="All of them, separated by commas. Empty means all tasks.">
          {(control) => <input {...control} autoComplete="off" placeholder="billing" value={values.tags} onChange={(event) => change({ tags: event.target.value })} />}
        </Field>
        <Field name="taskIds" label="Only these tasks" hint="Their ids, separated by commas. Empty means all.">
          {(control) => <input {...control} className="mono" autoComplete="off" spellCheck={false} value={values.taskIds} onChange={(event) => change({ taskIds: event.target.value })} />}
        </Field>
        {values.events.includes("FAILED") && (
          <Field name="afterFailures" label="Failures in a row" hint="So many failed runs count as a failure.">
            {(control) => <input {...control} type="number" min={1} max={1000} value={values.afterFailures} onChange={(event) => change({ afterFailures: event.target.value })} />}
          </Field>
        )}
        {isLate && (
          <Field name="lateMs" label="Late after" hint="How late a run may begin.">
            {(control) => <DurationInput control={control} label="how late" value={values.late} onChange={(late) => change({ late })} />}
          </Field>
        )}
        {isTolerant && (
          <Field name="toleranceMs" label="Tolerance" hint="Until a run counts as absent, or workers as gone.">
            {(control) => <DurationInput control={control} label="the tolerance" value={values.tolerance} onChange={(tolerance) => change({ tolerance })} />}
          </Field>
        )}
        <Field name="gatherMs" label="Gather for" hint="Many events in this time become one message.">
          {(control) => <DurationInput control={control} label="gathering" value={values.gather} onChange={(gather) => change({ gather })} />}
        </Field>
        <Field name="remindEveryMs" label="Repeat every" hint="As long as it lasts.">
          {(control) => <DurationInput control={control} label="the repetition" placeholder="never" value={values.remindEvery} onChange={(remindEvery) => change({ remindEvery })} />}
        </Field>
      </div>
    </DialogForm>
  );
}

interface ChecksProps<Value extends string> {
  name: string;
  legend: string;
  options: readonly { value: Value; label: string; explanation?: string }[];
  chosen: readonly Value[];
  onChange: (chosen: Value[]) => void;
}

/** Several choices. What is wrong with them stands at the first. */
function Checks<Value extends string>({ name, legend, options, chosen, onChange }: ChecksProps<Value>) {
  return (
    <fieldset className="checks">
      <legend>{legend}</legend>
      {options.map(({ value, label, explanation }, place) => (
        <Field key={value} name={place === 0 ? name : `${name}.${value}`} className="check-field" label={label} hint={explanation}>
          {(control) => (
            <input
              {...control}
              type="checkbox"
              checked={chosen.includes(value)}
              onChange={(event) => onChange(event.target.checked ? [...chosen, value] : chosen.filter((each) => each !== value))}
            />
          )}
        </Field>
      ))}
    </fieldset>
  );
}

function valuesOf(rule: Rule | null, channels: Props["channels"]): RuleValues {
  return {
    name: rule?.name ?? "",
    channelIds: rule?.channelIds ?? channels.slice(0, 1).map(({ id }) => id),
    events: rule?.events ?? ["FAILED", "RECOVERED"],
    tags: rule?.tags.join(", ") ?? "",
    taskIds: rule?.taskIds.join(", ") ?? "",
    afterFailures: String(rule?.afterFailures ?? 1),
    late: fromMs(rule?.lateMs ?? 60_000),
    tolerance: fromMs(rule?.toleranceMs ?? 60_000),
    remindEvery: fromMs(rule?.remindEveryMs ?? null, "h"),
    gather: fromMs(rule?.gatherMs ?? 10_000),
  };
}

function inputOf(values: RuleValues): { input: RuleInput; problems: Problem[] } {
  const problems: Problem[] = [];
  const milliseconds = (name: string, value: Duration): number | null => {
    const ms = toMs(value);
    if (ms !== null && !Number.isSafeInteger(ms)) {
      problems.push({ path: [name], message: "must be a number of 0 or more" });
    }
    return ms;
  };
  const afterFailures = Number(values.afterFailures);
  if (!Number.isInteger(afterFailures)) {
    problems.push({ path: ["afterFailures"], message: "must be a whole number" });
  }
  return {
    problems,
    input: {
      name: values.name,
      channelIds: [...values.channelIds],
      events: [...values.events],
      taskIds: list(values.taskIds),
      tags: list(values.tags),
      afterFailures,
      lateMs: values.events.includes("LATE") ? milliseconds("lateMs", values.late) : null,
      toleranceMs: milliseconds("toleranceMs", values.tolerance),
      remindEveryMs: milliseconds("remindEveryMs", values.remindEvery),
      gatherMs: milliseconds("gatherMs", values.gather),
    },
  };
}
