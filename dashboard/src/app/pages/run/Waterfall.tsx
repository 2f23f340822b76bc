// The attempts of a run along its time: how long each took, and how long it waited for the next.
import { useNow } from "../../time/clock";
import { duration } from "../../time/format";
import { Badge, type Tone } from "../../ui/states";
import { Time } from "../../ui/Time";
import type { RunData } from "./Run";

type Attempt = RunData["attempts"][number];

const LEAST_PERCENT = 0.6;

export function Waterfall({ run }: { run: RunData }) {
  const now = useNow();
  const from = Math.min(Date.parse(run.scheduledFor), ...run.attempts.map(({ startedAt }) => Date.parse(startedAt)));
  const waitsUntil = run.state === "RETRYING" ? (run.attempts.at(-1)?.nextAttemptAt ?? null) : null;
  const to = Math.max(
    run.finishedAt === null ? now : Date.parse(run.finishedAt),
    waitsUntil === null ? 0 : Date.parse(waitsUntil),
    from + 1,
  );
  const place = (at: number) => ((at - from) / (to - from)) * 100;

  return (
    <ol className="waterfall">
      {run.attempts.map((attempt, index) => {
        const start = Date.parse(attempt.startedAt);
        const end = attempt.finishedAt === null ? now : Date.parse(attempt.finishedAt);
        const next = run.attempts[index + 1]?.startedAt ?? attempt.nextAttemptAt;
        const waited = next === null || attempt.finishedAt === null ? null : Date.parse(next) - end;
        const width = Math.max(place(end) - place(start), LEAST_PERCENT);
        return (
          <li key={attempt.number}>
            <span className="waterfall-number">{attempt.number}</span>
            <div className="waterfall-bar">
              <div
                className={`waterfall-track ${looks(attempt, run).tone}`}
                style={{ left: `${Math.min(place(start), 100 - width)}%`, width: `${width}%` }}
              />
              {waited !== null && waited > 0 && (
                <div
                  className="waterfall-wait"
                  style={{ left: `${place(end)}%`, width: `${Math.max(100 - place(end) - (100 - place(end + waited)), 0)}%` }}
                />
              )}
            </div>
            <div className="waterfall-words">
              <Badge {...looks(attempt, run)} />
              <span className="ink-2">
                {attempt.durationMs === null ? "under way" : duration(attempt.durationMs)}
                {waited !== null && waited > 0 && `, then a wait of ${duration(waited)}`}
              </span>
              <span className="ink-3">
                <Time at={attempt.startedAt} form="clock" />
              </span>
              {[attempt.errorMessage, attempt.responseError, attempt.resent ? "The request was sent a second time." : null]
                .filter((text) => text !== null)
                .map((text) => (
                  <p key={text}>{text}</p>
                ))}
              {attempt.redirects.map(({ status, method, url }, step) => (
                <p key={step} className="mono ink-2">
                  {status} → {method} {url}
                </p>
              ))}
            </div>
          </li>
        );
      })}
    </ol>
  );
}

function looks(attempt: Attempt, run: RunData): { tone: Tone; icon: "check" | "cross" | "running"; word: string } {
  if (attempt.finishedAt === null) {
    return { tone: "info", icon: "running", word: "Under way" };
  }
  const word = attempt.statusCode === null ? "No response" : `HTTP ${attempt.statusCode}`;
  const isLast = attempt === run.attempts.at(-1);
  return isLast && run.state === "SUCCEEDED" ? { tone: "ok", icon: "check", word } : { tone: "bad", icon: "cross", word };
}
