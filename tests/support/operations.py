"""Every mutation of the schema as an operation, for tests that must cover all of them."""

from tests.support.clients_schema import SCHEMA


def operations() -> dict[str, str]:
    """Return documents by the mutation's name. Their variables are the mutation's arguments."""
    root = SCHEMA.mutation_type
    assert root is not None
    found = {}
    for name, field in root.fields.items():
        variables = ", ".join(f"${argument}: {given.type}" for argument, given in field.args.items())
        arguments = ", ".join(f"{argument}: ${argument}" for argument in field.args)
        found[name] = f"mutation ({variables}) {{ {name}({arguments}) {{ __typename }} }}"
    return found


MUTATIONS = operations()
