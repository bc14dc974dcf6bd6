"""`darksound settings`."""

import typer

from darksound.cli.options import CommonOptions, LearnerOptions, TrainingOptions, flattened
from darksound.cli.perform import endings, settings_from

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("settings")(flattened(settings))


def settings(common: CommonOptions, learner: LearnerOptions, training: TrainingOptions) -> None:
    """Print the settings in force, as TOML that --config takes back."""
    with endings(common):
        from darksound.settings import to_toml

        typer.echo(to_toml(settings_from(common, learner.flags(), training.flags())), nl=False)
