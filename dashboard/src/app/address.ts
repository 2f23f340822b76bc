// Where Duetime is served. A proxy may serve it under a prefix, so the address comes from that of this script in assets/.
const script: string = import.meta.url;

/** The address of the service, which ends with a slash. */
export const service = new URL("..", script);

/** The address of the GraphQL API. */
export const endpoint = new URL("graphql", service);
