// The names of tasks by their ids, read in batches, for events that have only the id.
import { useEffect } from "react";

import { createStore, useStore } from "../stored";
import { client } from "./client";
import { graphql } from "./graphql";

const NAMES = graphql(`
  query TaskNames($ids: [ID!]!) {
    nodes(ids: $ids) {
      __typename
      ... on Task {
        id
        name
      }
    }
  }
`);

const BATCH = 100;
const KEPT = 5_000;
const GATHER_MS = 50;

const names = createStore<ReadonlyMap<string, string>>(new Map());
const wanted = new Set<string>();
let timer: number | undefined;

async function read(): Promise<void> {
  timer = undefined;
  const ids = [...wanted].slice(0, BATCH);
  ids.forEach((id) => wanted.delete(id));
  const { data } = await client.query(NAMES, { ids }, { requestPolicy: "network-only" }).toPromise();
  const known = new Map(names.get());
  for (const id of ids) {
    known.set(id, "");
  }
  for (const node of data?.nodes ?? []) {
    if (node?.__typename === "Task") {
      known.set(node.id, node.name);
    }
  }
  for (const id of known.keys()) {
    if (known.size <= KEPT) {
      break;
    }
    known.delete(id);
  }
  names.set(known);
  if (wanted.size > 0) {
    timer = window.setTimeout(() => void read(), GATHER_MS);
  }
}

/** Return the name of a task: empty if it was deleted, undefined while it is not known. */
export function useTaskName(id: string): string | undefined {
  const name = useStore(names).get(id);
  useEffect(() => {
    if (name === undefined) {
      wanted.add(id);
      timer ??= window.setTimeout(() => void read(), GATHER_MS);
    }
  }, [id, name]);
  return name;
}
