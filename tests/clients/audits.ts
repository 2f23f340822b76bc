// The audits of GraphQL over HTTP that npm's graphql-http brings, run against the URL given. Prints one JSON object a line:
// {"id", "name", "status", "reason"}.
import { serverAudits } from "graphql-http";

const [url] = process.argv.slice(2);
if (url === undefined) {
  throw new Error("usage: audits.ts URL");
}
for (const audit of serverAudits({ url, fetchFn: fetch })) {
  const result = await audit.fn();
  const reason = "reason" in result ? result.reason : null;
  console.log(JSON.stringify({ id: result.id, name: result.name, status: result.status, reason }));
}
