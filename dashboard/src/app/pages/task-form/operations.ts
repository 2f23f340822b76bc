// The operations of the form.
import { graphql, type VariablesOf } from "../../api/graphql";

export const DEFINITION = graphql(`
  fragment TaskDefinition on Task {
    id
    version
    name
    description
    status
    tags
    trigger {
      __typename
      ... on CronTrigger {
        expression
        timezone
        startAt
        endAt
        jitterMs
      }
      ... on IntervalTrigger {
        everyMs
        startAt
        endAt
        jitterMs
      }
      ... on OneOffTrigger {
        at
      }
    }
    action {
      method
      url
      headers {
        name
        value
        secret
      }
      successStatuses
      timeoutMs
      redirects
      signed
      payload
      body
      bodyEncoding
      form {
        name
        value
      }
    }
    retry {
      maxAttempts
      initialDelayMs
      factor
      maxDelayMs
      retryStatuses
      maxElapsedMs
    }
    overlap
    misfire
    onLost
    pauseAfterFailures
    retentionDays
    deleteAfterMs
    flowKey
    externalId
    metadata
  }
`);

export const LOAD = graphql(
  `
    query TaskToEdit($id: ID!) {
      task(id: $id) {
        ...TaskDefinition
      }
    }
  `,
  [DEFINITION],
);

export const CREATE = graphql(`
  mutation CreateTask($input: CreateTaskInput!) {
    createTask(input: $input) {
      __typename
      ... on Task {
        id
        name
      }
      ... on InvalidInput {
        message
        problems {
          path
          message
        }
      }
      ... on Conflict {
        message
        currentTask {
          id
          name
        }
      }
    }
  }
`);

export const UPDATE = graphql(
  `
    mutation UpdateTask($id: ID!, $input: UpdateTaskInput!) {
      updateTask(id: $id, input: $input) {
        __typename
        ... on Task {
          ...TaskDefinition
          nextRunAt
          updatedAt
        }
        ... on InvalidInput {
          message
          problems {
            path
            message
          }
        }
        ... on NotFound {
          message
        }
        ... on Conflict {
          message
          reason
          currentTask {
            ...TaskDefinition
          }
        }
      }
    }
  `,
  [DEFINITION],
);

export const PREVIEW = graphql(`
  query PreviewTrigger($trigger: TriggerInput!) {
    previewTrigger(trigger: $trigger, count: 5) {
      __typename
      ... on TriggerPreview {
        description
        instants
      }
      ... on InvalidInput {
        problems {
          path
          message
        }
      }
    }
  }
`);

export type CreateTaskInput = VariablesOf<typeof CREATE>["input"];
export type UpdateTaskInput = VariablesOf<typeof UPDATE>["input"];
export type TriggerInput = VariablesOf<typeof PREVIEW>["trigger"];

export const TRY = graphql(`
  mutation TryAction($action: HttpActionInput!) {
    tryAction(action: $action) {
      __typename
      ... on TriedAction {
        success
        statusCode
        errorMessage
        durationMs
        responseHeaders {
          name
          value
        }
        responseBody
        responseBodyEncoding
        responseTruncated
      }
      ... on InvalidInput {
        message
        problems {
          path
          message
        }
      }
    }
  }
`);

export type HttpActionInput = VariablesOf<typeof TRY>["action"];
