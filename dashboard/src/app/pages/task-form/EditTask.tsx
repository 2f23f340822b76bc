// The page on which a task is changed.
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useClient, useQuery } from "urql";

import type { ResultOf } from "../../api/graphql";
import { failure } from "../../api/client";
import { changesBetween, merged } from "../../forms/changes";
import { formOf, type TaskForm } from "../../forms/task-form";
import { type Input, updateInput } from "../../forms/task-input";
import { NeedsScope } from "../../shell/NeedsScope";
import { MINE } from "../../time/zone";
import { Empty, ErrorNote, Skeleton } from "../../ui/feedback";
import { Page } from "../../ui/Page";
import { toast } from "../../ui/Toasts";
import type { Refusal } from "../../ui/useRefusal";
import { ConflictNote } from "./ConflictNote";
import { DEFINITION, LOAD, UPDATE, type UpdateTaskInput } from "./operations";
import { TaskFormView } from "./TaskFormView";

type Task = ResultOf<typeof DEFINITION>;

export function EditTask() {
  const { taskId } = useParams({ from: "/tasks/$taskId/edit" });
  const [{ data, error }, refresh] = useQuery({ query: LOAD, variables: { id: taskId }, requestPolicy: "network-only" });
  return (
    <Page
      title={data?.task == null ? "Edit task" : `Edit ${data.task.name}`}
      above={
        <Link to="/tasks/$taskId" params={{ taskId }}>
          Back to the task
        </Link>
      }
    >
      <NeedsScope scope="WRITE">
        {error !== undefined && <ErrorNote error={error} retry={() => refresh({ requestPolicy: "network-only" })} />}
        {!data ? (
          error === undefined && <Skeleton lines={8} />
        ) : data.task === null ? (
          <Empty icon="question" title="This task does not exist, or was deleted." />
        ) : (
          <Edit task={data.task} />
        )}
      </NeedsScope>
    </Page>
  );
}

function Edit({ task }: { task: Task }) {
  const client = useClient();
  const navigate = useNavigate();
  /** The task as the form knows it. The cache may have a newer one meanwhile. */
  const [known, setKnown] = useState(() => ({ form: formOf(task, MINE), version: task.version }));
  const [form, setForm] = useState<TaskForm>(known.form);
  /** The task as somebody else left it, when saving was refused because of that. */
  const [newer, setNewer] = useState<Task | null>(null);
  const back = (): Promise<void> => navigate({ to: "/tasks/$taskId", params: { taskId: task.id } });

  async function save(input: Input["input"]): Promise<Refusal | null> {
    const variables = { id: task.id, input: { ...input, expectedVersion: known.version } as UpdateTaskInput };
    const { data, error } = await client.mutation(UPDATE, variables);
    const result = data?.updateTask;
    if (error !== undefined || result === undefined) {
      return { message: failure(error) };
    }
    switch (result.__typename) {
      case "InvalidInput":
        return { problems: result.problems };
      case "NotFound":
        return { message: "The task was deleted meanwhile. Copy what you need from the form." };
      case "Conflict":
        if (result.reason === "STALE_VERSION" && result.currentTask !== null) {
          setNewer(result.currentTask);
          return { problems: [] };
        }
        return result.reason === "EXTERNAL_ID_TAKEN" ? { problems: [{ path: ["externalId"], message: result.message }] } : { message: result.message };
      case "Task":
        toast(`The task ${result.name} was changed.`);
        await back();
        return null;
    }
  }

  function goOn(current: Task, next: TaskForm): void {
    setKnown({ form: formOf(current, MINE), version: current.version });
    setForm(next);
    setNewer(null);
  }

  const theirs = newer === null ? null : formOf(newer, MINE);
  return (
    <TaskFormView
      form={form}
      onChange={setForm}
      clean={known.form}
      input={(each) => updateInput(each, known.form)}
      save={save}
      submitLabel="Save changes"
      onCancel={() => void back()}
      note={
        newer !== null &&
        theirs !== null && (
          <ConflictNote
            changes={changesBetween(known.form, theirs, form)}
            onKeep={() => goOn(newer, merged(known.form, theirs, form))}
            onDiscard={() => goOn(newer, theirs)}
          />
        )
      }
    />
  );
}
