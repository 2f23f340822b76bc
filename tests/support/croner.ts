// Prints the instants of cron expressions by croner: one line of JSON for each line of JSON that comes in.
import { createInterface } from "node:readline";

import { Cron } from "croner";

interface Question {
  expression: string;
  zone: string;
  after: string;
  until: string;
}

for await (const line of createInterface({ input: process.stdin })) {
  const { expression, zone, after, until } = JSON.parse(line) as Question;
  const cron = new Cron(expression, { timezone: zone, paused: true });
  const found: string[] = [];
  let instant = cron.nextRun(new Date(after));
  while (instant !== null && instant < new Date(until)) {
    found.push(instant.toISOString());
    instant = cron.nextRun(instant);
  }
  console.log(JSON.stringify(found));
}
