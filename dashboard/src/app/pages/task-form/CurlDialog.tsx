// A curl command, as browsers and documentations have it, that fills the form.
import { useState } from "react";

import { readCurl } from "../../forms/curl";
import { NotCurl } from "../../forms/curl-command";
import type { ReadCurl } from "../../forms/curl-request";
import { Dialog } from "../../ui/Dialog";

interface Props {
  onRead: (read: ReadCurl) => void;
  onClose: () => void;
}

export function CurlDialog({ onRead, onClose }: Props) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");

  function read(): void {
    try {
      onRead(readCurl(text));
    } catch (error) {
      if (!(error instanceof NotCurl)) {
        throw error;
      }
      setProblem(error.message);
    }
  }

  return (
    <Dialog title="Paste a curl command" onClose={onClose} className="dialog-wide">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          read();
        }}
      >
        <p className="ink-2">
          For instance from “Copy as cURL” in the browser’s network tools, or from an API’s documentation. It replaces the request in the form.
        </p>
        <div className="field">
          <label htmlFor="curl">Command</label>
          <textarea
            id="curl"
            className="mono"
            rows={9}
            autoFocus
            spellCheck={false}
            autoComplete="off"
            placeholder={"curl https://example.com/hook \\\n  -H 'Authorization: Bearer …' \\\n  --json '{\"text\": \"Hello\"}'"}
            aria-invalid={problem !== "" || undefined}
            aria-describedby={problem === "" ? undefined : "curl-problem"}
            value={text}
            onChange={(event) => {
              setText(event.target.value);
              setProblem("");
            }}
          />
          {problem !== "" && (
            <p className="field-problem" id="curl-problem" role="alert">
              {problem}
            </p>
          )}
        </div>
        <div className="dialog-actions">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button className="button button-main">Fill the form</button>
        </div>
      </form>
    </Dialog>
  );
}
