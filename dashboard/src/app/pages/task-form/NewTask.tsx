// The page on which a task is created, empty or like another one.
import { useCanGoBack, useNavigate, useRouter, useSearch } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { useClient, useQuery } from "urql";

import { failure } from "../../api/client";
import { duplicateOf, emptyForm, formOf, type TaskForm } from "../../forms/task-form";
import { createInput, type Input } from "../../forms/task-input";
import { NeedsScope } from "../../shell/NeedsScope";
import { MINE } from "../../time/zone";
import { Empty, ErrorNote, Skeleton } from "../../ui/feedback";
import { Page } from "../../ui/Page";
import { toast } from "../../ui/Toasts";
import type { Refusal } from "../../ui/useRefusal";
import { CREATE, type CreateTaskInput, LOAD } from "./operations";
import { TaskFormView } from "./TaskFormView";

export function NewTask() {
  const { from } = useSearch({ from: "/tasks/new" });
  const [{ data, error }, refresh] = useQuery({ query: LOAD, variables: { id: from ?? "" }, pause: from === undefined });
  return (
    <Page title={from === undefined ? "New task" : "Duplicate task"}>
      <NeedsScope scope="WRITE">
        {error !== undefined && <ErrorNote error={error} retry={() => refresh({ requestPolicy: "network-only" })} />}
        {from === undefined ? (
          <Create initial={emptyForm(MINE)} />
        ) : !data ? (
          error === undefined && <Skeleton lines={8} />
        ) : data.task === null ? (
          <Empty icon="question" title="The task that you want to duplicate no longer exists." />
        ) : (
          <Create initial={duplicateOf(formOf(data.task, MINE))} />
        )}
      </NeedsScope>
    </Page>
  );
}

function Create({ initial }: { initial: TaskForm }) {
  const client = useClient();
  const navigate = useNavigate();
  const router = useRouter();
  const canGoBack = useCanGoBack();
  const [clean] = useState(initial);
  const [form, setForm] = useState(clean);
  /** The input that was sent last, with its key, under which the service creates one task even when its answer was lost. */
  const sent = useRef({ input: "", key: "" });

  async function save(input: Input["input"]): Promise<Refusal | null> {
    const text = JSON.stringify(input);
    if (sent.current.input !== text) {
      sent.current = { input: text, key: randomKey() };
    }
    const { data, error } = await client.mutation(CREATE, { input: { ...input, idempotencyKey: sent.current.key } as CreateTaskInput });
    const result = data?.createTask;
    if (error !== undefined || result === undefined) {
      return { message: failure(error) };
    }
    switch (result.__typename) {
      case "InvalidInput":
        return { problems: result.problems };
      case "Conflict":
        return { problems: [{ path: ["externalId"], message: result.message }] };
      case "Task":
        toast(`The task ${result.name} was created.`);
        await navigate({ to: "/tasks/$taskId", params: { taskId: result.id } });
        return null;
    }
  }

  return (
    <TaskFormView
      form={form}
      onChange={setForm}
      clean={clean}
      input={createInput}
      save={save}
      submitLabel="Create task"
      onCancel={() => (canGoBack ? router.history.back() : void navigate({ to: "/" }))}
    />
  );
}

/** Return a random text. Browsers offer UUIDs only where the connection is secure. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
