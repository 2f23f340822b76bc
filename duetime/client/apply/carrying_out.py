"""Carries out a plan and counts what was done, so that a failure can report where it stopped."""

from contextlib import closing
from dataclasses import dataclass

from duetime.client import documents
from duetime.client.api import Api
from duetime.client.apply.plan import Plan, refusal, upserted
from duetime.client.errors import ClientError
from duetime.client.output import progress, tell

DELETES = 250


@dataclass(slots=True)
class Done:
    """Numbers of tasks."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    refused: int = 0

    def __str__(self) -> str:
        """Return the counts as text."""
        return f"{self.created:,} created, {self.updated:,} changed, {self.deleted:,} deleted"


def carry_out(api: Api, plan: Plan) -> Done:
    """Carry out a plan: create and change tasks, then delete. Raises `ClientError` with what was done before the
    failure."""
    done = Done()
    total = len(plan.creates) + len(plan.updates) + len(plan.deletes)
    try:
        with progress("Applying", total) as shown:
            wanted = [step.wanted for step in (*plan.creates, *plan.updates) if step.wanted is not None]
            with closing(upserted(api, wanted, dry_run=False)) as parts:
                for chunk, results in parts:
                    for task, result in zip(chunk, results, strict=True):
                        if reason := refusal(task, result):
                            done.refused += 1
                            tell(f"duetime: {task.place}: {task.external_id}: {reason}")
                        done.created += result.get("outcome") == "CREATED"
                        done.updated += result.get("outcome") == "UPDATED"
                    shown.advance(shown.task_ids[0], len(chunk))
            # A refused task may have been meant to replace a task of the plan, so nothing is deleted.
            for start in range(0, len(plan.deletes) if not done.refused else 0, DELETES):
                part = plan.deletes[start : start + DELETES]
                results = api.field(documents.DELETE_TASKS, ids=[step.id for step in part])
                done.deleted += sum(result["__typename"] == "DeletedTask" for result in results)
                shown.advance(shown.task_ids[0], len(part))
    except (ClientError, KeyboardInterrupt) as error:
        # The API may have carried out a call whose response was lost.
        tell(f"duetime: stopped: at least {done} of {total:,}; run the command again to continue")
        raise error from None
    if done.refused:
        raise ClientError(f"{done.refused:,} refused; {done} of {total:,}")
    return done
