// What the service says about a trigger while it is being typed.
import { useEffect, useState } from "react";
import { useClient } from "urql";

import { words } from "../../api/client";
import type { Problem } from "../../forms/problems";
import type { TriggerForm } from "../../forms/task-form";
import { previewInput } from "../../forms/task-input";
import { PREVIEW, type TriggerInput } from "./operations";

export interface Preview {
  state: "incomplete" | "loading" | "valid" | "invalid" | "failed";
  description: string;
  instants: readonly string[];
  problems: readonly Problem[];
  /** Why there is no preview, when it failed. */
  message: string;
}

const DEBOUNCE_MS = 200;
const NOTHING: Preview = { state: "loading", description: "", instants: [], problems: [], message: "" };

/** Return the preview of a trigger. It is asked for when typing pauses, and an answer to an earlier question is dropped. */
export function usePreview(trigger: TriggerForm): Preview {
  const client = useClient();
  const [preview, setPreview] = useState(NOTHING);
  const { input, problems } = previewInput(trigger);
  const question = problems.length > 0 ? null : JSON.stringify(input);
  useEffect(() => {
    if (question === null) {
      setPreview({ ...NOTHING, state: "incomplete" });
      return;
    }
    let isCurrent = true;
    // The answer before stays visible, marked as loading.
    setPreview((before) => ({ ...before, state: "loading" }));
    const timer = window.setTimeout(() => {
      const variables = { trigger: JSON.parse(question) as TriggerInput };
      void client.query(PREVIEW, variables, { requestPolicy: "network-only" }).then(({ data, error }) => {
        if (!isCurrent) {
          return;
        }
        const result = data?.previewTrigger;
        if (error !== undefined || result === undefined) {
          setPreview({ ...NOTHING, state: "failed", message: error === undefined ? "There is no preview." : words(error) });
        } else if (result.__typename === "InvalidInput") {
          setPreview({ ...NOTHING, state: "invalid", problems: result.problems.map(underTrigger) });
        } else {
          setPreview({ ...NOTHING, ...result, state: "valid" });
        }
      });
    }, DEBOUNCE_MS);
    return () => {
      isCurrent = false;
      window.clearTimeout(timer);
    };
  }, [client, question]);
  return preview;
}

function underTrigger({ path, message }: Problem): Problem {
  return { path: path[0] === "trigger" ? path : ["trigger", ...path], message };
}
