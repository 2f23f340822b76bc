// One call now, with the request of the form as it stands. Nothing of it is stored.
import { useState } from "react";
import { useClient } from "urql";

import { failure } from "../../api/client";
import type { ResultOf } from "../../api/graphql";
import { place, type Problem } from "../../forms/problems";
import type { ActionForm } from "../../forms/task-form";
import { tryInput } from "../../forms/task-input";
import { duration } from "../../time/format";
import { Icon } from "../../ui/icons";
import { Badge } from "../../ui/states";
import { labelOf } from "./labels";
import { TRY, type HttpActionInput } from "./operations";

type Tried = Extract<ResultOf<typeof TRY>["tryAction"], { __typename: "TriedAction" }>;
type Outcome = { tried: Tried; messages?: undefined } | { messages: readonly string[]; tried?: undefined };

export function TryIt({ action }: { action: ActionForm }) {
  const client = useClient();
  const [isTrying, setTrying] = useState(false);
  const [outcome, setOutcome] = useState<Outcome | null>(null);

  async function call(): Promise<void> {
    const { input, problems } = tryInput(action);
    if (problems.length > 0) {
      setOutcome({ messages: sentences(problems) });
      return;
    }
    setTrying(true);
    const { data, error } = await client.mutation(TRY, { action: input as HttpActionInput });
    setTrying(false);
    const result = data?.tryAction;
    if (error !== undefined || result === undefined) {
      setOutcome({ messages: [failure(error)] });
    } else {
      setOutcome(result.__typename === "TriedAction" ? { tried: result } : { messages: sentences(result.problems) });
    }
  }

  return (
    <div className="try">
      <div className="form-actions">
        <button type="button" className="button" disabled={isTrying} onClick={() => void call()}>
          <Icon name={isTrying ? "running" : "play"} />
          {isTrying ? "Calling…" : "Try it now"}
        </button>
        <span className="ink-3 try-hint">Makes this call once, for real. Nothing is saved.</span>
      </div>
      <div role="status">
        {outcome?.messages !== undefined && (
          <div className="note note-bad">
            <Icon name="alert" />
            <p>{outcome.messages.join(" ")}</p>
          </div>
        )}
        {outcome?.tried !== undefined && <Answer tried={outcome.tried} />}
      </div>
    </div>
  );
}

/** Return problems as sentences that name their fields. */
function sentences(problems: readonly Problem[]): string[] {
  const paths = problems.map(({ path }) => (path[0] === "action" ? path : ["action", ...path]).join("."));
  const placed = place(problems.map(({ message }, index) => ({ path: paths[index]!.split("."), message })), paths);
  return [...placed.byField].map(([field, messages]) => `${labelOf(field)}: ${messages.join(" ")}`);
}

function Answer({ tried }: { tried: Tried }) {
  const { success, statusCode, errorMessage, durationMs, responseHeaders, responseBody, responseBodyEncoding, responseTruncated } = tried;
  return (
    <section className="answer" aria-label="The answer to the call">
      <p className="answer-head">
        <Badge tone={success ? "ok" : "bad"} icon={success ? "check" : "cross"} word={success ? "Success" : "No success"} />
        {statusCode !== null && <strong>{statusCode}</strong>}
        <span className="ink-2">in {duration(durationMs)}</span>
      </p>
      {errorMessage !== null && <p>{errorMessage}</p>}
      {responseBody !== null && responseBody !== "" && (
        <pre tabIndex={0} aria-label="Body of the response">
          {responseBodyEncoding === "UTF8" ? readable(responseBody) : `Bytes, in Base64:\n${responseBody}`}
        </pre>
      )}
      {responseTruncated && <p className="ink-2">The body goes on: only its beginning is shown.</p>}
      {responseHeaders !== null && responseHeaders.length > 0 && (
        <details className="more">
          <summary>Headers of the response ({responseHeaders.length})</summary>
          <dl className="answer-headers">
            {responseHeaders.map(({ name, value }, index) => (
              <div key={index}>
                <dt>{name}</dt>
                <dd>{value ?? "(secret)"}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </section>
  );
}

/** Return JSON with line breaks, and any other text as it is. */
function readable(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
