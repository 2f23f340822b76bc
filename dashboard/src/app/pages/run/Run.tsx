// One run: why it was made, its attempts, what was sent, and what came back. It stays up to date while the run goes on.
import "./run.css";

import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useEffect, type ReactNode } from "react";
import { useQuery } from "urql";

import { useRunActions } from "../../api/run_actions";
import { useFollowedTask } from "../../api/followed_task";
import { graphql, type ResultOf } from "../../api/graphql";
import { useMay } from "../../api/viewer";
import { duration } from "../../time/format";
import { Card } from "../../ui/Card";
import { Empty, ErrorNote, Skeleton } from "../../ui/feedback";
import { Icon } from "../../ui/icons";
import { Page } from "../../ui/Page";
import { RunStateBadge, UNFINISHED } from "../../ui/states";
import { Time } from "../../ui/Time";
import { Body } from "./Body";
import { Request } from "./Request";
import { Waterfall } from "./Waterfall";

const RUN = graphql(`
  query Run($id: ID!) {
    run(id: $id) {
      id
      taskVersion
      cause
      state
      scheduledFor
      startedAt
      finishedAt
      statusCode
      errorMessage
      durationMs
      latenessMs
      missedCount
      missedSince
      waitingFor
      task {
        id
        name
        version
        trigger {
          __typename
          ... on CronTrigger {
            expression
            timezone
            description
          }
          ... on IntervalTrigger {
            everyMs
          }
        }
      }
      retryOf {
        id
      }
      action {
        method
        url
        headers {
          name
          value
          secret
        }
        payload
        body
        bodyEncoding
        form {
          name
          value
        }
        timeoutMs
        signed
      }
      attempts {
        number
        startedAt
        finishedAt
        durationMs
        statusCode
        errorMessage
        responseError
        redirects {
          status
          url
          method
        }
        resent
        nextAttemptAt
      }
      responseBody
      responseBodyEncoding
      responseTruncated
      responseHeadersTruncated
      responseHeaders {
        name
        value
      }
    }
  }
`);

export type RunData = NonNullable<ResultOf<typeof RUN>["run"]>;

const route = getRouteApi("/runs/$runId");

export function Run() {
  const { runId } = route.useParams();
  const [{ data, error }, execute] = useQuery({ query: RUN, variables: { id: runId } });
  const run = data?.run;
  const refresh = () => execute({ requestPolicy: "network-only" });
  const isUnfinished = run !== undefined && run !== null && UNFINISHED.has(run.state);
  useFollowedTask(isUnfinished ? run.task.id : null, (event) => {
    if (event === null || event.runId === runId) {
      refresh();
    }
  });
  useEffect(() => {
    document.title = run ? `Run of ${run.task.name} – Duetime` : "Run – Duetime";
  }, [run]);

  if (run === undefined) {
    return <Page title="Run">{error === undefined ? <Skeleton lines={6} /> : <ErrorNote error={error} retry={refresh} />}</Page>;
  }
  if (run === null) {
    return (
      <Page title="Run">
        <Empty icon="question" title="There is no such run, or it is no longer kept.">
          <Link to="/runs" className="button">
            Go to the runs
          </Link>
        </Empty>
      </Page>
    );
  }
  return (
    <Page
      title={run.task.name}
      above={
        <>
          <Link to="/runs" search={{}}>
            Runs
          </Link>{" "}
          / <span className="mono">{run.id}</span>
        </>
      }
      beside={<RunStateBadge state={run.state} />}
      actions={<Actions run={run} isUnfinished={isUnfinished} />}
    >
      {run.errorMessage !== null && (
        <p className={`note ${run.state === "FAILED" ? "note-bad" : "note-warn"}`}>
          <Icon name="alert" />
          <span>{run.errorMessage}</span>
        </p>
      )}
      {run.waitingFor !== null && (
        <p className="note note-info">
          <Icon name="gauge" />
          <span>Waits for the {run.waitingFor}.</span>
        </p>
      )}
      <Card title="Why and when">
        <Facts run={run} />
      </Card>
      {run.attempts.length > 0 && (
        <Card title={run.attempts.length === 1 ? "1 attempt" : `${run.attempts.length} attempts`}>
          <Waterfall run={run} />
        </Card>
      )}
      <div className="run-sides">
        <Card title="Request" aside={run.action.signed ? "signed" : undefined}>
          <Request action={run.action} />
        </Card>
        <Card title="Response" aside={run.statusCode === null ? undefined : `HTTP ${run.statusCode}`}>
          <Response run={run} />
        </Card>
      </div>
    </Page>
  );
}

function Actions({ run, isUnfinished }: { run: RunData; isUnfinished: boolean }) {
  const { retry, cancel } = useRunActions();
  const navigate = useNavigate();
  if (!useMay("WRITE")) {
    return null;
  }
  return isUnfinished ? (
    <button type="button" className="button" onClick={() => void cancel(run.id)}>
      <Icon name="ban" />
      Cancel
    </button>
  ) : (
    <button
      type="button"
      className="button"
      onClick={() => {
        void retry(run.id).then((made) => {
          if (made !== null) {
            void navigate({ to: "/runs/$runId", params: { runId: made } });
          }
        });
      }}
    >
      <Icon name="retry" />
      Run again
    </button>
  );
}

function Facts({ run }: { run: RunData }) {
  const { trigger } = run.task;
  const zone = trigger.__typename === "CronTrigger" ? trigger.timezone : null;
  return (
    <dl className="facts card-body">
      <Fact name="Why">
        {run.cause === "MANUAL" && "Somebody ran the task by hand."}
        {run.cause === "RETRY" && run.retryOf === null && "It repeats an earlier run, which is no longer kept."}
        {run.cause === "RETRY" && run.retryOf !== null && (
          <>
            It repeats{" "}
            <Link to="/runs/$runId" params={{ runId: run.retryOf.id }}>
              an earlier run
            </Link>
            .
          </>
        )}
        {run.cause === "SCHEDULE" && scheduleWords(trigger)}
      </Fact>
      <Fact name="Due">
        <Time at={run.scheduledFor} taskZone={zone} form="exact" />
      </Fact>
      {run.startedAt !== null && (
        <Fact name="Started">
          <Time at={run.startedAt} taskZone={zone} form="exact" />
          {run.latenessMs !== null && <span className="ink-3"> · {duration(run.latenessMs)} after it was due</span>}
        </Fact>
      )}
      {run.finishedAt !== null && (
        <Fact name="Ended">
          <Time at={run.finishedAt} taskZone={zone} form="exact" />
          {run.startedAt !== null && (
            <span className="ink-3"> · after {duration(Date.parse(run.finishedAt) - Date.parse(run.startedAt))}</span>
          )}
        </Fact>
      )}
      {run.missedCount > 0 && (
        <Fact name="Missed">
          {run.missedCount} {run.missedCount === 1 ? "run" : "runs"} before it
          {run.missedSince !== null && (
            <>
              , since <Time at={run.missedSince} taskZone={zone} form="exact" />
            </>
          )}
        </Fact>
      )}
      <Fact name="Task">
        <Link to="/tasks/$taskId" params={{ taskId: run.task.id }}>
          {run.task.name}
        </Link>
        <span className="ink-3">
          {" "}
          · version {run.taskVersion}
          {run.taskVersion < run.task.version && `, now ${run.task.version}`}
        </span>
      </Fact>
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function scheduleWords(trigger: RunData["task"]["trigger"]): ReactNode {
  switch (trigger.__typename) {
    case "CronTrigger":
      return (
        <>
          It was due by the schedule <code className="run-cron">{trigger.expression}</code>: {trigger.description.charAt(0).toLowerCase() + trigger.description.slice(1)}.
        </>
      );
    case "IntervalTrigger":
      return `It was due by its interval of ${duration(trigger.everyMs)}.`;
    case "OneOffTrigger":
      return "It was due once, at this time.";
  }
}

function Response({ run }: { run: RunData }) {
  if (run.responseBody === null && (run.responseHeaders ?? []).length === 0) {
    return <p className="card-body ink-3">{UNFINISHED.has(run.state) ? "There is no response yet." : "There was no response."}</p>;
  }
  return (
    <div className="card-body exchange">
      {run.responseHeaders !== null && run.responseHeaders.length > 0 && (
        <details>
          <summary>
            {run.responseHeaders.length} headers{run.responseHeadersTruncated && ", not all of which were kept"}
          </summary>
          <dl className="headers mono">
            {run.responseHeaders.map(({ name, value }, index) => (
              <div key={index}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
      {run.responseBody === null || run.responseBody === "" ? (
        <p className="ink-3">The response has no body.</p>
      ) : (
        <Body body={run.responseBody} encoding={run.responseBodyEncoding} truncated={run.responseTruncated} />
      )}
    </div>
  );
}
