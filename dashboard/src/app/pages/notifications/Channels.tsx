// Channels: the places where notifications go.
import { useState } from "react";
import { useClient } from "urql";

import { failure } from "../../api/client";
import { usePolled } from "../../api/polling";
import { refusalOf } from "../../api/refusal";
import { Card } from "../../ui/Card";
import { DialogForm } from "../../ui/DialogForm";
import { Empty, ErrorNote, Skeleton } from "../../ui/feedback";
import { NewButton } from "../../ui/NewButton";
import { TableArea } from "../../ui/TableArea";
import { Time } from "../../ui/Time";
import { toast } from "../../ui/Toasts";
import type { Refusal } from "../../ui/useRefusal";
import { ChannelForm } from "./ChannelForm";
import { type Channel, CHANNELS, DELETE_CHANNEL, TEST_CHANNEL } from "./operations";

export function Channels() {
  const client = useClient();
  const { data, error, refresh } = usePolled(CHANNELS, {}, { everyMs: 30_000 });
  /** The channel that is edited, or "new"; null while no form is open. */
  const [edited, setEdited] = useState<Channel | "new" | null>(null);
  const [deleted, setDeleted] = useState<Channel | null>(null);
  const [tested, setTested] = useState<string | null>(null);

  async function test({ id, name }: Channel): Promise<void> {
    setTested(id);
    const { data: answer, error: problem } = await client.mutation(TEST_CHANNEL, { id });
    setTested(null);
    const result = answer?.testChannel;
    if (result?.__typename !== "NotificationDelivery") {
      toast(result?.message ?? failure(problem), { tone: "bad" });
      return;
    }
    const status = result.statusCode === null ? "" : ` (HTTP ${result.statusCode})`;
    if (result.state === "DELIVERED") {
      toast(`${name} has accepted the test${status}.`);
    } else {
      toast(`The test of ${name} failed${status}: ${result.errorMessage ?? "it was not accepted."}`, { tone: "bad" });
    }
  }

  async function remove({ id, name }: Channel): Promise<Refusal | null> {
    const { data: answer, error: problem } = await client.mutation(DELETE_CHANNEL, { id });
    refresh();
    return refusalOf(answer?.deleteChannel, problem, `The channel ${name} is deleted.`);
  }

  const add = <NewButton label="New channel" onClick={() => setEdited("new")} />;
  return (
    <>
      {error !== undefined && <ErrorNote error={error} retry={refresh} />}
      <Card title="Channels" aside={data !== undefined && data.channels.length > 0 ? add : undefined}>
        {data === undefined ? (
          error === undefined && <Skeleton lines={3} />
        ) : data.channels.length === 0 ? (
          <Empty icon="bell" title="There is no channel yet.">
            <p>A channel is a webhook, or a service such as mail or a chat. Rules send notifications to it.</p>
            {add}
          </Empty>
        ) : (
          <TableArea label="Table of channels">
            <table>
              <thead>
                <tr>
                  <th scope="col">Name</th>
                  <th scope="col" className="wide-only">
                    Changed
                  </th>
                  <th scope="col">
                    <span className="visually-hidden">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {data.channels.map((channel) => (
                  <tr key={channel.id}>
                    <th scope="row">
                      {channel.name}
                      <span className="under">{channel.url ?? "A service by apprise, whose URL is secret"}</span>
                    </th>
                    <td className="wide-only">
                      <Time at={channel.updatedAt} />
                    </td>
                    <td className="row-actions">
                      <button type="button" className="button button-small" aria-label={`Test ${channel.name}`} disabled={tested !== null} onClick={() => void test(channel)}>
                        {tested === channel.id ? "Testing…" : "Test"}
                      </button>
                      <button type="button" className="button button-small" aria-label={`Edit ${channel.name}`} onClick={() => setEdited(channel)}>
                        Edit
                      </button>
                      <button type="button" className="button button-small" aria-label={`Delete ${channel.name}`} onClick={() => setDeleted(channel)}>
                        Delete
                      </button>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </TableArea>
        )}
      </Card>
      {edited !== null && <ChannelForm channel={edited === "new" ? null : edited} onSaved={refresh} onClose={() => setEdited(null)} />}
      {deleted !== null && (
        <DialogForm title={`Delete ${deleted.name}?`} action="Delete" danger onClose={() => setDeleted(null)} onSave={() => remove(deleted)}>
          <p>Its deliveries are deleted with it. A channel that a rule names is not deleted.</p>
        </DialogForm>
      )}
    </>
  );
}
