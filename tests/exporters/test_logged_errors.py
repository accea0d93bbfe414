"""Errors that an exporter logs are collected."""

from __future__ import annotations

import logging

import pytest

from harness.exporters._logged import logged_errors


def log_error(level: int) -> None:
    try:
        raise ValueError("no adapter\n  for Pad")
    except ValueError:
        logging.getLogger("some.exporter").log(level, "not converted", exc_info=True)


@pytest.mark.parametrize("level", [logging.WARNING, logging.ERROR])
def test_a_logged_error_is_one_line_with_its_type(level: int) -> None:
    with logged_errors() as errors:
        log_error(level)
    assert errors == ["ValueError: no adapter for Pad"]


def test_warnings_without_an_error_and_details_are_not_collected() -> None:
    with logged_errors() as errors:
        logging.getLogger("some.exporter").warning("slow")
        log_error(logging.DEBUG)
    assert errors == []


def test_each_block_collects_its_own_errors_and_ends() -> None:
    with logged_errors() as first:
        log_error(logging.WARNING)
    with logged_errors() as second:
        pass
    log_error(logging.WARNING)
    assert (len(first), second) == (1, [])
