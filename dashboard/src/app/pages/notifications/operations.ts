// The operations on notifications.
import { graphql, type ResultOf, type VariablesOf } from "../../api/graphql";

export const CHANNELS = graphql(`
  query Channels {
    channels {
      id
      name
      kind
      url
      version
      updatedAt
    }
  }
`);

export const CREATE_CHANNEL = graphql(`
  mutation CreateChannel($input: CreateChannelInput!) {
    createChannel(input: $input) {
      __typename
      ... on Channel {
        id
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
      }
    }
  }
`);

export const UPDATE_CHANNEL = graphql(`
  mutation UpdateChannel($id: ID!, $input: UpdateChannelInput!) {
    updateChannel(id: $id, input: $input) {
      __typename
      ... on Channel {
        id
        name
        url
        version
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
      }
    }
  }
`);

export const DELETE_CHANNEL = graphql(`
  mutation DeleteChannel($id: ID!) {
    deleteChannel(id: $id) {
      __typename
      ... on DeletedChannel {
        channelId
      }
      ... on Error {
        message
      }
    }
  }
`);

export const TEST_CHANNEL = graphql(`
  mutation TestChannel($id: ID!) {
    testChannel(id: $id) {
      __typename
      ... on NotificationDelivery {
        id
        state
        statusCode
        errorMessage
      }
      ... on NotFound {
        message
      }
    }
  }
`);

export const RULES = graphql(`
  query NotificationRules {
    notificationRules {
      id
      name
      channelIds
      events
      taskIds
      tags
      afterFailures
      lateMs
      toleranceMs
      remindEveryMs
      gatherMs
      version
    }
    channels {
      id
      name
    }
  }
`);

export const CREATE_RULE = graphql(`
  mutation CreateNotificationRule($input: CreateNotificationRuleInput!) {
    createNotificationRule(input: $input) {
      __typename
      ... on NotificationRule {
        id
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
      }
    }
  }
`);

export const UPDATE_RULE = graphql(`
  mutation UpdateNotificationRule($id: ID!, $input: UpdateNotificationRuleInput!) {
    updateNotificationRule(id: $id, input: $input) {
      __typename
      ... on NotificationRule {
        id
        name
        channelIds
        events
        taskIds
        tags
        afterFailures
        lateMs
        toleranceMs
        remindEveryMs
        gatherMs
        version
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
      }
    }
  }
`);

export const DELETE_RULE = graphql(`
  mutation DeleteNotificationRule($id: ID!) {
    deleteNotificationRule(id: $id) {
      __typename
      ... on DeletedNotificationRule {
        ruleId
      }
      ... on Error {
        message
      }
    }
  }
`);

export const DELIVERIES = graphql(`
  query NotificationDeliveries($filter: NotificationDeliveryFilter, $after: String) {
    notificationDeliveries(first: 30, after: $after, filter: $filter) {
      nodes {
        id
        channelId
        ruleId
        event
        reminder
        count
        subject
        text
        state
        attempts
        nextAttemptAt
        statusCode
        errorMessage
        createdAt
        finishedAt
      }
      pageInfo {
        endCursor
        hasNextPage
      }
    }
    channels {
      id
      name
    }
  }
`);

export type Channel = ResultOf<typeof CHANNELS>["channels"][number];
export type Rule = ResultOf<typeof RULES>["notificationRules"][number];
export type RuleInput = VariablesOf<typeof CREATE_RULE>["input"];
export type Delivery = ResultOf<typeof DELIVERIES>["notificationDeliveries"]["nodes"][number];
export type DeliveryFilter = NonNullable<VariablesOf<typeof DELIVERIES>["filter"]>;
