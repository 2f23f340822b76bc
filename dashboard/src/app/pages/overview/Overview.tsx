// The overview: whether all is well.
import { graphql } from "../../api/graphql";
import { usePolled } from "../../api/polling";
import { count } from "../../time/format";
import { Card } from "../../ui/Card";
import { ErrorNote, Skeleton } from "../../ui/feedback";
import { Page } from "../../ui/Page";

const OVERVIEW = graphql(`
  query Overview {
    metrics {
      totalRuns
      workers
    }
  }
`);

export function Overview() {
  const { data, error, refresh } = usePolled(OVERVIEW, {}, { everyMs: 5_000 });
  return (
    <Page title="Overview">
      {error !== undefined && <ErrorNote error={error} retry={refresh} />}
      <Card title="Now">{data === undefined ? <Skeleton /> : <p>{count(data.metrics.totalRuns)} runs</p>}</Card>
    </Page>
  );
}
