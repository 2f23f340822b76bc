// Swagger UI over the service's own OpenAPI document, which lies beside this page. Where keys are wanted, the page asks for one
// before it shows anything, and forgets it when it is left.
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import "./swagger.css";

const DOCUMENT = "./doc.json";

class KeyWanted extends Error {}

const form = document.querySelector<HTMLFormElement>("#key")!;
const field = form.querySelector<HTMLInputElement>("input")!;
const told = form.querySelector<HTMLElement>("[role=alert]")!;

/** The document. Throws KeyWanted, with what the service says of the key, when it does not let this one in. */
async function loaded(key: string | null): Promise<object> {
  const answer = await fetch(DOCUMENT, { headers: key === null ? {} : { Authorization: `Bearer ${key}` } });
  if (answer.ok) {
    return (await answer.json()) as object;
  }
  const { error } = (await answer.json()) as { error: string };
  throw answer.status === 401 ? new KeyWanted(error) : new Error(error);
}

/** Shows the document, whose requests then carry the key; or the form, and why. */
async function show(key: string | null): Promise<void> {
  let spec: object;
  try {
    spec = await loaded(key);
  } catch (error) {
    form.hidden = false;
    told.textContent = key === null && error instanceof KeyWanted ? "" : (error as Error).message;
    field.focus();
    return;
  }
  form.remove();
  const ui = SwaggerUI({
    dom_id: "#page",
    spec,
    deepLinking: true,
    // Its online validator belongs to somebody else.
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
