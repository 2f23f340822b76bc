import "./workers";
// These replace graphiql/style.css, which contains Monaco's styles a second time and its fonts as data: URLs.
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "graphiql/graphiql.css";
import "./playground.css";

import { ToolbarButton, useGraphiQL } from "@graphiql/react";
import { GraphiQL } from "graphiql";
import { useEffect } from "react";
import { createRoot } from "react-dom/client";

import { forgetKey, KeyRequired, withKey } from "../key/key";
import { authorization } from "../key/storage";
import { examples } from "./examples";
import { fetcherFor } from "./fetcher";
import { storage } from "./storage";

const endpoint = new URL(window.location.pathname, window.location.origin);
const page = document.getElementById("page");
if (page === null) {
  throw new Error("the page has no element with the id page");
}

/** Ask the API for nothing. Throw KeyRequired with its message if it rejects the key. */
async function greet(key: string | null): Promise<void> {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { ...authorization(key), "Content-Type": "application/json" },
    body: JSON.stringify({ query: "{ __typename }" }),
  });
  if (!response.ok) {
    const { errors } = (await response.json()) as { errors: [{ message: string }] };
    const { message } = errors[0];
    throw response.status === 401 ? new KeyRequired(message) : new Error(message);
  }
}

/** The link beside the tabs. Long lines wrap, because the editor would hide their ends beside the toolbar. */
function Logo() {
  const editor = useGraphiQL(({ queryEditor }) => queryEditor);
  useEffect(() => editor?.updateOptions({ wordWrap: "on", wrappingIndent: "indent" }), [editor]);
  return (
    <a className="logo" href={new URL(".", endpoint).href}>
      Duetime
    </a>
  );
}

const { key } = await withKey(greet);
createRoot(page).render(
  <GraphiQL fetcher={fetcherFor(endpoint, key)} defaultTabs={examples(endpoint.origin)} storage={storage}>
    <GraphiQL.Logo>
      <Logo />
    </GraphiQL.Logo>
    <GraphiQL.Toolbar>
      {({ prettify, merge, copy }) => (
        <>
          {prettify}
          {merge}
          {copy}
          {key !== null && (
            <ToolbarButton label="Use another API key" onClick={forgetKey}>
              <svg className="graphiql-toolbar-icon" viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.5">
                <circle cx="6" cy="10" r="4" />
                <path d="M10 10h8v3M15 10v3" />
              </svg>
            </ToolbarButton>
          )}
        </>
      )}
    </GraphiQL.Toolbar>
  </GraphiQL>,
);
