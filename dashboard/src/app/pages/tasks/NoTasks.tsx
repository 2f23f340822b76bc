// What stands in place of an empty list of tasks, and leads to the first one.
import { Link } from "@tanstack/react-router";

import { Empty } from "../../ui/feedback";
import { Icon } from "../../ui/icons";

interface Props {
  isFiltered: boolean;
  mayCreate: boolean;
  onClear: () => void;
}

export function NoTasks({ isFiltered, mayCreate, onClear }: Props) {
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
      <p>A task is an HTTP call and the times at which it is made. You can paste a curl command to begin with.</p>
      {mayCreate && (
        <Link to="/tasks/new" search={{}} className="button button-main">
          <Icon name="plus" />
          Create the first task
        </Link>
      )}
    </Empty>
  );
}
