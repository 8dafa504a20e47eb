"""Outputs that cannot be written are refused before work begins, and nothing is left behind."""

import os

import pytest

from skdict._outputs import check_disk_space, check_output_file, check_output_folder


def test_what_can_be_written_is_let_pass(tmp_path):
    (tmp_path / "there.html").write_text("before")
    for path in (tmp_path / "a" / "b" / "new.html", tmp_path / "there.html"):
        check_output_file("path", path)
    check_output_folder("--out", tmp_path / "x" / "y")
    check_output_folder("--out", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["there.html"]
    assert (tmp_path / "there.html").read_text() == "before"


def test_files_and_folders_are_told_apart(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"path=.* is a folder; pass a file"):
        check_output_file("path", tmp_path)
    with pytest.raises(ValueError, match=r"--out=.*file' is a file; pass a new or existing folder"):
        check_output_folder("--out", tmp_path / "file")
    for check in (check_output_file, check_output_folder):
        with pytest.raises(ValueError, match=r"--out=.* cannot be written to"):
            check("--out", tmp_path / "file" / "within")
        with pytest.raises(ValueError, match=r"--out=.* cannot be written to .*too long"):
            check("--out", tmp_path / ("x" * 300))
        with pytest.raises(ValueError, match="null character"):
            check("--out", "a\x00b")
        with pytest.raises(TypeError, match=r"--out=3 is not a path; pass a str"):
            check("--out", 3)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folders_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match="Permission denied.*make it writable"):
        check_output_file("path", tmp_path / "a" / "page.html")


def test_places_that_nobody_can_write_to():
    # Files of the kernel are folders in which nothing can be made.
    with pytest.raises(ValueError, match=r"--out='/proc/skdict/out' cannot be written to"):
        check_output_folder("--out", "/proc/skdict/out")


def test_full_disks(tmp_path):
    check_disk_space("--out", tmp_path / "new", 1)
    with pytest.raises(ValueError, match=r"--out=.* needs about .* MB are free"):
        check_disk_space("--out", tmp_path / "new", 1e18)
