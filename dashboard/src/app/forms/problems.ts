// Brings the problems of an InvalidInput to the fields of a form.

export interface Problem {
  path: readonly string[];
  message: string;
}

export interface Placed {
  /** Messages by the name of a field, which is a path with dots: "action.headers.0.value". */
  byField: Map<string, string[]>;
  /** Messages that belong to no field of the form, with the path in front. */
  elsewhere: string[];
}

/**
 * Place problems at fields. A path that names no field belongs to the nearest field above it, "action.headers" for
 * "action.headers.3.name", or, as several fields stand for one member, to the first of those below it.
 */
export function place(problems: readonly Problem[], fields: readonly string[]): Placed {
  const byField = new Map<string, string[]>();
  const elsewhere: string[] = [];
  for (const { path, message } of problems) {
    const field = fieldOf(path, fields);
    if (field === null) {
      elsewhere.push(path.length === 0 ? sentence(message) : `${path.join(".")} ${message}`);
    } else {
      byField.set(field, [...(byField.get(field) ?? []), sentence(message)]);
    }
  }
  return { byField, elsewhere };
}

function fieldOf(path: readonly string[], fields: readonly string[]): string | null {
  for (let length = path.length; length > 0; length -= 1) {
    const name = path.slice(0, length).join(".");
    if (fields.includes(name)) {
      return name;
    }
    if (length === path.length) {
      const below = fields.find((field) => field.startsWith(`${name}.`));
      if (below !== undefined) {
        return below;
      }
    }
  }
  return null;
}

/** Return a message as a sentence: the server's begin with a verb, such as "must be in the future". */
function sentence(message: string): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}${/[.!?]$/.test(message) ? "" : "."}`;
}
