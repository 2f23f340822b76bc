// Runs scripts of this folder in one Chromium: `visits.ts CHROMIUM`. Each line of stdin is the JSON of a script's name, a URL and
// further arguments, and is answered by a line with the JSON of its result or its error.
import { createInterface } from "node:readline";
import { inspect } from "node:util";

import { launched } from "./browser.ts";

const [executablePath] = process.argv.slice(2);
if (executablePath === undefined) {
  throw new Error("usage: visits.ts CHROMIUM");
}
const browser = await launched(executablePath);
for await (const line of createInterface({ input: process.stdin })) {
  const [script, ...rest] = JSON.parse(line);
  const { default: visit } = await import(`./${script}`);
  const answer = await visit(browser, ...rest).then(
    (result: unknown) => ({ result: result ?? null }),
    (error: unknown) => ({ error: inspect(error) }),
  );
  console.log(JSON.stringify(answer));
}
await browser.close();
