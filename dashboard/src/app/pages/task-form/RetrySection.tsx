// How failed attempts are retried, drawn as a line of time.
import { toMs } from "../../forms/durations";
import { plan, type Plan } from "../../forms/retry";
import type { OnLost, RetryForm, TaskForm } from "../../forms/task-form";
import { duration } from "../../time/format";
import { Card } from "../../ui/Card";
import { DurationInput } from "../../ui/DurationInput";
import { Field } from "../../ui/Field";
import { Options } from "./Options";

const ON_LOST: readonly (readonly [OnLost, string, string])[] = [
  ["RETRY", "Send again", "Another worker sends the request again, with the same Idempotency-Key. The target may get it twice."],
  ["FAIL", "Leave it", "The run ends as Unknown, because nobody knows whether the request arrived."],
];

interface Props {
  form: TaskForm;
  onChange: (change: Partial<TaskForm>) => void;
}

export function RetrySection({ form, onChange }: Props) {
  const { retry } = form;
  const change = (members: Partial<RetryForm>): void => onChange({ retry: { ...retry, ...members } });
  return (
    <Card title="When a call fails">
      <div className="card-body form-stack">
        <div className="form-grid">
          <Field name="retry.maxAttempts" label="Attempts" hint="With the first one; 1 means no retry.">
            {(control) => (
              <input {...control} type="number" min={1} max={100} value={retry.maxAttempts} onChange={(event) => change({ maxAttempts: event.target.value })} />
            )}
          </Field>
          <Field name="retry.initialDelayMs" label="First delay">
            {(control) => <DurationInput control={control} label="the first delay" value={retry.initialDelay} onChange={(initialDelay) => change({ initialDelay })} />}
          </Field>
          <Field name="retry.factor" label="Each further delay" hint="Times the one before; 1 to 10.">
            {(control) => <input {...control} inputMode="decimal" autoComplete="off" value={retry.factor} onChange={(event) => change({ factor: event.target.value })} />}
          </Field>
          <Field name="retry.maxDelayMs" label="Longest delay">
            {(control) => <DurationInput control={control} label="the longest delay" value={retry.maxDelay} onChange={(maxDelay) => change({ maxDelay })} />}
          </Field>
        </div>
        <RetryDrawing retry={retry} />
        <details className="more">
          <summary>Which statuses are retried, and how long</summary>
          <div className="form-grid">
            <Field name="retry.retryStatuses" label="Only these statuses" hint="Such as 5xx, 429. By default all that are no success, except 410. Connection errors and timeouts are always retried.">
              {(control) => (
                <input {...control} autoComplete="off" placeholder="all" value={retry.retryStatuses} onChange={(event) => change({ retryStatuses: event.target.value })} />
              )}
            </Field>
            <Field name="retry.maxElapsedMs" label="Give up after" hint="No attempt begins later than that after the run was due.">
              {(control) => (
                <DurationInput control={control} label="the time to give up" placeholder="never" value={retry.maxElapsed} onChange={(maxElapsed) => change({ maxElapsed })} />
              )}
            </Field>
          </div>
        </details>
        <Field name="pauseAfterFailures" label="Pause the task after" hint="Runs that failed one after another, each after its retries.">
          {(control) => (
            <div className="with-unit">
              <input {...control} type="number" min={0} max={1000} placeholder="never" value={form.pauseAfterFailures} onChange={(event) => onChange({ pauseAfterFailures: event.target.value })} />
              <span>failed runs</span>
            </div>
          )}
        </Field>
        <Options name="onLost" legend="When a worker is lost in the middle of a call" value={form.onLost} options={ON_LOST} onChange={(onLost) => onChange({ onLost })} />
      </div>
    </Card>
  );
}

const WIDTH = 600;
const HEIGHT = 44;
const EDGE = 8;
const MOST_IN_WORDS = 6;

function RetryDrawing({ retry }: { retry: RetryForm }) {
  const maxAttempts = Number(retry.maxAttempts);
  const factor = Number(retry.factor.replace(",", "."));
  const [initialDelayMs, maxDelayMs, maxElapsedMs] = [toMs(retry.initialDelay), toMs(retry.maxDelay), toMs(retry.maxElapsed)];
  const isDrawable =
    Number.isInteger(maxAttempts) && maxAttempts >= 1 && maxAttempts <= 100 && factor >= 1 && factor <= 10 &&
    initialDelayMs !== null && initialDelayMs >= 0 && maxDelayMs !== null && maxDelayMs >= 0 && !Number.isNaN(maxElapsedMs);
  if (!isDrawable) {
    return null;
  }
  const drawn = plan({ maxAttempts, initialDelayMs, factor, maxDelayMs, maxElapsedMs });
  const { attempts } = drawn;
  const end = Math.max(...attempts.map(({ latestMs }) => latestMs), 1);
  // Delays grow by a power, so a square root keeps the first attempts apart.
  const x = (ms: number): number => EDGE + Math.sqrt(ms / end) * (WIDTH - 2 * EDGE);
  return (
    <figure className="retry-drawing">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={inWords(drawn)}>
        <line x1={EDGE} x2={WIDTH - EDGE} y1={HEIGHT / 2} y2={HEIGHT / 2} />
        {attempts.map(({ number, afterMs, earliestMs, latestMs }) => (
          <g key={number}>
            <rect x={x(earliestMs)} width={Math.max(x(latestMs) - x(earliestMs), 1)} y={HEIGHT / 2 - 12} height={24} rx={3} />
            <line className="attempt" x1={x(afterMs)} x2={x(afterMs)} y1={HEIGHT / 2 - 12} y2={HEIGHT / 2 + 12} />
          </g>
        ))}
      </svg>
      <figcaption>{inWords(drawn)}</figcaption>
    </figure>
  );
}

function inWords({ attempts, dropped }: Plan): string {
  const [, ...retries] = attempts;
  if (retries.length === 0) {
    return dropped > 0 ? "There is no retry: the time to give up ends before the first one." : "There is no retry.";
  }
  const named = retries.slice(0, MOST_IN_WORDS).map(({ delayMs }) => planned(delayMs)).join(", ");
  const more = retries.length > MOST_IN_WORDS ? ", …" : "";
  const last = retries.at(-1)!.afterMs;
  const cut = dropped === 0 ? "" : ` ${dropped === 1 ? "One attempt begins" : `${dropped} attempts begin`} too late and ${dropped === 1 ? "is" : "are"} left out.`;
  return `Retries after ${named}${more}, each varied by 20 %: the last one about ${planned(last)} after the first attempt.${cut}`;
}

/** Return a duration that nobody measured, so that it needs no decimals. */
function planned(ms: number): string {
  return duration(ms).replace(".0 ", " ");
}
