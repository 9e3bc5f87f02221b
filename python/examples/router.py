"""A command-line tool with Typer: reads, changes, shows the history, undoes the last change.

python router.py show network.lan
python router.py set network.lan.ipaddr 192.168.7.1
python router.py log network.lan.ipaddr
python router.py undo
"""

from __future__ import annotations

from typing import List

import typer

import cms

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@app.callback()
def main(context: typer.Context) -> None:
    """Opens the store once, for the command that follows."""
    context.obj = context.with_resource(cms.open(source="router.py"))


@app.command()
def get(context: typer.Context, key: str) -> None:
    """Print a value; each item of a list on its own line."""
    store: cms.Store = context.obj
    for item in store.list(key):
        typer.echo(item)


@app.command()
def show(context: typer.Context, key: str) -> None:
    """Print a section."""
    store: cms.Store = context.obj
    section = store.section(key)
    typer.echo(f"{section.key}={section.type}")
    for name, value in section.items():
        typer.echo(f"{section.key}.{name}={value}")


@app.command(name="set")
def set_value(context: typer.Context, key: str, values: List[str]) -> None:
    """Set an option to a value, or to a list of values."""
    store: cms.Store = context.obj
    revision = store.set(key, values if len(values) > 1 else values[0])
    typer.echo(f"revision {revision}")


@app.command()
def log(context: typer.Context, key: str, limit: int = 10) -> None:
    """Show who changed a key, and how."""
    store: cms.Store = context.obj
    for entry in store.history(key, limit=limit):
        typer.echo(f"{entry.revision} {entry.time:%Y-%m-%d %H:%M:%S} {entry.source} {entry.message}".rstrip())
        for change in entry.changes:
            typer.echo(f"    {change.key}: {change.old} -> {change.new}")


@app.command()
def undo(context: typer.Context) -> None:
    """Undo the last change."""
    store: cms.Store = context.obj
    typer.echo(f"revision {store.undo(message='undone by router.py')}")


def run() -> int:
    """Prints an error on one line, with file, line and hint, instead of a traceback."""
    try:
        app()
    except cms.Error as error:
        typer.echo(f"router.py: {error}", err=True)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(run())
