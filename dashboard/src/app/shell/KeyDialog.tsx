// The question for an API key. It stands over the page, which keeps what was entered in it.
import { useState } from "react";

import { question } from "../api/key";
import { useStore } from "../stored";
import { Dialog } from "../ui/Dialog";

export function KeyDialog() {
  const asked = useStore(question);
  const [key, setKey] = useState("");
  if (asked === null) {
    return null;
  }
  return (
    <Dialog title="API key" insistent onClose={() => undefined} className="key-dialog">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setKey("");
          asked.answer(key.trim());
        }}
      >
        <p role="alert" className="ink-2">
          {asked.reason}
        </p>
        <label className="field">
          <span>This page requires an API key</span>
          <input
            type="password"
            autoComplete="off"
            spellCheck={false}
            required
            autoFocus
            value={key}
            onChange={(event) => setKey(event.target.value)}
          />
          <small>
            Create one with <code>duetime keys create</code>. It is kept until this tab is closed.
          </small>
        </label>
        <div className="dialog-actions">
          <button className="button button-main">Continue</button>
        </div>
      </form>
    </Dialog>
  );
}
