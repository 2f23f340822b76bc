"""Patches of libraries' internals, each with the reason for it and when it can go.

- graphql-core: `limit_field_comparisons`. Validation compares the fields of a document pairwise, up to a budget that
  keeps the event loop busy for more than a second. The budget is a module constant, so this sets the constant. It can
  go when graphql-core takes the budget as an argument of `validate`.
"""

from graphql.validation.rules import overlapping_fields_can_be_merged


def limit_field_comparisons(comparisons: int) -> None:
    """Limit how many pairs of fields the validation of one document compares."""
    # The library counts each comparison twice.
    overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 2 * comparisons
