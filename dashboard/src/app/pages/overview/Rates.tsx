// How runs went over a stretch of time: by outcome, how late, and how many of them succeeded.
import { useMemo } from "react";

import { graphql, type ResultOf } from "../../api/graphql";
import { usePolled } from "../../api/polling";
import { compact, count, duration, percent } from "../../time/format";
import { Card } from "../../ui/Card";
import { Chart, type Series } from "../../ui/Chart";
import { ErrorNote, Skeleton } from "../../ui/feedback";
import { Stat } from "../../ui/Stat";
import { RANGES, type Range } from "./ranges";

const STATISTICS = graphql(`
  query Statistics($from: DateTime!, $to: DateTime!, $bucket: StatisticsBucket!) {
    runStatistics(from: $from, to: $to, bucket: $bucket) {
      from
      runs
      succeeded
      failed
      cancelled
      skipped
      missed
      unknown
      latenessP50Ms
      latenessP99Ms
    }
  }
`);

type Bucket = ResultOf<typeof STATISTICS>["runStatistics"][number];

const HEIGHT_PX = 190;
const REFRESH_EVERY_MS = 15_000;

export function Rates({ range }: { range: Range }) {
  const { lengthMs, bucket, bucketMs, words } = RANGES[range];
  // The range moves on with each new bucket.
  const bucketNow = Math.floor(Date.now() / bucketMs);
  const variables = useMemo(
    () => ({
      from: new Date((bucketNow + 1) * bucketMs - lengthMs).toISOString(),
      to: new Date((bucketNow + 1) * bucketMs).toISOString(),
      bucket,
    }),
    [bucketNow, bucketMs, lengthMs, bucket],
  );
  const { data, error, refresh } = usePolled(STATISTICS, variables, { everyMs: REFRESH_EVERY_MS });
  const buckets = data?.runStatistics;
  const times = useMemo(() => (buckets ?? []).map(({ from }) => Date.parse(from) / 1_000), [buckets]);
  const outcomes = useMemo(() => outcomeSeries(buckets ?? [], bucketMs), [buckets, bucketMs]);
  const lateness = useMemo(() => latenessSeries(buckets ?? []), [buckets]);
  if (error !== undefined && buckets === undefined) {
    return <ErrorNote error={error} retry={refresh} />;
  }
  const sums = total(buckets ?? []);
  return (
    <>
      <section className="card overview-sums" aria-label={`Sums ${words}`}>
        {buckets === undefined ? (
          <Skeleton height={72} />
        ) : (
          <dl className="stats">
            <Stat name="Runs" value={count(sums.runs)} note={`${compact(sums.runs / (lengthMs / 60_000))} per minute`} />
            <Stat name="Success rate" value={sums.rate === null ? "–" : `${percent(sums.rate)} %`} />
            <Stat name="Failed" value={count(sums.failed)} tone={sums.failed > 0 ? "bad" : undefined} />
            <Stat name="Missed or skipped" value={count(sums.missed + sums.skipped)} />
          </dl>
        )}
      </section>
      <div className="overview-charts">
        <Card title="Runs per minute">
          {buckets === undefined ? (
            <Skeleton height={HEIGHT_PX} />
          ) : (
            <Chart
              label={`Runs per minute ${words}: ${count(sums.succeeded)} succeeded, ${count(sums.failed)} failed`}
              times={times}
              series={outcomes}
              height={HEIGHT_PX}
              kind="stacks"
              write={compact}
            />
          )}
        </Card>
        <Card title="Lateness">
          {buckets === undefined ? (
            <Skeleton height={HEIGHT_PX} />
          ) : (
            <Chart
              label={`Lateness ${words}, median and 99th percentile`}
              times={times}
              series={lateness}
              height={HEIGHT_PX}
              kind="lines"
              write={duration}
            />
          )}
        </Card>
      </div>
    </>
  );
}

function outcomeSeries(buckets: readonly Bucket[], bucketMs: number): Series[] {
  const now = Date.now();
  // The last bucket has not ended, so its runs belong to the part that has passed; right after its beginning that says little.
  const minutes = ({ from }: Bucket) => Math.min(Math.max(now - Date.parse(from), bucketMs / 4), bucketMs) / 60_000;
  const of = (value: (bucket: Bucket) => number) => buckets.map((bucket) => value(bucket) / minutes(bucket));
  return [
    { name: "Succeeded", tone: "ok", values: of(({ succeeded }) => succeeded) },
    { name: "Failed", tone: "bad", values: of(({ failed }) => failed) },
    { name: "Missed, skipped", tone: "warn", values: of(({ missed, skipped }) => missed + skipped) },
    { name: "Other", tone: "odd", values: of(({ cancelled, unknown }) => cancelled + unknown) },
  ];
}

function latenessSeries(buckets: readonly Bucket[]): Series[] {
  return [
    { name: "p99", tone: "warn", values: buckets.map(({ latenessP99Ms }) => latenessP99Ms) },
    { name: "median", tone: "accent", values: buckets.map(({ latenessP50Ms }) => latenessP50Ms) },
  ];
}

function total(buckets: readonly Bucket[]) {
  const sum = (value: (bucket: Bucket) => number) => buckets.reduce((before, bucket) => before + value(bucket), 0);
  const [succeeded, failed] = [sum((bucket) => bucket.succeeded), sum((bucket) => bucket.failed)];
  return {
    runs: sum(({ runs }) => runs),
    succeeded,
    failed,
    missed: sum(({ missed }) => missed),
    skipped: sum(({ skipped }) => skipped),
    rate: succeeded + failed === 0 ? null : (100 * succeeded) / (succeeded + failed),
  };
}
