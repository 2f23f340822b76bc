// The overview: whether all is well, what happens, what needs attention, and what comes next.
import "./overview.css";

import { useState } from "react";

import { Card } from "../../ui/Card";
import { Page } from "../../ui/Page";
import { Segments } from "../../ui/Segments";
import { DueNext } from "./DueNext";
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
  return (
    <Page title="Overview" actions={<Segments label="Time range" value={range} options={RANGES} onChange={setRange} />}>
      <HealthLine />
      <Rates range={range} />
      <div className="overview-columns">
        <Card title="Due next" className="overview-due">
          <DueNext />
        </Card>
        <Card title="Live" className="overview-live">
          <LiveRuns />
        </Card>
      </div>
    </Page>
  );
}
