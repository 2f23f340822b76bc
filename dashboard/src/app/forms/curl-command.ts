// Finds the curl command in a text that was pasted.
import type { NotTaken } from "./curl-request.ts";
import { OpenQuotation, split } from "./shell.ts";

/** The text is no curl command that Duetime can read. The message says why, and is for people. */
export class NotCurl extends Error {}

/** Return the words of the command behind curl itself, and note what cannot be taken. Throws NotCurl. */
export function commandWords(text: string, notTaken: NotTaken[]): string[] {
  // A prompt is often copied along, and so are the prompts of further lines.
  const copied = text.trim().replace(/^[$%>] +/, "").replace(/(\\\r?\n)> /g, "$1");
  let line;
  try {
    line = split(copied);
  } catch (error) {
    if (error instanceof OpenQuotation) {
      throw new NotCurl(`${error.message} Copy the whole command.`);
    }
    throw error;
  }
  const start = line.words.findIndex((word) => !/^\w+=/.test(word));
  if (start < 0 || !/(^|[\\/])curl(\.exe)?$/i.test(line.words[start]!)) {
    throw new NotCurl("The text does not begin with curl. Paste a whole command, such as curl https://example.com.");
  }
  if (line.rest !== "") {
    notTaken.push({ part: shortened(line.rest), why: "It follows the curl command." });
  }
  for (const reference of new Set(line.references)) {
    notTaken.push({ part: reference, why: "Only a shell can replace it: it stays as it is written. Put its value in its place." });
  }
  return line.words.slice(start + 1);
}

/** Return a part of the command on one line of at most 60 characters. */
export function shortened(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}
