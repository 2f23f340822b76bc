// Shows the API's OpenAPI document in Swagger UI. If the API requires a key, the page asks for it first.
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import "./swagger.css";

import { KeyRequired, withKey } from "../key/key";
import { authorization } from "../key/storage";

const DOCUMENT = "./doc.json";

interface OpenApi {
  security?: object[];
  components: { securitySchemes?: object };
}

/** Fetch the document. Throw KeyRequired with the API's message if it rejects the key. */
async function fetchDocument(key: string | null): Promise<OpenApi> {
  const response = await fetch(DOCUMENT, { headers: authorization(key) });
  if (response.ok) {
    return (await response.json()) as OpenApi;
  }
  const { error } = (await response.json()) as { error: string };
  throw response.status === 401 ? new KeyRequired(error) : new Error(error);
}

/** Follow the browser's colour scheme, also when it changes. */
function followColorScheme(): void {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = (): void => void document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", apply);
  apply();
}

followColorScheme();
const { key, result: spec } = await withKey(fetchDocument);
if (key === null) {
  // The service takes requests without a key, and so nothing is locked.
  delete spec.security;
  delete spec.components.securitySchemes;
}
const ui = SwaggerUI({
  dom_id: "#page",
  spec,
  deepLinking: true,
  // The default validator is an online service of a third party.
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  onComplete: () => {
    if (key !== null) {
      ui.preauthorizeApiKey("key", key);
    }
  },
});
