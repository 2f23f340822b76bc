"""The preview of a trigger."""

from datetime import datetime
from typing import Annotated

import strawberry

from graphql_api.types.refusals import InvalidInput

MAX_INSTANTS = 100


@strawberry.type(description="The next instants of a trigger.")
class TriggerPreview:
    """The next instants of a trigger, and a description."""

    instants: list[datetime] = strawberry.field(description="The next instants, without jitter.")
    description: str = strawberry.field(description="A description of the trigger in words.")


PreviewTriggerResult = Annotated[
    TriggerPreview | InvalidInput,
    strawberry.union("PreviewTriggerResult", description="The next instants of a trigger, or what is wrong with it."),
]
