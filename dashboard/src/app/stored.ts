// Choices that the browser keeps, such as the theme, as stores that components subscribe to.
import { useSyncExternalStore } from "react";

export interface Store<Value> {
  get: () => Value;
  set: (value: Value) => void;
  subscribe: (listener: () => void) => () => void;
}

/** Return a store of one value. */
export function createStore<Value>(initial: Value): Store<Value> {
  let current = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => current,
    set(value) {
      if (!Object.is(value, current)) {
        current = value;
        listeners.forEach((listener) => listener());
      }
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Return a store of one of several values, which the browser keeps under a name. The first value is the default. */
export function createChoice<Value extends string>(name: string, values: readonly [Value, ...Value[]]): Store<Value> {
  const kept = localStorage.getItem(name);
  const store = createStore<Value>(values.find((value) => value === kept) ?? values[0]);
  return {
    ...store,
    set(value) {
      localStorage.setItem(name, value);
      store.set(value);
    },
  };
}

/** Return the current value of a store, and render the component again when it changes. */
export function useStore<Value>(store: Store<Value>): Value {
  return useSyncExternalStore(store.subscribe, store.get);
}
