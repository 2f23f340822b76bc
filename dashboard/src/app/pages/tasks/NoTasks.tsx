// What stands in place of an empty list of tasks, and leads to the first one.
import { service } from "../../address";
import { CopyButton } from "../../ui/CopyButton";
import { Empty } from "../../ui/feedback";

export function NoTasks({ isFiltered, onClear }: { isFiltered: boolean; onClear: () => void }) {
  if (isFiltered) {
    return (
      <Empty icon="filter" title="No tasks match.">
        <button type="button" className="button" onClick={onClear}>
          Show all tasks
        </button>
      </Empty>
    );
  }
  const query = `mutation {\n  createTask(input: {\n    name: "heartbeat"\n    trigger: { interval: { everyMs: 60000 } }\n    action: { url: "https://example.com/" }\n  }) {\n    __typename\n  }\n}`;
  return (
    <Empty icon="tasks" title="There are no tasks yet.">
      <p>A task is an HTTP call and the times at which it is made. This mutation creates one that calls a page each minute:</p>
      <div className="first-task">
        <pre tabIndex={0}>{query}</pre>
        <CopyButton text={query} label="Copy the mutation" />
      </div>
      <a className="button button-main" href={new URL("graphql", service).href}>
        Open the playground
      </a>
    </Empty>
  );
}
