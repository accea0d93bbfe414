"""A child process that judges the files of one request; `file_judge` starts it."""

from __future__ import annotations

import dataclasses
import sys
import traceback
from pathlib import Path

from harness.errors import UsageError, one_line
from harness.isolation.file_request import FileRequest, Last, SendingObserver
from harness.isolation.limits import limit_allocations
from harness.isolation.setup import open_channel
from harness.judge.observer import Observer, Progress
from harness.judge.profiles import Profile, get_profile


def main(request_text: str, channel_descriptor: int, parent: int) -> None:
    """Judge what the request asks for, write its records to a journal, and send progress."""
    request = FileRequest.load(request_text)
    with open_channel(channel_descriptor, parent) as channel:
        observer = SendingObserver(
            lambda line: channel.sendall(line.encode() + b"\n"), request.journals
        )
        observer.end(_answer(request, observer))


def _answer(request: FileRequest, observer: Observer) -> Last:
    """Judge the files of a request and return how that ended, also if an error is raised."""
    try:
        observer.progress(Progress(stage="importing torch and ONNX Runtime"))
        _prepare(request)
        judge_request(request, observer)
    except UsageError as error:
        return Last(refused=str(error))
    except BaseException as error:  # an exporter may call sys.exit
        raised = f"{type(error).__name__}: {one_line(error)}"
        return Last(raised=raised, traceback=traceback.format_exc())
    return Last()


def _prepare(request: FileRequest) -> None:
    """Import config modules and libraries, and limit what this process may allocate after that."""
    import onnxruntime
    import torch

    from harness.configs.config_modules import load_config_modules

    assert onnxruntime
    assert torch
    load_config_modules(request.config_modules)
    limit_allocations(request.memory)


def judge_request(request: FileRequest, observer: Observer) -> None:
    """Judge files, or export them first if the request names an exporter, in this process."""
    from harness.judge.check_files import check_files, export_and_check
    from harness.judge.file_report import FileOptions

    place = Path(request.place)
    options = FileOptions(
        requirements=request.requirements,
        atol=request.atol,
        seed=request.seed,
        profile=_profile(request),
        strict_domain=request.strict_domain,
        budget=request.budget,
        min_top1=request.min_top1,
        memory=request.memory,
        observer=observer,
    )
    if request.exporter is None:
        check_files(
            place,
            request.model,
            request.task,
            variant=request.variant,
            opset=request.opset,
            allow_domains=request.allow_domains,
            trust_remote_code=request.trust_remote_code,
            options=options,
        )
    else:
        export_and_check(
            request.model,
            request.task,
            place,
            opset=request.opset,
            exporter=request.exporter,
            trust_remote_code=request.trust_remote_code,
            options=options,
        )


def _profile(request: FileRequest) -> Profile:
    profile = get_profile(request.profile)
    if request.max_examples is None:
        return profile
    return dataclasses.replace(profile, max_examples=request.max_examples)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
