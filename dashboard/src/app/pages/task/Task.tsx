// One task: what it does in words, when it runs next, how it went, and what can be done to it.
import "./task.css";

import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo } from "react";

import { useFollowedTask } from "../../api/followed_task";
import { usePolled } from "../../api/polling";
import { scheduleZone } from "../../time/schedule";
import { throttled } from "../../throttled";
import { Card } from "../../ui/Card";
import { Empty, ErrorNote, Skeleton } from "../../ui/feedback";
import { Icon } from "../../ui/icons";
import { Page } from "../../ui/Page";
import { TaskStatusBadge } from "../../ui/states";
import { Time } from "../../ui/Time";
import { Request } from "../run/Request";
import { History } from "../runs/History";
import { Actions } from "./Actions";
import { TASK, type TaskData } from "./query";
import { Settings } from "./Settings";
import { Statistics } from "./Statistics";
import { Timeline } from "./Timeline";
import { Upcoming } from "./Upcoming";
import { Versions } from "./Versions";
import { inWords } from "./words";

const route = getRouteApi("/tasks/$taskId");
const REFRESH_EVERY_MS = 15_000;
const REFRESH_AT_MOST_EVERY_MS = 500;

export function Task() {
  const { taskId } = route.useParams();
  const { data, error, refresh } = usePolled(TASK, { id: taskId }, { everyMs: REFRESH_EVERY_MS });
  const soon = useMemo(() => throttled(refresh, REFRESH_AT_MOST_EVERY_MS), [taskId]);
  useFollowedTask(data?.task ? taskId : null, soon);
  const task = data?.task;
  if (task === undefined) {
    return <Page title="Task">{error === undefined ? <Skeleton lines={8} /> : <ErrorNote error={error} retry={refresh} />}</Page>;
  }
  if (task === null) {
    return (
      <Page title="Task">
        <Empty icon="question" title="There is no such task, or it was deleted.">
          <Link to="/tasks" search={{}} className="button">
            Go to the tasks
          </Link>
        </Empty>
      </Page>
    );
  }
  return (
    <Page
      title={task.name}
      above={
        <Link to="/tasks" search={{}}>
          Tasks
        </Link>
      }
      beside={
        <>
          <TaskStatusBadge status={task.status} />
          {task.tags.map((tag) => (
            <Link key={tag} to="/tasks" search={{ tags: [tag] }} className="tag" aria-label={`Tasks with the tag ${tag}`}>
              {tag}
            </Link>
          ))}
        </>
      }
      actions={<Actions task={task} onChange={refresh} />}
    >
      {task.status === "PAUSED" && <Paused task={task} />}
      <div className="task-top">
        <Card title="What it does">
          <div className="card-body task-words">
            {task.description !== "" && <p>{task.description}</p>}
            <p className={task.description === "" ? "" : "ink-2"}>{inWords(task)}</p>
          </div>
        </Card>
        <Card title="Next">
          <Upcoming task={task} />
        </Card>
      </div>
      <Card title="Last 7 days">
        <Statistics statistics={task.statistics} />
      </Card>
      <Card title="Runs">
        <Timeline runs={task.recentRuns} zone={scheduleZone(task.trigger)} />
        <History filter={{ taskId: task.id }} withTask={false} first={12} />
      </Card>
      <div className="run-sides">
        <Card title="Request" aside={task.action.signed ? "signed" : undefined}>
          <Request action={task.action} />
        </Card>
        <Card title="Settings">
          <Settings task={task} />
        </Card>
      </div>
      <Card title="Versions">
        <Versions key={task.version} task={task} onChange={refresh} />
      </Card>
    </Page>
  );
}

function Paused({ task }: { task: TaskData }) {
  return (
    <p className="note note-warn">
      <Icon name="pause" />
      <span>
        Paused
        {task.pausedBy !== null && ` by ${task.pausedBy}`}
        {task.pausedAt !== null && (
          <>
            {" "}
            <Time at={task.pausedAt} />
          </>
        )}
        {task.pauseReason === null ? "." : `: ${task.pauseReason}`}
      </span>
    </p>
  );
}
