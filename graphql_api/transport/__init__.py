"""GraphQL over the wire: HTTP, websockets (graphql-transport-ws), and server-sent events."""
