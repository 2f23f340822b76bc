import { graphql, type ResultOf } from "../../api/graphql";

export const TASK = graphql(`
  query Task($id: ID!) {
    task(id: $id) {
      id
      externalId
      name
      description
      status
      tags
      overlap
      misfire
      onLost
      pausedAt
      pausedBy
      pauseReason
      nextRunAt
      pauseAfterFailures
      deleteAfterMs
      retentionDays
      flowKey
      version
      createdAt
      updatedAt
      metadata
      upcoming(count: 5)
      trigger {
        __typename
        ... on CronTrigger {
          expression
          timezone
          startAt
          endAt
          jitterMs
          description
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
        payload
        body
        bodyEncoding
        form {
          name
          value
        }
        successStatuses
        timeoutMs
        redirects
        signed
      }
      retry {
        maxAttempts
        initialDelayMs
        factor
        maxDelayMs
        retryStatuses
        maxElapsedMs
      }
      recentRuns(last: 100) {
        id
        state
        scheduledFor
        durationMs
      }
      statistics {
        runs
        succeeded
        failed
        skipped
        missed
        successRatePercent
        latenessP50Ms
        latenessP99Ms
        durationP50Ms
        durationP95Ms
      }
    }
  }
`);

export type TaskData = NonNullable<ResultOf<typeof TASK>["task"]>;
