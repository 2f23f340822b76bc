// What stands in place of an empty list of tasks, and leads to the first one.
import { Link } from "@tanstack/react-router";

import { service } from "../../address";
import { Empty } from "../../ui/feedback";
import { Icon } from "../../ui/icons";

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
  return (
    <Empty icon="tasks" title="There are no tasks yet.">
      <p>A task is an HTTP call and the times at which it is made. Create the first one in a form, or by the API.</p>
      <div className="form-actions">
        <Link to="/tasks/new" search={{}} className="button button-main">
          <Icon name="plus" />
          Create a task
        </Link>
        <a className="button" href={new URL("graphql", service).href}>
          Open the playground
        </a>
      </div>
    </Empty>
  );
}
