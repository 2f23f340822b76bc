// What can be done to a task. What the reader's key may not do is not offered.
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { useTaskActions } from "../../api/task_actions";
import { useMay } from "../../api/viewer";
import { Confirm } from "../../ui/Confirm";
import { copy } from "../../ui/copy";
import { Dialog } from "../../ui/Dialog";
import { Icon } from "../../ui/icons";
import { Menu, MenuItem, MenuSeparator } from "../../ui/Menu";
import { asCurl, asGraphQL, asYaml } from "./copies";
import type { TaskData } from "./query";
import { RunWithInput } from "./RunWithInput";

type Question = "pause" | "cancel" | "delete" | "input";

interface Props {
  task: TaskData;
  onChange: () => void;
}

export function Actions({ task, onChange }: Props) {
  const { run, pause, resume, cancel, remove } = useTaskActions();
  const navigate = useNavigate();
  const [asked, setAsked] = useState<Question | null>(null);
  const mayWrite = useMay("WRITE");
  const close = () => setAsked(null);

  async function runNow(payload?: { payload: unknown }): Promise<void> {
    close();
    const runId = await run(task.id, payload);
    if (runId !== null) {
      void navigate({ to: "/runs/$runId", params: { runId } });
    }
  }

  async function erase(): Promise<void> {
    if (await remove(task.id)) {
      void navigate({ to: "/tasks", search: {} });
    }
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
      {asked === "pause" && (
        <PauseDialog
          onClose={close}
          onPause={(reason) => {
            close();
            void pause(task.id, reason).then(onChange);
          }}
        />
      )}
      {asked === "input" && <RunWithInput task={task} onClose={close} onRun={(payload) => void runNow({ payload })} />}
      {asked === "cancel" && (
        <Confirm title="Cancel this task?" action="Cancel the task" onClose={close} onConfirm={() => cancel(task.id).then(onChange)}>
          <p>It never runs again by its schedule, and its waiting runs are cancelled. Its history stays.</p>
        </Confirm>
      )}
      {asked === "delete" && (
        <Confirm title="Delete this task?" action="Delete the task" onClose={close} onConfirm={erase}>
          <p>The task and all its runs are gone then. This cannot be undone.</p>
        </Confirm>
      )}
    </>
  );
}

function PauseDialog({ onClose, onPause }: { onClose: () => void; onPause: (reason: string | null) => void }) {
  const [reason, setReason] = useState("");
  return (
    <Dialog title="Pause this task?" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onPause(reason.trim() || null);
        }}
      >
        <label className="field">
          <span>Note</span>
          <input autoFocus maxLength={500} value={reason} onChange={({ target }) => setReason(target.value)} placeholder="Why, for whoever comes next" />
          <small>Runs that have started go on. The task does not start others until somebody resumes it.</small>
        </label>
        <div className="dialog-actions">
          <button type="button" className="button" onClick={onClose}>
            Back
          </button>
          <button className="button button-main">Pause</button>
        </div>
      </form>
    </Dialog>
  );
}
