// Opens the pages of a service that has nothing yet, and then those of one that does not answer.
import { accessible } from "./accessible.ts";
import { visiting } from "./browser.ts";

/** What the pages say while there is nothing to show. */
const EMPTY: readonly [path: string, words: string][] = [
  ["/", "Nothing is due."],
  ["/tasks", "There are no tasks yet."],
  ["/runs", "Nothing has happened since this page was opened."],
  ["/runs?view=history", "There are no runs yet."],
  ["/tasks/00000000-0000-7000-8000-000000000000", "There is no such task"],
  ["/tasks/nowhere/at/all", "There is no page at this address."],
];
const FAILING = ["/", "/tasks", "/runs/00000000-0000-7000-8000-000000000000", "/workers"];

export default visiting({ expected: /Failed to load resource/ }, async (page) => {
  for (const [path, words] of EMPTY) {
    await page.goto(path);
    await page.getByText(words).first().waitFor();
    await accessible(page);
  }
  await page.goto("/tasks");
  await page.getByRole("link", { name: "Create the first task" }).click();
  await page.getByRole("heading", { name: "New task", level: 1 }).waitFor();

  await page.route(/\/graphql$/, (route) => route.abort());
  for (const path of FAILING) {
    await page.goto(path);
    const note = page.getByRole("alert").filter({ hasText: "The service cannot be reached." }).first();
    await note.waitFor();
    await accessible(page);
  }
  // What to do is offered, and the page is whole again once the service answers.
  await page.unroute(/\/graphql$/);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("cell", { name: "Alive" }).waitFor();
});
