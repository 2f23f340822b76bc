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
import { applyTheme } from "./theme";

applyTheme();
createRoot(document.getElementById("app")!).render(
  <Provider value={client}>
    <RouterProvider router={router} />
  </Provider>,
);
