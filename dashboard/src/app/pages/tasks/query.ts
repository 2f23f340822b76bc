import { graphql, type ResultOf } from "../../api/graphql";

export const PAGE_SIZE = 50;

export const TASKS = graphql(`
  query Tasks($first: Int!, $after: String, $filter: TaskFilter, $orderBy: TaskOrder!) {
    tasks(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
      nodes {
        id
        name
        status
        tags
        nextRunAt
        trigger {
          __typename
          ... on CronTrigger {
            description
            timezone
          }
          ... on IntervalTrigger {
            everyMs
          }
          ... on OneOffTrigger {
            at
          }
        }
        action {
          method
          url
        }
        lastRun {
          id
          state
          scheduledFor
        }
        recentRuns(last: 30) {
          id
          state
          durationMs
        }
      }
      pageInfo {
        endCursor
        hasNextPage
      }
      totalCount
      totalCountCapped
    }
  }
`);

export type TaskRow = ResultOf<typeof TASKS>["tasks"]["nodes"][number];
