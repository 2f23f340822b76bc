// Shows the API's OpenAPI document in Swagger UI. If the API requires a key, the page asks for it first, and forgets it when
// the user leaves the page.
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import "./swagger.css";

const DOCUMENT = "./doc.json";

class KeyRequired extends Error {}

const form = document.querySelector<HTMLFormElement>("#key")!;
const field = form.querySelector<HTMLInputElement>("input")!;
const message = form.querySelector<HTMLElement>("[role=alert]")!;

/** Fetch the document. Throw KeyRequired with the API's message if it rejects the key. */
async function fetchDocument(key: string | null): Promise<object> {
  const response = await fetch(DOCUMENT, { headers: key === null ? {} : { Authorization: `Bearer ${key}` } });
  if (response.ok) {
    return (await response.json()) as object;
  }
  const { error } = (await response.json()) as { error: string };
  throw response.status === 401 ? new KeyRequired(error) : new Error(error);
}

/** Show the document, and send the key with its requests. If the API rejects the key, show the form and the reason. */
async function show(key: string | null): Promise<void> {
  let spec: object;
  try {
    spec = await fetchDocument(key);
  } catch (error) {
    form.hidden = false;
    message.textContent = key === null && error instanceof KeyRequired ? "" : (error as Error).message;
    field.focus();
    return;
  }
  form.remove();
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
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void show(field.value.trim());
});

void show(null);
