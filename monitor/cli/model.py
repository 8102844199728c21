"""The model's life: `train`, `evaluate`, `tune`, `models`, `rescore`, `promote`, `rollback`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.shared import person, start

verbs = typer.Typer()
models_app = typer.Typer(help="Versions of the model: which serves, which are here.")
verbs.add_typer(models_app, name="models")

DataOption = Annotated[Path, typer.Option(help="the folder of labelled sets: twitter-financial-news/, sentfin/")]


@verbs.command()
def train(
    data: DataOption,
    recipe: Annotated[
        str, typer.Argument(help="what to make: small (CPUs) or base (GPUs, and to teach small)")
    ] = "small",
    version: Annotated[
        str | None, typer.Option(help="the name of what is made; absent: the recipe's and the minute's")
    ] = None,
    encoder: Annotated[
        Path | None,
        typer.Option(help="the folder to start from: a pretrained encoder, or a whole version of ours to go on from"),
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(help="learn from this version's answers, too, to labelled and unlabelled texts; may be repeated"),
    ] = None,
    labels: Annotated[bool, typer.Option("--labels", help="learn from what persons said in the database, too")] = False,
    freeze: Annotated[str | None, typer.Option(help="what learns: head, top-k, lora or full")] = None,
    epochs: Annotated[int | None, typer.Option(help="how often every example is read", min=1)] = None,
    seed: Annotated[int, typer.Option(help="the same seed trains alike")] = 0,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="another value of the recipe, NAME=VALUE; may be repeated")
    ] = None,
) -> None:
    """Train a version on labelled sets and calibrate it. A killed run of the same name goes on where it was."""
    from training.commands import Order, train_version

    settings, now = start("train", level="warning"), datetime.now(UTC)
    named = {"freeze": freeze, "epochs": epochs, "seed": seed}
    changes = {name: value for name, value in named.items() if value is not None}
    order = Order(
        recipe,
        version or f"{recipe}-{now:%Y%m%d-%H%M}",
        data,
        encoder,
        tuple(teacher or ()),
        changes,
        tuple(change or ()),
    )
    train_version(order, settings, labels, now)


@verbs.command()
def evaluate(
    data: DataOption,
    model: Annotated[str, typer.Argument(help="a name or a folder")] = "small",
    split: Annotated[str, typer.Option(help="validation while working; test for a release's table")] = "validation",
) -> None:
    """Measure a version against baselines and write its report: scores, intervals, calibration, slices."""
    from monitor import app as wiring
    from training.commands import evaluate_version

    settings = start("evaluate", level="warning")
    companies = wiring.companies(settings)
    evaluate_version(model, settings.data_dir, data, split, companies, datetime.now(UTC), device=settings.device)


@verbs.command()
def tune(
    data: DataOption,
    encoder: Annotated[Path, typer.Option(help="the folder of a pretrained encoder, e.g. all-MiniLM-L6-v2")],
    recipe: Annotated[str, typer.Argument(help="whose configuration is varied: small or base")] = "small",
    trials: Annotated[int, typer.Option(help="until so many are done, those of earlier runs counted", min=1)] = 20,
    epochs: Annotated[int, typer.Option(help="of each trial", min=1)] = 2,
    share: Annotated[float, typer.Option(help="of the training examples a trial learns from", min=0.01, max=1)] = 0.25,
) -> None:
    """Search for a better configuration by validation score. Ends what lags early; goes on where it was stopped."""
    from training.tune import Search
    from training.tune import tune as search

    settings = start("tune", level="warning")
    search(Search(recipe, data, encoder, epochs, share), trials, settings.data_dir, device=settings.device)


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """Which version is in service, which were before, which are here."""
    if context.invoked_subcommand is None:
        from monitor import app as wiring
        from training.commands import list_models as here
        from training.promote import service_lines

        settings = start("models", level="warning")
        with wiring.database(settings) as database:
            print("\n".join([*service_lines(database), "", *here(settings.data_dir)]))


@models_app.command("list")
def list_models() -> None:
    """One line a version: its name, when it was made, how good it is, where it lies."""
    from training.commands import list_models as lines

    print("\n".join(lines(start("models", level="warning").data_dir)))


@models_app.command("show")
def show_model(name: Annotated[str, typer.Argument(help="a name or a folder")]) -> None:
    """What a version says of itself: data, configuration, temperatures, scores."""
    from training.commands import show_model as show

    print(show(name, start("models", level="warning").data_dir))


@verbs.command()
def rescore(
    since: Annotated[datetime, typer.Option(help="judge news counted on this day or later (UTC)")],
    model: Annotated[str | None, typer.Option(help="a version; the one in service if absent")] = None,
) -> None:
    """Judge stored news under a version that has not yet. Adds, never overwrites, rings nothing; goes on if stopped."""
    from monitor import app as wiring
    from monitor.errors import UsageError
    from monitor.rescoring import rescore_stored
    from monitor.store.models import in_service

    settings = start("rescore", level="warning")
    with wiring.database(settings) as database:
        name = model or in_service(database)
        if name is None:
            raise UsageError("no model is in service; name one with --model")
        done = rescore_stored(database, wiring.version(settings, name), since.replace(tzinfo=UTC), wiring.clock)
    print(f"{done.version}: {done.scored:,} articles judged, {done.known:,} were already")


@verbs.command()
def promote(
    version: Annotated[str, typer.Argument(help="the candidate: a name or a folder")],
    data: Annotated[
        list[Path] | None,
        typer.Option(help="the folder of labelled sets, for the gate split; more: others that a version learned from"),
    ] = None,
    force: Annotated[str, typer.Option(help="why it shall serve where labels to judge it by are lacking; kept")] = "",
) -> None:
    """Put a version in service if it is better: the gate, its last 35 days re-scored, the flip. Workers follow."""
    from monitor import app as wiring
    from training.promote import promote as put_in_service
    from training.weigh import gate_of

    settings = start("promote", level="warning")
    with wiring.database(settings) as database:
        put_in_service(
            database,
            wiring.candidate(settings, version),
            lambda name: wiring.version(settings, name),
            gate_of(data or ()),
            person(settings),
            force,
            wiring.clock,
            print,
        )


@verbs.command()
def rollback(reason: Annotated[str, typer.Option(help="why; kept")] = "") -> None:
    """Put the version that served before in service again, with what it has missed since."""
    from monitor import app as wiring
    from training.promote import roll_back

    settings = start("rollback", level="warning")
    with wiring.database(settings) as database:
        roll_back(database, lambda name: wiring.version(settings, name), person(settings), reason, wiring.clock, print)
