// The workers: who makes the calls, and how much of it.
import "./admin.css";

import { graphql } from "../../api/graphql";
import { usePolled } from "../../api/polling";
import { Empty } from "../../ui/feedback";
import { Page } from "../../ui/Page";
import { RowsCard } from "../../ui/RowsCard";
import { Badge } from "../../ui/states";
import { Time } from "../../ui/Time";

const WORKERS = graphql(`
  query Workers {
    workers {
      id
      host
      startedAt
      lastSeenAt
      alive
      slots
      runningRuns
      version
    }
  }
`);

const COLUMNS = [
  { title: "Host" },
  { title: "State" },
  { title: "Calls under way" },
  { title: "Since", wideOnly: true },
  { title: "Last seen", wideOnly: true },
  { title: "Version", wideOnly: true },
];

export function Workers() {
  const { data, error, refresh } = usePolled(WORKERS, {}, { everyMs: 3_000 });
  return (
    <Page title="Workers">
      <RowsCard
        label="Workers"
        columns={COLUMNS}
        rows={data?.workers}
        error={error}
        refresh={refresh}
        empty={
          <Empty icon="server" title="No worker is alive, so no task runs.">
            <p>
              Start one with <code>duetime worker</code>.
            </p>
          </Empty>
        }
      >
        {({ id, host, alive, slots, runningRuns, startedAt, lastSeenAt, version }) => (
          <tr key={id}>
            <th scope="row">
              {host ?? "unknown"}
              <span className="ink-3 mono worker-id">{id.slice(-6)}</span>
            </th>
            <td>{alive ? <Badge tone="ok" icon="check" word="Alive" /> : <Badge tone="bad" icon="cross" word="Lost" />}</td>
            <td>
              <span className="load">
                {slots !== null && <meter aria-label="Share of its slots" min={0} max={Math.max(slots, 1)} value={runningRuns} />}
                {runningRuns}
                {slots !== null && <span className="ink-3">of {slots}</span>}
              </span>
            </td>
            <td className="wide-only">
              <Time at={startedAt} />
            </td>
            <td className="wide-only">
              <Time at={lastSeenAt} />
            </td>
            <td className="wide-only">{version ?? <span className="ink-3">before 0.2</span>}</td>
          </tr>
        )}
      </RowsCard>
    </Page>
  );
}
