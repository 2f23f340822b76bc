// The overview: whether all is well, what happens, what needs attention, and what comes next.
import "./overview.css";

import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { usePolled } from "../../api/polling";
import { Card } from "../../ui/Card";
import { ErrorNote } from "../../ui/feedback";
import { Page } from "../../ui/Page";
import { Segments } from "../../ui/Segments";
import { ATTENTION, Attention } from "./Attention";
import { DueNext } from "./DueNext";
import { Forecast } from "./Forecast";
import { HealthLine } from "./HealthLine";
import { LiveRuns } from "./LiveRuns";
import { Rates } from "./Rates";
import type { Range } from "./ranges";

const RANGES = [
  ["hour", "1 h"],
  ["day", "24 h"],
  ["week", "7 d"],
] as const;

export function Overview() {
  const [range, setRange] = useState<Range>("day");
  const { data, error, refresh } = usePolled(ATTENTION, {}, { everyMs: 10_000 });
  const items = data?.attention;
  if (items === undefined && error?.networkError !== undefined) {
    // Nothing else can be read either, and would say the same.
    return (
      <Page title="Overview">
        <ErrorNote error={error} retry={refresh} />
      </Page>
    );
  }
  return (
    <Page title="Overview" actions={<Segments label="Time range" value={range} options={RANGES} onChange={setRange} />}>
      <HealthLine troubled={items === undefined ? 0 : new Set(items.map(({ task }) => task.id)).size} />
      {error !== undefined && items === undefined && <ErrorNote error={error} retry={refresh} />}
      {items !== undefined && items.length > 0 && (
        <Card title="Needs attention">
          <Attention items={items} onChange={refresh} />
        </Card>
      )}
      <Rates range={range} />
      <div className="overview-columns">
        <Card title="Due next">
          <DueNext />
        </Card>
        <Card
          title="Live"
          aside={
            <Link to="/runs" search={{}}>
              All runs
            </Link>
          }
        >
          <LiveRuns />
        </Card>
      </div>
      <Card title="The next 24 hours">
        <Forecast />
      </Card>
    </Page>
  );
}
