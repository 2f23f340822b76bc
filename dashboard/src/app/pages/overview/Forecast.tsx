// How many calls the next 24 hours have, and which hosts get the most.
import { useMemo } from "react";

import { graphql } from "../../api/graphql";
import { usePolled } from "../../api/polling";
import { compact, count } from "../../time/format";
import { Chart, type Series } from "../../ui/Chart";
import { Empty, ErrorNote, Skeleton } from "../../ui/feedback";

const FORECAST = graphql(`
  query Forecast {
    loadForecast {
      calls
      computedAt
      buckets {
        from
        calls
      }
      hosts {
        host
        calls
      }
    }
  }
`);

const HEIGHT_PX = 150;
const HOSTS = 5;

export function Forecast() {
  const { data, error, refresh } = usePolled(FORECAST, {}, { everyMs: 60_000 });
  const buckets = data?.loadForecast.buckets;
  const times = useMemo(() => (buckets ?? []).map(({ from }) => Date.parse(from) / 1_000), [buckets]);
  const series = useMemo<Series[]>(
    () => [{ name: "Calls per hour", tone: "accent", values: (buckets ?? []).map(({ calls }) => calls) }],
    [buckets],
  );
  if (data === undefined) {
    return error === undefined ? <Skeleton height={HEIGHT_PX} /> : <ErrorNote error={error} retry={refresh} />;
  }
  const { calls, hosts } = data.loadForecast;
  if (calls === 0) {
    return <Empty icon="clock" title="Nothing is due in the next 24 hours." />;
  }
  return (
    <div className="forecast">
      <Chart label={`${count(calls)} calls in the next 24 hours`} times={times} series={series} height={HEIGHT_PX} kind="stacks" write={compact} />
      <ul className="forecast-hosts" aria-label="The busiest hosts">
        {hosts.slice(0, HOSTS).map((host) => (
          <li key={host.host}>
            <span className="forecast-host" title={host.host}>
              {host.host}
            </span>
            <span className="ink-3">{count(host.calls)}</span>
            <span className="forecast-bar" style={{ width: `${(100 * host.calls) / hosts[0]!.calls}%` }} />
          </li>
        ))}
      </ul>
    </div>
  );
}
