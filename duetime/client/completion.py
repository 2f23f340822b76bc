"""Completes command lines, also those of the commands that run servers."""

import argparse
from collections.abc import Callable, Iterator
from inspect import Parameter, Signature
from typing import Annotated, Any

import typer

from duetime.client import CLIENT_COMMANDS
from duetime.client.main import application


def complete(servers: argparse.ArgumentParser) -> None:
    """Answer a shell's completion request, which is in the environment, for all commands. `servers` is the parser of
    the server commands."""
    app = application(completes=True)
    add_commands(app, servers)
    app(prog_name="duetime")


def add_commands(app: typer.Typer, parser: argparse.ArgumentParser) -> None:
    """Add the commands of a parser, with the parts that completion needs."""
    for name, below, text in commands_of(parser):
        if name in CLIENT_COMMANDS:
            continue
        if any(commands_of(below)):
            group = typer.Typer(help=text)
            add_commands(group, below)
            app.add_typer(group, name=name, help=text)
        else:
            app.command(name, help=text)(stand_in(below))


def commands_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Yield the commands below a parser: name, parser, and help."""
    for action in actions_of(parser):
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 (argparse shows them in no other way)
            help_of = {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001
            yield from ((name, below, help_of.get(name, "")) for name, below in action.choices.items())


def actions_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the options and arguments of a parser."""
    return parser._actions  # noqa: SLF001 (argparse shows them in no other way)


def stand_in(parser: argparse.ArgumentParser) -> Callable[..., None]:
    """Return a function that has the options and arguments of a parser, and is never called."""

    def command() -> None: ...

    parameters = [
        parameter_of(action)
        for action in actions_of(parser)
        if not isinstance(action, argparse._HelpAction)  # noqa: SLF001
    ]
    annotations: dict[str, Any] = {parameter.name: parameter.annotation for parameter in parameters}
    vars(command).update(__signature__=Signature(parameters))
    command.__annotations__ = annotations
    return command


def parameter_of(action: argparse.Action) -> Parameter:
    """Return an option or argument as a parameter that Typer reads."""
    kind = str | None if action.nargs != 0 else bool
    choices = [str(choice) for choice in action.choices or ()]
    completing = (lambda: choices) if choices else None
    described = (
        typer.Option(*action.option_strings, help=action.help, autocompletion=completing)
        if action.option_strings
        else typer.Argument(help=action.help, autocompletion=completing)
    )
    default = False if kind is bool else None
    return Parameter(action.dest, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, described])
