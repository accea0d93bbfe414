"""Small files of models of the hub: fetched if they exist, and then in the local cache."""

from __future__ import annotations

from pathlib import Path


def fetch_file(hub_id: str, name: str) -> Path | None:
    """Return the path of a file in the cache; None if the model lacks it or the hub is not reached.

    The folder of the file is the cached snapshot, which may lack other files of the model.
    """
    from transformers.utils import cached_file

    try:
        path = cached_file(
            hub_id,
            name,
            _raise_exceptions_for_gated_repo=False,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    except (OSError, ValueError):  # no such model, or no id
        return None
    return None if path is None else Path(path)
