// The task that was created last in this browser tab, for the examples that run, pause and delete it.
import { Kind, type OperationDefinitionNode } from "graphql";

const KEPT = "duetime:task";

interface Created {
  data?: { createTask?: { __typename?: string; id?: string } } | null;
}

/** Remember the task that a result says was created. */
export function remember(result: unknown): void {
  const task = (result as Created | null)?.data?.createTask;
  if (task?.__typename === "Task" && task.id !== undefined) {
    sessionStorage.setItem(KEPT, task.id);
  }
}

/** Return variables with the id of that task, if the operation requires `$id` and there is none. */
export function withTask(
  operation: OperationDefinitionNode,
  variables: Record<string, unknown> | undefined,
): Record<string, unknown> | undefined {
  const id = sessionStorage.getItem(KEPT);
  const requiresId = operation.variableDefinitions?.some(
    ({ variable, type }) => variable.name.value === "id" && type.kind === Kind.NON_NULL_TYPE,
  );
  return requiresId && id !== null && variables?.["id"] === undefined ? { ...variables, id } : variables;
}
