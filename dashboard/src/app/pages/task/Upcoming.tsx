// The next instants of a task, in the reader's zone and in its own.
import { useNow } from "../../time/clock";
import { countdown, exact } from "../../time/format";
import { scheduleZone } from "../../time/schedule";
import { MINE } from "../../time/zone";
import type { TaskData } from "./query";

export function Upcoming({ task }: { task: TaskData }) {
  const now = useNow();
  const zone = scheduleZone(task.trigger) ?? "UTC";
  if (task.upcoming.length === 0) {
    return <p className="card-body ink-3">No further run is planned.</p>;
  }
  return (
    <ol className="upcoming card-body">
      {task.upcoming.map((at, index) => {
        const instant = Date.parse(at);
        return (
          <li key={at}>
            <time dateTime={at}>{exact(instant, MINE)}</time>
            {index === 0 && task.status === "SCHEDULED" && <strong className="upcoming-next">{countdown(instant, now)}</strong>}
            {zone !== MINE && <span className="ink-3 upcoming-zone">{exact(instant, zone)}</span>}
          </li>
        );
      })}
    </ol>
  );
}
