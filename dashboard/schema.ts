// Reads ../schema.graphql for the dashboard: what its cache has to know of the schema, and the types of its operations.
import { readFileSync } from "node:fs";

import { buildSchema, isAbstractType, isObjectType, type GraphQLSchema } from "graphql";
import type { Plugin } from "vite";

const SCHEMA = new URL("../schema.graphql", import.meta.url);
const MODULE = "virtual:schema";

export function readSchema(): GraphQLSchema {
  return buildSchema(readFileSync(SCHEMA, "utf8"));
}

/** Return the members of each union and interface, and the types of values, which have no id and belong to their parents. */
function summary(schema: GraphQLSchema): { possibleTypes: Record<string, string[]>; valueTypes: string[] } {
  const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith("__"));
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  return {
    possibleTypes: Object.fromEntries(
      types.filter(isAbstractType).map((type) => [type.name, schema.getPossibleTypes(type).map(({ name }) => name)]),
    ),
    valueTypes: types
      .filter(isObjectType)
      .filter((type) => !roots.includes(type) && !("id" in type.getFields()))
      .map(({ name }) => name),
  };
}

/** The module virtual:schema, so that the page contains a summary of the schema and not the schema itself. */
export function schemaSummary(): Plugin {
  return {
    name: "schema-summary",
    resolveId: (id) => (id === MODULE ? `\0${MODULE}` : null),
    load(id) {
      if (id !== `\0${MODULE}`) {
        return null;
      }
      const { possibleTypes, valueTypes } = summary(readSchema());
      return `export const possibleTypes = ${JSON.stringify(possibleTypes)};\nexport const valueTypes = ${JSON.stringify(valueTypes)};`;
    },
  };
}
