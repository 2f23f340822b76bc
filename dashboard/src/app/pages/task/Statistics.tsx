// How the runs of a task went.
import { count, duration, percent } from "../../time/format";
import { Stat } from "../../ui/Stat";
import type { TaskData } from "./query";

export function Statistics({ statistics }: { statistics: TaskData["statistics"] }) {
  const { runs, failed, skipped, missed, successRatePercent, durationP50Ms, durationP95Ms, latenessP50Ms, latenessP99Ms } = statistics;
  return (
    <dl className="stats">
      <Stat name="Runs" value={count(runs)} note={skipped + missed > 0 ? `${count(skipped + missed)} skipped or missed` : undefined} />
      <Stat
        name="Succeeded"
        value={successRatePercent === null ? "–" : `${percent(successRatePercent)} %`}
        note={failed > 0 ? `${count(failed)} failed` : undefined}
        tone={failed > 0 ? "bad" : undefined}
      />
      <Stat name="Duration, median" value={durationP50Ms === null ? "–" : duration(durationP50Ms)} note={p(95, durationP95Ms)} />
      <Stat name="Lateness, median" value={latenessP50Ms === null ? "–" : duration(latenessP50Ms)} note={p(99, latenessP99Ms)} />
    </dl>
  );
}

function p(percentile: number, value: number | null): string | undefined {
  return value === null ? undefined : `p${percentile}: ${duration(value)}`;
}
