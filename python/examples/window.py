"""A window with FreeSimpleGUI: shows a section, follows changes as they happen, and commits edits.

python window.py network.lan
"""

from __future__ import annotations

import sys
import tkinter
from typing import Any, Dict

import FreeSimpleGUI as sg

import cms


def shown(value: Any) -> str:
    """Formats a value for a field: the items of a list with blanks between."""
    return " ".join(value) if isinstance(value, list) else str(value or "")


class SectionWindow:
    """A field for each option of a section."""

    def __init__(self, store: cms.Store, key: str) -> None:
        self.store = store
        self.watch = store.watch(key)
        section = store.section(key)
        self.section = section.key
        self.committed: Dict[str, Any] = section.to_dict()
        rows = [[sg.Text(name, size=12), sg.Input(shown(value), key=name)] for name, value in self.committed.items()]
        buttons = [sg.Button("Save"), sg.Button("Undo"), sg.Text("", key="said", size=50)]
        self.window = sg.Window(section.key, [*rows, buttons], finalize=True)
        # Tk itself waits for changes, as for the mouse and the keyboard. A callback of store.subscribe would run on
        # another thread, which would have to wait for Tk, while closing waits for the callback.
        self.window.TKroot.tk.createfilehandler(self.watch, tkinter.READABLE, self.tell)

    def tell(self, *_: object) -> None:
        try:
            entry = self.watch.next(0)
            while entry:
                self.window.write_event_value("changed", entry)
                entry = self.watch.next(0)
        except cms.Error as error:
            self.window["said"].update(str(error))

    def close(self) -> None:
        self.window.TKroot.tk.deletefilehandler(self.watch)
        self.watch.close()
        self.window.close()

    def step(self, timeout: Any = None) -> bool:
        """Handles the next event; returns False when the window is closed."""
        event, values = self.window.read(timeout=timeout)
        if event in (sg.WIN_CLOSED, None):
            return False
        try:
            if event == "Save":
                self.save(values)
            elif event == "Undo":
                self.store.undo(message="undone in the window")
            elif event == "changed":
                self.show(values["changed"])
        except cms.Error as error:
            self.window["said"].update(str(error))
        return True

    def save(self, values: Dict[str, Any]) -> None:
        """Commits only the fields that were edited: other programs may have changed the others meanwhile."""
        with self.store.transaction() as txn:
            for name, value in self.committed.items():
                if values[name] != shown(value):
                    txn[f"{self.section}.{name}"] = values[name].split() if isinstance(value, list) else values[name]

    def show(self, entry: cms.Entry) -> None:
        """Shows the new values of a transaction in their fields; edits in other fields stay."""
        for change in entry.changes:
            name = change.key.rpartition(".")[2]
            if name in self.committed:
                self.committed[name] = change.new
                self.window[name].update(shown(change.new))
        self.window["said"].update(f"revision {entry.revision}, through {entry.source}")


def main(key: str) -> None:
    with cms.open(source="window") as store:
        window = SectionWindow(store, key)
        try:
            while window.step():
                pass
        finally:
            window.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "network.lan")
