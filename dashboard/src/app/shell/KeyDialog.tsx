// The question for an API key. It stands over the page, which keeps what was entered in it.
import { useState } from "react";

import { question } from "../api/key";
import { useStore } from "../stored";
import { DialogForm } from "../ui/DialogForm";
import { Field } from "../ui/Field";
import type { Refusal } from "../ui/useRefusal";

const LABELS = { key: "API key" };

export function KeyDialog() {
  const asked = useStore(question);
  const [key, setKey] = useState("");
  if (asked === null) {
    return null;
  }
  const answer = (): Refusal | null => {
    if (key.trim() === "") {
      return { problems: [{ path: ["key"], message: "is required" }] };
    }
    setKey("");
    asked.answer(key.trim());
    return null;
  };
  return (
    <DialogForm title="API key" action="Continue" labels={LABELS} onSave={answer} onClose={null}>
      <p role="alert" className="ink-2">
        {asked.reason}
      </p>
      <Field
        name="key"
        label="This page requires an API key"
        hint={
          <>
            Create one with <code>duetime keys create</code>. It is kept until this tab is closed.
          </>
        }
      >
        {(control) => (
          <input {...control} type="password" autoComplete="off" spellCheck={false} autoFocus value={key} onChange={(event) => setKey(event.target.value)} />
        )}
      </Field>
    </DialogForm>
  );
}
