"""What a trigger would do."""

from datetime import datetime
from typing import Annotated

import strawberry

from graphql_api.types.refusals import InvalidInput

MAX_INSTANTS = 100


@strawberry.type(description="When a trigger would fire.")
class TriggerPreview:
    """Instants, and words."""

    instants: list[datetime] = strawberry.field(description="The next instants, jitter not included.")
    description: str = strawberry.field(description="The trigger in words.")


PreviewTriggerResult = Annotated[
    TriggerPreview | InvalidInput,
    strawberry.union("PreviewTriggerResult", description="When a trigger would fire, or why it cannot."),
]
