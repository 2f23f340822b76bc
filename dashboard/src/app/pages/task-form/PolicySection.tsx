// What happens when runs meet each other, and when instants were missed.
import type { Misfire, Overlap, TaskForm } from "../../forms/task-form";
import { Card } from "../../ui/Card";
import { Options } from "./Options";

const OVERLAP: readonly (readonly [Overlap, string, string])[] = [
  ["SKIP", "Skip the new run", "It is recorded as Skipped."],
  ["QUEUE", "Let it wait", "It starts when the earlier one has ended. While one waits, further ones are skipped."],
  ["ALLOW", "Run both", "Runs proceed side by side."],
];
const MISFIRE: readonly (readonly [Misfire, string, string])[] = [
  ["LATEST", "Run once", "The latest missed run is made up for, and tells how many were missed."],
  ["ALL", "Run all of them", "Every missed run is made up for, one after another: at most the newest 1,000."],
  ["SKIP", "Run none", "They are only recorded as Missed."],
];

interface Props {
  form: TaskForm;
  onChange: (change: Partial<TaskForm>) => void;
}

export function PolicySection({ form, onChange }: Props) {
  return (
    <Card title="When runs do not go as planned">
      <div className="card-body form-columns">
        <Options name="overlap" legend="While an earlier run is unfinished" value={form.overlap} options={OVERLAP} onChange={(overlap) => onChange({ overlap })} />
        <Options name="misfire" legend="After downtime or a pause, missed runs" value={form.misfire} options={MISFIRE} onChange={(misfire) => onChange({ misfire })} />
      </div>
    </Card>
  );
}
