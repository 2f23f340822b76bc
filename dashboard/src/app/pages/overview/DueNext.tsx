// The tasks that are due next, with the time that is left.
import { Link } from "@tanstack/react-router";

import { graphql } from "../../api/graphql";
import { usePolled } from "../../api/polling";
import { scheduleWords, scheduleZone } from "../../time/schedule";
import { Empty, ErrorNote, Skeleton } from "../../ui/feedback";
import { Time } from "../../ui/Time";

const DUE_NEXT = graphql(`
  query DueNext {
    tasks(first: 20, orderBy: NEXT_RUN_AT_ASC, filter: { statuses: [SCHEDULED] }) {
      nodes {
        id
        name
        nextRunAt
        trigger {
          __typename
          ... on CronTrigger {
            description
            timezone
          }
          ... on IntervalTrigger {
            everyMs
          }
          ... on OneOffTrigger {
            at
          }
        }
      }
    }
  }
`);

export function DueNext() {
  const { data, error, refresh } = usePolled(DUE_NEXT, {}, { everyMs: 3_000 });
  if (data === undefined) {
    return error === undefined ? <Skeleton lines={6} /> : <ErrorNote error={error} retry={refresh} />;
  }
  const due = data.tasks.nodes.filter(({ nextRunAt }) => nextRunAt !== null);
  if (due.length === 0) {
    return <Empty icon="clock" title="Nothing is due." />;
  }
  return (
    <ol className="overview-list">
      {due.map(({ id, name, nextRunAt, trigger }) => (
        <li key={id}>
          <Link to="/tasks/$taskId" params={{ taskId: id }}>
            {name}
          </Link>
          <span className="overview-note">{scheduleWords(trigger)}</span>
          <span className="overview-when">
            <Time at={nextRunAt!} taskZone={scheduleZone(trigger)} form="countdown" />
          </span>
        </li>
      ))}
    </ol>
  );
}
