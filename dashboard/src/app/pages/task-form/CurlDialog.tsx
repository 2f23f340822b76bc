// A curl command, as browsers and documentations have it, that fills the form.
import { useState } from "react";

import { readCurl } from "../../forms/curl";
import { NotCurl } from "../../forms/curl-command";
import type { ReadCurl } from "../../forms/curl-request";
import { DialogForm } from "../../ui/DialogForm";
import { Field } from "../../ui/Field";
import type { Refusal } from "../../ui/useRefusal";

const LABELS = { command: "Command" };

interface Props {
  onRead: (read: ReadCurl) => void;
  onClose: () => void;
}

export function CurlDialog({ onRead, onClose }: Props) {
  const [text, setText] = useState("");

  function read(): Refusal | null {
    try {
      onRead(readCurl(text));
    } catch (error) {
      if (!(error instanceof NotCurl)) {
        throw error;
      }
      return { problems: [{ path: ["command"], message: error.message }] };
    }
    return null;
  }

  return (
    <DialogForm title="Paste a curl command" action="Fill the form" className="dialog-wide" labels={LABELS} onSave={read} onClose={onClose}>
      <p className="ink-2">
        For instance from “Copy as cURL” in the browser’s network tools, or from an API’s documentation. It replaces the request in the form.
      </p>
      <Field name="command" label={LABELS.command}>
        {(control) => (
          <textarea
            {...control}
            className="mono"
            rows={9}
            autoFocus
            spellCheck={false}
            autoComplete="off"
            placeholder={"curl https://example.com/hook \\\n  -H 'Authorization: Bearer …' \\\n  --json '{\"text\": \"Hello\"}'"}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        )}
      </Field>
    </DialogForm>
  );
}
