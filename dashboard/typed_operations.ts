// Writes the types of the schema for gql.tada, and checks every operation of the dashboard against the schema.
import { globSync, readFileSync, writeFileSync } from "node:fs";

import { minifyIntrospection, outputIntrospectionFile } from "@gql.tada/internal";
import { introspectionFromSchema, Kind, parse, validate, type DefinitionNode, type FragmentDefinitionNode } from "graphql";

import { readSchema } from "./schema.ts";

const TYPES = "src/app/api/schema.d.ts";
const OPERATION = /\bgraphql\(\s*`([^`]*)`/g;

const schema = readSchema();
const introspection = minifyIntrospection(introspectionFromSchema(schema, { descriptions: false }));
writeFileSync(TYPES, outputIntrospectionFile(introspection, { fileType: ".d.ts", shouldPreprocess: true }));

const found: { file: string; definition: DefinitionNode }[] = [];
for (const file of globSync("src/app/**/*.{ts,tsx}")) {
  for (const [, text] of readFileSync(file, "utf8").matchAll(OPERATION)) {
    found.push(...parse(text!).definitions.map((definition) => ({ file, definition })));
  }
}
const fragments = new Map<string, FragmentDefinitionNode>();
for (const { file, definition } of found) {
  if (definition.kind === Kind.FRAGMENT_DEFINITION) {
    if (fragments.has(definition.name.value)) {
      throw new Error(`${file}: there are two fragments ${definition.name.value}`);
    }
    fragments.set(definition.name.value, definition);
  }
}

/** Return the fragments that a definition uses, directly or through others. */
function used(definition: DefinitionNode, seen = new Set<FragmentDefinitionNode>()): Set<FragmentDefinitionNode> {
  for (const [, name] of JSON.stringify(definition).matchAll(/"kind":"FragmentSpread","name":\{"kind":"Name","value":"(\w+)"/g)) {
    const fragment = fragments.get(name!);
    if (fragment !== undefined && !seen.has(fragment)) {
      used(fragment, seen.add(fragment));
    }
  }
  return seen;
}

let wrong = 0;
for (const { file, definition } of found) {
  const operation = definition.kind === Kind.OPERATION_DEFINITION ? [definition] : [];
  const probe = operation.length > 0 ? operation : parse("{ __typename }").definitions;
  const definitions = operation.length > 0 ? [...probe, ...used(definition)] : [...probe, definition, ...used(definition)];
  for (const error of validate(schema, { kind: Kind.DOCUMENT, definitions: [...new Set(definitions)] })) {
    if (!/^Fragment "\w+" is never used/.test(error.message)) {
      console.error(`${file}: ${error.message}`);
      wrong += 1;
    }
  }
}
process.exitCode = wrong > 0 ? 1 : 0;
