// What a curl command had that the form could not take.
import type { NotTaken } from "../../forms/curl-request";
import { Icon } from "../../ui/icons";

export function CurlNote({ notTaken, onDismiss }: { notTaken: readonly NotTaken[]; onDismiss: () => void }) {
  return (
    <section className="note note-info" role="status" aria-label="What the curl command has become">
      <Icon name={notTaken.length === 0 ? "check" : "alert"} />
      <div className="grow">
        {notTaken.length === 0 ? (
          <p>The request is as the curl command has it.</p>
        ) : (
          <>
            <p>The form has the request, except for this:</p>
            <ul className="not-taken">
              {notTaken.map(({ part, why }, index) => (
                <li key={index}>
                  <code>{part}</code> {why}
                </li>
              ))}
            </ul>
          </>
        )}
      </div>
      <button type="button" className="button button-icon" aria-label="Dismiss" onClick={onDismiss}>
        <Icon name="cross" />
      </button>
    </section>
  );
}
