// The body of a request or a response: JSON as a tree, text as it is, bytes in hexadecimal.
import { useMemo } from "react";

import { CopyButton } from "../../ui/CopyButton";
import { JsonTree } from "./JsonTree";

interface Props {
  body: string;
  encoding: "UTF8" | "BASE64";
  truncated?: boolean;
}

const HEX_BYTES = 4_096;
const IN_A_LINE = 16;

export function Body({ body, encoding, truncated = false }: Props) {
  const json = useMemo(() => (encoding === "UTF8" ? parsed(body) : undefined), [body, encoding]);
  const hex = useMemo(() => (encoding === "BASE64" ? dump(body) : ""), [body, encoding]);
  return (
    <div className="body">
      <div className="body-bar">
        <span className="ink-3">
          {encoding === "BASE64" ? "Bytes" : json === undefined ? "Text" : "JSON"}
          {truncated && " · only the beginning was kept"}
        </span>
        <CopyButton text={body} label="Copy the body" />
      </div>
      {encoding === "BASE64" ? (
        <pre tabIndex={0}>{hex}</pre>
      ) : json === undefined ? (
        <pre tabIndex={0}>{body}</pre>
      ) : (
        <JsonTree value={json.value} />
      )}
    </div>
  );
}

/** Return the value of JSON that is an object or a list, or undefined. */
function parsed(text: string): { value: unknown } | undefined {
  if (!/^\s*[[{]/.test(text)) {
    return undefined;
  }
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

/** Return bytes as hexdump writes them: their place, their values, and the characters that are ASCII. */
function dump(base64: string): string {
  const text = atob(base64);
  const bytes = Uint8Array.from(text.slice(0, HEX_BYTES), (character) => character.charCodeAt(0));
  const lines: string[] = [];
  for (let place = 0; place < bytes.length; place += IN_A_LINE) {
    const part = [...bytes.subarray(place, place + IN_A_LINE)];
    const values = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const characters = part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${place.toString(16).padStart(8, "0")}  ${values.padEnd(IN_A_LINE * 3)} ${characters}`);
  }
  if (text.length > HEX_BYTES) {
    lines.push(`… ${(text.length - HEX_BYTES).toLocaleString("en")} more bytes`);
  }
  return lines.join("\n");
}
