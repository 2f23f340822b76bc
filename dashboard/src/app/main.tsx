import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/components.css";
import "./styles/forms.css";
import "./styles/shell.css";

import { RouterProvider } from "@tanstack/react-router";
import { createRoot } from "react-dom/client";
import { Provider } from "urql";

import { client } from "./api/client";
import { router } from "./router";
import { followTheme } from "./theme";

// The address of the icon is relative, and the browser resolves it again when the page's address changes.
const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]")!;
icon.href = new URL(icon.href).href;

followTheme();
createRoot(document.getElementById("app")!).render(
  <Provider value={client}>
    <RouterProvider router={router} />
  </Provider>,
);
