declare module "virtual:schema" {
  /** The members of each union and interface. */
  export const possibleTypes: Record<string, string[]>;
  /** The types of values, which have no id. */
  export const valueTypes: string[];
}
