// When a task runs: recurring, at an interval, or once.
import type { TriggerForm } from "../../forms/task-form";
import { toInstant } from "../../forms/wall-clock";
import { exact } from "../../time/format";
import { MINE } from "../../time/zone";
import { Card } from "../../ui/Card";
import { DurationInput } from "../../ui/DurationInput";
import { Field } from "../../ui/Field";
import { Segments } from "../../ui/Segments";
import { CronBuilder } from "./CronBuilder";
import { PreviewPanel } from "./PreviewPanel";
import type { Preview } from "./usePreview";
import { ZonePicker } from "./ZonePicker";

const KINDS = [["cron", "Recurring"], ["interval", "Interval"], ["oneOff", "Once"]] as const;
const ONE_OFFS = [["at", "At a time"], ["delay", "After a delay"]] as const;

interface Props {
  trigger: TriggerForm;
  preview: Preview;
  onChange: (change: Partial<TriggerForm>) => void;
}

export function ScheduleSection({ trigger, preview, onChange }: Props) {
  const { kind, timezone } = trigger;
  const hasZone = kind !== "oneOff" || trigger.oneOff === "at";
  return (
    <Card title="When" aside={<Segments label="Kind of schedule" value={kind} options={KINDS} onChange={(value) => onChange({ kind: value })} />}>
      <div className="card-body form-columns">
        <div className="form-stack">
          {kind === "cron" && <CronBuilder cron={trigger.cron} onChange={(cron) => onChange({ cron })} />}
          {kind === "interval" && (
            <Field name="trigger.interval.everyMs" label="Every" hint="From one run to the next, whatever the clock shows. At least one second.">
              {(control) => <DurationInput control={control} label="the interval" value={trigger.every} onChange={(every) => onChange({ every })} />}
            </Field>
          )}
          {kind === "oneOff" && (
            <>
              <Segments label="When the task runs" value={trigger.oneOff} options={ONE_OFFS} onChange={(oneOff) => onChange({ oneOff })} />
              {trigger.oneOff === "at" ? (
                <LocalTime name="trigger.oneOff.at" label="Date and time" value={trigger.at} zone={timezone} onChange={(at) => onChange({ at })} />
              ) : (
                <Field name="trigger.oneOff.delayMs" label="After" hint="Counted from the moment when the task is saved.">
                  {(control) => <DurationInput control={control} label="the delay" value={trigger.delay} onChange={(delay) => onChange({ delay })} />}
                </Field>
              )}
            </>
          )}
          {hasZone && (
            <Field name={kind === "cron" ? "trigger.cron.timezone" : "timezone"} label="Time zone" hint={zoneHint(kind)}>
              {(control) => <ZonePicker control={control} value={timezone} onChange={(value) => onChange({ timezone: value })} />}
            </Field>
          )}
          {kind !== "oneOff" && (
            <details className="more" open={trigger.startAt !== "" || trigger.endAt !== "" || trigger.jitter.amount !== "" || undefined}>
              <summary>First and last run, jitter</summary>
              <div className="form-stack">
                <LocalTime name={`trigger.${kind}.startAt`} label="Not before" value={trigger.startAt} zone={timezone} onChange={(startAt) => onChange({ startAt })} />
                <LocalTime name={`trigger.${kind}.endAt`} label="Not after" value={trigger.endAt} zone={timezone} onChange={(endAt) => onChange({ endAt })} />
                <Field
                  name={`trigger.${kind}.jitterMs`}
                  label="Jitter"
                  hint="Delays each call by up to this much, so that many tasks do not call at the same moment."
                >
                  {(control) => (
                    <DurationInput control={control} label="the jitter" placeholder="none" value={trigger.jitter} onChange={(jitter) => onChange({ jitter })} />
                  )}
                </Field>
              </div>
            </details>
          )}
        </div>
        <PreviewPanel preview={preview} zone={hasZone ? timezone : MINE} />
      </div>
    </Card>
  );
}

function zoneHint(kind: TriggerForm["kind"]): string | undefined {
  return kind === "cron" ? "The task follows this zone’s clock, through summer and winter." : undefined;
}

interface LocalTimeProps {
  name: string;
  label: string;
  value: string;
  zone: string;
  onChange: (value: string) => void;
}

/** A local time in a zone, with what it is for the reader where that differs. */
function LocalTime({ name, label, value, zone, onChange }: LocalTimeProps) {
  return (
    <Field name={name} label={label} hint={value === "" ? undefined : localHint(value, zone)}>
      {(control) => <input {...control} type="datetime-local" max="9999-12-31T23:59:59" value={value} onChange={(event) => onChange(event.target.value)} />}
    </Field>
  );
}

function localHint(value: string, zone: string): string | undefined {
  const reading = toInstant(value, zone);
  if (reading === null) {
    return undefined;
  }
  const instant = Date.parse(reading.instant);
  const yours = zone === MINE ? "" : `For you: ${exact(instant, MINE)}.`;
  switch (reading.note) {
    case "repeated":
      return `The clock shows this time twice on that day; the first one is meant. ${yours}`;
    case "skipped":
      return `The clock is put forward over this time: ${exact(instant, zone)} is meant. ${yours}`;
    case null:
      return yours || undefined;
  }
}
