// Opens the pages of the dashboard, and does what its user does.
import { visiting } from "./browser.ts";
import { accessible } from "./accessible.ts";

const [executablePath, url] = process.argv.slice(2);
if (executablePath === undefined || url === undefined) {
  throw new Error("usage: dashboard.ts CHROMIUM URL");
}

await visiting({ executablePath, url }, async (page) => {
  await page.goto(url);
  await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
  await accessible(page);

  await page.goto(new URL("/tasks/nothing/here", url).href);
  await page.getByRole("heading", { name: "Nothing here" }).waitFor();
  await page.getByRole("link", { name: "Go to the overview" }).click();
  await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
});
