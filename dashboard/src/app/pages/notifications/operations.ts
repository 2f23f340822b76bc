// The operations on notifications.
import { graphql, type ResultOf, type VariablesOf } from "../../api/graphql";
import { REFUSAL } from "../../api/refusal";

export const CHANNEL = graphql(`
  fragment Channel on Channel {
    id
    name
    kind
    url
    version
    updatedAt
  }
`);

export const CHANNELS = graphql(
  `
    query Channels {
      channels {
        ...Channel
      }
    }
  `,
  [CHANNEL],
);

export const CREATE_CHANNEL = graphql(
  `
    mutation CreateChannel($input: CreateChannelInput!) {
      createChannel(input: $input) {
        __typename
        ...Refusal
      }
    }
  `,
  [REFUSAL],
);

export const UPDATE_CHANNEL = graphql(
  `
    mutation UpdateChannel($id: ID!, $input: UpdateChannelInput!) {
      updateChannel(id: $id, input: $input) {
        __typename
        ...Channel
        ...Refusal
      }
    }
  `,
  [CHANNEL, REFUSAL],
);

export const DELETE_CHANNEL = graphql(
  `
    mutation DeleteChannel($id: ID!) {
      deleteChannel(id: $id) {
        __typename
        ...Refusal
      }
    }
  `,
  [REFUSAL],
);

export const TEST_CHANNEL = graphql(
  `
    mutation TestChannel($id: ID!) {
      testChannel(id: $id) {
        __typename
        ... on NotificationDelivery {
          id
          state
          statusCode
          errorMessage
        }
        ...Refusal
      }
    }
  `,
  [REFUSAL],
);

export const RULE = graphql(`
  fragment Rule on NotificationRule {
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
`);

export const RULES = graphql(
  `
    query NotificationRules {
      notificationRules {
        ...Rule
      }
      channels {
        id
        name
      }
    }
  `,
  [RULE],
);

export const CREATE_RULE = graphql(
  `
    mutation CreateNotificationRule($input: CreateNotificationRuleInput!) {
      createNotificationRule(input: $input) {
        __typename
        ...Refusal
      }
    }
  `,
  [REFUSAL],
);

export const UPDATE_RULE = graphql(
  `
    mutation UpdateNotificationRule($id: ID!, $input: UpdateNotificationRuleInput!) {
      updateNotificationRule(id: $id, input: $input) {
        __typename
        ...Rule
        ...Refusal
      }
    }
  `,
  [RULE, REFUSAL],
);

export const DELETE_RULE = graphql(
  `
    mutation DeleteNotificationRule($id: ID!) {
      deleteNotificationRule(id: $id) {
        __typename
        ...Refusal
      }
    }
  `,
  [REFUSAL],
);

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

export type Channel = ResultOf<typeof CHANNEL>;
export type Rule = ResultOf<typeof RULE>;
export type RuleInput = VariablesOf<typeof CREATE_RULE>["input"];
export type Delivery = ResultOf<typeof DELIVERIES>["notificationDeliveries"]["nodes"][number];
