"""The exported schema, compared with the contract."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    extend_schema,
    get_named_type,
    is_introspection_type,
    is_leaf_type,
    is_required_argument,
    is_specified_scalar_type,
    parse,
    print_ast,
    validate,
)

from graphql_api.execution.schema import schema
from tests.support.clients_schema import SCHEMA

ROOT = Path(__file__).parents[2]


def parts(of: GraphQLSchema) -> dict[str, str]:
    """Return every type, field, argument, enum value and union member of a schema, with its type."""
    return dict(part for each in of.type_map.values() if is_own(each) for part in parts_of(each))


def is_own(each: GraphQLNamedType) -> bool:
    """Return whether the schema itself defines the type."""
    return not is_introspection_type(each) and not is_specified_scalar_type(each)


def parts_of(each: GraphQLNamedType) -> Iterator[tuple[str, str]]:
    """Return the type's kind, and its parts."""
    yield each.name, type(each).__name__ + (" @oneOf" if getattr(each, "is_one_of", False) else "")
    if isinstance(each, GraphQLObjectType | GraphQLInterfaceType):
        for interface in each.interfaces:
            yield f"{each.name} implements {interface.name}", "interface"
        for name, field in each.fields.items():
            yield f"{each.name}.{name}", str(field.type)
            for argument_name, argument in field.args.items():
                yield f"{each.name}.{name}({argument_name})", with_default(argument)
    elif isinstance(each, GraphQLInputObjectType):
        for name, member in each.fields.items():
            yield f"{each.name}.{name}", with_default(member)
    elif isinstance(each, GraphQLEnumType):
        for name in each.values:
            yield f"{each.name}.{name}", "value"
    elif isinstance(each, GraphQLUnionType):
        for member_type in each.types:
            yield f"{each.name} = {member_type.name}", "member"


def with_default(argument: Any) -> str:
    """Return the type of an argument or input member, with its default."""
    node = argument.ast_node
    if node.default_value is None:
        return str(argument.type)
    # graphql-core writes a Float's 2.0 as 2.
    return f"{argument.type} = {print_ast(node.default_value).removesuffix('.0')}"


def is_added(name: str) -> bool:
    """Return whether a part of the schema is a known addition to the contract."""
    of_calls = (
        "Redirect",
        "Attempt.redirects",
        "Attempt.responseError",
        "Attempt.resent",
        "Run.responseHeadersTruncated",
        "Task.pausedAt",
        "Mutation.pauseTasks(reason)",
        "Mutation.upsertTasks",
        "UpsertedTask.after",
        "UpsertedTask.before",
    )
    of_notifications = (
        "Apprise",
        "Channel",
        "CreateChannel",
        "CreateNotificationRule",
        "DeleteChannel",
        "DeletedChannel",
        "DeleteNotificationRule",
        "DeletedNotificationRule",
        "DeliveryState",
        "Notification",
        "TestChannel",
        "UpdateChannel",
        "UpdateNotificationRule",
        "UpdateWebhook",
        "Webhook",
        "Query.channels",
        "Query.notification",
        *(
            f"Mutation.{name}{what}"
            for name in ("create", "update", "delete", "test")
            for what in ("Channel", "NotificationRule")
        ),
    )
    of_limits = (
        "FlowLimit",
        "ConflictReason.FLOW_LIMIT_EXISTS",
        "CreateFlowLimit",
        "DeletedFlowLimit",
        "DeleteFlowLimit",
        "UpdateFlowLimit",
        "Query.flowLimits",
        "Run.waitingFor",
        *(f"{name}.flowKey" for name in ("Task", "CreateTaskInput", "UpdateTaskInput")),
        *(f"Mutation.{name}FlowLimit" for name in ("create", "update", "delete")),
    )
    of_keys = (
        "ApiKey",
        "CreateApiKey",
        "CreatedApiKey",
        "KeyScope",
        "RevokeApiKey",
        "Viewer",
        "Query.apiKeys",
        "Query.viewer",
        "Mutation.createApiKey",
        "Mutation.revokeApiKey",
        "ConflictReason.NAME_TAKEN",
    )
    of_operations = (
        "Bulk",
        "Query.bulkOperation",
        "Mutation.bulk",
        "Mutation.cancelBulkOperation",
        "Subscription.bulkProgress",
        "Mutation.rollbackTask",
        "Mutation.tryAction",
        "Query.task(asOf)",
        "RunFilter.errorContains",
        "RunFilter.host",
        "RunFilter.statusCode",
        "RunFilter.tags",
        "Task.versions",
        "TaskVersion",
        "TriedAction",
        "TryActionResult",
    )
    of_service = (
        "Attention",
        "Health",
        "HostForecast",
        "LoadForecast",
        "RunStatistics",
        "Statistics",
        "Storage",
        "Worker",
        "Task.recentRuns",
        "Task.statistics",
        "UpdateTaskInput.clear",
        "UpdateRetryPolicyInput.clear",
        *(f"Query.{name}" for name in ("attention", "health", "loadForecast", "runStatistics", "storage", "workers")),
    )
    groups = (of_calls, of_notifications, of_keys, of_operations, of_service, of_limits)
    return name == "Date" or name.startswith(
        ("AuditEntry", "AuditFilter", "Query.auditLog", *(part for group in groups for part in group))
    )


def described(each: GraphQLNamedType) -> Iterator[tuple[str, str | None]]:
    """Return everything that can have a description, with the description."""
    yield each.name, each.description
    for name, part in {**getattr(each, "fields", {}), **getattr(each, "values", {})}.items():
        yield f"{each.name}.{name}", part.description
        for argument_name, argument in getattr(part, "args", {}).items():
            yield f"{each.name}.{name}({argument_name})", argument.description


contract = build_schema((ROOT / "tests/data/core.graphql").read_text())


def test_exported_file_is_fresh() -> None:
    """schema.graphql is what `duetime schema` prints."""
    assert (ROOT / "schema.graphql").read_text() == schema.as_str() + "\n"


def test_everything_is_the_contracts() -> None:
    """Everything in the schema is in the contract, with the same type and default, except for known additions."""
    promised = parts(contract)
    assert {name for name, what in parts(SCHEMA).items() if promised.get(name) != what and not is_added(name)} == set()


def test_everything_of_the_contract_is_there() -> None:
    """Everything in the contract is in the schema."""
    assert parts(contract).keys() - parts(SCHEMA).keys() == set()


def test_everything_is_described() -> None:
    """Every type, field, argument and enum value has a description."""
    bare = [name for each in SCHEMA.type_map.values() if is_own(each) for name, text in described(each) if not text]
    assert bare == []


def test_parts_really_compares() -> None:
    """The comparison notices types, defaults and arguments."""
    seen = parts(contract)
    assert seen["Query.tasks(orderBy)"] == "TaskOrder! = CREATED_AT_DESC"
    assert seen["HttpActionInput.timeoutMs"] == "Milliseconds = 30000"
    assert seen["CronTriggerInput.timezone"] == 'String = "UTC"'
    assert seen["TriggerInput"] == "GraphQLInputObjectType @oneOf"
    assert seen["Conflict implements Error"] == "interface"


def test_every_field_of_every_member_of_a_union_can_be_selected_at_once() -> None:
    """Fields of the same name have the same nullability and the same leaf type, so that nobody needs an alias."""
    unions = [each for each in SCHEMA.type_map.values() if isinstance(each, GraphQLUnionType)]
    members = {
        union.name: [f"... on {member.name} {{ {leaves(member)} }}" for member in union.types] for union in unions
    }
    root = " ".join(f"u{place}: {union.name}" for place, union in enumerate(unions))
    extended = extend_schema(SCHEMA, parse(f"extend type Query {{ {root} }}"))
    selections = " ".join(f"u{place} {{ {' '.join(members[union.name])} }}" for place, union in enumerate(unions))
    assert [error.message for error in validate(extended, parse(f"{{ {selections} }}"))] == []


def leaves(of: GraphQLObjectType) -> str:
    """Return a selection of all fields that need no argument, and of `__typename` in those that have fields."""
    selected = []
    for name, field in of.fields.items():
        named = get_named_type(field.type)
        if not any(is_required_argument(argument) for argument in field.args.values()):
            selected.append(name if is_leaf_type(named) else f"{name} {{ __typename }}")
    return " ".join(selected)
