"""Carries out a plan. What was done is counted, so that a failure says where it stopped."""

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
        """Return the numbers in words."""
        return f"{self.created:,} created, {self.updated:,} changed, {self.deleted:,} deleted"


def carry_out(api: Api, plan: Plan) -> Done:
    """Do what a plan says: create and change, then delete. Raises `ClientError` with what was done before."""
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
            # Nothing is deleted that a task which was refused may have been meant to replace.
            for start in range(0, len(plan.deletes) if not done.refused else 0, DELETES):
                part = plan.deletes[start : start + DELETES]
                results = api.field(documents.DELETE_TASKS, ids=[step.id for step in part])
                done.deleted += sum(result["__typename"] == "DeletedTask" for result in results)
                shown.advance(shown.task_ids[0], len(part))
    except (ClientError, KeyboardInterrupt) as error:
        # The API may have done what no answer came for.
        tell(f"duetime: stopped: at least {done} of {total:,}; run the command again to go on")
        raise error from None
    if done.refused:
        raise ClientError(f"{done.refused:,} refused; {done} of {total:,}")
    return done
