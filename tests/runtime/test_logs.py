"""Logs are one JSON object a line, with the fields of whoever asked for the work."""

from __future__ import annotations

import asyncio
import logging
import sys

import orjson

from tidegate.runtime.logs import JsonLines, bound, get_logger


class Lines(logging.Handler):
    """Keeps what is logged, formatted."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.lines: list[dict[str, object]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(orjson.loads(self.format(record)))


def listening(name: str) -> Lines:
    lines = Lines()
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)
    logger.handlers[:] = [lines]
    logger.propagate = False
    return lines


def test_a_line_carries_the_event_and_its_fields() -> None:
    lines = listening("test.logs.one")
    get_logger("test.logs.one").info("revision created", revision="a-1", ready=2)

    (line,) = lines.lines
    assert (line["event"], line["level"]) == ("revision created", "info")
    assert (line["revision"], line["ready"]) == ("a-1", 2)


def test_fields_named_like_a_log_records_own_are_no_trouble() -> None:
    lines = listening("test.logs.names")
    get_logger("test.logs.names").info("told", name="flights", args=1, module="m")

    assert lines.lines[0]["name"] == "flights"


def test_bound_fields_stand_on_every_line_inside_also_of_libraries() -> None:
    lines = listening("test.logs.two")
    with bound(kind="Model"), bound(name="a"):
        get_logger("test.logs.two").warning("ours")
        logging.getLogger("test.logs.two").warning("a library's %s", "line")
    logging.getLogger("test.logs.two").warning("outside")

    assert [(line.get("kind"), line.get("name"), line["event"]) for line in lines.lines] == [
        ("Model", "a", "ours"),
        ("Model", "a", "a library's line"),
        (None, None, "outside"),
    ]


async def test_tasks_do_not_mix_their_fields() -> None:
    lines = listening("test.logs.three")

    async def work(name: str) -> None:
        with bound(name=name):
            await asyncio.sleep(0)
            get_logger("test.logs.three").info(name)

    await asyncio.gather(work("a"), work("b"))

    assert all(line["name"] == line["event"] for line in lines.lines)


def test_an_error_brings_its_traceback_and_values_that_are_no_json_are_written_as_text() -> None:
    lines = listening("test.logs.four")
    try:
        raise ValueError("a bug")
    except ValueError as error:
        get_logger("test.logs.four").error("failed", error=error, what=sys)

    (line,) = lines.lines
    assert "ValueError: a bug" in str(line["traceback"])
    assert "module 'sys'" in str(line["what"])
