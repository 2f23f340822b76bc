import "./workers";
// These replace graphiql/style.css, which contains Monaco's styles a second time and its fonts as data: URLs.
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "graphiql/graphiql.css";
import "./playground.css";

import { GraphiQL } from "graphiql";
import { createRoot } from "react-dom/client";

import { examples } from "./examples";
import { fetcherFor } from "./fetcher";
import { storage } from "./storage";

const endpoint = new URL(window.location.pathname, window.location.origin);
const page = document.getElementById("page");
if (page === null) {
  throw new Error("the page has no element with the id page");
}
createRoot(page).render(
  <GraphiQL fetcher={fetcherFor(endpoint)} defaultTabs={examples(endpoint.origin)} storage={storage}>
    <GraphiQL.Logo>
      <a className="logo" href={new URL(".", endpoint).href}>
        Duetime
      </a>
    </GraphiQL.Logo>
  </GraphiQL>,
);
