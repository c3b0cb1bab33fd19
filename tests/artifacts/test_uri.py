"""URIs: shown without secrets, and files kept below their root."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.artifacts.uri import beside, file_path, path_below, scheme_of, shown
from tidegate.errors import Terminal


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("https://user:pass@host:8443/a/b?sig=1#x", "https://host:8443/a/b?…"),
        ("https://host/a", "https://host/a"),
        ("file:///a/b", "file:///a/b"),
        ("http://host:port/a", "the URI"),
        ("https://[::1/a", "the URI"),
    ],
)
def test_a_uri_is_shown_without_user_password_and_query(uri: str, said: str) -> None:
    assert shown(uri) == said


def test_the_scheme_is_in_lower_case() -> None:
    assert scheme_of("HTTPS://host/a") == "https"
    assert scheme_of("model.skops") == ""


def test_a_file_uri_is_an_absolute_path() -> None:
    assert file_path("file:///a/b%20c") == Path("/a/b c")
    assert file_path("file://localhost/a") == Path("/a")


@pytest.mark.parametrize("uri", ["file://host/a", "file:a", "file://", "file:///a%00b"])
def test_a_file_uri_that_is_no_absolute_path_is_refused(uri: str) -> None:
    with pytest.raises(Terminal) as caught:
        file_path(uri)
    assert caught.value.reason == "UriInvalid"


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("https://a.b/models/v1/m.skops", "https://a.b/models/v1/profile.json"),
        ("https://u:p@a.b:8443/m?sig=x#y", "https://u:p@a.b:8443/profile.json"),
        ("file:///a%20b/m", "file:///a%20b/profile.json"),
    ],
)
def test_a_file_beside_another_is_in_its_folder_and_has_no_query(uri: str, wanted: str) -> None:
    assert beside(uri, "profile.json") == wanted


def test_a_path_stays_below_its_root_whatever_the_links(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "v1").mkdir(parents=True)
    (root / "current").symlink_to("v1")
    (root / "out").symlink_to(tmp_path)
    (tmp_path / "roots").mkdir()
    assert path_below(root, root / "current" / "m") == root / "v1" / "m"
    for outside in (root / "out" / "m", root / ".." / "m", tmp_path / "roots" / "m", Path("/")):
        with pytest.raises(Terminal) as caught:
            path_below(root, outside)
        assert caught.value.reason == "FileOutsideRoot"
        assert f"below {root}," in str(caught.value)


def test_a_root_may_itself_be_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert path_below(tmp_path / "link", tmp_path / "link" / "m") == tmp_path / "real" / "m"


def test_without_a_root_no_file_may_be_read(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="TIDEGATE_FILE_ROOT"):
        path_below(None, tmp_path)
