// A recurring schedule, built by choosing, or written as a cron expression.
import { type Cron, type CronKind, type Nth, ofKind, STEPS, toExpression, WEEKDAYS } from "../../forms/cron";
import { Field } from "../../ui/Field";

const KINDS: readonly (readonly [CronKind, string])[] = [
  ["minutes", "Every few minutes"],
  ["hourly", "Hourly"],
  ["daily", "Daily"],
  ["weekdays", "On weekdays"],
  ["weekly", "Weekly"],
  ["monthly", "Monthly"],
  ["lastDay", "On the last day of the month"],
  ["nthWeekday", "On a weekday of the month"],
  ["custom", "By a cron expression"],
];
const NTHS: readonly (readonly [Nth, string])[] = [[1, "first"], [2, "second"], [3, "third"], [4, "fourth"], [5, "fifth"], ["last", "last"]];
const MONDAY_FIRST = [1, 2, 3, 4, 5, 6, 0];

interface Props {
  cron: Cron;
  onChange: (cron: Cron) => void;
}

export function CronBuilder({ cron, onChange }: Props) {
  const isCustom = cron.kind === "custom";
  return (
    <>
      <div className="form-row">
        <Field name="trigger.cron.kind" label="Repeats" className="grow">
          {(control) => (
            <select {...control} value={cron.kind} onChange={(event) => onChange(ofKind(event.target.value as CronKind, cron))}>
              {KINDS.map(([kind, label]) => (
                <option key={kind} value={kind}>
                  {label}
                </option>
              ))}
            </select>
          )}
        </Field>
        {cron.kind === "minutes" && (
          <Field name="trigger.cron.every" label="Every">
            {(control) => (
              <select {...control} value={cron.every} onChange={(event) => onChange({ ...cron, every: Number(event.target.value) })}>
                {STEPS.map((step) => (
                  <option key={step} value={step}>
                    {step === 1 ? "minute" : `${step} minutes`}
                  </option>
                ))}
              </select>
            )}
          </Field>
        )}
        {cron.kind === "hourly" && (
          <Field name="trigger.cron.minute" label="At minute">
            {(control) => (
              <input {...control} type="number" min={0} max={59} value={cron.minute} onChange={(event) => onChange({ ...cron, minute: within(event.target.value, 0, 59) })} />
            )}
          </Field>
        )}
        {cron.kind === "monthly" && (
          <Field name="trigger.cron.day" label="On day">
            {(control) => (
              <input {...control} type="number" min={1} max={31} value={cron.day} onChange={(event) => onChange({ ...cron, day: within(event.target.value, 1, 31) })} />
            )}
          </Field>
        )}
        {cron.kind === "nthWeekday" && (
          <>
            <Field name="trigger.cron.nth" label="On the">
              {(control) => (
                <select {...control} value={cron.nth} onChange={(event) => onChange({ ...cron, nth: nth(event.target.value) })}>
                  {NTHS.map(([value, label]) => (
                    <option key={value} value={value}>
                      {label}
                    </option>
                  ))}
                </select>
              )}
            </Field>
            <Field name="trigger.cron.weekday" label="Weekday">
              {(control) => (
                <select {...control} value={cron.day} onChange={(event) => onChange({ ...cron, day: Number(event.target.value) })}>
                  {MONDAY_FIRST.map((day) => (
                    <option key={day} value={day}>
                      {WEEKDAYS[day]}
                    </option>
                  ))}
                </select>
              )}
            </Field>
          </>
        )}
        {"hour" in cron && (
          <Field name="trigger.cron.time" label="At">
            {(control) => (
              <input
                {...control}
                type="time"
                required
                value={`${padded(cron.hour)}:${padded(cron.minute)}`}
                onChange={(event) => {
                  const [hour, minute] = event.target.value.split(":").map(Number);
                  if (hour !== undefined && minute !== undefined) {
                    onChange({ ...cron, hour, minute });
                  }
                }}
              />
            )}
          </Field>
        )}
      </div>
      {cron.kind === "weekly" && (
        <fieldset className="weekdays">
          <legend>On</legend>
          {MONDAY_FIRST.map((day) => (
            <label key={day}>
              <input
                type="checkbox"
                checked={cron.days.includes(day)}
                // A weekly schedule needs a day, so the last one stays.
                disabled={cron.days.length === 1 && cron.days.includes(day)}
                onChange={(event) => onChange({ ...cron, days: event.target.checked ? [...cron.days, day] : cron.days.filter((each) => each !== day) })}
              />
              <span>{WEEKDAYS[day]!.slice(0, 3)}</span>
            </label>
          ))}
        </fieldset>
      )}
      <Field
        name="trigger.cron.expression"
        label="Cron expression"
        hint={isCustom ? "Minute, hour, day of month, month, day of week. L is the last day of the month, friL its last Friday, mon#2 its second Monday." : undefined}
      >
        {(control) => (
          <input
            {...control}
            className="mono"
            autoComplete="off"
            spellCheck={false}
            value={toExpression(cron)}
            onChange={(event) => onChange({ kind: "custom", expression: event.target.value })}
          />
        )}
      </Field>
    </>
  );
}

function padded(number: number): string {
  return String(number).padStart(2, "0");
}

function within(text: string, low: number, high: number): number {
  return Math.min(Math.max(Math.trunc(Number(text)) || low, low), high);
}

function nth(text: string): Nth {
  return text === "last" ? text : (Number(text) as Nth);
}
