// What can be done to a task. What the reader's key may not do is not offered.
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { useTaskActions } from "../../api/task_actions";
import { useMay } from "../../api/viewer";
import { copy } from "../../ui/copy";
import { DialogForm } from "../../ui/DialogForm";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/icons";
import { Menu, MenuItem, MenuSeparator } from "../../ui/Menu";
import type { Refusal } from "../../ui/useRefusal";
import { asCurl, asGraphQL, asYaml } from "./copies";
import type { TaskData } from "./query";
import { RunWithInput } from "./RunWithInput";

type Question = "pause" | "cancel" | "delete" | "input";

interface Props {
  task: TaskData;
  onChange: () => void;
}

export function Actions({ task, onChange }: Props) {
  const { run, runWith, pause, resume, cancel, remove } = useTaskActions();
  const navigate = useNavigate();
  const [asked, setAsked] = useState<Question | null>(null);
  const mayWrite = useMay("WRITE");
  const close = () => setAsked(null);

  const openRun = (runId: string) => void navigate({ to: "/runs/$runId", params: { runId } });

  async function runNow(): Promise<void> {
    const runId = await run(task.id);
    if (runId !== null) {
      openRun(runId);
    }
  }

  async function erase(): Promise<Refusal | null> {
    const refusal = await remove(task.id);
    if (refusal === null) {
      void navigate({ to: "/tasks", search: {} });
    }
    return refusal;
  }
  const isEnded = task.status === "CANCELLED" || task.status === "COMPLETED";

  return (
    <>
      {mayWrite && (
        <>
          <button type="button" className="button button-main" onClick={() => void runNow()}>
            <Icon name="play" />
            Run now
          </button>
          {task.status === "SCHEDULED" && (
            <button type="button" className="button" onClick={() => setAsked("pause")}>
              <Icon name="pause" />
              Pause
            </button>
          )}
          {task.status === "PAUSED" && (
            <button type="button" className="button" onClick={() => void resume(task.id).then(onChange)}>
              <Icon name="play" />
              Resume
            </button>
          )}
        </>
      )}
      {mayWrite && task.status !== "CANCELLED" && (
        <Link to="/tasks/$taskId/edit" params={{ taskId: task.id }} className="button">
          <Icon name="pencil" />
          Edit
        </Link>
      )}
      <Menu
        trigger={
          <button type="button" className="button" aria-label="More actions">
            <Icon name="dots" />
          </button>
        }
      >
        {mayWrite && (
          <>
            <MenuItem icon="play" onSelect={() => setAsked("input")}>
              Run with other input …
            </MenuItem>
            <MenuItem icon="plus" onSelect={() => void navigate({ to: "/tasks/new", search: { from: task.id } })}>
              Duplicate
            </MenuItem>
            <MenuSeparator />
          </>
        )}
        <MenuItem icon="copy" onSelect={() => copy(asCurl(task))}>
          Copy as curl
        </MenuItem>
        <MenuItem icon="copy" onSelect={() => copy(asGraphQL(task))}>
          Copy as GraphQL
        </MenuItem>
        <MenuItem icon="copy" onSelect={() => copy(asYaml(task))}>
          Copy as YAML
        </MenuItem>
        {mayWrite && (
          <>
            <MenuSeparator />
            {!isEnded && (
              <MenuItem icon="ban" onSelect={() => setAsked("cancel")}>
                Cancel …
              </MenuItem>
            )}
            <MenuItem icon="trash" danger onSelect={() => setAsked("delete")}>
              Delete …
            </MenuItem>
          </>
        )}
      </Menu>
      {asked === "pause" && <PauseDialog onClose={close} onPause={(reason) => void pause(task.id, reason).then(onChange)} />}
      {asked === "input" && <RunWithInput task={task} onClose={close} onRun={(payload) => runWith(task.id, payload, openRun)} />}
      {asked === "cancel" && (
        <DialogForm title="Cancel this task?" action="Cancel the task" back="Back" danger onClose={close} onSave={() => cancel(task.id).finally(onChange)}>
          <p>It never runs again by its schedule, and its waiting runs are cancelled. Its history stays.</p>
        </DialogForm>
      )}
      {asked === "delete" && (
        <DialogForm title="Delete this task?" action="Delete the task" danger onClose={close} onSave={erase}>
          <p>The task and all its runs are gone then. This cannot be undone.</p>
        </DialogForm>
      )}
    </>
  );
}

function PauseDialog({ onClose, onPause }: { onClose: () => void; onPause: (reason: string | null) => void }) {
  const [reason, setReason] = useState("");
  return (
    <DialogForm
      title="Pause this task?"
      action="Pause"
      onClose={onClose}
      onSave={() => {
        // The page shows the pause at once, and a refusal as a message.
        onPause(reason.trim() || null);
        return null;
      }}
    >
      <Field name="reason" label="Note" hint="Runs that have started go on. The task does not start others until somebody resumes it.">
        {(control) => (
          <input {...control} autoFocus maxLength={500} value={reason} onChange={({ target }) => setReason(target.value)} placeholder="Why it is paused" />
        )}
      </Field>
    </DialogForm>
  );
}
