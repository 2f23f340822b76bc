// The tasks that need somebody, the worst first, with what can be done at once.
import { Link } from "@tanstack/react-router";

import { graphql, type ResultOf } from "../../api/graphql";
import { useTaskActions } from "../../api/task_actions";
import { useMay } from "../../api/viewer";
import { Badge, type Tone } from "../../ui/states";
import type { IconName } from "../../ui/icons";
import { Time } from "../../ui/Time";

export const ATTENTION = graphql(`
  query Attention {
    attention(first: 20) {
      reason
      since
      message
      failures
      task {
        id
        name
        status
      }
      run {
        id
      }
    }
  }
`);

export type AttentionItem = ResultOf<typeof ATTENTION>["attention"][number];

const LOOKS: Record<AttentionItem["reason"], { tone: Tone; icon: IconName; word: string }> = {
  FAILING: { tone: "bad", icon: "cross", word: "Failing" },
  LATE: { tone: "warn", icon: "clock", word: "Late" },
  ABSENT: { tone: "odd", icon: "question", word: "Absent" },
  PAUSED_BY_FAILURES: { tone: "warn", icon: "pause", word: "Paused itself" },
};

interface Props {
  items: readonly AttentionItem[];
  onChange: () => void;
}

export function Attention({ items, onChange }: Props) {
  return (
    <ul className="attention">
      {items.map((item) => (
        <li key={`${item.task.id} ${item.reason}`}>
          <Badge {...LOOKS[item.reason]} />
          <div className="attention-what">
            <Link to="/tasks/$taskId" params={{ taskId: item.task.id }}>
              {item.task.name}
            </Link>
            <p className="ink-2">
              {item.message}
              <span className="ink-3">
                {" · since "}
                <Time at={item.since} form="short" />
              </span>
            </p>
          </div>
          <Buttons item={item} onChange={onChange} />
        </li>
      ))}
    </ul>
  );
}

function Buttons({ item, onChange }: { item: AttentionItem; onChange: () => void }) {
  const { run, pause, resume } = useTaskActions();
  const mayWrite = useMay("WRITE");
  const { id, status } = item.task;
  return (
    <div className="attention-buttons">
      {item.run !== null && (
        <Link to="/runs/$runId" params={{ runId: item.run.id }} className="button button-small">
          See the run
        </Link>
      )}
      {mayWrite && (
        <>
          <button type="button" className="button button-small" onClick={() => void run(id).then(onChange)}>
            Run now
          </button>
          {status === "PAUSED" ? (
            <button type="button" className="button button-small" onClick={() => void resume(id).then(onChange)}>
              Resume
            </button>
          ) : (
            <button type="button" className="button button-small" onClick={() => void pause(id).then(onChange)}>
              Pause
            </button>
          )}
        </>
      )}
    </div>
  );
}
