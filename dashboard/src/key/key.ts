// Asks for an API key before the playground or Swagger UI is shown, if the service requires one.
import "./key.css";

import { keepKey, keptKey } from "./storage";

/** The service's refusal of a request without a key that it accepts. */
export class KeyRequired extends Error {}

/** Forget the key, and ask again. */
export function forgetKey(): void {
  keepKey(null);
  window.location.reload();
}

/**
 * Attempt something with the key of this tab, or without one. While the attempt throws KeyRequired, show the form with the
 * reason, and attempt it with what the user enters. Return the result, and the key, which is null if none is required.
 */
export async function withKey<Result>(
  attempt: (key: string | null) => Promise<Result>,
): Promise<{ key: string | null; result: Result }> {
  const form = document.querySelector<HTMLFormElement>("#key")!;
  const field = form.querySelector<HTMLInputElement>("input")!;
  const message = form.querySelector<HTMLElement>("[role=alert]")!;
  document.querySelector(".loading")?.remove();
  for (let key = keptKey(); ; key = await entered(form, field)) {
    try {
      const result = await attempt(key);
      keepKey(key);
      form.remove();
      return { key, result };
    } catch (error) {
      keepKey(null);
      form.hidden = false;
      message.textContent = key === null && error instanceof KeyRequired ? "" : (error as Error).message;
      field.focus();
    }
  }
}

function entered(form: HTMLFormElement, field: HTMLInputElement): Promise<string> {
  return new Promise((resolve) => {
    const submitted = (event: Event): void => {
      event.preventDefault();
      resolve(field.value.trim());
    };
    form.addEventListener("submit", submitted, { once: true });
  });
}
