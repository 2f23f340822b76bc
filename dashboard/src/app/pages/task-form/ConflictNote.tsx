// Somebody else has changed the task since the form was loaded: what they changed, and the ways on.
import { useEffect, useRef } from "react";

import type { Change } from "../../forms/changes";
import { Icon } from "../../ui/icons";

interface Props {
  changes: readonly Change[];
  onKeep: () => void;
  onDiscard: () => void;
}

export function ConflictNote({ changes, onKeep, onDiscard }: Props) {
  const element = useRef<HTMLElement>(null);
  // The form may be scrolled far away from here.
  useEffect(() => element.current?.focus(), []);
  const overwritten = changes.filter((change) => change.overwritten);
  return (
    <section ref={element} tabIndex={-1} className="note note-warn conflict" role="alert" aria-label="The task was changed meanwhile">
      <Icon name="alert" />
      <div className="form-stack">
        <p>
          <strong>Somebody has changed this task since you opened it.</strong> Nothing was saved yet.
        </p>
        {changes.length === 0 ? (
          <p>The change concerns nothing in this form, such as the status of the task.</p>
        ) : (
          <table>
            <thead>
              <tr>
                <th scope="col">What</th>
                <th scope="col">Before</th>
                <th scope="col">Now</th>
              </tr>
            </thead>
            <tbody>
              {changes.map(({ label, before, now, overwritten: mine }) => (
                <tr key={label}>
                  <th scope="row">
                    {label}
                    {mine && <span className="badge tone-warn">you, too</span>}
                  </th>
                  <td>{before || "–"}</td>
                  <td>{now || "–"}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        <div className="form-actions">
          <button type="button" className="button button-main" onClick={onKeep}>
            {overwritten.length > 0 ? "Take their changes, but keep mine" : "Take their changes, too"}
          </button>
          <button type="button" className="button" onClick={onDiscard}>
            Discard my changes
          </button>
        </div>
      </div>
    </section>
  );
}
