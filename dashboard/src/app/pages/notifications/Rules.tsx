// Rules: which events of which tasks go to which channels.
import { useState } from "react";
import { useClient } from "urql";

import { usePolled } from "../../api/polling";
import { refusalOf } from "../../api/refusal";
import { duration } from "../../time/format";
import { Card } from "../../ui/Card";
import { DialogForm } from "../../ui/DialogForm";
import { Empty, ErrorNote, Skeleton } from "../../ui/feedback";
import { NewButton } from "../../ui/NewButton";
import type { Refusal } from "../../ui/useRefusal";
import { eventWord } from "./events";
import { DELETE_RULE, type Rule, RULES } from "./operations";
import { RuleForm } from "./RuleForm";

export function Rules({ onNoChannel }: { onNoChannel: () => void }) {
  const client = useClient();
  const { data, error, refresh } = usePolled(RULES, {}, { everyMs: 30_000 });
  const [edited, setEdited] = useState<Rule | "new" | null>(null);
  const [deleted, setDeleted] = useState<Rule | null>(null);

  async function remove({ id, name }: Rule): Promise<Refusal | null> {
    const { data: answer, error: problem } = await client.mutation(DELETE_RULE, { id });
    refresh();
    return refusalOf(answer?.deleteNotificationRule, problem, `The rule ${name} is deleted.`);
  }

  if (data === undefined) {
    return error === undefined ? <Skeleton lines={4} /> : <ErrorNote error={error} retry={refresh} />;
  }
  const { notificationRules: rules, channels } = data;
  const add = <NewButton label="New rule" onClick={() => setEdited("new")} />;
  return (
    <>
      <Card title="Rules" aside={rules.length > 0 ? add : undefined}>
        {rules.length > 0 ? (
          <ul className="entries">
            {rules.map((rule) => (
              <li key={rule.id} className="rule">
                <div className="grow">
                  <h3>{rule.name}</h3>
                  <p>{inWords(rule, channels)}</p>
                  <p className="ink-3">{details(rule)}</p>
                </div>
                <div className="row-actions">
                  <button type="button" className="button button-small" aria-label={`Edit ${rule.name}`} onClick={() => setEdited(rule)}>
                    Edit
                  </button>
                  <button type="button" className="button button-small" aria-label={`Delete ${rule.name}`} onClick={() => setDeleted(rule)}>
                    Delete
                  </button>
                </div>
              </li>
            ))}
          </ul>
        ) : channels.length === 0 ? (
          <Empty icon="bell" title="Nobody is notified when a task fails.">
            <p>First create a channel, which is where notifications go. Then a rule says which events go there.</p>
            <button type="button" className="button button-main" onClick={onNoChannel}>
              Go to the channels
            </button>
          </Empty>
        ) : (
          <Empty icon="bell" title="Nobody is notified when a task fails.">
            <p>A rule says which events of which tasks go to which channels.</p>
            {add}
          </Empty>
        )}
      </Card>
      {edited !== null && <RuleForm rule={edited === "new" ? null : edited} channels={channels} onSaved={refresh} onClose={() => setEdited(null)} />}
      {deleted !== null && (
        <DialogForm title={`Delete ${deleted.name}?`} action="Delete" danger onClose={() => setDeleted(null)} onSave={() => remove(deleted)}>
          <p>Deliveries that are pending are still made.</p>
        </DialogForm>
      )}
    </>
  );
}

function inWords(rule: Rule, channels: readonly { id: string; name: string }[]): string {
  const events = rule.events.map((event) => eventWord(event).toLowerCase()).join(", ");
  const tasks = rule.taskIds.length > 0 ? (rule.taskIds.length === 1 ? "One task" : `${rule.taskIds.length} tasks`) : "All tasks";
  const tags = rule.tags.length > 0 ? ` with the ${rule.tags.length === 1 ? "tag" : "tags"} ${rule.tags.join(", ")}` : "";
  const names = rule.channelIds.map((id) => channels.find((channel) => channel.id === id)?.name ?? "a deleted channel").join(", ");
  return `${tasks}${tags}: ${events} → ${names}`;
}

function details(rule: Rule): string {
  return [
    rule.events.includes("FAILED") && rule.afterFailures > 1 ? `after ${rule.afterFailures} failures in a row` : "",
    rule.lateMs === null ? "" : `late after ${duration(rule.lateMs)}`,
    `gathered for ${duration(rule.gatherMs)}`,
    rule.remindEveryMs === null ? "" : `repeated every ${duration(rule.remindEveryMs)}`,
  ]
    .filter(Boolean)
    .join(" · ");
}
