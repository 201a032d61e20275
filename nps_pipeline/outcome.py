"""Outcome: the last step of a run, which fails when a sound publication stands but something was left behind."""

from collections.abc import Sequence

import dagster as dg

from nps_pipeline.keys import GROUPS, OUTCOME, PROBLEMS, told_problems


def outcome(steps: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """The asset that makes a degraded run visible: a source that raised would have stopped the others.

    Args:
        steps: The assets of the pull stage, of publishing and of sync-back, whose metadata names their problems.
    """

    @dg.asset(
        key=OUTCOME,
        deps=steps,
        group_name=GROUPS["outcome"],
        kinds={"python"},
        description="Fails when a sound publication stands, but a source failed, a file was refused, a publication is "
        "held or a write is open.",
    )
    def asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        problems = [problem for key in steps for problem in problems_of(context.instance, key, context.run.run_id)]
        if problems:
            raise dg.Failure(
                description="\n".join(problems),
                metadata={PROBLEMS: dg.MetadataValue.json(problems)},
                allow_retries=False,
            )
        return dg.MaterializeResult(metadata={PROBLEMS: dg.MetadataValue.json([])})

    return asset


def problems_of(instance: dg.DagsterInstance, key: dg.AssetKey, run_id: str) -> list[str]:
    """What the asset reported in this run; nothing if the run did not contain it."""
    event = instance.get_latest_materialization_event(key)
    if event is None or event.run_id != run_id or event.asset_materialization is None:
        return []
    return told_problems(event.asset_materialization)
